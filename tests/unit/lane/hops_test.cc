#include "host/lane/hops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <variant>

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr LaneId kStage = 0;     // The first hop, of dispatcher 0.
constexpr LaneId kTarget = 1;    // Of dispatcher 1.
constexpr LaneId kObserver = 2;  // Of the target, in dispatcher 0.
constexpr LaneId kCalls = 3;     // Of dispatcher 1.
constexpr LaneId kAlone = 4;     // Without stages, of dispatcher 1.

LaneOptions Hop(LaneId id) {
  LaneOptions lane;
  lane.id = id;
  return lane;
}

class HopsOfTwoTest : public ::testing::Test {
 protected:
  static DispatcherOptions Stages() {
    DispatcherOptions options;
    LaneOptions stage = Hop(kStage);
    stage.next = kTarget;
    LaneOptions observer = Hop(kObserver);
    observer.first = false;
    observer.next = kTarget;
    observer.observes = true;
    options.lanes = {stage, observer};
    return options;
  }
  static DispatcherOptions Targets() {
    DispatcherOptions options;
    LaneOptions target = Hop(kTarget);
    target.first = false;
    LaneOptions calls = Hop(kCalls);
    calls.calls = true;
    options.lanes = {target, calls, Hop(kAlone)};
    return options;
  }
  static bus::Delivery Delivery(LaneId lane, bus::Tag tag) {
    bus::Delivery delivery;
    delivery.lane = lane;
    delivery.tag = tag;
    return delivery;
  }
  static bus::Settlement Settlement(LaneId lane, bus::End end, uint64_t cookie = 9) {
    bus::Settlement settlement;
    settlement.lane = lane;
    settlement.cookie = cookie;
    settlement.end = end;
    return settlement;
  }
  // The next turn, which has to be one of this kind for this dispatcher.
  template <typename T>
  T Take(size_t dispatcher) {
    std::optional<Hops::Turn> turn = hops_.Next();
    if (!turn || turn->dispatcher != dispatcher || !std::holds_alternative<T>(turn->input)) {
      ADD_FAILURE() << "another turn, or none";
      return T();
    }
    return std::get<T>(std::move(turn->input));
  }

  const DispatcherOptions stages_ = Stages();
  const DispatcherOptions targets_ = Targets();
  Hops hops_{{&stages_, &targets_}};
  Effects effects_;
};

TEST_F(HopsOfTwoTest, WhatIsForwardedGoesToTheNextHopsDispatcherInOneBatch) {
  effects_.forwards.push_back(Delivery(kTarget, 1));
  effects_.forwards.push_back(Delivery(kTarget, 2));
  hops_.TakeFrom(&effects_);
  EXPECT_THAT(effects_.forwards, IsEmpty());
  EXPECT_THAT(Take<DeliveriesArrived>(1).deliveries, SizeIs(2));
  EXPECT_FALSE(hops_.Next());
}

TEST_F(HopsOfTwoTest, AnEndComesBackAndIsSettledAtOnceWhereItWas) {
  effects_.settlements.push_back(Settlement(kTarget, bus::End::kDone));
  effects_.settlements.push_back(Settlement(kStage, bus::End::kDone));
  effects_.settlements.push_back(Settlement(kAlone, bus::End::kDead));
  hops_.TakeFrom(&effects_);
  ASSERT_THAT(effects_.settlements, SizeIs(2)) << "those of first hops are the bus's";
  const auto settled = Take<SettlesArrived>(1);
  ASSERT_THAT(settled.settled, SizeIs(1));
  EXPECT_EQ(settled.settled[0].cookie, 9u);
  EXPECT_TRUE(settled.settled[0].status.ok());
  const auto ended = Take<NextEnded>(0);
  ASSERT_THAT(ended.settlements, SizeIs(1));
  EXPECT_EQ(ended.settlements[0].lane, kStage);
}

TEST_F(HopsOfTwoTest, CreditGoesBackFirst) {
  effects_.forwards.push_back(Delivery(kTarget, 1));
  effects_.credits = {{kTarget, 5}, {kStage, 7}, {kAlone, 8}};
  hops_.TakeFrom(&effects_);
  ASSERT_THAT(effects_.credits, SizeIs(2));
  EXPECT_EQ(effects_.credits[0].lane, kStage);
  Take<DeliveriesArrived>(1);
  const auto credit = Take<NextCredit>(0);
  EXPECT_EQ(credit.lane, kStage);
  EXPECT_EQ(credit.more, 5u);
}

TEST_F(HopsOfTwoTest, AnObserverGetsCopiesAsFarAsItHasRoom) {
  effects_.credits = {{kObserver, 1}};
  hops_.TakeFrom(&effects_);
  EXPECT_THAT(effects_.credits, IsEmpty());
  effects_.forwards.push_back(Delivery(kTarget, 1));
  effects_.forwards.push_back(Delivery(kTarget, 2));
  hops_.TakeFrom(&effects_);
  const auto copies = Take<DeliveriesArrived>(0);
  ASSERT_THAT(copies.deliveries, SizeIs(1));
  EXPECT_EQ(copies.deliveries[0].lane, kObserver);
  EXPECT_EQ(hops_.missed(kObserver), 1u);
  Take<DeliveriesArrived>(1);
  // Whatever it says ends there.
  effects_.settlements.push_back(Settlement(kObserver, bus::End::kDropped));
  hops_.TakeFrom(&effects_);
  EXPECT_THAT(effects_.settlements, IsEmpty());
  Take<SettlesArrived>(0);
  EXPECT_FALSE(hops_.Next());
}

TEST_F(HopsOfTwoTest, ACallComesBeforeItsCancellation) {
  hops_.GiveUp(kCalls, 3);
  CallsArrived::Item call;
  call.lane = kCalls;
  call.call = 3;
  hops_.Call(std::move(call));
  EXPECT_THAT(Take<CallsArrived>(1).calls, SizeIs(1));
  EXPECT_THAT(Take<CallsCancelled>(1).calls, ElementsAre(3u));
}

TEST_F(HopsOfTwoTest, KnowsWhichLaneAHopBelongsTo) {
  EXPECT_EQ(hops_.LaneOf(kTarget), kStage);
  EXPECT_EQ(hops_.LaneOf(kObserver), kStage);
  EXPECT_EQ(hops_.LaneOf(kAlone), kAlone);
  EXPECT_EQ(hops_.DispatcherOf(kTarget), 1u);
  EXPECT_THAT(hops_.ObserversOf(kTarget), ElementsAre(kObserver));
  EXPECT_THAT(hops_.ObserversOf(kStage), IsEmpty());
}

TEST_F(HopsOfTwoTest, AnotherConfigLeavesWhatObserversHave) {
  effects_.credits = {{kObserver, 1}};
  hops_.TakeFrom(&effects_);
  effects_.forwards.push_back(Delivery(kTarget, 1));
  effects_.forwards.push_back(Delivery(kTarget, 2));
  hops_.TakeFrom(&effects_);
  while (hops_.Next()) {
  }
  EXPECT_EQ(hops_.missed(kObserver), 1u);
  DispatcherOptions targets = Targets();
  targets.lanes.push_back(Hop(9));
  const DispatcherOptions third;
  hops_.Configure({&stages_, &targets, &third});
  EXPECT_EQ(hops_.missed(kObserver), 1u);
  EXPECT_TRUE(hops_.Has(9));
  EXPECT_EQ(hops_.DispatcherOf(9), 1u);
  hops_.Configure({&stages_, &targets_, &third});
  EXPECT_FALSE(hops_.Has(9));
  EXPECT_EQ(hops_.LaneOf(kTarget), kStage);
}

}  // namespace
}  // namespace outboard::lane

#include "host/lane/lane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "host/event/wire.h"
#include "tests/unit/event/wire_text.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LaneTest : public ::testing::Test {
 protected:
  // A lane ordered by `key`.
  static LaneOptions Ordered() {
    LaneOptions options;
    options.order_by = "key";
    return options;
  }

  Item* Admit(Lane& lane, const std::string& key = "", size_t bytes = 100) {
    std::string wire = wire_text::Core();
    if (!key.empty()) wire += wire_text::StringAttribute("key", key);
    Item& item = items_.emplace_back();
    item.event = *CheckEvent(wire);
    item.bytes = bytes;
    item.lane = &lane;
    item.sequence = items_.size();
    lane.Admit(&item);
    return &item;
  }

  // What a settlement does to the lane.
  static void End(Lane& lane, Item* item) {
    if (item->state == ItemState::kReady) lane.EraseReady(item);
    lane.FreeKey(item, false);
    lane.Forget(*item);
  }

  static std::vector<uint64_t> Sequences(const std::vector<Item*>& items) {
    std::vector<uint64_t> out;
    for (const Item* item : items) out.push_back(item->sequence);
    return out;
  }

  DispatcherOptions all_;
  std::deque<Item> items_;
};

TEST_F(LaneTest, QueuesWhatArrivesInItsOrder) {
  Lane lane({}, all_);
  Item* first = Admit(lane);
  Item* second = Admit(lane);
  EXPECT_EQ(lane.front(), first);
  lane.PopFront();
  EXPECT_EQ(lane.front(), second);
  EXPECT_EQ(lane.ready_count(), 1u);
  EXPECT_EQ(lane.stats.received, 2u);
  EXPECT_EQ(lane.stats.ready, 1u);
}

TEST_F(LaneTest, AnUnorderedLaneKnowsNoKeys) {
  Lane lane({}, all_);
  EXPECT_FALSE(lane.ordered());
  EXPECT_EQ(Admit(lane, "k")->key, nullptr);
  EXPECT_EQ(Admit(lane, "k")->key, nullptr);
  EXPECT_EQ(lane.ready_count(), 2u);
}

TEST_F(LaneTest, ParksLaterEventsOfAKeyUntilItIsFree) {
  Lane lane(Ordered(), all_);
  Item* first = Admit(lane, "k");
  Item* second = Admit(lane, "k");
  Item* other = Admit(lane, "m");
  EXPECT_EQ(second->state, ItemState::kParked);
  EXPECT_EQ(lane.ready_count(), 2u);
  EXPECT_EQ(lane.stats.parked, 1u);
  End(lane, first);
  EXPECT_EQ(second->state, ItemState::kReady);
  EXPECT_EQ(other->state, ItemState::kReady);
  EXPECT_EQ(lane.stats.parked, 0u);
}

TEST_F(LaneTest, AnEventWithoutTheAttributeHasNoKey) {
  Lane lane(Ordered(), all_);
  EXPECT_EQ(Admit(lane)->key, nullptr);
  EXPECT_EQ(Admit(lane)->key, nullptr);
  EXPECT_EQ(lane.ready_count(), 2u);
}

TEST_F(LaneTest, AKeyStaysTakenWhileASessionOwesAnAnswerForIt) {
  Lane lane(Ordered(), all_);
  Item* first = Admit(lane, "k");
  Item* second = Admit(lane, "k");
  Key* key = first->key;
  lane.PopFront();
  key->owed = 2;
  End(lane, first);
  EXPECT_EQ(second->state, ItemState::kParked);
  lane.FreeOwed(key);
  EXPECT_EQ(second->state, ItemState::kParked);
  lane.FreeOwed(key);
  EXPECT_EQ(second->state, ItemState::kReady);
}

TEST_F(LaneTest, AnOverdueRetryIsReadyWhenItsKeyIsNoLongerOwed) {
  Lane lane(Ordered(), all_);
  Item* item = Admit(lane, "k");
  lane.PopFront();
  item->state = ItemState::kWaiting;
  item->overdue = true;
  ++lane.waiting;
  ++lane.stats.held;
  item->key->owed = 1;
  lane.FreeOwed(item->key);
  EXPECT_EQ(item->state, ItemState::kReady);
  EXPECT_FALSE(item->overdue);
  EXPECT_EQ(lane.waiting, 0u);
  EXPECT_EQ(lane.stats.held, 0u);
}

TEST_F(LaneTest, TakesAParkedRunOfAKeyInOrder) {
  Lane lane(Ordered(), all_);
  Item* first = Admit(lane, "k");
  Item* second = Admit(lane, "k");
  Item* third = Admit(lane, "k");
  lane.PopFront();
  EXPECT_EQ(lane.TakeParked(first->key), second);
  EXPECT_EQ(lane.TakeParked(first->key), third);
  EXPECT_EQ(lane.TakeParked(first->key), nullptr);
  EXPECT_THAT(first->key->active, ElementsAre(first, second, third));
  EXPECT_TRUE(Lane::IsOldestOfKey(*first));
  EXPECT_FALSE(Lane::IsOldestOfKey(*second));
}

TEST_F(LaneTest, WhatIsParkedAgainGoesToItsOldPlace) {
  Lane lane(Ordered(), all_);
  Item* first = Admit(lane, "k");
  Item* second = Admit(lane, "k");
  Item* third = Admit(lane, "k");
  lane.PopFront();
  lane.TakeParked(first->key);
  Key* key = first->key;
  lane.ParkAgain(second);
  EXPECT_THAT(key->parked, ElementsAre(second, third));
  EXPECT_EQ(lane.stats.parked, 2u);
}

TEST_F(LaneTest, PuttingBackInPlaceKeepsTheOrderOfArrival) {
  Lane lane({}, all_);
  Item* first = Admit(lane);
  Item* second = Admit(lane);
  lane.PopFront();
  lane.PopFront();
  Item* third = Admit(lane);
  lane.PushReadyInPlace(second);
  lane.PushReadyInPlace(first);
  EXPECT_EQ(lane.front(), first);
  lane.PopFront();
  EXPECT_EQ(lane.front(), second);
  lane.PopFront();
  EXPECT_EQ(lane.front(), third);
}

TEST_F(LaneTest, TakesAllThatIsQueuedInOrderOfArrival) {
  Lane lane(Ordered(), all_);
  Admit(lane, "k");
  Admit(lane, "k");
  Admit(lane, "m");
  Admit(lane, "k");
  const std::vector<Item*> taken = lane.TakeQueued(false, false);
  EXPECT_THAT(Sequences(taken), ElementsAre(1, 2, 3, 4));
  EXPECT_FALSE(lane.has_ready());
  EXPECT_EQ(lane.stats.ready, 0u);
  EXPECT_EQ(lane.stats.parked, 0u);
  for (Item* item : taken) End(lane, item);
  EXPECT_FALSE(lane.has_ready()) << "the end of the first must not bring back the others";
  EXPECT_EQ(lane.total(), 0u);
}

TEST_F(LaneTest, KeepsTheOldestReadyOneIfAsked) {
  Lane lane({}, all_);
  Item* first = Admit(lane);
  Admit(lane);
  EXPECT_THAT(Sequences(lane.TakeQueued(true, false)), ElementsAre(2));
  EXPECT_EQ(lane.front(), first);
  EXPECT_THAT(lane.TakeQueued(true, false), IsEmpty());
}

TEST_F(LaneTest, WantsNothingWithoutAWindow) {
  Lane lane({}, all_);
  EXPECT_EQ(lane.Wanted(0), 0u);
}

TEST_F(LaneTest, WantsTwoWindowsAndAFrame) {
  Lane lane({}, all_);
  EXPECT_EQ(lane.Wanted(16), 2 * 16 + all_.frame_deliveries);
  Admit(lane);
  EXPECT_EQ(lane.Wanted(16), 2 * 16 + all_.frame_deliveries - 1);
}

TEST_F(LaneTest, NeverHoldsMoreThanItsBound) {
  all_.lane_deliveries = 3;
  Lane lane({}, all_);
  EXPECT_EQ(lane.Wanted(16), 3u);
  for (int i = 0; i < 3; ++i) Admit(lane);
  EXPECT_EQ(lane.Wanted(16), 0u);
  lane.Forget(items_[0]);
  EXPECT_EQ(lane.Wanted(16), 1u);
}

TEST_F(LaneTest, WantsNothingOnceItsBytesAreReached) {
  all_.lane_bytes = 1000;
  Lane lane({}, all_);
  EXPECT_LE(lane.Wanted(16), 5u) << "as many as fit, by the typical size";
  Admit(lane, "", 999);
  EXPECT_EQ(lane.Wanted(16), 1u) << "the last may pass the bound";
  Admit(lane, "", 1);
  EXPECT_EQ(lane.Wanted(16), 0u);
}

TEST_F(LaneTest, AnOrderedLaneWantsNoMoreThanItMayHold) {
  all_.lane_held = 2;
  Lane lane(Ordered(), all_);
  Admit(lane, "k");
  EXPECT_EQ(lane.Wanted(16), 2u);
  Admit(lane, "k");
  EXPECT_EQ(lane.Wanted(16), 1u);
  EXPECT_FALSE(lane.held_full());
  Admit(lane, "k");
  EXPECT_EQ(lane.Wanted(16), 0u);
  EXPECT_TRUE(lane.held_full());
}

TEST_F(LaneTest, CreditIsUsedUpByArrivals) {
  Lane lane({}, all_);
  lane.credit = 1;
  Admit(lane);
  EXPECT_EQ(lane.credit, 0u);
  Admit(lane);
  EXPECT_EQ(lane.credit, 0u);
}

}  // namespace
}  // namespace outboard::lane

#include "host/app/dead_stops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/bus/memory/memory_bus.h"
#include "host/event/event.h"
#include "tests/unit/event/wire_text.h"

namespace outboard::app {
namespace {

using ::testing::HasSubstr;

constexpr char kName[] = "stories/worker";

// A bus with one lane, of which this makes dead letters, and what a shard would be told.
class DeadStopsTest : public ::testing::Test {
 protected:
  DeadStopsTest() : bus_(bus::MemoryBusOptions{&clock_}) {
    bus::LaneSpec spec;
    spec.name = kName;
    spec.filters = {{"", {}}};
    EXPECT_TRUE(bus_.Declare({spec}).ok());
    consumer_ = bus_.NewConsumer();
    EXPECT_TRUE(consumer_->Open(0, kName).ok());
    consumer_->SetCredit(0, 1000);
    stops_.stopped = true;
    stops_.stops = 1;
  }

  static bool Eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 3000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return condition();
  }

  // One more dead letter on the bus; the lane has stopped for it unless another made it.
  void Bury(bool by_another = false, const char* reason = "BAD") {
    auto event =
        CheckEvent(wire_text::Join({wire_text::Id("e1"), wire_text::Source("tracker"),
                                    wire_text::Version("1.0"), wire_text::Type("story.created")}));
    bus_.Publish({*event}, [](std::vector<bus::PublishResult>) {});
    bus::Arrivals arrivals;
    ASSERT_TRUE(Eventually([&] {
      consumer_->Poll(clock_.Now(), &arrivals);
      return !arrivals.deliveries.empty();
    }));
    bus::Settlement dead;
    dead.tag = arrivals.deliveries.front().tag;
    dead.end = bus::End::kDead;
    dead.dead = std::make_unique<bus::DeadReason>(bus::DeadReason{reason, "", ""});
    consumer_->Settle(std::move(dead));
    ASSERT_TRUE(Eventually([&] {
      consumer_->Poll(clock_.Now(), &arrivals);
      return !arrivals.settled.empty();
    }));
    if (by_another) return;
    MutexLock lock(mu_);
    stops_.stopped = true;
    ++stops_.stops;
  }

  std::unique_ptr<DeadStops> Watch(DeadStops::Passed passed = {}) {
    auto stops = std::make_unique<DeadStops>(&bus_, &clock_, std::move(passed));
    DeadStops::Lane lane;
    lane.name = kName;
    lane.stops = [this]() -> absl::StatusOr<shard::LaneStops> {
      MutexLock lock(mu_);
      ++asked_;
      return stops_;
    };
    lane.stop = [this] {
      MutexLock lock(mu_);
      stops_.stopped = true;
      ++stops_.stops;
    };
    lane.go_on = [this](uint64_t seen) {
      MutexLock lock(mu_);
      if (seen == stops_.stops) stops_.stopped = false;
    };
    stops->Watch({lane});
    return stops;
  }

  bool stopped() {
    MutexLock lock(mu_);
    return stops_.stopped;
  }
  void SetDying(uint64_t dying) {
    MutexLock lock(mu_);
    stops_.dying = dying;
  }
  // It was looked at twice more.
  void LookTwice(DeadStops& stops) {
    const auto asked = [this] {
      MutexLock lock(mu_);
      return asked_;
    };
    for (int i = 0; i < 2; ++i) {
      const int before = asked();
      stops.Look();
      ASSERT_TRUE(Eventually([&] { return asked() > before; }));
    }
  }

  RealClock clock_;
  bus::MemoryBus bus_;
  std::unique_ptr<bus::Consumer> consumer_;
  Mutex mu_;
  shard::LaneStops stops_ OUTBOARD_GUARDED_BY(mu_);
  int asked_ OUTBOARD_GUARDED_BY(mu_) = 0;
};

TEST_F(DeadStopsTest, ALaneWithoutLettersGoesOn) {
  const auto stops = Watch();
  EXPECT_TRUE(Eventually([this] { return !stopped(); }));
  EXPECT_TRUE(stops->stopped_by().empty());
}

TEST_F(DeadStopsTest, ALaneWithALetterStaysAndSaysWhich) {
  Bury();
  const auto stops = Watch();
  ASSERT_TRUE(Eventually([&] { return !stops->stopped_by().empty(); }));
  EXPECT_EQ(stops->stopped_by().at(kName).reason, "BAD");
  EXPECT_EQ(stops->stopped_by().at(kName).event_id, "e1");
  EXPECT_TRUE(stopped());
  ASSERT_EQ(*bus_.PurgeDead({}), 1u);
  stops->Look();
  EXPECT_TRUE(Eventually([this] { return !stopped(); }));
  EXPECT_TRUE(Eventually([&] { return stops->stopped_by().empty(); }));
}

TEST_F(DeadStopsTest, LettersThatGoWithoutAWordAreMissedToo) {
  Bury();
  const auto stops = Watch();
  ASSERT_TRUE(Eventually([&] { return !stops->stopped_by().empty(); }));
  ASSERT_EQ(*bus_.PurgeDead({}), 1u);
  EXPECT_TRUE(Eventually([this] { return !stopped(); }));
}

TEST_F(DeadStopsTest, ALetterOfAnotherStopsTheLane) {
  const auto stops = Watch();
  ASSERT_TRUE(Eventually([this] { return !stopped(); }));
  Bury(true);
  EXPECT_TRUE(Eventually([this] { return stopped(); }));
}

TEST_F(DeadStopsTest, NothingIsConcludedWhileALetterIsOnItsWay) {
  SetDying(1);
  const auto stops = Watch();
  LookTwice(*stops);
  EXPECT_TRUE(stopped());
  SetDying(0);
  EXPECT_TRUE(Eventually([this] { return !stopped(); }));
}

TEST_F(DeadStopsTest, APersonGoesOnPastLettersUntilThereIsAnother) {
  Bury();
  Bury();
  DeadStops::Passed kept;
  auto stops = Watch();
  const absl::StatusOr<uint64_t> passed = stops->Pass(kName, [&](const DeadStops::Passed& all) {
    kept = all;
    return absl::OkStatus();
  });
  ASSERT_TRUE(passed.ok()) << passed.status();
  EXPECT_EQ(*passed, 2u);
  EXPECT_EQ(kept.at(kName), 2u);
  EXPECT_TRUE(Eventually([this] { return !stopped(); }));
  // Also after a restart.
  {
    MutexLock lock(mu_);
    stops_.stopped = true;
  }
  stops.reset();
  stops = Watch(kept);
  EXPECT_TRUE(Eventually([this] { return !stopped(); }));
  Bury();
  ASSERT_TRUE(Eventually([&] { return !stops->stopped_by().empty(); }));
  EXPECT_EQ(stops->stopped_by().at(kName).dead_id, 3u);
  EXPECT_TRUE(stopped());
}

TEST_F(DeadStopsTest, OrphansStopNothing) {
  Bury(true, "ORPHANED");
  const auto stops = Watch();
  EXPECT_TRUE(Eventually([this] { return !stopped(); }));
  Bury();
  Bury(true, "ORPHANED");
  ASSERT_TRUE(Eventually([&] { return !stops->stopped_by().empty(); }));
  EXPECT_EQ(stops->stopped_by().at(kName).dead_id, 2u);
  // Their ids say nothing about those of the letters to come.
  const absl::StatusOr<uint64_t> passed =
      stops->Pass(kName, [](const DeadStops::Passed&) { return absl::OkStatus(); });
  ASSERT_TRUE(passed.ok()) << passed.status();
  EXPECT_EQ(*passed, 2u);
  EXPECT_TRUE(Eventually([this] { return !stopped(); }));
}

TEST_F(DeadStopsTest, AtItsEndItLooksAtNothingMore) {
  auto stops = std::make_unique<DeadStops>(&bus_, &clock_, DeadStops::Passed());
  std::atomic<bool> first_asked{false}, second_asked{false};
  const auto nothing = [] {};
  const auto go_on = [](uint64_t) {};
  const auto first = [&]() -> absl::StatusOr<shard::LaneStops> {
    stops->Stop();  // Meanwhile.
    first_asked = true;
    return shard::LaneStops();
  };
  const auto second = [&]() -> absl::StatusOr<shard::LaneStops> {
    second_asked = true;
    return shard::LaneStops();
  };
  stops->Watch({{kName, first, nothing, go_on}, {"stories/other", second, nothing, go_on}});
  ASSERT_TRUE(Eventually([&] { return first_asked.load(); }));
  stops.reset();
  EXPECT_FALSE(second_asked);
}

TEST_F(DeadStopsTest, WhatCannotBeKeptIsNotPassed) {
  Bury();
  const auto stops = Watch();
  const absl::StatusOr<uint64_t> passed = stops->Pass(
      kName, [](const DeadStops::Passed&) { return absl::UnavailableError("disk full"); });
  EXPECT_THAT(std::string(passed.status().message()), HasSubstr("disk full"));
  LookTwice(*stops);
  EXPECT_TRUE(stopped());
}

}  // namespace
}  // namespace outboard::app

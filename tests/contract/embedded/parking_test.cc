#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <random>

#include "host/bus/embedded/embedded_bus.h"
#include "tests/contract/bus_harness.h"

// What waits behind dead letters of its key (LaneSpec::parking).
namespace outboard::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kLane[] = "a/x";

class ParkingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/outboard-parking-XXXXXX";
    root_ = mkdtemp(folder);
    options_.path = root_;
    options_.clock = &clock_;
    options_.synchronous = Synchronous::kOff;
    spec_ = MakeLane(kLane, "story.#");
    spec_.parking.by = "source";
  }
  void TearDown() override {
    reader_.reset();
    bus_.reset();
    std::filesystem::remove_all(root_);
  }

  void Open(uint32_t credit = 1000) {
    reader_.reset();
    bus_.reset();
    bus_ = EmbeddedBus::Open(options_).value();
    ASSERT_TRUE(bus_->Declare({spec_, MakeLane("probe/probe", "probe")}).ok());
    reader_ = std::make_unique<Reader>(*bus_, clock_);
    reader_->Open(1, kLane, credit);
    reader_->Open(2, "probe/probe", 1000);
  }
  // Their keys are their first letters.
  void Publish(const std::vector<std::string>& ids, const std::string& data = "{}") {
    std::vector<Event> events;
    for (const std::string& id : ids)
      events.push_back(MakeEvent(id, "story.post", id.substr(0, 1), data));
    for (const PublishResult& result : PublishAll(*bus_, std::move(events)))
      ASSERT_TRUE(result.status.ok()) << result.status;
  }
  // The next one becomes a dead letter; it has to be this one.
  void Bury(const std::string& id) {
    reader_->Credit(1, 1);
    const Delivery delivery = reader_->TakeOne(1);
    ASSERT_EQ(delivery.event.id(), id);
    reader_->Finish(delivery, End::kDead);
  }
  // What comes up to an event of the lane `probe` that is published now; all of it is done.
  std::vector<std::string> All() {
    reader_->Credit(1, 1000);
    reader_->NothingOn(1, 2);
    std::vector<std::string> ids;
    while (reader_->waiting(1) > 0) {
      const std::vector<Delivery> deliveries = reader_->Take(1, reader_->waiting(1));
      for (const std::string& id : Ids(deliveries)) ids.push_back(id);
      reader_->FinishAll(deliveries);
      reader_->NothingOn(1, 2);
    }
    return ids;
  }
  LaneInfo info() { return InfoOf(*bus_, kLane); }
  std::vector<DeadLetter> Letters() { return bus_->ListDead({}, 0, 100, nullptr).value(); }

  std::string root_;
  TestClock clock_;
  EmbeddedBusOptions options_;
  LaneSpec spec_;
  std::unique_ptr<EmbeddedBus> bus_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(ParkingTest, LaterEventsOfTheKeyWaitUntilAReplayAndOthersDoNot) {
  Open(0);
  Publish({"a1", "b1", "a2", "b2", "a3"});
  Bury("a1");
  EXPECT_THAT(All(), ElementsAre("b1", "b2"));
  EXPECT_EQ(info().parked, 2u);
  EXPECT_EQ(info().parked_keys, 1u);
  EXPECT_EQ(info().backlog, 2u);
  EXPECT_EQ(info().retrying, 0u);
  ASSERT_EQ(Letters().size(), 1u);
  EXPECT_EQ(Letters()[0].waiting, 2u);
  Publish({"a4", "b3"});
  EXPECT_THAT(All(), ElementsAre("b3"));
  EXPECT_EQ(bus_->ReplayDead({}).value(), 1u);
  EXPECT_THAT(All(), ElementsAre("a1", "a2", "a3", "a4"));
  EXPECT_EQ(info().parked, 0u);
  EXPECT_EQ(info().backlog, 0u);
  Publish({"a5"});
  EXPECT_THAT(All(), ElementsAre("a5"));
}

TEST_F(ParkingTest, APurgeLetsThemGo) {
  Open(0);
  Publish({"a1", "a2"});
  Bury("a1");
  EXPECT_THAT(All(), IsEmpty());
  EXPECT_EQ(bus_->PurgeDead({}).value(), 1u);
  EXPECT_THAT(All(), ElementsAre("a2"));
}

TEST_F(ParkingTest, WhatWasOutAndComesBackWaitsToo) {
  Open();
  Publish({"a1", "a2", "b1"});
  const std::vector<Delivery> out = reader_->Take(1, 3);
  reader_->Settle(out[0], End::kDead);
  reader_->Settle(out[1], End::kReturned);
  reader_->Finish(out[2], End::kDone);
  EXPECT_THAT(All(), IsEmpty());
  EXPECT_EQ(info().parked, 1u);
  EXPECT_EQ(bus_->ReplayDead({}).value(), 1u);
  EXPECT_THAT(All(), ElementsAre("a1", "a2"));
}

TEST_F(ParkingTest, AnEventWithoutAKeyHoldsNothingUp) {
  spec_.parking.by = "nosuch";
  Open(0);
  Publish({"a1", "a2"});
  Bury("a1");
  EXPECT_THAT(All(), ElementsAre("a2"));
}

TEST_F(ParkingTest, ItOutlivesTheProcess) {
  Open(0);
  Publish({"a1", "a2", "b1"});
  Bury("a1");
  Open(0);  // a2 was never handed out.
  EXPECT_THAT(All(), ElementsAre("b1"));
  Open();
  Publish({"a3"});
  EXPECT_THAT(All(), IsEmpty());
  EXPECT_EQ(info().parked, 2u);
  EXPECT_EQ(bus_->ReplayDead({}).value(), 1u);
  Open();  // Before the rows were read.
  EXPECT_THAT(All(), ElementsAre("a1", "a2", "a3"));
}

TEST_F(ParkingTest, AnEventThatDiesAgainHoldsItsKeyAgain) {
  Open(0);
  Publish({"a1", "a2"});
  Bury("a1");
  EXPECT_THAT(All(), IsEmpty());
  reader_->Credit(1, 1);
  EXPECT_EQ(bus_->ReplayDead({}).value(), 1u);
  Bury("a1");
  EXPECT_THAT(All(), IsEmpty());
  EXPECT_EQ(info().parked, 1u);
  EXPECT_EQ(bus_->PurgeDead({}).value(), 1u);
  EXPECT_THAT(All(), ElementsAre("a2"));
}

TEST_F(ParkingTest, BeyondTheLimitTheLaneTakesNothingMore) {
  spec_.parking.limit = 1;
  Open(0);
  Publish({"a1", "a2", "b1", "a3", "b2"});
  Bury("a1");
  EXPECT_FALSE(info().park_full);
  EXPECT_THAT(All(), ElementsAre("b1"));
  EXPECT_TRUE(info().park_full);
  EXPECT_EQ(info().parked, 1u);
  Publish({"b3"});
  EXPECT_THAT(All(), IsEmpty());
  EXPECT_EQ(bus_->ReplayDead({}).value(), 1u);
  EXPECT_THAT(All(), ElementsAre("a1", "a2", "a3", "b2", "b3"));
  EXPECT_FALSE(info().park_full);
}

TEST_F(ParkingTest, AGreaterLimitMakesRoom) {
  spec_.parking.limit = 1;
  Open(0);
  Publish({"a1", "a2", "a3", "b1"});
  Bury("a1");
  EXPECT_THAT(All(), IsEmpty());
  spec_.parking.limit = 2;
  ASSERT_TRUE(bus_->Declare({spec_, MakeLane("probe/probe", "probe")}).ok());
  EXPECT_THAT(All(), ElementsAre("b1"));
  EXPECT_EQ(info().parked, 2u);
}

TEST_F(ParkingTest, OrWhatWouldHaveToWaitIsBuriedInItsOrder) {
  spec_.parking = {"source", 1, true};
  Open(0);
  Publish({"a1", "a2", "a3", "b1"});
  Bury("a1");
  EXPECT_THAT(All(), ElementsAre("b1"));
  std::vector<DeadLetter> letters = Letters();
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(letters[1].event.id(), "a3");
  EXPECT_EQ(letters[1].why.reason, "PARK_FULL");
  EXPECT_EQ(letters[0].waiting, 1u);
  EXPECT_EQ(letters[1].waiting, 0u);
  // One that is replayed out of turn waits for the older one.
  EXPECT_EQ(bus_->ReplayDead({.ids = {letters[1].id}}).value(), 1u);
  EXPECT_THAT(All(), IsEmpty());
  EXPECT_EQ(info().parked, 2u);
  Publish({"a4"});
  EXPECT_THAT(All(), IsEmpty());
  letters = Letters();
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(bus_->ReplayDead({.ids = {letters[0].id}}).value(), 1u);
  EXPECT_THAT(All(), ElementsAre("a1", "a2", "a3"));
  EXPECT_EQ(bus_->ReplayDead({}).value(), 1u);
  EXPECT_THAT(All(), ElementsAre("a4"));
}

TEST_F(ParkingTest, WithoutItWhatWaitedGoesOn) {
  Open(0);
  Publish({"a1", "a2"});
  Bury("a1");
  EXPECT_THAT(All(), IsEmpty());
  spec_.parking = {};
  ASSERT_TRUE(bus_->Declare({spec_, MakeLane("probe/probe", "probe")}).ok());
  EXPECT_THAT(All(), ElementsAre("a2"));
  EXPECT_EQ(info().parked, 0u);
}

TEST_F(ParkingTest, ALaneThatIsForgottenTakesThemAlong) {
  Open(0);
  Publish({"a1", "a2", "a3"});
  Bury("a1");
  EXPECT_THAT(All(), IsEmpty());
  reader_->consumer().Close(1);
  ASSERT_TRUE(bus_->Declare({MakeLane("probe/probe", "probe")}).ok());
  EXPECT_EQ(bus_->ForgetLane(kLane, Remainder::kToDead).value().to_dead, 2u);
  EXPECT_EQ(Letters().size(), 3u);
}

// Events of a few keys are handed out, die, come back, are replayed and purged, over restarts. None
// is handed out while an older one of its key is neither in hand nor at its end.
TEST_F(ParkingTest, OrderHoldsWhateverHappens) {
  for (const uint32_t seed : {1u, 2u, 3u, 4u}) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto chance = [&random](int percent) {
      return static_cast<int>(random() % 100) < percent;
    };
    options_.path = root_ + "/" + std::to_string(seed);
    spec_.parking.limit = seed % 2 == 0 ? 1000 : 12;
    spec_.parking.bury = seed == 3;
    Open();
    enum class State { kPending, kOut, kOver };
    std::map<std::string, State> states;  // By id, which sorts by key and place.
    std::vector<Delivery> out;
    int published = 0;
    const auto take = [&] {
      reader_->Pump();
      for (Delivery& delivery : reader_->Take(1, reader_->waiting(1))) {
        const std::string id(delivery.event.id());
        for (auto it = states.lower_bound(id.substr(0, 1)); it->first != id; ++it)
          ASSERT_NE(it->second, State::kPending) << it->first << " is older than " << id;
        states[id] = State::kOut;
        out.push_back(std::move(delivery));
      }
    };
    const auto settle_one = [&](bool well) {
      std::swap(out[random() % out.size()], out.back());
      const Delivery delivery = std::move(out.back());
      out.pop_back();
      const End end = well || chance(60) ? End::kDone : chance(60) ? End::kDead : End::kReturned;
      states[std::string(delivery.event.id())] = end == End::kDone ? State::kOver : State::kPending;
      reader_->Settle(delivery, end);
    };
    const auto purge = [&](const DeadLetter& letter) {
      // Settlements under way may bring the same event again; it is over as far as this goes.
      if (bus_->PurgeDead({.ids = {letter.id}}).value() == 1)
        states[std::string(letter.event.id())] = State::kOver;
    };
    for (int step = 0; step < 1500; ++step) {
      if (published < 400 && chance(30)) {
        std::vector<std::string> ids;
        for (int i = 0; i < 5; ++i) {
          ids.push_back(std::string(1, "abc"[random() % 3]) + std::to_string(10'000 + published++));
          states[ids.back()] = State::kPending;
        }
        Publish(ids);
      }
      take();
      if (!out.empty() && chance(70)) settle_one(false);
      if (chance(3)) reader_->Credit(1, random() % 20);
      if (chance(2)) bus_->ReplayDead({}).value();
      const std::vector<DeadLetter> letters = chance(3) ? Letters() : std::vector<DeadLetter>();
      if (!letters.empty()) {
        const DeadLetter& letter = letters[random() % letters.size()];
        if (chance(50)) {
          bus_->ReplayDead({.ids = {letter.id}}).value();
        } else {
          purge(letter);
        }
      }
      if (chance(1)) {
        for (const Delivery& delivery : out)
          states[std::string(delivery.event.id())] = State::kPending;
        out.clear();
        Open();
      }
      if (HasFailure()) return;
    }
    // To the end: nothing is lost.
    const auto over = [&] {
      reader_->Credit(1, 1000);
      take();
      while (!out.empty()) settle_one(true);
      bus_->ReplayDead({}).value();
      return std::all_of(states.begin(), states.end(),
                         [](const auto& entry) { return entry.second == State::kOver; });
    };
    ASSERT_TRUE(Eventually(over));
    ASSERT_TRUE(Eventually([&] {
      reader_->Pump();
      return info().backlog == 0;
    }));
    EXPECT_EQ(info().parked, 0u);
  }
}

// What nobody asked for takes no credit: it has a bound of its own.
class ParkingBoundTest : public ParkingTest {
 protected:
  static constexpr uint64_t kBound = 8192;

  // Polls often while the writer is busy, then no more until it has made what it was sent by then,
  // which it does at once: how many.
  uint64_t MadeAtOnce(const std::function<uint64_t()>& count) {
    std::promise<void> busy, go_on;
    bus_->Publish({MakeEvent("busy", "nobody")}, [&](std::vector<PublishResult>) {
      busy.set_value();
      go_on.get_future().wait();
    });
    busy.get_future().wait();
    for (int i = 0; i < 20; ++i) reader_->Pump();
    const uint64_t before = count();
    go_on.set_value();
    EXPECT_TRUE(Eventually([&] { return count() > before; }));
    return count() - before;
  }
  uint64_t ParkedAtOnce() {
    reader_->Credit(1, 1000);
    return MadeAtOnce([this] { return info().parked; });
  }
  // All that comes, however little credit there is at a time.
  std::vector<std::string> AllInTurns() {
    std::vector<std::string> all;
    for (;;) {
      const std::vector<std::string> some = All();
      if (some.empty()) return all;
      all.insert(all.end(), some.begin(), some.end());
    }
  }
  // All but the letter wait in the end.
  void AwaitParked(uint64_t count) {
    EXPECT_THAT(All(), IsEmpty());
    EXPECT_TRUE(Eventually([&] {
      reader_->Pump();
      return info().parked == count;
    })) << info().parked;
  }
  // And come in their order.
  void ExpectAllOf(const std::vector<std::string>& ids) {
    AwaitParked(ids.size() - 1);
    EXPECT_EQ(bus_->ReplayDead({}).value(), 1u);
    EXPECT_EQ(AllInTurns(), ids);
  }

  const std::vector<std::string> ids_ = Numbered("a", 10'001);
};

TEST_F(ParkingBoundTest, OfTheLog) {
  Open(0);
  Publish(ids_);
  Bury("a0");
  EXPECT_EQ(ParkedAtOnce(), kBound);
  ExpectAllOf(ids_);
}

TEST_F(ParkingBoundTest, OfTheEndOfTheLog) {
  Open(0);
  Publish({ids_[0]});
  Bury("a0");
  EXPECT_THAT(All(), IsEmpty());  // It has caught up.
  Publish({ids_.begin() + 1, ids_.end()});
  EXPECT_EQ(ParkedAtOnce(), kBound);
  ExpectAllOf(ids_);
}

TEST_F(ParkingBoundTest, OfRowsWhoseLetterDiesAgain) {
  Open(0);
  Publish(ids_);
  Bury("a0");
  AwaitParked(ids_.size() - 1);
  reader_->Credit(1, 0);
  EXPECT_EQ(bus_->ReplayDead({}).value(), 1u);
  Bury("a0");
  EXPECT_EQ(info().parked, 0u);
  EXPECT_EQ(ParkedAtOnce(), kBound);
  ExpectAllOf(ids_);
}

TEST_F(ParkingBoundTest, OfWhatComesBack) {
  Open(static_cast<uint32_t>(ids_.size()));
  Publish(ids_);
  const std::vector<Delivery> out = reader_->Take(1, ids_.size());
  reader_->Finish(out[0], End::kDead);
  for (size_t i = 1; i < out.size(); ++i) reader_->Settle(out[i], End::kReturned);
  EXPECT_EQ(ParkedAtOnce(), kBound);
  ExpectAllOf(ids_);
}

TEST_F(ParkingBoundTest, OfWhatIsBuried) {
  spec_.parking = {"source", 1, true};
  Open(0);
  Publish(ids_);
  Bury("a0");
  reader_->Credit(1, 1000);
  EXPECT_EQ(MadeAtOnce([this] { return info().parked + info().dead; }), kBound);
  EXPECT_THAT(All(), IsEmpty());
  EXPECT_TRUE(Eventually([&] {
    reader_->Pump();
    return info().dead == ids_.size() - 1;
  })) << info().dead;
  EXPECT_EQ(info().parked, 1u);
  std::vector<std::string> buried = {"a0", "a1"};  // The second waits.
  const std::vector<DeadLetter> letters = bus_->ListDead({}, 0, ids_.size(), nullptr).value();
  for (const DeadLetter& letter : letters) {
    if (letter.event.id() != "a0") buried.emplace_back(letter.event.id());
  }
  EXPECT_EQ(buried, ids_);
}

TEST_F(ParkingBoundTest, OfBytes) {
  const std::vector<std::string> ids = Numbered("a", 601);
  Open(0);
  Publish(ids, std::string(32 << 10, 'x'));
  Bury("a0");
  const uint64_t bound = (8 << 20) / (32 << 10);
  EXPECT_LE(ParkedAtOnce(), bound);
  AwaitParked(ids.size() - 1);
  EXPECT_EQ(bus_->ReplayDead({}).value(), 1u);
  reader_->Credit(1, 0);
  Bury("a0");
  EXPECT_LE(ParkedAtOnce(), bound);
  ExpectAllOf(ids);
}

}  // namespace
}  // namespace outboard::bus

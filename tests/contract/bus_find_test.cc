#include <gmock/gmock.h>

#include <algorithm>

#include "tests/contract/bus_harness.h"

// Events by id, and how lanes stand to them.
namespace outboard::bus {
namespace {

using Where = Standing::Where;

class BusFindTest : public BusContract {
 protected:
  void SetUp() override {
    BusContract::SetUp();
    Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "task.#")});
    reader_ = NewReader();
    reader_->Open(1, "a/x", 1000);
  }
  void TearDown() override { reader_.reset(); }

  FoundEvents Find(const absl::flat_hash_set<std::string>& ids) {
    absl::StatusOr<FoundEvents> found = bus().FindEvents(ids);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? *std::move(found) : FoundEvents();
  }
  // How lane a/x stands to the only event of this id. A bus may tell an end a little later.
  Standing StandingOf(const std::string& id) {
    const FoundEvents events = Find({id});
    if (events.found.size() != 1 || events.found[0].standings.size() != 1) {
      ADD_FAILURE() << id << " is there " << events.found.size() << " times";
      return {};
    }
    return events.found[0].standings[0];
  }
  bool Becomes(const std::string& id, Where where) {
    return Eventually([&] { return StandingOf(id).where == where; });
  }

  std::unique_ptr<Reader> reader_;
};
OUTBOARD_EVERY_BUS_WITH_A_LOG(BusFindTest);

TEST_P(BusFindTest, AnEventIsFoundWithTheLanesThatTakeIt) {
  PublishIds(bus(), {"e1", "e2", "e3"});
  const FoundEvents events = Find({"e2"});
  EXPECT_TRUE(events.has_log);
  EXPECT_EQ(events.searched, 3u);
  EXPECT_EQ(events.oldest, clock().Now());
  ASSERT_EQ(events.found.size(), 1u);
  EXPECT_EQ(events.found[0].logged.event.id(), "e2");
  EXPECT_GT(events.found[0].logged.offset, 0u);
  ASSERT_EQ(events.found[0].standings.size(), 1u) << "b/x takes tasks alone";
  EXPECT_THAT(events.found[0].standings[0].lanes, testing::ElementsAre("a/x"));
}

TEST_P(BusFindTest, OneThatIsNotThereIsNotFound) {
  PublishIds(bus(), {"e1"});
  const FoundEvents events = Find({"e"});
  EXPECT_TRUE(events.found.empty());
  EXPECT_EQ(events.searched, 1u);
}

TEST_P(BusFindTest, AllOfAnIdAreFoundInOrder) {
  PublishIds(bus(), {"e1", "e2", "e1"});
  ASSERT_EQ(PublishOne(bus(), MakeEvent("e1", "story.post", "elsewhere")).status, absl::OkStatus());
  const FoundEvents events = Find({"e1", "e2"});
  ASSERT_EQ(events.found.size(), 4u);
  EXPECT_EQ(events.found[1].logged.event.id(), "e2");
  EXPECT_EQ(events.found[3].logged.event.source(), "elsewhere");
}

TEST_P(BusFindTest, ItWaitsUntilItHasEnded) {
  PublishIds(bus(), {"e1", "e2"});
  EXPECT_EQ(StandingOf("e1").where, Where::kWaiting);
  const std::vector<Delivery> got = reader_->Take(1, 2);
  EXPECT_EQ(StandingOf("e1").where, Where::kWaiting) << "it is with a plugin";
  reader_->Finish(got[1], End::kDone);
  EXPECT_TRUE(Becomes("e2", Where::kEnded));
  EXPECT_EQ(StandingOf("e1").where, Where::kWaiting) << "the older one has not ended";
  reader_->Finish(got[0], End::kDropped);
  EXPECT_TRUE(Becomes("e1", Where::kEnded));
}

TEST_P(BusFindTest, ARetryIsHeldUntilItIsDue) {
  PublishIds(bus(), {"e1"});
  const Time due = clock().Now() + std::chrono::seconds(9);
  reader_->Finish(reader_->TakeOne(1), End::kRetry, [due](Settlement* settlement) {
    settlement->attempts = 2;
    settlement->due = due;
  });
  EXPECT_TRUE(Becomes("e1", Where::kHeld));
  EXPECT_EQ(StandingOf("e1").due, due);
  EXPECT_EQ(StandingOf("e1").attempts, 2u);
  clock().Advance(std::chrono::seconds(10));
  reader_->Finish(reader_->TakeOne(1), End::kDone);
  EXPECT_TRUE(Becomes("e1", Where::kEnded));
}

TEST_P(BusFindTest, ADeadLetterHasEnded) {
  PublishIds(bus(), {"e1"});
  reader_->Finish(reader_->TakeOne(1), End::kDead, [](Settlement* settlement) {
    settlement->dead = std::make_unique<DeadReason>(DeadReason{"REJECTED", "no", ""});
  });
  EXPECT_TRUE(Becomes("e1", Where::kEnded));
}

TEST_P(BusFindTest, WhereAProducerPutItIsThere) {
  PublishIds(bus(), {"e1"});
  const Placed placed{Offset(int64_t{42}), std::nullopt};
  reader_->Finish(reader_->TakeOne(1), End::kDone, [&](Settlement* settlement) {
    settlement->placed = std::make_unique<Placed>(placed);
  });
  EXPECT_TRUE(Becomes("e1", Where::kEnded));
  EXPECT_EQ(Find({"e1"}).found[0].logged.placed.at("a/x"), placed);
}

TEST_P(BusFindTest, LanesThatShareAQueueStandTogether) {
  LaneSpec one = MakeLane("c/x", "shared.#");
  one.mode = Mode::kSingleton;
  LaneSpec other = one;
  other.name = "d/x";
  Declare({MakeLane("a/x", "story.#"), one, other});
  PublishIds(bus(), {"s1"}, "shared.post");
  EXPECT_THAT(StandingOf("s1").lanes, testing::UnorderedElementsAre("c/x", "d/x"));
}

TEST_P(BusFindTest, OfALaneThatIsNotReliableNothingIsKept) {
  LaneSpec lossy = MakeLane("c/x", "lossy.#");
  lossy.reliable = false;
  Declare({MakeLane("a/x", "story.#"), lossy});
  PublishIds(bus(), {"n1"}, "lossy.post");
  EXPECT_EQ(StandingOf("n1").where, Where::kUnkept) << "nobody listened";
  EXPECT_THAT(StandingOf("n1").lanes, testing::ElementsAre("c/x"));
  reader_->OpenUnreliable(2, "c/x", 1000, "lossy.post");
  PublishIds(bus(), {"n2"}, "lossy.post");
  reader_->Finish(reader_->TakeOne(2), End::kDone);
  EXPECT_TRUE(Becomes("n2", Where::kUnkept));
}

TEST_P(BusFindTest, ARestartForgetsNothingOfADurableBus) {
  if (!GetParam().durable) GTEST_SKIP() << "it is kept until its process ends";
  PublishIds(bus(), {"e1", "e2"});
  const std::vector<Delivery> got = reader_->Take(1, 2);
  reader_->Finish(got[0], End::kDone);
  reader_.reset();
  under_test().Restart();
  EXPECT_TRUE(Becomes("e1", Where::kEnded));
  EXPECT_EQ(StandingOf("e2").where, Where::kWaiting);
}

class BusWithoutLogTest : public BusContract {};
OUTBOARD_EVERY_BUS(BusWithoutLogTest);

TEST_P(BusWithoutLogTest, SaysThatItHasNothingToSearch) {
  const auto found = bus().FindEvents({"e1"});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->has_log, GetParam().has_log);
  EXPECT_TRUE(found->found.empty());
}

}  // namespace
}  // namespace outboard::bus

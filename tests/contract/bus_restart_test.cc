#include <algorithm>

#include "tests/contract/bus_harness.h"

// What outlives the process, for buses that say that they are durable.
namespace outboard::bus {
namespace {

// Everything holds after an end in order and after one like kill -9.
enum class Stop { kInOrder, kCrash };

class BusRestartTest : public ::testing::TestWithParam<std::tuple<BusKind, Stop>> {
 protected:
  void SetUp() override { under_test_ = std::get<0>(GetParam()).make(); }
  Bus& bus() { return under_test_->bus(); }
  TestClock& clock() { return under_test_->clock(); }
  bool crashes() const { return std::get<1>(GetParam()) == Stop::kCrash; }
  void Restart() {
    if (crashes()) {
      under_test_->Crash();
    } else {
      under_test_->Restart();
    }
  }
  void Declare(std::vector<LaneSpec> lanes) {
    lanes.push_back(MakeLane("probe/probe", "probe"));
    const absl::Status status = bus().Declare(lanes);
    ASSERT_TRUE(status.ok()) << status;
  }
  std::unique_ptr<Reader> Open(const std::string& lane, uint32_t credit) {
    auto reader = std::make_unique<Reader>(bus(), clock());
    reader->Open(99, "probe/probe", 1000);
    reader->Open(1, lane, credit);
    return reader;
  }

  std::unique_ptr<BusUnderTest> under_test_;
};

INSTANTIATE_TEST_SUITE_P(Every, BusRestartTest,
                         ::testing::Combine(::testing::ValuesIn(BusesThat(&BusKind::durable)),
                                            ::testing::Values(Stop::kInOrder, Stop::kCrash)),
                         [](const auto& info) {
                           const bool crash = std::get<1>(info.param) == Stop::kCrash;
                           return std::get<0>(info.param).name + (crash ? "Crash" : "InOrder");
                         });

TEST_P(BusRestartTest, KeepsWhatWasAccepted) {
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), Numbered("e", 100));
  const uint64_t next = bus().NextOffset();
  Restart();
  EXPECT_EQ(bus().NextOffset(), next);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 100u);
  Declare({MakeLane("a/x", "story.#")});
  auto reader = Open("a/x", 1000);
  EXPECT_EQ(Ids(reader->Take(1, 100)), Numbered("e", 100));
}

TEST_P(BusRestartTest, HandsOutAgainOnlyWhatHasNotEnded) {
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), Numbered("e", 10));
  {
    auto reader = Open("a/x", 1000);
    const std::vector<Delivery> deliveries = reader->Take(1, 10);
    for (const size_t i : {0u, 1u, 2u, 4u, 7u, 8u}) reader->Finish(deliveries[i], End::kDone);
  }
  Restart();
  auto reader = Open("a/x", 1000);
  const std::vector<Delivery> again = reader->Take(1, 4);
  EXPECT_EQ(Ids(again), (std::vector<std::string>{"e3", "e5", "e6", "e9"}));
  for (const Delivery& delivery : again) EXPECT_TRUE(delivery.redelivered);
  EXPECT_TRUE(reader->NothingOn(1, 99));
  reader->FinishAll(again);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
}

TEST_P(BusRestartTest, KeepsRetries) {
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), {"1", "2"});
  {
    auto reader = Open("a/x", 10);
    const std::vector<Delivery> deliveries = reader->Take(1, 2);
    for (uint32_t i = 0; i < 2; ++i) {
      reader->Finish(deliveries[i], End::kRetry, [&](Settlement* s) {
        s->attempts = 5 + i;
        s->due = clock().Now() + std::chrono::seconds(10 * (i + 1));
      });
    }
  }
  Restart();
  if (!under_test_->remote()) {
    EXPECT_EQ(InfoOf(bus(), "a/x").retrying, 2u);
  }
  auto reader = Open("a/x", 10);
  EXPECT_TRUE(reader->NothingOn(1, 99));
  clock().Advance(std::chrono::seconds(10));
  const Delivery first = reader->TakeOne(1);
  EXPECT_EQ(first.event.id(), "1");
  EXPECT_EQ(first.attempts, 5u);
  reader->Finish(first, End::kDone);
  EXPECT_TRUE(reader->NothingOn(1, 99));
  clock().Advance(std::chrono::seconds(10));
  EXPECT_EQ(reader->TakeOne(1).attempts, 6u);
}

TEST_P(BusRestartTest, ARetryThatWasOutComesAgain) {
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), {"1"});
  {
    auto reader = Open("a/x", 10);
    reader->Finish(reader->TakeOne(1), End::kRetry, [&](Settlement* s) {
      s->attempts = 3;
      s->due = clock().Now();
    });
    EXPECT_EQ(reader->TakeOne(1).attempts, 3u);
  }
  Restart();
  auto reader = Open("a/x", 10);
  EXPECT_EQ(reader->TakeOne(1).attempts, 3u);
  EXPECT_TRUE(reader->NothingOn(1, 99));
}

TEST_P(BusRestartTest, AHeldDeliveryComesAgain) {
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), {"held"});
  {
    auto reader = Open("a/x", 100'000);
    reader->TakeOne(1);
    for (size_t round = 0; round < 20; ++round) {
      PublishIds(bus(), Numbered("e" + std::to_string(round) + ".", 1000));
      reader->FinishAll(reader->Take(1, 1000));
      reader->Credit(1, 100'000);
    }
  }
  Restart();
  auto reader = Open("a/x", 10);
  const Delivery held = reader->TakeOne(1);
  EXPECT_EQ(held.event.id(), "held");
  EXPECT_TRUE(held.redelivered);
  // A cut may take acknowledgements with it.
  if (under_test_->remote() && crashes()) return;
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 1u);
  reader->Finish(held, End::kDone);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
}

TEST_P(BusRestartTest, KeepsEmitsAndDeadLetters) {
  Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "emitted")});
  PublishIds(bus(), {"1", "2"});
  {
    auto reader = Open("a/x", 10);
    const std::vector<Delivery> deliveries = reader->Take(1, 2);
    reader->Finish(deliveries[0], End::kDone,
                   [](Settlement* s) { s->emits = {MakeEvent("c", "emitted")}; });
    reader->Finish(deliveries[1], End::kDead, [](Settlement* s) { s->attempts = 12; });
  }
  Restart();
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 1u);
  const auto letters = bus().ListDead({}, 0, 10, nullptr);
  ASSERT_TRUE(letters.ok()) << letters.status();
  ASSERT_EQ(letters->size(), 1u);
  EXPECT_EQ((*letters)[0].event.id(), "2");
  EXPECT_EQ((*letters)[0].attempts, 12u);
  const uint64_t old_id = (*letters)[0].id;
  auto reader = Open("b/x", 10);
  EXPECT_EQ(reader->TakeOne(1).event.id(), "c");
  EXPECT_EQ(*bus().PurgeDead({}), 1u);
  reader.reset();
  Restart();
  clock().Advance(std::chrono::milliseconds(1));
  reader = Open("a/x", 10);
  PublishIds(bus(), {"3"});
  reader->Finish(reader->TakeOne(1), End::kDead);
  EXPECT_GT(bus().ListDead({}, 0, 10, nullptr)->at(0).id, old_id) << "ids are never used again";
}

TEST_P(BusRestartTest, KeepsLanesAndOrphans) {
  Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "story.#")});
  PublishIds(bus(), {"1"});
  Declare({MakeLane("b/x", "story.#")});
  PublishIds(bus(), {"2"});
  Restart();
  EXPECT_TRUE(InfoOf(bus(), "a/x").orphan);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 1u);
  EXPECT_FALSE(InfoOf(bus(), "b/x").orphan);
  PublishIds(bus(), {"3"});
  Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "story.#")});
  PublishIds(bus(), {"4"});
  auto reader = Open("a/x", 10);
  EXPECT_EQ(Ids(reader->Take(1, 2)), (std::vector<std::string>{"1", "4"}));
  EXPECT_TRUE(reader->NothingOn(1, 99));
}

TEST_P(BusRestartTest, KeepsWhatChangedFiltersTook) {
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), {"s1"}, "story.post");
  PublishIds(bus(), {"t1"}, "task.put");
  LaneSpec both = MakeLane("a/x", "task.#");
  both.filters.push_back({"other", {}});
  Declare({both});
  PublishIds(bus(), {"s2"}, "story.post");
  PublishIds(bus(), {"t2"}, "task.put");
  Restart();
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 2u);
  auto reader = Open("a/x", 10);
  EXPECT_EQ(Ids(reader->Take(1, 2)), (std::vector<std::string>{"s1", "t2"}));
  EXPECT_TRUE(reader->NothingOn(1, 99));
}

TEST_P(BusRestartTest, AnUnreliableLaneKeepsNothing) {
  LaneSpec spec = MakeLane("a/x", "story.#");
  spec.reliable = false;
  Declare({spec});
  {
    Reader reader(bus(), clock());
    reader.OpenUnreliable(1, "a/x", 10);
    PublishIds(bus(), {"1", "2"});
    reader.Take(1, 2);
  }
  Restart();
  Declare({spec});
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
  auto reader = std::make_unique<Reader>(bus(), clock());
  reader->OpenUnreliable(1, "a/x", 10);
  PublishIds(bus(), {"3"});
  EXPECT_EQ(reader->TakeOne(1).event.id(), "3");
  reader.reset();
  Declare({});
  const auto lanes = bus().Lanes();
  ASSERT_TRUE(lanes.ok()) << lanes.status();
  for (const LaneInfo& info : *lanes) EXPECT_NE(info.name, "a/x") << info.orphan;
}

TEST_P(BusRestartTest, WhatWasNeverHandedOutIsNotCalledRedelivered) {
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), Numbered("e", 4));
  {
    auto reader = Open("a/x", 2);
    reader->Finish(reader->Take(1, 2)[0], End::kDone);
  }
  under_test_->Restart();
  auto reader = Open("a/x", 10);
  const std::vector<Delivery> again = reader->Take(1, 3);
  EXPECT_TRUE(again[0].redelivered);
  // A broker calls so what it gave to the process that ended, handed out or not.
  EXPECT_EQ(again[2].redelivered, under_test_->remote());
}

}  // namespace
}  // namespace outboard::bus

#include <algorithm>
#include <thread>

#include "tests/contract/bus_harness.h"

// Declaring, orphans, forgetting.
namespace outboard::bus {
namespace {

using BusLanesTest = BusContract;
OUTBOARD_EVERY_BUS(BusLanesTest);

TEST_P(BusLanesTest, RefusesTwoLanesOfOneName) {
  EXPECT_EQ(bus().Declare({MakeLane("a/x"), MakeLane("a/x", "t")}).code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_P(BusLanesTest, ListsTheLanes) {
  Declare({MakeLane("b/x"), MakeLane("a/x")});
  for (const char* name : {"a/x", "b/x"}) {
    const LaneInfo info = InfoOf(bus(), name);
    EXPECT_FALSE(info.orphan);
    EXPECT_EQ(info.backlog, 0u);
    EXPECT_EQ(info.oldest, std::nullopt);
  }
}

TEST_P(BusLanesTest, AnOrphanTakesNothingNewAndKeepsWhatItHas) {
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), {"1", "2"});
  Declare({});
  EXPECT_EQ(PublishOne(bus(), MakeEvent("3")).matched, 0u);
  const LaneInfo info = InfoOf(bus(), "a/x");
  EXPECT_TRUE(info.orphan);
  EXPECT_EQ(info.backlog, 2u);
}

TEST_P(BusLanesTest, AnOrphanNamedAgainGoesOnWithoutWhatCameBetween) {
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), {"1", "2"});
  Declare({});
  PublishIds(bus(), {"between"});
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), {"3"});
  EXPECT_FALSE(InfoOf(bus(), "a/x").orphan);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 3u);
  Declare({});
  PublishIds(bus(), {"between again"});
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), {"4"});
  auto reader = NewReader();
  reader->Open(1, "a/x", 2);
  std::vector<Delivery> deliveries = reader->Take(1, 2);
  reader->Credit(1, 10);
  for (Delivery& more : reader->Take(1, 2)) deliveries.push_back(std::move(more));
  EXPECT_EQ(Ids(deliveries), (std::vector<std::string>{"1", "2", "3", "4"}));
  reader->FinishAll(deliveries);
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
}

TEST_P(BusLanesTest, ALaneThatIsOpenStaysOpenWhenLanesAreDeclaredAgain) {
  Declare({MakeLane("a/x", "story.#")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 100);
  PublishIds(bus(), {"1"});
  const Delivery first = reader->TakeOne(1);
  Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "#")});
  reader->Open(2, "b/x", 100);
  PublishIds(bus(), {"2"});
  EXPECT_EQ(reader->TakeOne(1).event.id(), "2");
  EXPECT_EQ(reader->TakeOne(2).event.id(), "2");
  reader->Finish(first, End::kDone);
}

TEST_P(BusLanesTest, AChangedFilterHoldsForWhatComesThen) {
  Declare({MakeLane("a/x", "story.#")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 0);
  PublishIds(bus(), {"old"}, "story.post");
  PublishIds(bus(), {"not for it"}, "task.put");
  Declare({MakeLane("a/x", "task.#")});
  PublishIds(bus(), {"not any more"}, "story.post");
  PublishIds(bus(), {"new"}, "task.put");
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 2u);
  reader->Credit(1, 100);
  EXPECT_EQ(Ids(reader->Take(1, 2)), (std::vector<std::string>{"old", "new"}));
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
}

TEST_P(BusLanesTest, AChangedFilterReachesALaneAtTheTail) {
  Declare({MakeLane("a/x", "story.#")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 100);
  PublishIds(bus(), {"1"}, "story.post");
  EXPECT_EQ(reader->TakeOne(1).event.id(), "1");
  Declare({MakeLane("a/x", "task.#")});
  PublishIds(bus(), {"2"}, "task.put");
  EXPECT_EQ(reader->TakeOne(1).event.id(), "2");
  PublishIds(bus(), {"3"}, "story.post");
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
}

TEST_P(BusLanesTest, ForgettingIsForOrphans) {
  Declare({MakeLane("a/x", "story.#")});
  EXPECT_EQ(bus().ForgetLane("a/x", Remainder::kDiscard).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(bus().ForgetLane("nobody/x", Remainder::kDiscard).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_P(BusLanesTest, ForgettingAnEmptyOrphanNeedsNoMore) {
  Declare({MakeLane("a/x", "story.#")});
  Declare({});
  const absl::StatusOr<Forgotten> forgotten = bus().ForgetLane("a/x", Remainder::kRefuse);
  ASSERT_TRUE(forgotten.ok()) << forgotten.status();
  EXPECT_EQ(forgotten->discarded + forgotten->to_dead, 0u);
  EXPECT_EQ(bus().ForgetLane("a/x", Remainder::kRefuse).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_P(BusLanesTest, ForgettingWithEventsLeftSaysHowMany) {
  Declare({MakeLane("a/x", "story.#")});
  PublishIds(bus(), Numbered("e", 7));
  Declare({});
  const absl::Status refused = bus().ForgetLane("a/x", Remainder::kRefuse).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(refused.message()).find("7"), std::string::npos) << refused;
  const absl::StatusOr<Forgotten> forgotten = bus().ForgetLane("a/x", Remainder::kDiscard);
  ASSERT_TRUE(forgotten.ok()) << forgotten.status();
  EXPECT_EQ(forgotten->discarded, 7u);
  Declare({MakeLane("a/x", "story.#")});
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
}

TEST_P(BusLanesTest, ForgettingMayMakeDeadLetters) {
  Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "story.#")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 4);
  PublishIds(bus(), Numbered("e", 6));
  PublishIds(bus(), {"other"}, "task.put");
  const std::vector<Delivery> deliveries = reader->Take(1, 4);
  reader->Finish(deliveries[0], End::kDone);
  reader->Finish(deliveries[2], End::kDone);
  reader->Finish(deliveries[3], End::kRetry, [&](Settlement* s) {
    s->attempts = 4;
    s->due = clock().Now() + std::chrono::hours(1);
  });
  reader->consumer().Close(1);
  Declare({MakeLane("b/x", "story.#")});
  absl::StatusOr<Forgotten> forgotten;
  EXPECT_TRUE(Eventually([&] {
    reader->Pump();  // A broker has to hear of the close first.
    forgotten = bus().ForgetLane("a/x", Remainder::kToDead);
    return forgotten.ok();
  }));
  ASSERT_TRUE(forgotten.ok()) << forgotten.status();
  // A retry that is still on a broker's ladder comes back later, as an orphan of the lane.
  EXPECT_GE(forgotten->to_dead, under_test().remote() ? 3u : 4u);
  absl::StatusOr<std::vector<DeadLetter>> letters;
  uint64_t total = 0;
  EXPECT_TRUE(Eventually([&] {
    letters = bus().ListDead({}, 0, 100, &total);
    return !letters.ok() || total == 4;
  }));
  ASSERT_TRUE(letters.ok()) << letters.status();
  std::vector<std::string> ids;
  for (const DeadLetter& letter : *letters) {
    ids.emplace_back(letter.event.id().data(), letter.event.id().size());
    EXPECT_FALSE(letter.why.reason.empty());
    if (ids.back() == "e3") {
      EXPECT_EQ(letter.attempts, 4u);
    }
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, (std::vector<std::string>{"e1", "e3", "e4", "e5"}));
  EXPECT_EQ(InfoOf(bus(), "b/x").backlog, 6u);
  EXPECT_EQ(bus().ReplayDead({.lane = "a/x"}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_P(BusLanesTest, InfoNamesTheBus) {
  const BusInfo info = bus().Info();
  EXPECT_FALSE(info.kind.empty());
  EXPECT_FALSE(info.location.empty());
  EXPECT_TRUE(info.connected);
}

}  // namespace
}  // namespace outboard::bus

#include <algorithm>
#include <thread>

#include "tests/contract/bus_harness.h"

// Declaring, orphans, forgetting, dead letters.
namespace outboard::bus {
namespace {

DeadFilter OfLane(const std::string& lane) {
  DeadFilter filter;
  filter.lane = lane;
  return filter;
}

DeadFilter OfReason(const std::string& reason) {
  DeadFilter filter;
  filter.reason = reason;
  return filter;
}

DeadFilter OfIds(std::vector<uint64_t> ids) {
  DeadFilter filter;
  filter.ids = std::move(ids);
  return filter;
}

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
  const absl::StatusOr<Forgotten> forgotten = bus().ForgetLane("a/x", Remainder::kToDead);
  ASSERT_TRUE(forgotten.ok()) << forgotten.status();
  // A retry that is still on a broker's ladder comes back later, and ends among the orphans.
  const uint64_t here = under_test().remote() ? std::max<uint64_t>(forgotten->to_dead, 3) : 4;
  EXPECT_EQ(forgotten->to_dead, here);
  uint64_t total = 0;
  const auto letters = bus().ListDead(OfLane("a/x"), 0, 100, &total);
  ASSERT_TRUE(letters.ok()) << letters.status();
  EXPECT_EQ(total, here);
  std::vector<std::string> ids;
  for (const DeadLetter& letter : *letters) {
    ids.emplace_back(letter.event.id().data(), letter.event.id().size());
    EXPECT_FALSE(letter.why.reason.empty());
    if (ids.back() == "e3") {
      EXPECT_EQ(letter.attempts, 4u);
    }
  }
  std::sort(ids.begin(), ids.end());
  if (here == 3) ids.insert(ids.begin() + 1, "e3");
  EXPECT_EQ(ids, (std::vector<std::string>{"e1", "e3", "e4", "e5"}));
  EXPECT_EQ(InfoOf(bus(), "b/x").backlog, 6u);
  EXPECT_EQ(bus().ReplayDead(OfLane("a/x")).status().code(), absl::StatusCode::kFailedPrecondition);
}

class BusDeadTest : public BusContract {
 protected:
  void SetUp() override {
    BusContract::SetUp();
    Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "story.#")});
    reader_ = NewReader();
    reader_->Open(1, "a/x", 1000);
  }
  void TearDown() override { reader_.reset(); }

  // Publishes these and gives them up on lane a/x.
  void Bury(const std::vector<std::string>& ids, const std::string& reason) {
    PublishIds(bus(), ids);
    for (const Delivery& delivery : reader_->Take(1, ids.size())) {
      reader_->Finish(delivery, End::kDead, [&](Settlement* s) {
        s->attempts = 12;
        *s->dead = {reason, "message of it", "its\ndetail"};
      });
    }
    reader_->Credit(1, 1000);
  }
  std::vector<DeadLetter> List(const DeadFilter& filter, uint64_t after = 0, size_t limit = 100) {
    auto letters = bus().ListDead(filter, after, limit, &total_);
    EXPECT_TRUE(letters.ok()) << letters.status();
    return letters.ok() ? *std::move(letters) : std::vector<DeadLetter>();
  }

  std::unique_ptr<Reader> reader_;
  uint64_t total_ = 0;
};
OUTBOARD_EVERY_BUS(BusDeadTest);

TEST_P(BusDeadTest, ADeadLetterSaysWhatAndWhy) {
  const Time accepted = clock().Now();
  PublishIds(bus(), {"e"});
  const Delivery delivery = reader_->TakeOne(1);
  clock().Advance(std::chrono::seconds(3));
  reader_->Finish(delivery, End::kDead, [](Settlement* s) {
    s->attempts = 12;
    *s->dead = {"TIMEOUT", "took too long", "stack"};
  });
  const std::vector<DeadLetter> letters = List({});
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(total_, 1u);
  EXPECT_EQ(letters[0].lane, "a/x");
  EXPECT_EQ(letters[0].event.bytes(), delivery.event.bytes());
  EXPECT_EQ(letters[0].why.reason, "TIMEOUT");
  EXPECT_EQ(letters[0].why.message, "took too long");
  EXPECT_EQ(letters[0].why.detail, "stack");
  EXPECT_EQ(letters[0].attempts, 12u);
  EXPECT_EQ(letters[0].accepted_at, accepted);
  EXPECT_EQ(letters[0].died_at, accepted + std::chrono::seconds(3));
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 1u);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
  EXPECT_EQ(InfoOf(bus(), "b/x").backlog, 1u) << "another lane's copy is untouched";
}

TEST_P(BusDeadTest, ListsByLaneReasonAndId) {
  Bury({"1", "2"}, "REJECTED");
  Bury({"3"}, "CRASHED");
  EXPECT_EQ(List(OfReason("CRASHED")).size(), 1u);
  EXPECT_EQ(List(OfLane("a/x")).size(), 3u);
  EXPECT_EQ(List(OfLane("b/x")).size(), 0u);
  const std::vector<DeadLetter> all = List({});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_LT(all[0].id, all[1].id);
  EXPECT_LT(all[1].id, all[2].id);
  const std::vector<DeadLetter> one = List(OfIds({all[1].id, 99'999}));
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].event.id(), "2");
}

TEST_P(BusDeadTest, ListsInPages) {
  Bury(Numbered("e", 25), "REJECTED");
  std::vector<std::string> ids;
  uint64_t after = 0;
  for (;;) {
    const std::vector<DeadLetter> page = List({}, after, 10);
    EXPECT_EQ(total_, 25u);
    if (page.empty()) break;
    EXPECT_LE(page.size(), 10u);
    for (const DeadLetter& letter : page) {
      ids.emplace_back(letter.event.id().data(), letter.event.id().size());
    }
    after = page.back().id;
  }
  EXPECT_EQ(ids, Numbered("e", 25));
}

TEST_P(BusDeadTest, ReplayGivesBackToTheLaneThatFailed) {
  reader_->Open(2, "b/x", 1000);
  Bury({"1", "2"}, "REJECTED");
  Bury({"3"}, "CRASHED");
  reader_->FinishAll(reader_->Take(2, 3));
  const absl::StatusOr<uint64_t> replayed = bus().ReplayDead(OfReason("REJECTED"));
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(*replayed, 2u);
  const std::vector<Delivery> again = reader_->Take(1, 2);
  EXPECT_EQ(Ids(again), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(again[0].attempts, 0u);
  EXPECT_EQ(List({}).size(), 1u);
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 1u);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 2u);
  reader_->FinishAll(again);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
  EXPECT_TRUE(reader_->NothingOn(2, kProbe));
}

TEST_P(BusDeadTest, AReplayedLetterMayDieAgain) {
  Bury({"1"}, "REJECTED");
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(*bus().ReplayDead({}), 1u);
    reader_->Finish(reader_->TakeOne(1), End::kDead);
  }
  EXPECT_EQ(List({}).size(), 1u);
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 1u);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
}

TEST_P(BusDeadTest, ReplayedLettersOfAClosedLaneWait) {
  Bury({"1"}, "REJECTED");
  reader_->consumer().Close(1);
  ASSERT_EQ(*bus().ReplayDead({}), 1u);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 1u);
  reader_->Open(1, "a/x", 10);
  EXPECT_EQ(reader_->TakeOne(1).event.id(), "1");
}

TEST_P(BusDeadTest, LettersOfOrphansStay) {
  Bury({"1"}, "REJECTED");
  reader_->consumer().Close(1);
  Declare({MakeLane("b/x", "story.#")});
  EXPECT_EQ(*bus().ReplayDead({}), 0u);
  EXPECT_EQ(bus().ReplayDead(OfLane("a/x")).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(bus().ReplayDead(OfIds({List({})[0].id})).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 1u);
  ASSERT_TRUE(bus().ForgetLane("a/x", Remainder::kRefuse).ok());
  EXPECT_EQ(List(OfLane("a/x")).size(), 1u);
  Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "story.#")});
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 1u);
  EXPECT_EQ(*bus().ReplayDead(OfLane("a/x")), 1u);
}

TEST_P(BusDeadTest, PurgeRemovesForGood) {
  Bury({"1", "2"}, "REJECTED");
  Bury({"3"}, "CRASHED");
  EXPECT_EQ(*bus().PurgeDead(OfReason("REJECTED")), 2u);
  ASSERT_EQ(List({}).size(), 1u);
  EXPECT_EQ(List({})[0].event.id(), "3");
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 1u);
  EXPECT_EQ(*bus().PurgeDead({}), 1u);
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 0u);
}

// Both of the following look on from another thread and act when the first letters are gone, which
TEST_P(BusDeadTest, AReplayGivesALetterBackOnlyOnceThoughItDiesAgainMeanwhile) {
  constexpr size_t kLetters = 200;
  Bury(Numbered("e", kLetters), "REJECTED");
  std::thread rejects([this] {
    for (size_t i = 0; i < kLetters; ++i) reader_->Finish(reader_->TakeOne(1), End::kDead);
  });
  const absl::StatusOr<uint64_t> replayed = bus().ReplayDead({});
  rejects.join();
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(*replayed, kLetters);
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, kLetters);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
}

TEST_P(BusDeadTest, APurgeLeavesTheLettersThatComeMeanwhile) {
  constexpr size_t kLetters = 200, kLater = 20;
  Bury(Numbered("e", kLetters), "REJECTED");
  std::thread buries([this] {
    // The first are gone: the bus was asked, and may not be through.
    ASSERT_TRUE(Eventually([this] { return InfoOf(bus(), "a/x").dead < kLetters; }));
    for (const std::string& id : Numbered("later", kLater)) Bury({id}, "REJECTED");
  });
  const absl::StatusOr<uint64_t> purged = bus().PurgeDead(OfReason("REJECTED"));
  buries.join();
  ASSERT_TRUE(purged.ok()) << purged.status();
  EXPECT_EQ(*purged, kLetters);
  EXPECT_EQ(List({}).size(), kLater);
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, kLater);
}

TEST_P(BusDeadTest, InfoNamesTheBus) {
  const BusInfo info = bus().Info();
  EXPECT_FALSE(info.kind.empty());
  EXPECT_FALSE(info.location.empty());
  EXPECT_TRUE(info.connected);
}

}  // namespace
}  // namespace outboard::bus

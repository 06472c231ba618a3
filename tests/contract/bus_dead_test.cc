#include <algorithm>
#include <thread>

#include "host/bus/dead_group.h"
#include "tests/contract/bus_harness.h"

// Dead letters.
namespace outboard::bus {
namespace {

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
    Bury(ids, DeadReason{reason, "message of it", "its\ndetail"});
  }
  void Bury(const std::vector<std::string>& ids, const DeadReason& why) {
    PublishIds(bus(), ids);
    for (const Delivery& delivery : reader_->Take(1, ids.size())) {
      reader_->Finish(delivery, End::kDead, [&](Settlement* s) {
        s->attempts = 12;
        *s->dead = why;
      });
    }
    reader_->Credit(1, 1000);
  }
  // Ids of the events of what the filter takes, also as ForEachDead and the total say.
  std::vector<std::string> Found(const DeadFilter& filter) {
    std::vector<std::string> listed, visited;
    for (const DeadLetter& letter : List(filter)) listed.emplace_back(letter.event.id());
    EXPECT_EQ(total_, listed.size());
    const absl::Status status = bus().ForEachDead(
        filter, [&](const DeadLetter& letter) { visited.emplace_back(letter.event.id()); });
    EXPECT_TRUE(status.ok()) << status;
    std::sort(visited.begin(), visited.end());
    EXPECT_EQ(visited, listed);
    return listed;
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
  EXPECT_EQ(List({.reason = "CRASHED"}).size(), 1u);
  EXPECT_EQ(List({.lane = "a/x"}).size(), 3u);
  EXPECT_EQ(List({.lane = "b/x"}).size(), 0u);
  const std::vector<DeadLetter> all = List({});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_LT(all[0].id, all[1].id);
  EXPECT_LT(all[1].id, all[2].id);
  const std::vector<DeadLetter> one = List({.ids = {all[1].id, 99'999}});
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

TEST_P(BusDeadTest, APageIsOfTheLeastIdsOfAllLanes) {
  reader_->Open(2, "b/x", 1000);
  PublishIds(bus(), Numbered("e", 5));
  const std::vector<Delivery> a = reader_->Take(1, 5), b = reader_->Take(2, 5);
  std::vector<std::string> lanes;
  for (size_t i = 0; i < 5; ++i) {
    reader_->Finish(b[i], End::kDead);
    reader_->Finish(a[i], End::kDead);
    lanes.insert(lanes.end(), {"b/x", "a/x"});
  }
  std::vector<std::string> listed;
  for (uint64_t after = 0; listed.size() < 10;) {
    const std::vector<DeadLetter> page = List({}, after, 3);
    EXPECT_EQ(total_, 10u) << "whatever is left out";
    ASSERT_EQ(page.size(), std::min<size_t>(3, 10 - listed.size()));
    for (const DeadLetter& letter : page) listed.push_back(letter.lane);
    after = page.back().id;
  }
  EXPECT_EQ(listed, lanes);
}

TEST_P(BusDeadTest, ReplayGivesBackToTheLaneThatFailed) {
  reader_->Open(2, "b/x", 1000);
  Bury({"1", "2"}, "REJECTED");
  Bury({"3"}, "CRASHED");
  reader_->FinishAll(reader_->Take(2, 3));
  const absl::StatusOr<uint64_t> replayed = bus().ReplayDead({.reason = "REJECTED"});
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
  EXPECT_TRUE(Eventually([&] {
    reader_->Pump();
    return InfoOf(bus(), "a/x").backlog == 1;
  }));
  reader_->Open(1, "a/x", 10);
  EXPECT_EQ(reader_->TakeOne(1).event.id(), "1");
}

TEST_P(BusDeadTest, LettersOfOrphansStay) {
  Bury({"1"}, "REJECTED");
  reader_->consumer().Close(1);
  Declare({MakeLane("b/x", "story.#")});
  EXPECT_EQ(*bus().ReplayDead({}), 0u);
  EXPECT_EQ(bus().ReplayDead({.lane = "a/x"}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(bus().ReplayDead({.ids = {List({})[0].id}}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 1u);
  ASSERT_TRUE(Eventually([&] {
    reader_->Pump();
    return bus().ForgetLane("a/x", Remainder::kRefuse).ok();
  }));
  EXPECT_EQ(List({.lane = "a/x"}).size(), 1u);
  Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "story.#")});
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 1u);
  EXPECT_EQ(*bus().ReplayDead({.lane = "a/x"}), 1u);
}

TEST_P(BusDeadTest, TheCountsAreThoseOfTheLanes) {
  const auto count = [this](const std::string& lane) {
    const absl::StatusOr<std::map<std::string, uint64_t>> counts = bus().DeadCounts();
    EXPECT_TRUE(counts.ok()) << counts.status();
    return counts.ok() && counts->contains(lane) ? counts->at(lane) : 99;
  };
  EXPECT_EQ(count("a/x"), 0u);
  Bury({"1", "2"}, "REJECTED");
  EXPECT_EQ(count("a/x"), 2u);
  EXPECT_EQ(count("b/x"), 0u);
  Bury({"3"}, "CRASHED");
  EXPECT_EQ(count("a/x"), 3u);
  EXPECT_EQ(*bus().PurgeDead({.reason = "REJECTED"}), 2u);
  EXPECT_EQ(count("a/x"), 1u);
  EXPECT_EQ(*bus().ReplayDead({}), 1u);
  EXPECT_EQ(count("a/x"), 0u);
}

TEST_P(BusDeadTest, PurgeRemovesForGood) {
  Bury({"1", "2"}, "REJECTED");
  Bury({"3"}, "CRASHED");
  EXPECT_EQ(*bus().PurgeDead({.reason = "REJECTED"}), 2u);
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
  const absl::StatusOr<uint64_t> purged = bus().PurgeDead({.reason = "REJECTED"});
  buries.join();
  ASSERT_TRUE(purged.ok()) << purged.status();
  EXPECT_EQ(*purged, kLetters);
  EXPECT_EQ(List({}).size(), kLater);
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, kLater);
}

TEST_P(BusDeadTest, ListsByLaneParts) {
  Bury({"1"}, "REJECTED");
  EXPECT_EQ(Found({.route = "a"}).size(), 1u);
  EXPECT_EQ(Found({.target = "x"}).size(), 1u);
  EXPECT_EQ(Found({.route = "a", .target = "x"}).size(), 1u);
  EXPECT_TRUE(Found({.route = "b"}).empty());
  EXPECT_TRUE(Found({.target = "a"}).empty());
  EXPECT_TRUE(Found({.route = "a/x"}).empty());
}

TEST_P(BusDeadTest, ListsByPluginVersionTimeAndId) {
  Bury({"1"}, DeadReason{"REJECTED", "m", "", "v1"});
  const Time first = clock().Now();
  clock().Advance(std::chrono::seconds(10));
  Bury({"2"}, DeadReason{"REJECTED", "m", "", "v2"});
  EXPECT_EQ(Found({.version = "v2"}), std::vector<std::string>{"2"});
  EXPECT_EQ(List({.version = "v2"})[0].why.version, "v2");
  EXPECT_EQ(Found({.died_after = first + std::chrono::seconds(1)}), std::vector<std::string>{"2"});
  EXPECT_EQ(Found({.died_after = first + std::chrono::seconds(10)}), std::vector<std::string>{"2"});
  EXPECT_EQ(Found({.died_before = first + std::chrono::seconds(10)}),
            std::vector<std::string>{"1"});
  EXPECT_EQ(Found({.up_to = List({})[0].id}), std::vector<std::string>{"1"});
}

TEST_P(BusDeadTest, ListsByWhatTheEventSays) {
  Declare({MakeLane("a/x", "#"), MakeLane("b/x", "story.#")});
  for (const char* type : {"story.post", "task.put"}) {
    ASSERT_TRUE(
        PublishOne(bus(), MakeEvent(type, type, type[0] == 's' ? "web" : "cli")).status.ok());
    reader_->Finish(reader_->TakeOne(1), End::kDead);
    reader_->Credit(1, 1000);
  }
  EXPECT_EQ(Found({.type = "task.*"}), std::vector<std::string>{"task.put"});
  EXPECT_EQ(Found({.type = "#"}).size(), 2u);
  EXPECT_EQ(Found({.attributes = {{"source", "web"}}}), std::vector<std::string>{"story.post"});
  EXPECT_EQ(Found({.attributes = {{"id", "task.put"}}}), std::vector<std::string>{"task.put"});
  EXPECT_TRUE(Found({.attributes = {{"subject", ""}}}).empty()) << "they have none";
  EXPECT_TRUE(Found({.type = "task.*", .attributes = {{"source", "web"}}}).empty());
  // What is found is what is given back, and deleted.
  EXPECT_EQ(*bus().ReplayDead({.type = "task.*"}), 1u);
  EXPECT_EQ(reader_->TakeOne(1).event.id(), "task.put");
  EXPECT_EQ(*bus().PurgeDead({.type = "task.*"}), 0u);
  EXPECT_EQ(*bus().PurgeDead({.attributes = {{"source", "web"}}}), 1u);
}

TEST_P(BusDeadTest, AGroupIsGivenBackAlone) {
  Bury({"1"}, DeadReason{"REJECTED", "no user 17", "", "v1"});
  Bury({"2"}, DeadReason{"REJECTED", "no user 4", "", "v1"});
  Bury({"3"}, DeadReason{"REJECTED", "no group 4", "", "v1"});
  Bury({"4"}, DeadReason{"REJECTED", "no user 4", "", "v2"});
  const std::string group = GroupKey(List({})[0]);
  EXPECT_EQ(Found({.group = group}), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(*bus().ReplayDead({.group = group}), 2u);
  EXPECT_EQ(Ids(reader_->Take(1, 2)), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(Found({}), (std::vector<std::string>{"3", "4"}));
}

// More letters than the bus looks at in one step, few of which are meant.
TEST_P(BusDeadTest, AFilterOfTheEventGoesThroughAllLetters) {
  Bury(Numbered("e", 300), "REJECTED");
  EXPECT_EQ(Found({.attributes = {{"id", "e299"}}}), std::vector<std::string>{"e299"});
  EXPECT_EQ(*bus().PurgeDead({.attributes = {{"id", "e298"}}}), 1u);
  EXPECT_EQ(*bus().ReplayDead({.attributes = {{"id", "e299"}}}), 1u);
  EXPECT_EQ(reader_->TakeOne(1).event.id(), "e299");
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 298u);
}

Attempt Tried(const Clock& clock, const std::string& outcome, const std::string& message) {
  return {clock.Now(), outcome, "BUSY", message, "v1"};
}

void AddTried(Settlement* settlement, const Attempt& attempt) {
  settlement->tried = std::make_unique<std::vector<Attempt>>(std::vector<Attempt>{attempt});
}

TEST_P(BusDeadTest, ALetterHasTheHistoryOfItsEvent) {
  PublishIds(bus(), {"e"});
  Delivery delivery = reader_->TakeOne(1);
  std::vector<Attempt> history;
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    history.push_back(Tried(clock(), attempt == 2 ? "deadline" : "retry",
                            "turn " + std::to_string(attempt) + " of \"it\""));
    reader_->Finish(delivery, End::kRetry, [&](Settlement* s) {
      s->attempts = attempt;
      s->due = clock().Now() + std::chrono::milliseconds(100);
      AddTried(s, history.back());
    });
    clock().Advance(std::chrono::seconds(1));
    delivery = reader_->TakeOne(1);
  }
  history.push_back(Tried(clock(), "reject", "enough"));
  reader_->Finish(delivery, End::kDead, [&](Settlement* s) { AddTried(s, history.back()); });
  ASSERT_EQ(List({}).size(), 1u);
  EXPECT_EQ(List({})[0].history, history);
  // A replay adds to it.
  ASSERT_EQ(*bus().ReplayDead({}), 1u);
  history.push_back(Tried(clock(), "reject", "again"));
  reader_->Finish(reader_->TakeOne(1), End::kDead,
                  [&](Settlement* s) { AddTried(s, history.back()); });
  ASSERT_EQ(List({}).size(), 1u);
  EXPECT_EQ(List({})[0].history, history);
}

TEST_P(BusDeadTest, AHistoryIsBounded) {
  PublishIds(bus(), {"e"});
  Delivery delivery = reader_->TakeOne(1);
  for (uint32_t attempt = 1; attempt <= 30; ++attempt) {
    reader_->Finish(delivery, End::kRetry, [&](Settlement* s) {
      s->attempts = attempt;
      s->due = clock().Now() + std::chrono::milliseconds(1);
      AddTried(s, Tried(clock(), "retry", std::to_string(attempt) + std::string(100, 'x')));
    });
    clock().Advance(std::chrono::seconds(1));
    delivery = reader_->TakeOne(1);
  }
  reader_->Finish(delivery, End::kDead);
  ASSERT_EQ(List({}).size(), 1u);
  const std::vector<Attempt> history = List({})[0].history;
  EXPECT_GE(history.size(), 8u);
  EXPECT_LT(history.size(), 20u);
  EXPECT_EQ(history.back().message, "30" + std::string(100, 'x')) << "the newest are kept";
}

TEST_P(BusDeadTest, ABatchIsTheOldest) {
  Bury(Numbered("e", 5), "REJECTED");
  const std::vector<DeadLetter> all = List({});
  const absl::StatusOr<Replayed> first = bus().ReplayBatch({}, 2);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->count, 2u);
  EXPECT_EQ(first->stayed, 0u);
  EXPECT_EQ(first->last, all[1].id);
  EXPECT_EQ(Ids(reader_->Take(1, 2)), (std::vector<std::string>{"e0", "e1"}));
  EXPECT_EQ(Found({}), (std::vector<std::string>{"e2", "e3", "e4"}));
  EXPECT_EQ(bus().ReplayBatch({.after = all[2].id, .up_to = all[3].id}, 2)->count, 1u);
  EXPECT_EQ(reader_->TakeOne(1).event.id(), "e3");
  const absl::StatusOr<Replayed> last = bus().ReplayBatch({}, 10);
  EXPECT_EQ(last->count, 2u) << "there are no more";
  EXPECT_EQ(last->last, all[4].id);
  EXPECT_EQ(Ids(reader_->Take(1, 2)), (std::vector<std::string>{"e2", "e4"}));
  EXPECT_EQ(bus().ReplayBatch({}, 10)->last, 0u);
}

TEST_P(BusDeadTest, ABatchSaysHowManyStay) {
  Bury(Numbered("e", 3), "REJECTED");
  const uint64_t last = List({})[1].id;
  reader_->consumer().Close(1);
  Declare({MakeLane("b/x", "story.#")});
  const absl::StatusOr<Replayed> replayed = bus().ReplayBatch({}, 2);
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(replayed->count, 0u);
  EXPECT_EQ(replayed->stayed, 2u);
  EXPECT_EQ(replayed->last, last) << "so that the caller can go on behind them";
  EXPECT_EQ(List({}).size(), 3u);
}

class BusEditTest : public BusDeadTest {
 protected:
  static Event Edited(const std::string& id, const std::string& data) {
    return MakeEvent(id, "story.post", "storyboard", data);
  }
  uint64_t IdOf(const std::string& event) {
    const std::vector<DeadLetter> letters = List({.attributes = {{"id", event}}});
    EXPECT_EQ(letters.size(), 1u);
    return letters.empty() ? 0 : letters[0].id;
  }
};
OUTBOARD_EVERY_BUS(BusEditTest);

TEST_P(BusEditTest, ALetterKeepsItsEventBesideTheEditedOne) {
  Bury({"1", "2"}, "REJECTED");
  const std::string before(List({})[0].event.bytes());
  ASSERT_TRUE(bus().EditDead(IdOf("1"), Edited("1", "{\"n\":1}")).ok());
  std::vector<DeadLetter> letters = List({});
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(letters[0].event.bytes(), before);
  EXPECT_EQ(letters[0].edited.bytes(), Edited("1", "{\"n\":1}").bytes());
  EXPECT_EQ(letters[0].why.reason, "REJECTED");
  EXPECT_TRUE(letters[1].edited.empty());
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 2u);
  // The newest edit counts.
  ASSERT_TRUE(bus().EditDead(letters[0].id, Edited("1", "{\"n\":2}")).ok());
  letters = List({});
  EXPECT_EQ(letters[0].event.bytes(), before);
  EXPECT_EQ(letters[0].edited.bytes(), Edited("1", "{\"n\":2}").bytes());
}

TEST_P(BusEditTest, AReplayGivesTheEditedEventBackInItsPlace) {
  Bury({"1", "2", "3"}, "REJECTED");
  ASSERT_TRUE(bus().EditDead(IdOf("2"), Edited("2", "{\"n\":2}")).ok());
  ASSERT_EQ(*bus().ReplayDead({}), 3u);
  const std::vector<Delivery> again = reader_->Take(1, 3);
  EXPECT_EQ(Ids(again), (std::vector<std::string>{"1", "2", "3"})) << "in their order";
  EXPECT_EQ(again[1].event.bytes(), Edited("2", "{\"n\":2}").bytes());
  EXPECT_EQ(again[2].event.bytes(), MakeEvent("3").bytes());
  reader_->FinishAll(again);
  EXPECT_TRUE(List({}).empty());
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
}

TEST_P(BusEditTest, AnEditIsTakenBack) {
  Bury({"1"}, "REJECTED");
  ASSERT_TRUE(bus().EditDead(IdOf("1"), Edited("1", "{\"n\":1}")).ok());
  ASSERT_TRUE(bus().EditDead(IdOf("1"), Event()).ok());
  EXPECT_TRUE(List({})[0].edited.empty());
  ASSERT_EQ(*bus().ReplayDead({}), 1u);
  EXPECT_EQ(reader_->TakeOne(1).event.bytes(), MakeEvent("1").bytes());
}

TEST_P(BusEditTest, AnEditedEventMayDieAgainAndBeEditedAgain) {
  Bury({"1"}, "REJECTED");
  ASSERT_TRUE(bus().EditDead(IdOf("1"), Edited("1", "{\"n\":1}")).ok());
  ASSERT_EQ(*bus().ReplayDead({}), 1u);
  Delivery delivery = reader_->TakeOne(1);
  reader_->Finish(delivery, End::kRetry, [&](Settlement* s) {
    s->attempts = 1;
    s->due = clock().Now() + std::chrono::milliseconds(10);
  });
  clock().Advance(std::chrono::seconds(1));
  delivery = reader_->TakeOne(1);
  EXPECT_EQ(delivery.event.bytes(), Edited("1", "{\"n\":1}").bytes()) << "retries have it too";
  reader_->Finish(delivery, End::kDead);
  const std::vector<DeadLetter> letters = List({});
  ASSERT_EQ(letters.size(), 1u);
  if (under_test().remote()) {
    EXPECT_EQ(letters[0].event.bytes(), Edited("1", "{\"n\":1}").bytes());
  } else {
    EXPECT_EQ(letters[0].event.bytes(), MakeEvent("1").bytes()) << "the first event is kept";
    EXPECT_EQ(letters[0].edited.bytes(), Edited("1", "{\"n\":1}").bytes());
  }
  ASSERT_TRUE(bus().EditDead(letters[0].id, Edited("1", "{\"n\":2}")).ok());
  ASSERT_EQ(*bus().ReplayDead({}), 1u);
  EXPECT_EQ(reader_->TakeOne(1).event.bytes(), Edited("1", "{\"n\":2}").bytes());
}

TEST_P(BusEditTest, APurgeTakesTheEditWithTheLetter) {
  Bury({"1", "2"}, "REJECTED");
  ASSERT_TRUE(bus().EditDead(IdOf("1"), Edited("1", "{\"n\":1}")).ok());
  ASSERT_TRUE(bus().EditDead(IdOf("2"), Edited("2", "{\"n\":2}")).ok());
  EXPECT_EQ(*bus().PurgeDead({.ids = {IdOf("1")}}), 1u);
  ASSERT_EQ(List({}).size(), 1u);
  EXPECT_EQ(List({})[0].edited.bytes(), Edited("2", "{\"n\":2}").bytes());
  EXPECT_EQ(*bus().PurgeDead({}), 1u);
}

TEST_P(BusEditTest, ALetterThatIsNotThereCannotBeEdited) {
  Bury({"1"}, "REJECTED");
  const uint64_t id = IdOf("1");
  ASSERT_EQ(*bus().PurgeDead({}), 1u);
  EXPECT_EQ(bus().EditDead(id, Edited("1", "{}")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(bus().EditDead(id, Event()).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace outboard::bus

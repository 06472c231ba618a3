#include <gmock/gmock.h>

#include "host/bus/rabbitmq/names.h"
#include "tests/contract/rabbitmq/rabbitmq_fixture.h"

// What comes back from the retry ladder for a queue that is gone, and what the broker gives up.
namespace outboard::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kQueue[] = "outboard.outboard.a/x";

class OrphansTest : public RabbitmqFixture {
 protected:
  void SetUp() override {
    bus_ = Open(Options());
    ASSERT_NE(bus_, nullptr);
    Declare(*bus_, {MakeLane("a/x", "story.#")});
  }

  // Leaves retries of these on the ladder, and nobody on the queue.
  void LeaveOnTheLadder(const std::vector<std::string>& ids) {
    Reader reader(*bus_, clock_);
    reader.Open(1, "a/x", 1000);
    PublishIds(*bus_, ids);
    // On a busy machine they would be back before the queue is gone.
    OnBroker([](amqp::Connection& connection, amqp::Channel channel) {
      return connection.UnbindQueue(channel, kQueue, rabbitmq::kDueExchange, kQueue);
    });
    for (const Delivery& delivery : reader.Take(1, ids.size())) {
      reader.Finish(delivery, End::kRetry, [&](Settlement* s) {
        s->attempts = 3;
        s->due = clock_.Now();
      });
    }
  }
  void Orphan(const std::vector<std::string>& ids) {
    LeaveOnTheLadder(ids);
    DeleteQueue(kQueue);
    ASSERT_TRUE(Eventually([&] { return List(*bus_).size() == ids.size(); }));
  }
  std::vector<std::string> TakeAll(size_t n) {
    Reader reader(*bus_, clock_);
    reader.Open(1, "a/x", 1000);
    const std::vector<Delivery> deliveries = reader.Take(1, n);
    for (const Delivery& delivery : deliveries) EXPECT_EQ(delivery.attempts, 0u);
    reader.FinishAll(deliveries);
    EXPECT_EQ(reader.waiting(1), 0u);
    std::vector<std::string> ids = Ids(deliveries);
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  std::unique_ptr<RabbitmqBus> bus_;
};

TEST_F(OrphansTest, AreListedWithTheirLaneAndUnderTheSameIdEachTime) {
  Orphan({"1", "2", "3"});
  const std::vector<DeadLetter> letters = List(*bus_);
  ASSERT_EQ(letters.size(), 3u);
  for (const DeadLetter& letter : letters) {
    EXPECT_EQ(letter.lane, "a/x");
    EXPECT_EQ(letter.why.reason, "ORPHANED");
    EXPECT_THAT(letter.why.message, HasSubstr(kQueue));
    EXPECT_EQ(letter.attempts, 3u);
    EXPECT_EQ(letter.event.source(), "storyboard");
    EXPECT_EQ(IdsOf(List(*bus_, OfId(letter.id))), IdsOf({letter}));
  }
  EXPECT_EQ(List(*bus_, OfLane("a/x")).size(), 3u);
  EXPECT_EQ(List(*bus_, OfLane(kQueue)).size(), 3u);
  EXPECT_EQ(List(*bus_, OfReason("ORPHANED")).size(), 3u);
  EXPECT_THAT(List(*bus_, OfLane("b/x")), IsEmpty());
  EXPECT_THAT(List(*bus_, OfReason("REJECTED")), IsEmpty());
  EXPECT_THAT(bus_->Info().warnings, ElementsAre(HasSubstr("--reason ORPHANED")));
}

TEST_F(OrphansTest, AreReplayedOnceTheirQueueIsThereAgain) {
  Orphan({"1", "2", "3"});
  const absl::Status early = bus_->ReplayDead(OfLane("a/x")).status();
  EXPECT_EQ(early.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(early.message()), HasSubstr(kQueue));
  Declare(*bus_, {MakeLane("a/x", "story.#")});
  EXPECT_EQ(*bus_->ReplayDead(OfId(List(*bus_)[1].id)), 1u);
  EXPECT_EQ(List(*bus_).size(), 2u);
  EXPECT_EQ(*bus_->ReplayDead({}), 2u);
  EXPECT_THAT(TakeAll(3), ElementsAre("1", "2", "3"));
  EXPECT_THAT(List(*bus_), IsEmpty());
}

TEST_F(OrphansTest, OfALaneThatIsNotDeclaredStay) {
  LeaveOnTheLadder({"1", "2"});
  Declare(*bus_, {});
  ASSERT_TRUE(bus_->ForgetLane("a/x", Remainder::kDiscard).ok());
  ASSERT_TRUE(Eventually([&] { return List(*bus_).size() == 2; }));
  EXPECT_EQ(*bus_->ReplayDead({}), 0u);
  const absl::Status refused = bus_->ReplayDead(OfLane("a/x")).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(kQueue));
  Declare(*bus_, {MakeLane("a/x", "story.#")});
  EXPECT_EQ(*bus_->ReplayDead(OfLane("a/x")), 2u);
  EXPECT_THAT(TakeAll(2), ElementsAre("1", "2"));
}

TEST_F(OrphansTest, ArePurged) {
  Orphan({"1", "2", "3"});
  EXPECT_EQ(*bus_->PurgeDead(OfId(List(*bus_)[0].id)), 1u);
  EXPECT_EQ(*bus_->PurgeDead(OfLane("b/x")), 0u);
  EXPECT_EQ(List(*bus_).size(), 2u);
  EXPECT_EQ(*bus_->PurgeDead({}), 2u);
  EXPECT_THAT(List(*bus_), IsEmpty());
}

TEST_F(OrphansTest, OfAnotherHostAreTakenOnlyIfTheyAreMeant) {
  Orphan({"1", "2"});
  const std::unique_ptr<RabbitmqBus> other = Open(Options("other"));
  ASSERT_NE(other, nullptr);
  Declare(*other, {});
  EXPECT_THAT(List(*other), IsEmpty());
  EXPECT_EQ(*other->PurgeDead({}), 0u);
  EXPECT_EQ(*other->ReplayDead({}), 0u);
  const std::vector<DeadLetter> letters = List(*other, OfReason("ORPHANED"));
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(letters[0].lane, kQueue);
  const absl::Status refused = other->ReplayDead(OfLane(kQueue)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(kQueue));
  Declare(*bus_, {MakeLane("a/x", "story.#")});
  EXPECT_EQ(*other->ReplayDead(OfLane(kQueue)), 2u);
  EXPECT_THAT(TakeAll(2), ElementsAre("1", "2"));
}

TEST_F(OrphansTest, WhatTheBrokerGivesUpIsThereToo) {
  const Event event = MakeEvent("1");
  dialect::Message message = *dialect::Encode(event, Options().dialect);
  message.exchange = "outboard.all";
  message.routing_key = "story.post";
  message.properties.expiration = "1";
  OnBroker([&](amqp::Connection& connection, amqp::Channel channel) {
    return connection.Publish(channel, message, true);
  });
  ASSERT_TRUE(Eventually([&] { return List(*bus_).size() == 1; }));
  const DeadLetter letter = List(*bus_)[0];
  EXPECT_EQ(letter.lane, "a/x");
  EXPECT_EQ(letter.event.bytes(), event.bytes());
  EXPECT_THAT(letter.why.message, HasSubstr("expired"));
  EXPECT_EQ(*bus_->ReplayDead({}), 1u);
  EXPECT_THAT(TakeAll(1), ElementsAre("1"));
}

// ---- Many letters
// ------------------------------------------------------------------------------------

class ManyLettersTest : public RabbitmqFixture {
 protected:
  static constexpr size_t kLetters = 3000;

  void SetUp() override {
    RabbitmqBusOptions options = Options();
    options.prefetch = 10'000;
    bus_ = Open(std::move(options));
    ASSERT_NE(bus_, nullptr);
    Declare(*bus_, {MakeLane("a/x", "story.#")});
    PublishIds(*bus_, ids_);
  }
  // Makes letters of all events of the lane.
  void BuryAll() {
    Declare(*bus_, {});
    const absl::StatusOr<Forgotten> forgotten = bus_->ForgetLane("a/x", Remainder::kToDead);
    ASSERT_TRUE(forgotten.ok()) << forgotten.status();
    EXPECT_EQ(forgotten->to_dead, kLetters);
    Declare(*bus_, {MakeLane("a/x", "story.#")});
  }
  // All events of the lane, and how many came more than once.
  std::pair<std::vector<std::string>, size_t> TakeAll() {
    const uint64_t backlog = InfoOf(*bus_, "a/x").backlog;
    Reader reader(*bus_, clock_);
    reader.Open(1, "a/x", 10'000);
    std::set<std::string> seen;
    std::vector<std::string> first;
    for (const std::string& id : Ids(reader.Take(1, backlog))) {
      if (seen.insert(id).second) first.push_back(id);
    }
    const size_t again = backlog - first.size();
    return {std::move(first), again};
  }

  const std::vector<std::string> ids_ = Numbered("e", kLetters);
  std::unique_ptr<RabbitmqBus> bus_;
};

TEST_F(ManyLettersTest, KeepTheirOrderFromTheLaneAndBackToIt) {
  BuryAll();
  EXPECT_EQ(IdsOf(List(*bus_)), ids_);
  const absl::StatusOr<uint64_t> replayed = bus_->ReplayDead({});
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(*replayed, kLetters);
  EXPECT_THAT(List(*bus_), IsEmpty());
  EXPECT_EQ(TakeAll(), std::make_pair(ids_, size_t{0}));
}

TEST_F(ManyLettersTest, AreAllThereAfterCutsInTheMiddle) {
  Declare(*bus_, {});
  int cuts = 0;
  for (absl::Status status = absl::UnavailableError("not yet"); !status.ok(); ++cuts) {
    if (cuts < 3) gate_.CutAfter(tests::Direction::kToBroker, 200'000);
    status = bus_->ForgetLane("a/x", Remainder::kToDead).status();
  }
  ASSERT_GT(cuts, 1) << "the first try was cut";
  Declare(*bus_, {MakeLane("a/x", "story.#")});
  EXPECT_GE(List(*bus_).size(), kLetters);
  cuts = 0;
  for (absl::Status status = absl::UnavailableError("not yet"); !status.ok(); ++cuts) {
    if (cuts < 3) gate_.CutAfter(tests::Direction::kToBroker, 200'000);
    status = bus_->ReplayDead({}).status();
  }
  ASSERT_GT(cuts, 1) << "the first try was cut";
  EXPECT_THAT(List(*bus_), IsEmpty());
  std::vector<std::string> came = TakeAll().first;
  std::vector<std::string> wanted = ids_;
  std::sort(came.begin(), came.end());
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(came, wanted);
}

}  // namespace
}  // namespace outboard::bus

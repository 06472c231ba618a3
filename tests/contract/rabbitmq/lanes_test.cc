#include <gmock/gmock.h>

#include "host/bus/rabbitmq/names.h"
#include "tests/contract/rabbitmq/rabbitmq_fixture.h"

// Queues that a lane has no more, counts, and a broker that is away.
namespace outboard::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

LaneSpec Singleton(const std::string& type) {
  LaneSpec spec = MakeLane("s/x", type);
  spec.mode = Mode::kSingleton;
  return spec;
}

// What the old queue of lane s/x is called once it has another.
std::string Former(const std::string& type) {
  return rabbitmq::FormerName("s/x", rabbitmq::LaneQueue("outboard", "here", Singleton(type)));
}

std::vector<std::string> Names(Bus& bus) {
  std::vector<std::string> names;
  const std::vector<LaneInfo> lanes = bus.Lanes().value();
  for (const LaneInfo& info : lanes) names.push_back(info.name);
  return names;
}

class FormerQueueTest : public RabbitmqFixture {
 protected:
  void SetUp() override {
    bus_ = Open(Options());
    ASSERT_NE(bus_, nullptr);
    Declare(*bus_, {Singleton("story.#")});
    PublishIds(*bus_, {"1", "2", "3"});
  }

  std::unique_ptr<RabbitmqBus> bus_;
};

TEST_F(FormerQueueTest, IsAnOrphanWhoseEventsMayBeGivenToTheLane) {
  Declare(*bus_, {Singleton("task.#")});
  PublishIds(*bus_, {"4"});  // It is other hosts' too, so it takes what they want.
  EXPECT_THAT(Names(*bus_), ElementsAre("s/x", Former("story.#")));
  EXPECT_EQ(InfoOf(*bus_, "s/x").backlog, 0u);
  EXPECT_TRUE(InfoOf(*bus_, Former("story.#")).orphan);
  EXPECT_EQ(InfoOf(*bus_, Former("story.#")).backlog, 4u);
  const absl::Status refused = bus_->ForgetLane(Former("story.#"), Remainder::kRefuse).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("4"));
  const absl::StatusOr<Forgotten> forgotten =
      bus_->ForgetLane(Former("story.#"), Remainder::kToDead);
  ASSERT_TRUE(forgotten.ok()) << forgotten.status();
  EXPECT_EQ(forgotten->to_dead, 4u);
  EXPECT_EQ(PublishOne(*bus_, MakeEvent("5")).matched, 0u);
  EXPECT_THAT(Names(*bus_), ElementsAre("s/x"));
  EXPECT_EQ(IdsOf(List(*bus_, OfLane("s/x"))), (std::vector<std::string>{"1", "2", "3", "4"}));
  EXPECT_EQ(*bus_->ReplayDead(OfLane("s/x")), 4u);
  Reader reader(*bus_, clock_);
  reader.Open(1, "s/x", 10);
  EXPECT_EQ(Ids(reader.Take(1, 4)), (std::vector<std::string>{"1", "2", "3", "4"}));
}

TEST_F(FormerQueueTest, IsKnownAfterARestartAndTakenUpAgain) {
  Declare(*bus_, {Singleton("task.#")});
  PublishIds(*bus_, {"task"}, "task.put");
  bus_.reset();
  bus_ = Open(Options());
  Declare(*bus_, {Singleton("story.#")});
  EXPECT_THAT(Names(*bus_), ElementsAre("s/x", Former("task.#")));
  EXPECT_EQ(InfoOf(*bus_, "s/x").backlog, 3u);
  EXPECT_EQ(InfoOf(*bus_, Former("task.#")).backlog, 1u);
}

TEST_F(FormerQueueTest, ThatAnotherHostConsumesIsLeftToIt) {
  const std::unique_ptr<RabbitmqBus> other = Open(Options("other"));
  ASSERT_NE(other, nullptr);
  Declare(*other, {Singleton("story.#")});
  Reader reader(*other, clock_);
  reader.Open(1, "s/x", 10);
  EXPECT_EQ(reader.Take(1, 3).size(), 3u);
  Declare(*bus_, {Singleton("task.#")});
  EXPECT_EQ(InfoOf(*bus_, Former("story.#")).backlog, 0u) << "they are the other's";
  const absl::StatusOr<Forgotten> forgotten =
      bus_->ForgetLane(Former("story.#"), Remainder::kDiscard);
  ASSERT_TRUE(forgotten.ok()) << forgotten.status();
  EXPECT_EQ(forgotten->discarded, 0u);
  PublishIds(*other, {"4"});
  EXPECT_EQ(reader.TakeOne(1).event.id(), "4");
}

TEST_F(FormerQueueTest, ThatAnotherLaneOfThisHostHasIsNoOrphan) {
  LaneSpec other = Singleton("story.#");
  other.name = "t/x";
  Declare(*bus_, {Singleton("story.#"), other});
  Declare(*bus_, {Singleton("task.#"), other});
  EXPECT_THAT(Names(*bus_), ElementsAre("s/x", "t/x"));
  EXPECT_EQ(InfoOf(*bus_, "t/x").backlog, 3u);
}

// ---- Counts
// ------------------------------------------------------------------------------------

class CountsTest : public RabbitmqFixture {};

TEST_F(CountsTest, ABrokerThatHangsHoldsNobodyUp) {
  RabbitmqBusOptions options = Options();
  options.counting.patience = std::chrono::milliseconds(200);
  const std::unique_ptr<RabbitmqBus> bus = Open(options);
  ASSERT_NE(bus, nullptr);
  Declare(*bus, {MakeLane("a/x")});
  PublishIds(*bus, Numbered("e", 7));
  ASSERT_TRUE(Eventually([&] { return InfoOf(*bus, "a/x").backlog == 7; }));
  ASSERT_TRUE(bus->Info().connected);
  gate_.HalfOpen();
  // It would be asked for 5 s each time.
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(InfoOf(*bus, "a/x").backlog, 7u);
    EXPECT_TRUE(InfoOf(*bus, "a/x").age.has_value());
  }
  EXPECT_TRUE(Eventually([&] { return !bus->Info().connected; }));
  EXPECT_THAT(bus->Info().warnings, ElementsAre(HasSubstr("backlogs are those of")));
  EXPECT_EQ(InfoOf(*bus, "a/x").backlog, 7u);
  gate_.Pass();
  EXPECT_TRUE(Eventually([&] { return bus->Info().connected; }));
  EXPECT_THAT(bus->Info().warnings, IsEmpty());
}

TEST_F(CountsTest, TheBrokerIsNotAskedEachTime) {
  RabbitmqBusOptions options = Options();
  options.counting.fresh = std::chrono::hours(1);
  const std::unique_ptr<RabbitmqBus> bus = Open(options);
  ASSERT_NE(bus, nullptr);
  Declare(*bus, {MakeLane("a/x")});
  EXPECT_EQ(InfoOf(*bus, "a/x").backlog, 0u);
  PublishIds(*bus, {"1"});
  EXPECT_EQ(InfoOf(*bus, "a/x").backlog, 0u);
  Declare(*bus, {MakeLane("a/x"), MakeLane("b/x")});
  EXPECT_FALSE(InfoOf(*bus, "b/x").counted) << "nobody asked for it yet";
}

TEST_F(CountsTest, AQueueThatIsDeletedWithEventsInItIsReported) {
  const std::unique_ptr<RabbitmqBus> bus = Open(Options());
  ASSERT_NE(bus, nullptr);
  Declare(*bus, {MakeLane("a/x"), MakeLane("empty/x", "other")});
  PublishIds(*bus, Numbered("e", 7));
  EXPECT_TRUE(Eventually([&] { return InfoOf(*bus, "a/x").backlog == 7; }));
  EXPECT_THAT(bus->Info().warnings, IsEmpty());
  DeleteQueue("outboard.outboard.a/x");
  DeleteQueue("outboard.outboard.empty/x");
  EXPECT_THAT(
      bus->Info().warnings,
      ElementsAre(HasSubstr("queue outboard.outboard.a/x was deleted with 7 events in it")));
}

TEST_F(CountsTest, AQueueThatIsMadeAgainBeforeItIsCountedIsReportedToo) {
  const std::unique_ptr<RabbitmqBus> bus = Open(Options());
  ASSERT_NE(bus, nullptr);
  Declare(*bus, {MakeLane("a/x")});
  PublishIds(*bus, Numbered("e", 7));
  Reader reader(*bus, clock_);
  reader.Open(1, "a/x", 2);
  EXPECT_EQ(reader.Take(1, 2).size(), 2u);
  // The broker counts what it has ready and what it handed out at different times; what it handed
  // out counts here once it is read.
  EXPECT_TRUE(Eventually([&] {
    reader.Pump();
    return InfoOf(*bus, "a/x").backlog == 7;
  }));
  DeleteQueue("outboard.outboard.a/x");
  // It takes events again, so it was made again.
  EXPECT_TRUE(Eventually([&] {
    reader.Pump();
    return PublishOne(*bus, MakeEvent("new")).status.ok();
  }));
  reader.Credit(1, 10);
  // What it had before the broker ended its consumer may come first.
  std::string id;
  for (int i = 0; i < 6 && id != "new"; ++i) id = std::string(reader.TakeOne(1).event.id());
  EXPECT_EQ(id, "new");
  EXPECT_THAT(bus->Info().warnings, ElementsAre(HasSubstr("with 7 events in it")));
}

TEST_F(CountsTest, ALaneThatIsForgottenIsNoLoss) {
  const std::unique_ptr<RabbitmqBus> bus = Open(Options());
  ASSERT_NE(bus, nullptr);
  Declare(*bus, {MakeLane("a/x")});
  PublishIds(*bus, Numbered("e", 7));
  EXPECT_TRUE(Eventually([&] { return InfoOf(*bus, "a/x").backlog == 7; }));
  Declare(*bus, {});
  ASSERT_TRUE(bus->ForgetLane("a/x", Remainder::kDiscard).ok());
  EXPECT_THAT(*bus->Lanes(), IsEmpty());
  EXPECT_THAT(bus->Info().warnings, IsEmpty());
}

// ---- The connection
// ------------------------------------------------------------------------------------

class ConnectedTest : public RabbitmqFixture {
 protected:
  // The connection for consuming alone.
  void CutConsumer() {
    const std::string closed = tests::Broker::Shared().Eval(
        "begin C = [P || P <- rabbit_networking:connections(), [{client_properties, T}, {vhost, "
        "V}] <- "
        "[rabbit_networking:connection_info(P, [client_properties, vhost])], V =:= <<\"" +
        vhost_ +
        "\">>, {<<\"connection_name\">>, _, N} <- T, binary:match(N, <<\" consumes\">>) =/= "
        "nomatch], "
        "[rabbit_networking:close_connection(P, \"test\") || P <- C], length(C) end");
    EXPECT_EQ(closed, "1");
  }
};

TEST_F(ConnectedTest, ARetryThatTheBrokerHandedToACutConnectionIsNoRetryAnyMore) {
  const std::unique_ptr<RabbitmqBus> bus = Open(Options());
  ASSERT_NE(bus, nullptr);
  Declare(*bus, {MakeLane("a/x")});
  Reader reader(*bus, clock_);
  reader.Open(1, "a/x", 10);
  PublishIds(*bus, {"1"});
  reader.Finish(reader.TakeOne(1), End::kRetry, [&](Settlement* s) {
    s->attempts = 1;
    s->due = clock_.Now();
  });
  EXPECT_EQ(InfoOf(*bus, "a/x").retrying, 1u);
  // Nobody reads what the broker hands out.
  ASSERT_TRUE(Eventually([&] {
    return tests::Broker::Shared().Eval(
               "lists:sum([N || Q <- rabbit_amqqueue:list(<<\"" + vhost_ +
               "\">>), [{name, {resource, _, _, <<\"outboard.outboard.a/x\">>}}, "
               "{messages_unacknowledged, N}] <- [rabbit_amqqueue:info(Q, [name, "
               "messages_unacknowledged])]])") == "1";
  }));
  CutConsumer();
  const Delivery again = reader.TakeOne(1);
  EXPECT_EQ(again.attempts, 1u);
  reader.Finish(again, End::kDone);
  // It was read before the cut, or comes after it: what was acknowledged in vain comes once more.
  EXPECT_TRUE(Eventually([&] {
    reader.Pump();
    return InfoOf(*bus, "a/x").backlog == 0;
  }));
  EXPECT_EQ(InfoOf(*bus, "a/x").retrying, 0u);
}

TEST_F(ConnectedTest, NotWhileAConsumerHasNoConnection) {
  const std::unique_ptr<RabbitmqBus> bus = Open(Options());
  ASSERT_NE(bus, nullptr);
  Declare(*bus, {MakeLane("a/x")});
  Reader reader(*bus, clock_);
  reader.Open(1, "a/x", 10);
  PublishIds(*bus, {"1"});
  EXPECT_EQ(reader.TakeOne(1).event.id(), "1");
  EXPECT_TRUE(bus->Info().connected);
  gate_.Refuse(true);
  CutConsumer();
  EXPECT_TRUE(Eventually([&] {
    reader.Pump();
    return !bus->Info().connected;
  }));
  PublishIds(*bus, {"2"});  // All but the consumer is connected.
  const BusInfo info = bus->Info();
  EXPECT_FALSE(info.connected);
  EXPECT_FALSE(info.warnings.empty()) << "people are told why";
  gate_.Refuse(false);
  reader.AwaitConnected();
  EXPECT_THAT(bus->Info().warnings, IsEmpty());
  EXPECT_EQ(reader.TakeOne(1).event.id(), "2");
}

TEST_F(ConnectedTest, AgainOnceAConsumerWithoutConnectionIsGone) {
  const std::unique_ptr<RabbitmqBus> bus = Open(Options());
  ASSERT_NE(bus, nullptr);
  Declare(*bus, {MakeLane("a/x")});
  auto reader = std::make_unique<Reader>(*bus, clock_);
  reader->Open(1, "a/x", 10);
  PublishIds(*bus, {"1"});
  EXPECT_EQ(reader->TakeOne(1).event.id(), "1");
  gate_.Refuse(true);
  CutConsumer();
  EXPECT_TRUE(Eventually([&] {
    reader->Pump();
    return !bus->Info().connected;
  }));
  reader.reset();
  EXPECT_TRUE(bus->Info().connected);
}

// ---- The start
// ------------------------------------------------------------------------------------

class StartTest : public RabbitmqFixture {};

TEST_F(StartTest, ABrokerThatIsAwayIsWaitedFor) {
  gate_.Refuse(true);
  const std::unique_ptr<RabbitmqBus> bus = Open(Options());
  ASSERT_NE(bus, nullptr);
  LaneSpec unreliable = MakeLane("u/x");
  unreliable.reliable = false;
  Declare(*bus, {MakeLane("a/x"), unreliable});
  Reader reader(*bus, clock_);
  reader.Open(1, "a/x", 10);
  reader.Open(2, "u/x", 10);
  const BusInfo info = bus->Info();
  EXPECT_FALSE(info.connected);
  ASSERT_FALSE(info.warnings.empty());
  EXPECT_THAT(info.warnings[0], HasSubstr("Connection refused"));
  EXPECT_FALSE(InfoOf(*bus, "a/x").counted);
  EXPECT_EQ(PublishOne(*bus, MakeEvent("early")).status.code(), absl::StatusCode::kUnavailable);
  gate_.Refuse(false);
  EXPECT_TRUE(Eventually([&] { return bus->Info().connected; }));
  PublishIds(*bus, {"1"});
  EXPECT_EQ(reader.TakeOne(1).event.id(), "1");
  // Its queue is made when the consumer finds that it is not there.
  EXPECT_TRUE(Eventually([&] {
    reader.Pump();
    PublishIds(*bus, {"more"});
    return reader.waiting(2) > 0;
  }));
}

TEST_F(StartTest, LanesThatChangedMeanwhileAreMadeWhenTheBrokerComes) {
  {
    const std::unique_ptr<RabbitmqBus> bus = Open(Options());
    ASSERT_NE(bus, nullptr);
    Declare(*bus, {MakeLane("a/x", "story.#"), MakeLane("b/x", "story.#")});
  }
  gate_.Refuse(true);
  const std::unique_ptr<RabbitmqBus> bus = Open(Options());
  ASSERT_NE(bus, nullptr);
  Declare(*bus, {MakeLane("a/x", "task.#")});
  gate_.Refuse(false);
  EXPECT_TRUE(Eventually([&] { return bus->Info().connected; }));
  PublishIds(*bus, {"story"}, "story.post");
  PublishIds(*bus, {"task"}, "task.put");
  EXPECT_EQ(InfoOf(*bus, "a/x").backlog, 1u);
  EXPECT_EQ(InfoOf(*bus, "b/x").backlog, 0u) << "an orphan takes nothing new";
}

TEST_F(StartTest, WhatIsConfiguredWronglyIsAnErrorAtOnce) {
  RabbitmqBusOptions options = Options();
  options.connection.password = "wrong";
  EXPECT_EQ(RabbitmqBus::Open(options).status().code(), absl::StatusCode::kPermissionDenied);
  options = Options();
  options.connection.vhost = "nowhere";
  EXPECT_EQ(RabbitmqBus::Open(options).status().code(), absl::StatusCode::kPermissionDenied);
  options = Options();
  options.declare = false;
  const std::unique_ptr<RabbitmqBus> passive = Open(options);
  LaneSpec spec = MakeLane("a/x");
  spec.filters[0].service = "storyboard";
  const absl::Status missing = passive->Declare({spec});
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("storyboard"));
  OnBroker([&](amqp::Connection& connection, amqp::Channel channel) {
    amqp::QueueSpec queue;
    queue.name = "outboard.outboard.b/x";
    return connection.DeclareQueue(channel, queue).status();
  });
  const std::unique_ptr<RabbitmqBus> bus = Open(Options());
  const absl::Status differs = bus->Declare({MakeLane("b/x")});
  EXPECT_EQ(differs.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(differs.message()), HasSubstr("b/x"));
}

// As in a reload that is taken back.
TEST_F(StartTest, ALaneThatIsRefusedTakesNothingFromTheOthers) {
  const std::unique_ptr<RabbitmqBus> bus = Open(Options());
  Declare(*bus, {MakeLane("a/x", "task.#")});
  OnBroker([&](amqp::Connection& connection, amqp::Channel channel) {
    amqp::QueueSpec queue;
    queue.name = "outboard.outboard.b/x";
    return connection.DeclareQueue(channel, queue).status();
  });
  EXPECT_FALSE(bus->Declare({MakeLane("a/x", "story.#"), MakeLane("b/x")}).ok());
  PublishIds(*bus, {"meanwhile"}, "task.put");
  Declare(*bus, {MakeLane("a/x", "task.#")});
  EXPECT_EQ(InfoOf(*bus, "a/x").backlog, 1u);
}

}  // namespace
}  // namespace outboard::bus

#include "host/bus/rabbitmq/settlement_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Field;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr const char* kVersions[] = {"3.10.8", "3.13.7", "4.0.9", "4.2.1", "4.3.0", "5.0.0"};

SettlementPlan PlanFor(absl::string_view version, bool quorum) {
  absl::StatusOr<SettlementPlan> plan = SettlementPlan::For(version, quorum);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

std::vector<std::string> Rows(const SettlementInfo& info) {
  std::vector<std::string> rows;
  for (const SettlementInfo::Row& row : info.rows)
    rows.push_back(absl::StrCat(row.end, "|", row.lanes, "|", absl::StrJoin(row.operations, ", ")));
  return rows;
}

// What is done by the host, which no version changes.
std::vector<std::string> HostsRows() {
  return {
      "done, dropped||ack",
      "done with emits||publish emits, ack",
      "retry|reliable|publish to rung, ack",
      "retry|ordered, unreliable|hold in memory",
      "dead letter||publish to dead queue, ack",
      "given back||hand out again",
      "connection lost|reliable, ordered|adopt redelivery",
      "connection lost|unreliable|adopt redelivery, lose what waits",
  };
}

std::vector<std::string> With(std::vector<std::string> rows, std::vector<std::string> more) {
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

const std::pair<std::string, Field> kNoLimit = {"x-delivery-limit", Field::Number(-1)};
const std::pair<std::string, Field> kSingle = {"x-single-active-consumer", Field::Bool(true)};
const std::pair<std::string, Field> kQuorum = {"x-queue-type", Field::Text("quorum")};
const std::pair<std::string, Field> kClassic = {"x-queue-type", Field::Text("classic")};
const std::pair<std::string, Field> kToOrphans = {"x-dead-letter-exchange",
                                                  Field::Text("outboard.orphans")};
const std::pair<std::string, Field> kToDue = {"x-dead-letter-exchange",
                                              Field::Text("outboard.due")};

// ---- Versions

TEST(SettlementPlanTest, ReadsTheVersionsThatBrokersSay) {
  EXPECT_EQ(ParseBrokerVersion("3.10.8"), (BrokerVersion{3, 10}));
  EXPECT_EQ(ParseBrokerVersion("4.0.0+2"), (BrokerVersion{4, 0}));
  EXPECT_EQ(ParseBrokerVersion("4.3.0-rc.1"), (BrokerVersion{4, 3}));
  EXPECT_EQ(ParseBrokerVersion("3.13"), (BrokerVersion{3, 13}));
  for (const char* nonsense : {"", "4", "four.one", "4.x", "v4.0.1", "-3.1", "."})
    EXPECT_EQ(ParseBrokerVersion(nonsense), std::nullopt) << nonsense;
  EXPECT_LT((BrokerVersion{3, 9}), (BrokerVersion{3, 10}));
  EXPECT_LT((BrokerVersion{3, 13}), (BrokerVersion{4, 0}));
}

TEST(SettlementPlanTest, OnlyOneSeriesWasRun) {
  for (const bool quorum : {true, false}) {
    EXPECT_TRUE(PlanFor("3.10.8", quorum).run());
    EXPECT_TRUE(PlanFor("3.10.25", quorum).Info().run);
    for (const char* version : {"", "3.11.0", "3.13.7", "4.0.9", "4.3.0", "5.0.0"})
      EXPECT_FALSE(PlanFor(version, quorum).Info().run) << version;
  }
}

TEST(SettlementPlanTest, ABrokerThatIsTooOldIsRefusedWithTheFix) {
  const absl::Status quorum = SettlementPlan::For("3.9.29", true).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(quorum));
  EXPECT_THAT(std::string(quorum.message()), HasSubstr("RabbitMQ 3.9.29"));
  EXPECT_THAT(std::string(quorum.message()), HasSubstr("3.10: upgrade the broker, or set "
                                                       "bus.queue_type: classic"));
  EXPECT_TRUE(SettlementPlan::For("3.9.29", false).ok());
  EXPECT_THAT(PlanFor("3.9.29", false).Info().notes, Contains(HasSubstr("older than 3.10")));
  const absl::Status classic = SettlementPlan::For("3.7.28", false).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(classic));
  EXPECT_THAT(std::string(classic.message()), HasSubstr("upgrade the broker to 3.10 or later"));
}

// A limit of -1 drops messages on 3.10.
TEST(SettlementPlanTest, AnUnknownVersionIsTakenForTheOldestAndSaysSo) {
  for (const char* version : {"", "nonsense"}) {
    const SettlementPlan plan = PlanFor(version, true);
    EXPECT_FALSE(plan.version_known());
    EXPECT_THAT(plan.DeadQueue("q").arguments, Not(Contains(kNoLimit)));
    EXPECT_EQ(plan.Info().basis, "quorum queues, a broker of unknown version");
    EXPECT_THAT(plan.Info().notes, ElementsAre(HasSubstr("taken for RabbitMQ 3.10")));
  }
}

TEST(SettlementPlanTest, ANewerVersionThanTheLastKnownIsTakenForThatAndSaysSo) {
  EXPECT_EQ(Rows(PlanFor("4.4.0", true).Info()), Rows(PlanFor("4.3.0", true).Info()));
  EXPECT_THAT(PlanFor("4.4.0", true).Info().notes, Contains(HasSubstr("newer than 4.3")));
  EXPECT_THAT(PlanFor("4.3.9", true).Info().notes, Not(Contains(HasSubstr("newer than"))));
}

// ---- What is done

TEST(SettlementPlanTest, SettlementsEndInOneWayEach) {
  Settlement settlement;
  EXPECT_EQ(EndingOf(settlement), Ending::kDone);
  settlement.emits.emplace_back();
  EXPECT_EQ(EndingOf(settlement), Ending::kEmits);
  settlement.emits.clear();
  settlement.end = End::kDropped;
  EXPECT_EQ(EndingOf(settlement), Ending::kDone);
  settlement.end = End::kRetry;
  EXPECT_EQ(EndingOf(settlement), Ending::kRetry);
  settlement.end = End::kDead;
  EXPECT_EQ(EndingOf(settlement), Ending::kDead);
  settlement.end = End::kReturned;
  EXPECT_EQ(EndingOf(settlement), Ending::kReturned);
}

TEST(SettlementPlanTest, WhatIsPublishedGoesBeforeTheAcknowledgement) {
  for (const LaneKind lane : {LaneKind::kReliable, LaneKind::kOrdered, LaneKind::kUnreliable}) {
    EXPECT_THAT(OperationsFor(Ending::kDone, lane), ElementsAre(Operation::kAck));
    EXPECT_THAT(OperationsFor(Ending::kEmits, lane),
                ElementsAre(Operation::kPublishEmits, Operation::kAck));
    EXPECT_THAT(OperationsFor(Ending::kDead, lane),
                ElementsAre(Operation::kPublishToDead, Operation::kAck));
    EXPECT_THAT(OperationsFor(Ending::kReturned, lane), ElementsAre(Operation::kHandOutAgain));
  }
  EXPECT_THAT(OperationsFor(Ending::kRetry, LaneKind::kReliable),
              ElementsAre(Operation::kPublishToRung, Operation::kAck));
  EXPECT_THAT(OperationsFor(Ending::kRetry, LaneKind::kOrdered), ElementsAre(Operation::kHold));
  EXPECT_THAT(OperationsFor(Ending::kRetry, LaneKind::kUnreliable), ElementsAre(Operation::kHold));
}

TEST(SettlementPlanTest, BeforeFourThreeTheChannelKeepsTheTimeOfConsumers) {
  for (const char* version : {"3.10.8", "3.13.7", "4.0.9", "4.2.1"}) {
    for (const bool quorum : {true, false}) {
      EXPECT_EQ(Rows(PlanFor(version, quorum).Info()),
                With(HostsRows(), {"unacknowledged for 30 minutes||broker closes channel, as "
                                   "connection lost"}))
          << version;
    }
  }
}

TEST(SettlementPlanTest, FromFourThreeQuorumQueuesKeepItAndClassicOnesDoNot) {
  EXPECT_EQ(
      Rows(PlanFor("4.3.0", true).Info()),
      With(HostsRows(), {"unacknowledged for 30 minutes|reliable, ordered|broker takes it back and "
                         "cancels consumer, as connection lost",
                         "unacknowledged for 30 minutes|unreliable|hold in memory"}));
  EXPECT_EQ(Rows(PlanFor("4.3.0", false).Info()),
            With(HostsRows(), {"unacknowledged for 30 minutes||hold in memory"}));
}

TEST(SettlementPlanTest, WithoutABrokerThereIsWhatTheHostDoes) {
  const SettlementInfo info = SettlementPlan::WithoutBroker(false);
  EXPECT_EQ(info.basis, "classic queues");
  EXPECT_EQ(Rows(info), HostsRows());
  EXPECT_FALSE(info.run);
  EXPECT_THAT(info.queues, IsEmpty());
  EXPECT_THAT(info.notes, IsEmpty());
}

// ---- Queues

TEST(SettlementPlanTest, BeforeFourNoQuorumQueueHasADeliveryLimit) {
  for (const char* version : {"3.10.8", "3.13.7"}) {
    const SettlementPlan plan = PlanFor(version, true);
    EXPECT_THAT(plan.LaneQueue("q", true, false).arguments,
                UnorderedElementsAre(kQuorum, kToOrphans));
    EXPECT_THAT(plan.LaneQueue("q", true, true).arguments,
                UnorderedElementsAre(kQuorum, kToOrphans, kSingle));
    EXPECT_THAT(plan.DeadQueue("q").arguments, UnorderedElementsAre(kQuorum, kSingle));
    EXPECT_THAT(plan.Orphans().arguments, UnorderedElementsAre(kQuorum));
    EXPECT_THAT(plan.Info().notes, IsEmpty());
  }
}

TEST(SettlementPlanTest, FromFourOnQuorumQueuesAreFreedOfTheirDeliveryLimit) {
  for (const char* version : {"4.0.0-rc.2", "4.0.9", "4.2.1", "4.3.0", "5.0.0"}) {
    const SettlementPlan plan = PlanFor(version, true);
    EXPECT_THAT(plan.LaneQueue("q", true, false).arguments,
                UnorderedElementsAre(kQuorum, kToOrphans, kNoLimit));
    EXPECT_THAT(plan.LaneQueue("q", true, true).arguments,
                UnorderedElementsAre(kQuorum, kToOrphans, kSingle, kNoLimit));
    EXPECT_THAT(plan.DeadQueue("q").arguments, UnorderedElementsAre(kQuorum, kSingle, kNoLimit));
    EXPECT_THAT(plan.Orphans().arguments, UnorderedElementsAre(kQuorum, kNoLimit));
    EXPECT_THAT(plan.Info().notes, Contains(HasSubstr("have no x-delivery-limit")));
  }
}

TEST(SettlementPlanTest, ClassicQueuesNeverHaveOne) {
  for (const char* version : kVersions) {
    const SettlementPlan plan = PlanFor(version, false);
    EXPECT_THAT(plan.LaneQueue("q", true, true).arguments,
                UnorderedElementsAre(kClassic, kToOrphans, kSingle));
    EXPECT_THAT(plan.DeadQueue("q").arguments, UnorderedElementsAre(kClassic, kSingle));
    EXPECT_THAT(plan.Orphans().arguments, UnorderedElementsAre(kClassic));
    EXPECT_THAT(plan.Info().notes, Contains(HasSubstr("may lose a retry")));
  }
}

TEST(SettlementPlanTest, ARungOfQuorumQueuesLetsGoAtLeastOnce) {
  for (const char* version : kVersions) {
    const std::pair<std::string, Field> ttl = {"x-message-ttl", Field::Number(5000)};
    const amqp::QueueSpec quorum = PlanFor(version, true).Rung(std::chrono::seconds(5));
    EXPECT_EQ(quorum.name, "outboard.wait.5000ms");
    EXPECT_TRUE(quorum.durable);
    using Argument = std::pair<std::string, Field>;
    EXPECT_THAT(
        quorum.arguments,
        UnorderedElementsAre(kQuorum, ttl, kToDue,
                             Argument{"x-dead-letter-strategy", Field::Text("at-least-once")},
                             Argument{"x-overflow", Field::Text("reject-publish")}));
    EXPECT_THAT(PlanFor(version, false).Rung(std::chrono::seconds(5)).arguments,
                UnorderedElementsAre(kClassic, ttl, kToDue));
  }
}

// Which 4.3 refuses if it is neither durable nor exclusive, and which cannot be a quorum queue.
TEST(SettlementPlanTest, AnUnreliableLaneHasADurableClassicQueueThatEndsWithItsConsumers) {
  for (const char* version : kVersions) {
    for (const bool quorum : {true, false}) {
      const amqp::QueueSpec queue = PlanFor(version, quorum).LaneQueue("q", false, true);
      EXPECT_EQ(queue.name, "q");
      EXPECT_TRUE(queue.durable);
      EXPECT_TRUE(queue.auto_delete);
      EXPECT_FALSE(queue.exclusive);
      EXPECT_THAT(queue.arguments, ElementsAre(kClassic));
    }
  }
}

TEST(SettlementPlanTest, PeopleReadHowQueuesAreMade) {
  const SettlementInfo info = PlanFor("4.0.9", true).Info();
  EXPECT_EQ(info.basis, "quorum queues, RabbitMQ 4.0.9");
  std::vector<std::string> made;
  for (const SettlementInfo::Queue& queue : info.queues)
    made.push_back(absl::StrCat(queue.queue, ": ", queue.made_as));
  EXPECT_THAT(made, Contains("dead letters: durable, x-queue-type quorum, x-delivery-limit -1, "
                             "x-single-active-consumer true"));
  EXPECT_THAT(made, Contains("unreliable lane: durable, auto-delete, x-queue-type classic"));
}

TEST(SettlementPlanTest, PrioritiesBreakOrderFromFourOn) {
  EXPECT_THAT(PlanFor("4.0.9", true).Info().notes, Contains(HasSubstr("priority above 4")));
  EXPECT_THAT(PlanFor("4.3.0", true).Info().notes, Contains(HasSubstr("higher priority")));
  EXPECT_THAT(PlanFor("4.3.0", false).Info().notes, Not(Contains(HasSubstr("priority"))));
}

TEST(SettlementPlanTest, MoreArgumentsAreOfReliableLanesAlone) {
  const SettlementPlan plan = *SettlementPlan::For("3.10.8", true);
  const dialect::Table more = {{"x-max-in-memory-length", dialect::Field::Number(10)}};
  EXPECT_EQ(plan.LaneQueue("q", true, false, more).arguments.back(), more[0]);
  EXPECT_EQ(plan.LaneQueue("q", false, false, more).arguments,
            plan.LaneQueue("q", false, false).arguments);
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

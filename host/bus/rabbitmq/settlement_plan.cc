#include "host/bus/rabbitmq/settlement_plan.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "host/base/text.h"
#include "host/bus/rabbitmq/names.h"

namespace outboard::bus::rabbitmq {

using dialect::Field;

namespace {

constexpr BrokerVersion kRun{3, 10};
// Time to live and at-least-once dead-lettering on quorum queues: the ladder.
constexpr BrokerVersion kOldestQuorum{3, 10};
// Single active consumers: ordered lanes and dead letters.
constexpr BrokerVersion kOldestClassic{3, 8};
// A quorum queue gives a message up after 20 returns unless told otherwise, and knows priorities.
constexpr BrokerVersion kLimitsReturns{4, 0};
// Queues keep the time of consumers, strict priorities, connections that are lost count as returns.
constexpr BrokerVersion kQueuesKeepTime{4, 3};
constexpr BrokerVersion kNewestRead{4, 3};

constexpr Operation kAckOnly[] = {Operation::kAck};
constexpr Operation kEmitsThenAck[] = {Operation::kPublishEmits, Operation::kAck};
constexpr Operation kRungThenAck[] = {Operation::kPublishToRung, Operation::kAck};
constexpr Operation kDeadThenAck[] = {Operation::kPublishToDead, Operation::kAck};
constexpr Operation kHoldOnly[] = {Operation::kHold};
constexpr Operation kHandOutOnly[] = {Operation::kHandOutAgain};
constexpr Operation kAdoptOnly[] = {Operation::kAdopt};
constexpr Operation kAdoptOrLose[] = {Operation::kAdopt, Operation::kLose};

constexpr LaneKind kLaneKinds[] = {LaneKind::kReliable, LaneKind::kOrdered, LaneKind::kUnreliable};

const char* Name(LaneKind lane) {
  switch (lane) {
    case LaneKind::kReliable: return "reliable";
    case LaneKind::kOrdered: return "ordered";
    case LaneKind::kUnreliable: return "unreliable";
  }
  return "";
}

const char* Name(Ending ending) {
  switch (ending) {
    case Ending::kDone: return "done, dropped";
    case Ending::kEmits: return "done with emits";
    case Ending::kRetry: return "retry";
    case Ending::kDead: return "dead letter";
    case Ending::kReturned: return "given back";
    case Ending::kLost: return "connection lost";
  }
  return "";
}

const char* Name(Operation operation) {
  switch (operation) {
    case Operation::kAck: return "ack";
    case Operation::kPublishEmits: return "publish emits";
    case Operation::kPublishToRung: return "publish to rung";
    case Operation::kPublishToDead: return "publish to dead queue";
    case Operation::kHold: return "hold in memory";
    case Operation::kHandOutAgain: return "hand out again";
    case Operation::kAdopt: return "adopt redelivery";
    case Operation::kLose: return "lose what waits";
  }
  return "";
}

// One row for all lanes of which the same is true.
void AddRows(Ending ending, std::vector<SettlementInfo::Row>* rows) {
  const size_t first = rows->size();
  for (const LaneKind lane : kLaneKinds) {
    std::vector<std::string> operations;
    for (const Operation operation : OperationsFor(ending, lane))
      operations.emplace_back(Name(operation));
    const auto same =
        std::find_if(rows->begin() + static_cast<ptrdiff_t>(first), rows->end(),
                     [&](const SettlementInfo::Row& row) { return row.operations == operations; });
    if (same == rows->end()) {
      rows->push_back({Name(ending), Name(lane), std::move(operations)});
    } else {
      absl::StrAppend(&same->lanes, ", ", Name(lane));
    }
  }
  if (rows->size() == first + 1) rows->back().lanes.clear();
}

std::string MadeAs(const amqp::QueueSpec& queue) {
  std::string text = queue.durable ? "durable" : "transient";
  if (queue.auto_delete) text += ", auto-delete";
  for (const auto& [name, field] : queue.arguments) {
    absl::StrAppend(&text, ", ", name, " ");
    if (field.is_text()) {
      absl::StrAppend(&text, field.text);
    } else if (field.type == 't') {
      absl::StrAppend(&text, field.number != 0 ? "true" : "false");
    } else {
      absl::StrAppend(&text, field.number);
    }
  }
  return text;
}

absl::Status TooOld(absl::string_view version, bool quorum) {
  if (!quorum) {
    return absl::FailedPreconditionError(absl::StrCat(
        "RabbitMQ ", EscapeForPeople(Truncate(version, 40)),
        " has no single active consumers, which came with 3.8: upgrade the broker to 3.10 or "
        "later"));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "RabbitMQ ", EscapeForPeople(Truncate(version, 40)),
      " cannot keep retries in quorum queues, which came with 3.10: upgrade the broker, or set "
      "bus.queue_type: classic"));
}

}  // namespace

std::optional<BrokerVersion> ParseBrokerVersion(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, absl::ByAnyChar(".+-"));
  BrokerVersion version;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[0], &version.first) ||
      !absl::SimpleAtoi(parts[1], &version.second) || version.first < 0 || version.second < 0) {
    return std::nullopt;
  }
  return version;
}

Ending EndingOf(const Settlement& settlement) {
  switch (settlement.end) {
    case End::kDone: return settlement.emits.empty() ? Ending::kDone : Ending::kEmits;
    case End::kDropped: return Ending::kDone;
    case End::kRetry: return Ending::kRetry;
    case End::kDead: return Ending::kDead;
    case End::kReturned: return Ending::kReturned;
  }
  return Ending::kReturned;
}

absl::Span<const Operation> OperationsFor(Ending ending, LaneKind lane) {
  switch (ending) {
    case Ending::kDone: return kAckOnly;
    case Ending::kEmits: return kEmitsThenAck;
    case Ending::kRetry:
      if (lane == LaneKind::kReliable) return kRungThenAck;
      return kHoldOnly;
    case Ending::kDead: return kDeadThenAck;
    case Ending::kReturned: return kHandOutOnly;
    case Ending::kLost:
      if (lane == LaneKind::kUnreliable) return kAdoptOrLose;
      return kAdoptOnly;
  }
  return {};
}

absl::StatusOr<SettlementPlan> SettlementPlan::For(absl::string_view version, bool quorum) {
  const std::optional<BrokerVersion> parsed = ParseBrokerVersion(version);
  if (parsed && *parsed < (quorum ? kOldestQuorum : kOldestClassic)) return TooOld(version, quorum);
  return SettlementPlan(version, parsed, quorum);
}

// ---- Queues
// ------------------------------------------------------------------------------------

// The kind is named in any case: a vhost may have another default. `limited`: by the broker's
// count of returns, if it is left alone.
amqp::QueueSpec SettlementPlan::Durable(const std::string& name, bool limited) const {
  amqp::QueueSpec queue;
  queue.name = name;
  queue.arguments.emplace_back("x-queue-type", Field::Text(quorum_ ? "quorum" : "classic"));
  if (quorum_ && !limited && From(kLimitsReturns))
    queue.arguments.emplace_back("x-delivery-limit", Field::Number(-1));
  return queue;
}

amqp::QueueSpec SettlementPlan::LaneQueue(const std::string& name, bool reliable, bool ordered,
                                          const dialect::Table& more) const {
  if (!reliable) {
    // Durable, as 4.3 refuses what is neither that nor exclusive.
    amqp::QueueSpec queue;
    queue.name = name;
    queue.auto_delete = true;
    queue.arguments.emplace_back("x-queue-type", Field::Text("classic"));
    return queue;
  }
  amqp::QueueSpec queue = Durable(name, false);
  // The last net: what the broker itself gives up is found among the orphans.
  queue.arguments.emplace_back("x-dead-letter-exchange", Field::Text(kOrphansExchange));
  if (ordered) queue.arguments.emplace_back("x-single-active-consumer", Field::Bool(true));
  queue.arguments.insert(queue.arguments.end(), more.begin(), more.end());
  return queue;
}

amqp::QueueSpec SettlementPlan::DeadQueue(const std::string& name) const {
  amqp::QueueSpec queue = Durable(name, false);
  queue.arguments.emplace_back("x-single-active-consumer", Field::Bool(true));
  return queue;
}

amqp::QueueSpec SettlementPlan::Orphans() const { return Durable(kOrphansExchange, false); }

// Nobody consumes it, so nothing returns.
amqp::QueueSpec SettlementPlan::Rung(Duration wait) const {
  amqp::QueueSpec queue = Durable(RungName(wait), true);
  queue.arguments.emplace_back("x-message-ttl", Field::Number(wait / std::chrono::milliseconds(1)));
  queue.arguments.emplace_back("x-dead-letter-exchange", Field::Text(kDueExchange));
  if (quorum_) {
    // Without reject-publish the broker would work at-most-once here, and say so nowhere.
    queue.arguments.emplace_back("x-dead-letter-strategy", Field::Text("at-least-once"));
    queue.arguments.emplace_back("x-overflow", Field::Text("reject-publish"));
  }
  return queue;
}

// ---- For people
// ------------------------------------------------------------------------------------

bool SettlementPlan::run() const { return version_ == kRun; }

void SettlementPlan::AddBrokersDoing(SettlementInfo* info) const {
  constexpr char kEnd[] = "unacknowledged for 30 minutes";
  if (!From(kQueuesKeepTime)) {
    info->rows.push_back({kEnd, "", {"broker closes channel", "as connection lost"}});
    return;
  }
  if (quorum_) {
    info->rows.push_back({kEnd,
                          "reliable, ordered",
                          {"broker takes it back and cancels consumer", "as connection lost"}});
  }
  info->rows.push_back({kEnd, quorum_ ? "unreliable" : "", {"hold in memory"}});
}

void SettlementPlan::AddQueues(SettlementInfo* info) const {
  info->queues = {
      {"lane", MadeAs(LaneQueue("", true, false))},
      {"ordered lane", MadeAs(LaneQueue("", true, true))},
      {"unreliable lane", MadeAs(LaneQueue("", false, false))},
      {"dead letters", MadeAs(DeadQueue(""))},
      {"rung of 1s", MadeAs(Rung(std::chrono::seconds(1)))},
      {"orphans", MadeAs(Orphans())},
  };
}

void SettlementPlan::AddNotes(SettlementInfo* info) const {
  std::vector<std::string>& notes = info->notes;
  if (!version_) {
    notes.emplace_back(
        "the broker does not say its version and is taken for RabbitMQ 3.10, but from 4.0 on it "
        "would give a message up after 20 returns: see what it is");
  } else if (*version_ < kRun) {
    notes.emplace_back("older than 3.10, whose documentation was read: upgrade the broker");
  } else if (*version_ > kNewestRead) {
    notes.emplace_back("newer than 4.3, the last whose documentation was read: taken for that");
  }
  if (!quorum_) {
    notes.emplace_back(
        "a rung lets go without waiting for the lane's queue: a crash of the broker may lose a "
        "retry");
    return;
  }
  if (!From(kLimitsReturns)) return;
  notes.emplace_back(
      "queues that a RabbitMQ before 4.0 made have no x-delivery-limit and are refused: let their "
      "lanes run empty, then delete them");
  notes.emplace_back(
      From(kQueuesKeepTime)
          ? "a message of a higher priority (0 to 31, none is 4) overtakes all others: publish "
            "what an ordered lane takes without a priority"
          : "a message of a priority above 4 overtakes others, two for one: publish what an "
            "ordered lane takes without a priority");
}

SettlementInfo SettlementPlan::Info() const {
  SettlementInfo info = WithoutBroker(quorum_);
  absl::StrAppend(&info.basis, ", ", version_ ? "RabbitMQ " : "a broker of unknown version",
                  version_ ? EscapeForPeople(Truncate(text_, 40)) : "");
  info.run = run();
  AddBrokersDoing(&info);
  AddQueues(&info);
  AddNotes(&info);
  return info;
}

SettlementInfo SettlementPlan::WithoutBroker(bool quorum) {
  SettlementInfo info;
  info.basis = quorum ? "quorum queues" : "classic queues";
  for (const Ending ending : {Ending::kDone, Ending::kEmits, Ending::kRetry, Ending::kDead,
                              Ending::kReturned, Ending::kLost}) {
    AddRows(ending, &info.rows);
  }
  return info;
}

}  // namespace outboard::bus::rabbitmq

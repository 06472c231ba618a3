#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/lane_groups.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/rabbitmq_bus.h"

// What is made on the broker: exchanges, queues, bindings, the ladder.
namespace outboard::bus {

using dialect::Field;
using dialect::Table;
using rabbitmq::Binding;
using rabbitmq::KnownLane;

namespace {

// From this version on a quorum queue gives a message up after 20 returns unless told otherwise.
bool LimitsDeliveries(const std::string& version) {
  return !version.empty() && version.substr(0, 2) != "3.";
}

}  // namespace

Table RabbitmqBus::QueueArguments(bool dead) const {
  Table arguments;
  if (options_.quorum) arguments.emplace_back("x-queue-type", Field::Text("quorum"));
  if (dead) arguments.emplace_back("x-single-active-consumer", Field::Bool(true));
  // The last net: what the broker itself gives up is found among the orphans.
  if (!dead) {
    arguments.emplace_back("x-dead-letter-exchange", Field::Text(rabbitmq::kOrphansExchange));
  }
  return arguments;
}

// The ladder, and what all lanes share.
absl::Status RabbitmqBus::DeclareShared() {
  return control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
    const std::string orphans = rabbitmq::kOrphansExchange;
    OUTBOARD_RETURN_IF_ERROR(
        connection.DeclareExchange(channel, rabbitmq::kAllExchange, "topic", false));
    OUTBOARD_RETURN_IF_ERROR(connection.DeclareExchange(channel, orphans, "fanout", false));
    amqp::QueueSpec queue;
    queue.name = orphans;
    if (options_.quorum) queue.arguments = {{"x-queue-type", Field::Text("quorum")}};
    OUTBOARD_RETURN_IF_ERROR(connection.DeclareQueue(channel, queue).status());
    OUTBOARD_RETURN_IF_ERROR(connection.BindQueue(channel, orphans, orphans, ""));
    // A message for a queue that is gone must not hold up those behind it on its rung.
    OUTBOARD_RETURN_IF_ERROR(
        connection.DeclareExchange(channel, rabbitmq::kDueExchange, "direct", false,
                                   {{"alternate-exchange", Field::Text(orphans)}}));
    for (const Duration wait : options_.rungs) {
      const std::string rung = rabbitmq::RungName(wait);
      OUTBOARD_RETURN_IF_ERROR(connection.DeclareExchange(channel, rung, "fanout", false));
      queue.name = rung;
      queue.arguments = {{"x-message-ttl", Field::Number(wait / std::chrono::milliseconds(1))},
                         {"x-dead-letter-exchange", Field::Text(rabbitmq::kDueExchange)}};
      if (options_.quorum) {
        queue.arguments.emplace_back("x-queue-type", Field::Text("quorum"));
        // Without reject-publish the broker would work at-most-once here, and say so nowhere.
        queue.arguments.emplace_back("x-dead-letter-strategy", Field::Text("at-least-once"));
        queue.arguments.emplace_back("x-overflow", Field::Text("reject-publish"));
      }
      OUTBOARD_RETURN_IF_ERROR(connection.DeclareQueue(channel, queue).status());
      OUTBOARD_RETURN_IF_ERROR(connection.BindQueue(channel, rung, rung, ""));
    }
    return absl::OkStatus();
  });
}

std::set<Binding> RabbitmqBus::BindingsOf(const LaneSpec& spec) const {
  std::set<Binding> bindings;
  for (const route::Filter& filter : spec.filters) {
    const std::string exchange =
        filter.service.empty() ? rabbitmq::kAllExchange : ExchangeOf(filter.service);
    if (filter.types.empty()) bindings.emplace(exchange, "#");
    for (const std::string& type : filter.types) bindings.emplace(exchange, type);
  }
  return bindings;
}

absl::Status RabbitmqBus::MakeQueue(amqp::Connection& connection, amqp::Channel channel,
                                    const KnownLane& lane) {
  for (const route::Filter& filter : lane.spec.filters) {
    if (filter.service.empty()) continue;
    const std::string exchange = ExchangeOf(filter.service);
    OUTBOARD_RETURN_IF_ERROR(
        connection.DeclareExchange(channel, exchange, "topic", !options_.declare));
    OUTBOARD_RETURN_IF_ERROR(
        connection.BindExchange(channel, rabbitmq::kAllExchange, exchange, "#"));
  }
  amqp::QueueSpec queue;
  queue.name = lane.queue;
  if (lane.spec.reliable) {
    queue.arguments = QueueArguments(false);
    if (options_.quorum && LimitsDeliveries(connection.broker_version()))
      queue.arguments.emplace_back("x-delivery-limit", Field::Number(-1));
    if (lane.spec.ordered)
      queue.arguments.emplace_back("x-single-active-consumer", Field::Bool(true));
  } else {
    queue.auto_delete = true;
  }
  OUTBOARD_RETURN_IF_ERROR(connection.DeclareQueue(channel, queue).status());
  OUTBOARD_RETURN_IF_ERROR(
      connection.BindQueue(channel, lane.queue, rabbitmq::kDueExchange, lane.queue));
  for (const auto& [exchange, key] : BindingsOf(lane.spec))
    OUTBOARD_RETURN_IF_ERROR(connection.BindQueue(channel, lane.queue, exchange, key));
  queue = {};
  queue.name = rabbitmq::DeadQueue(options_.host, lane.spec.name);
  queue.arguments = QueueArguments(true);
  if (options_.quorum && LimitsDeliveries(connection.broker_version()))
    queue.arguments.emplace_back("x-delivery-limit", Field::Number(-1));
  return connection.DeclareQueue(channel, queue).status();
}

absl::Status RabbitmqBus::Ensure(const std::string& name) {
  const std::optional<KnownLane> lane = registry_->Find(name);
  if (!lane || lane->orphan)
    return absl::NotFoundError(absl::StrCat("no lane is called '", name, "'"));
  return control_.Run([&](amqp::Connection& connection, amqp::Channel channel) {
    return MakeQueue(connection, channel, *lane);
  });
}

absl::Status RabbitmqBus::DeclareLane(const LaneSpec& spec) {
  KnownLane lane;
  lane.spec = spec;
  lane.queue = rabbitmq::LaneQueue(options_.host, replica_, spec);
  lane.bindings = BindingsOf(spec);
  const std::optional<KnownLane> old = registry_->Find(spec.name);
  std::set<Binding> stale;
  if (old && old->queue == lane.queue) {
    std::set_difference(old->bindings.begin(), old->bindings.end(), lane.bindings.begin(),
                        lane.bindings.end(), std::inserter(stale, stale.end()));
  }
  // Known before it is made: whatever happens between, it can be undone.
  lane.bindings.insert(stale.begin(), stale.end());
  OUTBOARD_RETURN_IF_ERROR(registry_->Put(lane));
  if (spec.reliable) {
    OUTBOARD_RETURN_IF_ERROR(
        control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
          OUTBOARD_RETURN_IF_ERROR(MakeQueue(connection, channel, lane));
          for (const auto& [exchange, key] : stale) {
            OUTBOARD_RETURN_IF_ERROR(connection.UnbindQueue(channel, lane.queue, exchange, key));
          }
          return absl::OkStatus();
        }));
  }
  for (const Binding& binding : stale) lane.bindings.erase(binding);
  return registry_->Put(lane);
}

absl::Status RabbitmqBus::Orphan(KnownLane lane) {
  if (!lane.spec.reliable) return registry_->Remove(lane.spec.name);
  const std::vector<KnownLane> all = registry_->All();
  const bool shared = std::any_of(all.begin(), all.end(), [&](const KnownLane& other) {
    return other.spec.name != lane.spec.name && !other.orphan && other.queue == lane.queue;
  });
  // A singleton's queue is other hosts' too.
  if (!shared && lane.spec.mode != Mode::kSingleton) {
    const absl::Status status =
        control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
          for (const auto& [exchange, key] : lane.bindings) {
            OUTBOARD_RETURN_IF_ERROR(connection.UnbindQueue(channel, lane.queue, exchange, key));
          }
          return absl::OkStatus();
        });
    if (!status.ok() && !absl::IsNotFound(status)) return status;
    lane.bindings.clear();
  }
  lane.orphan = true;
  return registry_->Put(std::move(lane));
}

absl::Status RabbitmqBus::Declare(const std::vector<LaneSpec>& lanes) {
  OUTBOARD_RETURN_IF_ERROR(CheckLanes(lanes));
  for (const LaneSpec& spec : lanes) {
    if (spec.from.kind == From::Kind::kNext || registry_->Find(spec.name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("lane '", spec.name,
                     "': RabbitMQ's queues cannot be read again; take `from` out of its route"));
  }
  for (const LaneSpec& spec : lanes) {
    if (spec.mode == Mode::kBroadcast && spec.reliable && options_.replica.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("lane '", spec.name,
                       "': a reliable broadcast lane keeps a queue for each replica, which needs a "
                       "name that stays: set host.replica, or delivery.reliable: false"));
    }
    const absl::Status status = DeclareLane(spec);
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("lane '", spec.name, "': ", status.message()));
    }
  }
  for (KnownLane& lane : registry_->All()) {
    const bool named = std::any_of(lanes.begin(), lanes.end(), [&](const LaneSpec& spec) {
      return spec.name == lane.spec.name;
    });
    if (!named && !lane.orphan) OUTBOARD_RETURN_IF_ERROR(Orphan(std::move(lane)));
  }
  return absl::OkStatus();
}

// Another replica's, which may have events of it in hand.
absl::Status RabbitmqBus::RefuseIfConsumed(const KnownLane& lane) {
  uint32_t consumers = 0;
  const absl::Status status =
      control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
        OUTBOARD_ASSIGN_OR_RETURN(const amqp::QueueCount count,
                                  connection.CheckQueue(channel, lane.queue));
        consumers = count.consumers;
        return absl::OkStatus();
      });
  if (absl::IsNotFound(status)) return absl::OkStatus();
  OUTBOARD_RETURN_IF_ERROR(status);
  if (consumers == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("lane '", lane.spec.name, "' is consumed by another host (queue ", lane.queue,
                   "): take its route out of that one's configuration first"));
}

absl::StatusOr<Forgotten> RabbitmqBus::ForgetLane(const std::string& name, Remainder remainder) {
  const std::optional<KnownLane> lane = registry_->Find(name);
  if (!lane) return absl::NotFoundError(absl::StrCat("no lane is called '", name, "'"));
  if (!lane->orphan || lane->counts->open > 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("lane '", name, "' is in use: take its route out of the configuration first"));
  }
  Forgotten forgotten;
  const std::vector<KnownLane> all = registry_->All();
  const bool shared = std::any_of(all.begin(), all.end(), [&](const KnownLane& other) {
    return other.spec.name != name && other.queue == lane->queue;
  });
  if (!shared && lane->spec.mode != Mode::kSingleton) {
    OUTBOARD_ASSIGN_OR_RETURN(const uint64_t left, CountReady(lane->queue));
    if (left > 0 && remainder == Remainder::kRefuse) {
      return absl::FailedPreconditionError(
          absl::StrCat("lane '", name, "' has ", left,
                       " events left: discard them (--discard) or make "
                       "them dead letters (--to-dead)"));
    }
    OUTBOARD_RETURN_IF_ERROR(RefuseIfConsumed(*lane));
    if (remainder == Remainder::kToDead) {
      OUTBOARD_ASSIGN_OR_RETURN(forgotten.to_dead, MoveToDead(*lane));
    }
    OUTBOARD_RETURN_IF_ERROR(control_.Run([&](amqp::Connection& connection,
                                              amqp::Channel channel) -> absl::Status {
      OUTBOARD_ASSIGN_OR_RETURN(forgotten.discarded, connection.DeleteQueue(channel, lane->queue));
      return absl::OkStatus();
    }));
  }
  OUTBOARD_RETURN_IF_ERROR(registry_->Remove(name));
  return forgotten;
}

}  // namespace outboard::bus

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/rabbitmq/ack_window.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/rabbitmq_bus.h"

// How an orphaned lane ends, and what becomes of its events.
namespace outboard::bus {

using dialect::Message;
using rabbitmq::KnownLane;
using rabbitmq::kPatience;
using rabbitmq::LaneRegistry;
using rabbitmq::Mover;
using rabbitmq::NextDelivery;
using rabbitmq::Travel;

namespace {

absl::Status EventsLeft(const KnownLane& lane, uint64_t count) {
  return absl::FailedPreconditionError(
      absl::StrCat("lane '", lane.spec.name, "' has ", count,
                   " events left: discard them (--discard) or make them dead letters (--to-dead)"));
}

// As a dead letter of the lane.
void Bury(const KnownLane& lane, uint64_t id, Time now, const std::string& dead_queue,
          Message* message) {
  const std::string exchange = message->exchange;
  const std::string key = message->routing_key;
  std::optional<Travel> travel = rabbitmq::TakeTravel(message);
  if (!travel) {
    travel.emplace();
    travel->exchange = exchange;
    travel->routing_key = key;
    travel->accepted_at = rabbitmq::AcceptedAt(*message).value_or(now);
  }
  travel->due.reset();
  travel->dead_id = id;
  travel->lane = rabbitmq::LaneOf(lane.spec.name);
  travel->died_at = now;
  travel->why = {"LANE_FORGOTTEN", "its lane was forgotten", ""};
  rabbitmq::PutTravel(*travel, message);
  rabbitmq::SendStraightTo(dead_queue, message);
  message->properties.delivery_mode = 2;
}

}  // namespace

absl::StatusOr<Forgotten> RabbitmqBus::ForgetLane(const std::string& name, Remainder remainder) {
  const std::optional<KnownLane> lane = registry_->Find(name);
  if (!lane) return absl::NotFoundError(absl::StrCat("no lane is called '", name, "'"));
  if (!lane->orphan || lane->counts->open > 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("lane '", name, "' is in use: take its route out of the configuration first"));
  }
  Forgotten forgotten;
  if (!registry_->IsShared(*lane, LaneRegistry::Sharer::kAny)) {
    OUTBOARD_ASSIGN_OR_RETURN(forgotten, GiveUp(*lane, remainder));
  }
  OUTBOARD_RETURN_IF_ERROR(registry_->Forget(name));
  return forgotten;
}

// Ends the queue of a lane, if nobody else uses it.
absl::StatusOr<Forgotten> RabbitmqBus::GiveUp(const KnownLane& lane, Remainder remainder) {
  Forgotten forgotten;
  OUTBOARD_ASSIGN_OR_RETURN(const std::optional<amqp::QueueCount> count, Look(lane.queue));
  if (!count) return forgotten;
  if (count->consumers > 0) {
    // A singleton's queue and its events are those hosts'.
    if (lane.spec.mode == Mode::kSingleton) return forgotten;
    return absl::FailedPreconditionError(
        absl::StrCat("lane '", lane.spec.name, "' is consumed by another host (queue ", lane.queue,
                     "): take its route out of that one's configuration first"));
  }
  if (count->ready > 0 && remainder == Remainder::kRefuse) return EventsLeft(lane, count->ready);
  // From now on nothing comes: retries that are on the ladder end among the orphans.
  std::set<rabbitmq::Binding> bindings = lane.bindings;
  bindings.emplace(rabbitmq::kDueExchange, lane.queue);
  OUTBOARD_RETURN_IF_ERROR(control_.Run([&](amqp::Connection& connection, amqp::Channel channel) {
    return UndoBindings(connection, channel, lane.queue, bindings);
  }));
  OUTBOARD_RETURN_IF_ERROR(registry_->SetBindings(lane.spec.name, {}));
  if (remainder == Remainder::kToDead) {
    OUTBOARD_ASSIGN_OR_RETURN(forgotten.to_dead, MoveToDead(lane));
  }
  OUTBOARD_RETURN_IF_ERROR(
      control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
        OUTBOARD_ASSIGN_OR_RETURN(const amqp::QueueCount last,
                                  connection.CheckQueue(channel, lane.queue));
        if (last.ready > 0 && remainder != Remainder::kDiscard) return EventsLeft(lane, last.ready);
        OUTBOARD_ASSIGN_OR_RETURN(forgotten.discarded, connection.DeleteQueue(channel, lane.queue));
        counter_.Forget(lane.queue);
        return absl::OkStatus();
      }));
  return forgotten;
}

absl::StatusOr<std::optional<amqp::QueueCount>> RabbitmqBus::Look(const std::string& queue) {
  std::optional<amqp::QueueCount> count;
  const absl::Status status =
      control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
        OUTBOARD_ASSIGN_OR_RETURN(count, connection.CheckQueue(channel, queue));
        return absl::OkStatus();
      });
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  return count;
}

// All that a forgotten lane's queue has, or an error.
absl::StatusOr<uint64_t> RabbitmqBus::MoveToDead(const KnownLane& lane) {
  uint64_t moved = 0;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const std::optional<amqp::QueueCount> count, Look(lane.queue));
    if (!count || count->ready == 0) return moved;
    OUTBOARD_ASSIGN_OR_RETURN(const uint64_t more, MoveToDead(lane, count->ready));
    moved += more;
  }
}

absl::StatusOr<uint64_t> RabbitmqBus::MoveToDead(const KnownLane& lane, uint64_t count) {
  const std::string dead_queue =
      rabbitmq::DeadQueue(options_.host, rabbitmq::LaneOf(lane.spec.name));
  uint64_t moved = 0;
  OUTBOARD_RETURN_IF_ERROR(
      control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
        OUTBOARD_RETURN_IF_ERROR(connection.SetPrefetch(channel, 2 * Mover::kAtOnce));
        OUTBOARD_RETURN_IF_ERROR(connection.Consume(channel, lane.queue, "forget"));
        rabbitmq::AckWindow acks(SIZE_MAX, kPatience);
        Mover mover(&internal_, &connection, channel, lane.queue, &acks);
        const absl::Status no_queue = absl::FailedPreconditionError(absl::StrCat(
            "queue ", dead_queue, ", where its dead letters go, is not there: name the ",
            "lane in a route again and start the host, which makes it"));
        for (uint64_t seen = 0; seen < count; ++seen) {
          OUTBOARD_ASSIGN_OR_RETURN(std::optional<amqp::Delivered> delivered,
                                    NextDelivery(connection, kPatience));
          if (!delivered) break;
          acks.Delivered(delivered->tag, {});
          const uint64_t id = NextDeadId();
          dialect::Message message = delivered->message.Copy();
          Bury(lane, id, options_.clock->Now(), dead_queue, &message);
          OUTBOARD_RETURN_IF_ERROR(mover.Add({delivered->tag, id, std::move(message), no_queue}));
        }
        OUTBOARD_RETURN_IF_ERROR(mover.Flush());
        moved = mover.moved().size();
        return absl::OkStatus();
      }));
  if (moved == count) return moved;
  return absl::UnavailableError(
      absl::StrCat("the broker did not give all events of lane '", lane.spec.name, "': try again"));
}

}  // namespace outboard::bus

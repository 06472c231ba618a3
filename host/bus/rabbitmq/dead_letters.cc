#include <algorithm>
#include <future>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/rabbitmq/ack_window.h"
#include "host/bus/rabbitmq/flush_acks.h"
#include "host/bus/rabbitmq/headers.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/rabbitmq_bus.h"

// Dead letters: a queue for each lane, read by a consumer and given back by closing its channel,
// which keeps their order.
namespace outboard::bus {

using dialect::Message;
using rabbitmq::KnownLane;
using rabbitmq::Published;
using rabbitmq::Travel;

namespace {

constexpr auto kPatience = std::chrono::seconds(5);
constexpr int kMaxPasses = 5;

bool Takes(const DeadFilter& filter, const Travel& travel) {
  if (!filter.reason.empty() && travel.why.reason != filter.reason) return false;
  return filter.ids.empty() ||
         std::find(filter.ids.begin(), filter.ids.end(), travel.dead_id) != filter.ids.end();
}

// Waits until nobody else looks at the queue; how many messages it has.
absl::StatusOr<uint32_t> WaitForTurn(amqp::Connection& connection, amqp::Channel channel,
                                     const std::string& queue) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const amqp::QueueCount count, connection.CheckQueue(channel, queue));
    if (count.consumers == 0) return count.ready;
    if (std::chrono::steady_clock::now() > end) {
      return absl::UnavailableError(
          absl::StrCat("somebody else looks at the dead letters of ", queue, ": try again"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

// All letters of one lane's dead queue, oldest first. Those whose fate is kTake are acknowledged at
// the end, all others go back as they were.
absl::Status RabbitmqBus::WalkDead(const std::string& lane, const Look& look) {
  const std::string queue = rabbitmq::DeadQueue(options_.host, lane);
  std::set<uint64_t> taken;
  uint32_t left = 0;
  absl::Status status = ReadDead(
      queue, &left, [&](dialect::Message message, const Travel& travel) -> absl::StatusOr<Fate> {
        DeadLetter letter;
        letter.id = travel.dead_id;
        letter.lane = lane;
        letter.why = travel.why;
        letter.died_at = travel.died_at;
        letter.accepted_at = travel.accepted_at;
        letter.attempts = travel.attempts;
        absl::StatusOr<Event> event = dialect::Decode(message, options_.dialect, options_.limits);
        if (event.ok()) {
          letter.event = *std::move(event);
        } else {
          letter.raw = message.body;
        }
        absl::StatusOr<Fate> fate = look(std::move(letter), std::move(message), travel);
        if (fate.ok() && *fate == Fate::kTake) taken.insert(travel.dead_id);
        return fate;
      });
  if (absl::IsNotFound(status)) return absl::OkStatus();
  OUTBOARD_RETURN_IF_ERROR(status);
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    OUTBOARD_ASSIGN_OR_RETURN(const uint64_t ready, WaitUntilBack(queue, left));
    if (ready <= left || taken.empty()) break;
    // A quorum queue may have dropped acknowledgements that came just before the channel's end.
    OUTBOARD_RETURN_IF_ERROR(ReadDead(queue, &left, [&](dialect::Message, const Travel& travel) {
      return taken.contains(travel.dead_id) ? Fate::kTake : Fate::kKeep;
    }));
  }
  return absl::OkStatus();
}

// What was looked at is back a moment later: how many there are then.
absl::StatusOr<uint64_t> RabbitmqBus::WaitUntilBack(const std::string& queue, uint32_t left) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const uint64_t ready, CountReady(queue));
    if (ready >= left || std::chrono::steady_clock::now() > end) return ready;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// One pass over a dead queue; *left: how many are to be there after it.
absl::Status RabbitmqBus::ReadDead(const std::string& queue, uint32_t* left, const Glance& glance) {
  *left = 0;
  return control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
    OUTBOARD_ASSIGN_OR_RETURN(const uint32_t count, WaitForTurn(connection, channel, queue));
    *left = count;
    if (count == 0) return absl::OkStatus();
    OUTBOARD_RETURN_IF_ERROR(connection.Consume(channel, queue, "dead"));
    rabbitmq::AckWindow acks(SIZE_MAX, kPatience);
    absl::Status failed;
    std::vector<uint64_t> taken;
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (uint32_t seen = 0; seen < count;) {
      OUTBOARD_ASSIGN_OR_RETURN(std::optional<amqp::Incoming> incoming,
                                connection.Read(std::chrono::milliseconds(100)));
      if (!incoming) {
        if (std::chrono::steady_clock::now() > end) break;  // Somebody took some meanwhile.
        continue;
      }
      if (auto* closed = std::get_if<amqp::ChannelClosed>(&*incoming))
        return absl::UnavailableError(closed->text);
      auto* delivered = std::get_if<amqp::Delivered>(&*incoming);
      if (delivered == nullptr) continue;
      ++seen;
      acks.Delivered(delivered->tag, {});
      const std::optional<Travel> travel = rabbitmq::TakeTravel(&delivered->message);
      if (!travel) continue;  // Not ours.
      const absl::StatusOr<Fate> fate = glance(std::move(delivered->message), *travel);
      if (!fate.ok()) {
        failed = fate.status();
        break;
      }
      if (*fate == Fate::kTake) taken.push_back(delivered->tag);
    }
    for (const uint64_t tag : taken) acks.Settle(tag, {});
    *left = count - static_cast<uint32_t>(taken.size());
    // What was taken before a failure is taken.
    OUTBOARD_RETURN_IF_ERROR(rabbitmq::FlushAcks(connection, channel, queue, &acks, false));
    return failed;
  });
}

// Lanes forgotten meanwhile may have letters too: only if they are asked for by name.
std::vector<std::string> RabbitmqBus::DeadLanes(const DeadFilter& filter) {
  if (!filter.lane.empty()) return {filter.lane};
  std::vector<std::string> lanes;
  for (const KnownLane& lane : registry_->All()) lanes.push_back(lane.spec.name);
  return lanes;
}

absl::StatusOr<std::vector<DeadLetter>> RabbitmqBus::ListDead(const DeadFilter& filter,
                                                              uint64_t after, size_t limit,
                                                              uint64_t* total) {
  std::vector<DeadLetter> letters;
  uint64_t matched = 0;
  for (const std::string& lane : DeadLanes(filter)) {
    OUTBOARD_RETURN_IF_ERROR(WalkDead(lane, [&](DeadLetter letter, Message, const Travel& travel) {
      if (Takes(filter, travel)) {
        ++matched;
        if (letter.id > after) letters.push_back(std::move(letter));
      }
      return Fate::kKeep;
    }));
  }
  std::sort(letters.begin(), letters.end(),
            [](const DeadLetter& a, const DeadLetter& b) { return a.id < b.id; });
  if (letters.size() > limit) letters.resize(limit);
  if (total != nullptr) *total = matched;
  return letters;
}

absl::Status RabbitmqBus::PublishAndWait(Message message) {
  std::promise<Published> promise;
  std::future<Published> future = promise.get_future();
  internal_.Publish({std::move(message)}, [&](std::vector<Published> published) {
    promise.set_value(std::move(published[0]));
  });
  Published published = future.get();
  if (published.status.ok() && published.unroutable)
    return absl::UnavailableError("no queue of the broker takes it");
  return published.status;
}

absl::StatusOr<uint64_t> RabbitmqBus::ReplayDead(const DeadFilter& filter) {
  uint64_t replayed = 0;
  for (const std::string& name : DeadLanes(filter)) {
    const std::optional<KnownLane> lane = registry_->Find(name);
    const bool declared = lane && !lane->orphan;
    const bool named = !filter.lane.empty() || !filter.ids.empty();
    OUTBOARD_RETURN_IF_ERROR(WalkDead(
        name, [&](DeadLetter letter, Message message, Travel travel) -> absl::StatusOr<Fate> {
          if (!Takes(filter, travel)) return Fate::kKeep;
          if (!declared) {
            if (!named) return Fate::kKeep;
            return absl::FailedPreconditionError(
                absl::StrCat("dead letter ", letter.id, " is of lane '", name,
                             "', which is not declared: configure its route again first"));
          }
          travel.attempts = 0;
          travel.due.reset();
          travel.serial = travel.dead_id;
          travel.dead_id = 0;
          rabbitmq::PutTravel(travel, &message);
          message.exchange.clear();  // The default one: straight into the queue.
          message.routing_key = lane->queue;
          OUTBOARD_RETURN_IF_ERROR(PublishAndWait(std::move(message)));
          ++replayed;
          return Fate::kTake;
        }));
  }
  return replayed;
}

absl::StatusOr<uint64_t> RabbitmqBus::PurgeDead(const DeadFilter& filter) {
  uint64_t purged = 0;
  for (const std::string& lane : DeadLanes(filter)) {
    OUTBOARD_RETURN_IF_ERROR(WalkDead(lane, [&](DeadLetter, Message, const Travel& travel) {
      if (!Takes(filter, travel)) return Fate::kKeep;
      ++purged;
      return Fate::kTake;
    }));
  }
  return purged;
}

// Rising, short enough for every JSON reader, and another on each replica.
uint64_t RabbitmqBus::NextDeadId() {
  constexpr int64_t kSince = 1'577'836'800'000'000;  // 2020, in microseconds.
  constexpr uint64_t kReplicas = 64;
  const int64_t now = options_.clock->Now().time_since_epoch().count();
  const auto tens = static_cast<uint64_t>(std::max<int64_t>(now - kSince, 0) / 10);
  MutexLock lock(mu_);
  last_dead_ = std::max(last_dead_ + 1, tens);
  uint64_t replica = 0;
  for (const char c : replica_) replica = replica * 31 + static_cast<uint8_t>(c);
  return last_dead_ * kReplicas + replica % kReplicas;
}

// All that a forgotten lane's queue has, or an error. Retries may come back to it meanwhile.
absl::StatusOr<uint64_t> RabbitmqBus::MoveToDead(const KnownLane& lane) {
  uint64_t moved = 0;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const uint64_t count, CountReady(lane.queue));
    if (count == 0) return moved;
    OUTBOARD_RETURN_IF_ERROR(MoveToDead(lane, count));
    moved += count;
  }
}

absl::Status RabbitmqBus::MoveToDead(const KnownLane& lane, uint64_t count) {
  uint64_t moved = 0;
  const absl::Status incomplete = absl::UnavailableError(
      absl::StrCat("the broker did not give all events of lane '", lane.spec.name, "': try again"));
  return control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
    OUTBOARD_RETURN_IF_ERROR(connection.SetPrefetch(channel, options_.prefetch));
    OUTBOARD_RETURN_IF_ERROR(connection.Consume(channel, lane.queue, "forget"));
    while (moved < count) {
      OUTBOARD_ASSIGN_OR_RETURN(std::optional<amqp::Incoming> incoming,
                                connection.Read(std::chrono::milliseconds(1000)));
      if (!incoming || std::holds_alternative<amqp::ChannelClosed>(*incoming) ||
          std::holds_alternative<amqp::Cancelled>(*incoming)) {
        return incomplete;
      }
      auto* delivered = std::get_if<amqp::Delivered>(&*incoming);
      if (delivered == nullptr) continue;
      Message& message = delivered->message;
      const std::string exchange = message.exchange;
      const std::string key = message.routing_key;
      std::optional<Travel> travel = rabbitmq::TakeTravel(&message);
      if (!travel) {
        travel.emplace();
        travel->exchange = exchange;
        travel->routing_key = key;
        travel->accepted_at = options_.clock->Now();
      }
      travel->due.reset();
      travel->dead_id = NextDeadId();
      travel->lane = lane.spec.name;
      travel->died_at = options_.clock->Now();
      travel->why = {"LANE_FORGOTTEN", "its lane was forgotten", ""};
      rabbitmq::PutTravel(*travel, &message);
      message.exchange.clear();
      message.routing_key = rabbitmq::DeadQueue(options_.host, lane.spec.name);
      OUTBOARD_RETURN_IF_ERROR(PublishAndWait(std::move(message)));
      OUTBOARD_RETURN_IF_ERROR(connection.Ack(channel, delivered->tag, false));
      ++moved;
      // So that the queue has taken it before the channel ends.
      if (moved % 16 == 0 || moved == count)
        OUTBOARD_RETURN_IF_ERROR(connection.CheckQueue(channel, lane.queue).status());
    }
    return absl::OkStatus();
  });
}

}  // namespace outboard::bus

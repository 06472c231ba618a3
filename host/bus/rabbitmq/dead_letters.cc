#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/stable_hash.h"
#include "host/base/status.h"
#include "host/bus/attempts.h"
#include "host/bus/dead_filter.h"
#include "host/bus/probation.h"
#include "host/bus/rabbitmq/ack_window.h"
#include "host/bus/rabbitmq/flush_acks.h"
#include "host/bus/rabbitmq/headers.h"
#include "host/bus/rabbitmq/least_letters.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/orphans.h"
#include "host/bus/rabbitmq/rabbitmq_bus.h"
#include "host/bus/rabbitmq/steady.h"

// Dead letters: a queue for each lane, and one of orphans for all hosts, read by a consumer and
// given back by closing its channel, which keeps their order.
namespace outboard::bus {

using dialect::Message;
using rabbitmq::KnownLane;
using rabbitmq::kPatience;
using rabbitmq::Mover;
using rabbitmq::NextDelivery;
using rabbitmq::Travel;

namespace {

constexpr int kMaxPasses = 5;
// A quorum queue gives a consumer without a prefetch 2,000 messages and no more.
constexpr uint16_t kMostAtOnce = UINT16_MAX;

// Waits until nobody else looks at the queue; how many messages it has.
absl::StatusOr<uint32_t> WaitForTurn(amqp::Connection& connection, amqp::Channel channel,
                                     const std::string& queue) {
  const auto end = rabbitmq::SteadyNow() + kPatience;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const amqp::QueueCount count, connection.CheckQueue(channel, queue));
    if (count.consumers == 0) return count.ready;
    if (rabbitmq::SteadyNow() > end) {
      return absl::UnavailableError(
          absl::StrCat("somebody else looks at the dead letters of ", queue, ": try again"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

absl::Status NotDeclared(uint64_t id, const std::string& lane) {
  return absl::FailedPreconditionError(
      absl::StrCat("dead letter ", id, " is of lane '", lane,
                   "', which is not declared: configure its route again first"));
}

}  // namespace

// ---- Which letters
// ------------------------------------------------------------------------------------

// An orphan of another host's lane is taken by a filter that means it: by its id, its reason or its
// queue.
bool RabbitmqBus::Takes(const DeadFilter& filter, const Letter& letter) {
  DeadLetter shown = WithoutEvent(letter);
  // A queue that no lane of this host has is as good as a name.
  if (!letter.queue.empty() && filter.lane == letter.queue) shown.lane = letter.queue;
  if (!TakesLetter(filter, shown)) return false;
  if (AsksForEvent(filter) && !TakesEvent(filter, Shown(letter).event)) return false;
  if (letter.queue.empty() || !filter.lane.empty()) return true;
  return !filter.ids.empty() || !filter.reason.empty() || letter.travel.lane != letter.queue;
}

// What `dead list` calls it: the queue, if no lane of this host has or had it.
std::string RabbitmqBus::OrphanLane(const std::string& queue) {
  if (const std::optional<KnownLane> known = registry_->FindQueue(queue))
    return rabbitmq::LaneOf(known->spec.name);
  const std::string lane = rabbitmq::LaneOfQueue(options_.host, queue);
  return lane.empty() ? queue : lane;
}

// Nothing: it is not ours.
std::optional<RabbitmqBus::Letter> RabbitmqBus::ToLetter(const std::string& lane, Message message) {
  Letter letter;
  if (lane == rabbitmq::kOrphansExchange) {
    rabbitmq::Orphan orphan = rabbitmq::TakeOrphan(&message);
    letter.travel = std::move(orphan.travel);
    letter.travel.lane = OrphanLane(orphan.queue);
    letter.queue = std::move(orphan.queue);
  } else {
    std::optional<Travel> travel = rabbitmq::TakeTravel(&message);
    if (!travel) return std::nullopt;
    letter.travel = *std::move(travel);
    letter.travel.lane = lane;
  }
  letter.message = std::move(message);
  return letter;
}

DeadLetter RabbitmqBus::WithoutEvent(const Letter& letter) {
  DeadLetter shown;
  shown.id = letter.travel.dead_id;
  shown.lane = letter.travel.lane;
  shown.why = letter.travel.why;
  shown.died_at = letter.travel.died_at;
  shown.accepted_at = letter.travel.accepted_at;
  shown.attempts = letter.travel.attempts;
  return shown;
}

DeadLetter RabbitmqBus::Shown(const Letter& letter) {
  DeadLetter shown = WithoutEvent(letter);
  shown.history = FromHistory(letter.travel.history);
  const dialect::DialectOptions& dialect = sources_.dialect(letter.message.exchange);
  if (letter.edited) {
    shown.edited = dialect::Decode(*letter.edited, dialect, options_.limits).value_or(Event());
  }
  absl::StatusOr<Event> event;
  if (shown.why.reason != kHostCrash)
    event = dialect::Decode(letter.message, dialect, options_.limits);
  if (event.ok()) {
    shown.event = *std::move(event);
  } else {
    shown.raw = letter.message.body;
  }
  return shown;
}

// ---- Reading a queue of them
// ------------------------------------------------------------------------------------

// Calls `glance` for all letters that the filter takes, of one queue after the other, oldest first;
// how many did not stay.
absl::StatusOr<uint64_t> RabbitmqBus::ForEachLetter(const DeadFilter& filter,
                                                    const Glance& glance) {
  OUTBOARD_ASSIGN_OR_RETURN(const auto edits, ReadEdits());
  const Glance if_taken = [&](Letter* letter) -> absl::StatusOr<Fate> {
    if (!Takes(filter, *letter)) return Fate::kKeep;
    const auto edited = edits.find(letter->travel.dead_id);
    if (letter->queue.empty() && edited != edits.end()) letter->edited = edited->second;
    return glance(letter);
  };
  uint64_t gone = 0;
  std::set<uint64_t> stale;  // Edits whose letters are gone.
  const std::set<std::string> lanes =
      filter.lane.empty() ? registry_->DeadLanes() : std::set<std::string>{filter.lane};
  for (const std::string& lane : lanes) {
    if (!filter.route.empty() && filter.route != RouteOf(lane)) continue;
    if (!filter.target.empty() && filter.target != TargetOf(lane)) continue;
    OUTBOARD_ASSIGN_OR_RETURN(const std::set<uint64_t> more, WalkDead(lane, if_taken));
    gone += more.size();
    for (const uint64_t id : more) {
      if (edits.contains(id)) stale.insert(id);
    }
  }
  if (!stale.empty()) OUTBOARD_RETURN_IF_ERROR(DropEdits(stale, SIZE_MAX));
  if (!filter.reason.empty() && filter.reason != kOrphaned) return gone;
  OUTBOARD_ASSIGN_OR_RETURN(const std::set<uint64_t> more,
                            WalkDead(rabbitmq::kOrphansExchange, if_taken));
  return gone + more.size();
}

bool RabbitmqBus::SharesIds(const std::string& lane) {
  return lane == rabbitmq::kOrphansExchange || lane == rabbitmq::kEdits;
}

// All letters of one queue, oldest first: of a lane, of orphans, or edits. Those whose fate is not
// kKeep are acknowledged, all others go back as they were.
absl::StatusOr<std::set<uint64_t>> RabbitmqBus::WalkDead(const std::string& lane,
                                                         const Glance& glance) {
  const std::string queue = lane == rabbitmq::kOrphansExchange ? lane
                            : lane == rabbitmq::kEdits         ? rabbitmq::EditsQueue(options_.host)
                                                       : rabbitmq::DeadQueue(options_.host, lane);
  Pass pass;
  const absl::Status status = ReadDead(lane, queue, &pass, glance);
  if (absl::IsNotFound(status)) return std::set<uint64_t>();
  OUTBOARD_RETURN_IF_ERROR(status);
  const std::set<uint64_t> taken = std::move(pass.taken);
  for (int i = 0; i < kMaxPasses; ++i) {
    OUTBOARD_ASSIGN_OR_RETURN(const uint64_t ready, WaitUntilBack(queue, pass.left));
    if (ready <= pass.left || taken.empty()) break;
    // The id of an orphan may be another's once that one is gone.
    if (SharesIds(lane)) break;
    // A quorum queue may have dropped acknowledgements that came just before the channel's end.
    OUTBOARD_RETURN_IF_ERROR(ReadDead(lane, queue, &pass, [&](Letter* letter) {
      return taken.contains(letter->travel.dead_id) ? Fate::kTake : Fate::kKeep;
    }));
  }
  return taken;
}

// What was looked at is back a moment later: how many there are then.
absl::StatusOr<uint64_t> RabbitmqBus::WaitUntilBack(const std::string& queue, uint32_t left) {
  const auto end = rabbitmq::SteadyNow() + kPatience;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const std::optional<amqp::QueueCount> count, Look(queue));
    const uint64_t ready = count ? count->ready : 0;
    if (ready >= left || rabbitmq::SteadyNow() > end) return ready;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

absl::Status RabbitmqBus::ReadDead(const std::string& lane, const std::string& queue, Pass* pass,
                                   const Glance& glance) {
  *pass = {};
  return control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
    OUTBOARD_ASSIGN_OR_RETURN(const uint32_t ready, WaitForTurn(connection, channel, queue));
    pass->left = ready;
    if (ready == 0) return absl::OkStatus();
    OUTBOARD_RETURN_IF_ERROR(connection.SetPrefetch(channel, kMostAtOnce));
    OUTBOARD_RETURN_IF_ERROR(connection.Consume(channel, queue, "dead"));
    rabbitmq::AckWindow acks(SIZE_MAX, kPatience);
    Mover mover(&internal_, &connection, channel, queue, &acks);
    std::set<uint64_t> ids;
    absl::Status failed;
    const uint32_t count = std::min<uint32_t>(ready, kMostAtOnce);
    for (uint32_t seen = 0; failed.ok() && seen < count; ++seen) {
      OUTBOARD_ASSIGN_OR_RETURN(std::optional<amqp::Delivered> delivered,
                                NextDelivery(connection, kPatience));
      if (!delivered) break;  // Somebody took some meanwhile.
      acks.Delivered(delivered->tag, {});
      std::optional<Letter> letter = ToLetter(lane, delivered->message.Copy());
      if (!letter) continue;
      // Ids of orphans may be the same by chance.
      while (lane == rabbitmq::kOrphansExchange && !ids.insert(letter->travel.dead_id).second)
        ++letter->travel.dead_id;
      const uint64_t id = letter->travel.dead_id;
      const absl::StatusOr<Fate> fate = glance(&*letter);
      if (!fate.ok()) {
        failed = fate.status();
      } else if (*fate == Fate::kMove) {
        failed = mover.Add({delivered->tag, id, std::move(letter->message), letter->if_no_queue});
      } else if (*fate == Fate::kTake) {
        acks.Settle(delivered->tag, {});
        pass->taken.insert(id);
        ++pass->count;
      }
    }
    // What came before a failure is done.
    failed.Update(mover.Flush());
    pass->taken.insert(mover.moved().begin(), mover.moved().end());
    pass->count += mover.moved().size();
    pass->left = ready - static_cast<uint32_t>(pass->count);
    OUTBOARD_RETURN_IF_ERROR(rabbitmq::FlushAcks(connection, channel, queue, &acks));
    return failed;
  });
}

// ---- What people do with them
// ------------------------------------------------------------------------------------

absl::StatusOr<std::vector<DeadLetter>> RabbitmqBus::ListDead(const DeadFilter& filter,
                                                              uint64_t after, size_t limit,
                                                              uint64_t* total) {
  rabbitmq::LeastLetters letters(limit);
  uint64_t matched = 0;
  OUTBOARD_RETURN_IF_ERROR(ForEachLetter(filter, [&](Letter* letter) {
                             ++matched;
                             const uint64_t id = letter->travel.dead_id;
                             if (id > after && letters.Wants(id)) letters.Add(Shown(*letter));
                             return Fate::kKeep;
                           }).status());
  if (total != nullptr) *total = matched;
  return letters.Take();
}

absl::Status RabbitmqBus::ForEachDead(const DeadFilter& filter,
                                      const std::function<void(const DeadLetter&)>& visit) {
  return ForEachLetter(filter,
                       [&](Letter* letter) {
                         visit(Shown(*letter));
                         return Fate::kKeep;
                       })
      .status();
}

absl::StatusOr<Replayed> RabbitmqBus::ReplayBatch(const DeadFilter& filter, size_t limit) {
  MutexLock lock(dead_mu_);
  const bool named = !filter.lane.empty() || !filter.ids.empty();
  DeadFilter batch = filter;
  if (limit != SIZE_MAX) OUTBOARD_RETURN_IF_ERROR(NarrowTo(limit, &batch));
  Replayed replayed;
  uint64_t seen = 0;
  OUTBOARD_ASSIGN_OR_RETURN(replayed.count, ForEachLetter(batch, [&](Letter* letter) {
                              ++seen;
                              replayed.last = std::max(replayed.last, letter->travel.dead_id);
                              return Replay(letter, named);
                            }));
  replayed.stayed = seen - std::min(seen, replayed.count);
  return replayed;
}

// To so many letters, of the least ids.
absl::Status RabbitmqBus::NarrowTo(size_t limit, DeadFilter* filter) {
  std::vector<uint64_t> ids;
  OUTBOARD_RETURN_IF_ERROR(ForEachLetter(*filter, [&](Letter* letter) {
                             ids.push_back(letter->travel.dead_id);
                             return Fate::kKeep;
                           }).status());
  if (ids.size() <= limit) return absl::OkStatus();
  const auto last = ids.begin() + static_cast<ptrdiff_t>(limit - 1);
  std::nth_element(ids.begin(), last, ids.end());
  filter->up_to = *last;
  return absl::OkStatus();
}

// `named`: it is an error if it has to stay.
absl::StatusOr<RabbitmqBus::Fate> RabbitmqBus::Replay(Letter* letter, bool named) {
  Travel& travel = letter->travel;
  const uint64_t id = travel.dead_id;
  const std::optional<KnownLane> lane =
      letter->queue.empty() ? registry_->Find(travel.lane) : registry_->FindQueue(letter->queue);
  // An orphan may be for another host's queue.
  const bool elsewhere = !letter->queue.empty() && !lane;
  if (!elsewhere && (!lane || lane->orphan)) {
    if (named) return NotDeclared(id, travel.lane);
    return Fate::kKeep;
  }
  const std::string queue = elsewhere ? letter->queue : lane->queue;
  if (!elsewhere) {
    letter->if_no_queue =
        absl::UnavailableError(absl::StrCat("queue ", queue, " of lane '", lane->spec.name,
                                            "' is not there: it is being made again, try again"));
  } else if (named) {
    letter->if_no_queue = absl::FailedPreconditionError(absl::StrCat(
        "dead letter ", id, " is for queue ", queue,
        ", which is not there: configure its route again first, or delete it with dead purge"));
  }
  if (letter->edited) letter->message = *std::exchange(letter->edited, std::nullopt);
  travel.attempts = 0;
  travel.due.reset();
  travel.serial = id;
  travel.dead_id = 0;
  rabbitmq::PutTravel(travel, &letter->message);
  rabbitmq::SendStraightTo(queue, &letter->message);
  return Fate::kMove;
}

absl::StatusOr<uint64_t> RabbitmqBus::PurgeDead(const DeadFilter& filter) {
  MutexLock lock(dead_mu_);
  return ForEachLetter(filter, [](Letter*) { return Fate::kTake; });
}

// Rising, short enough for every JSON reader, and another on each replica.
uint64_t RabbitmqBus::NextDeadId() {
  constexpr auto kSince = std::chrono::seconds(rabbitmq::kDeadIdsSince);
  constexpr uint64_t kTensASecond = 100'000;  // Of microseconds.
  constexpr uint64_t kReplicas = rabbitmq::kDeadIdsASecond / kTensASecond;
  const int64_t now = (options_.clock->Now() - Time(kSince)).count();
  const auto tens = static_cast<uint64_t>(std::max<int64_t>(now, 0) / 10);
  MutexLock lock(mu_);
  last_dead_ = std::max(last_dead_ + 1, tens);
  StableHash replica;
  replica.Add(replica_);
  return last_dead_ * kReplicas + replica.value() % kReplicas;
}

}  // namespace outboard::bus

#include "host/bus/rabbitmq/rabbitmq_consumer.h"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"

// Opening, closing and handing out; consumer_channels.cc speaks to the broker, consumer_renewal.cc
// makes channels anew, consumer_settling.cc ends deliveries.
namespace outboard::bus::rabbitmq {
namespace {

// A connection is looked after so often at least.
constexpr Duration kLookAgain = std::chrono::seconds(1);
// What is under way when a consumer ends gets so long to be confirmed.
constexpr auto kLastConfirms = std::chrono::seconds(5);

const Clock* SteadyClock() {
  static const RealClock* const clock = new RealClock();  // Of the whole process.
  return clock;
}

void Watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  OUTBOARD_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

}  // namespace

uint64_t IdentityOf(const OpenQueue& queue, const Item& item, uint64_t copy) {
  const Event& event = item.event;
  if (event.empty()) return absl::HashOf(queue.name, item.raw.body(), copy);
  return absl::HashOf(queue.name, event.source(), event.id(), copy);
}

uint64_t CopyOf(const Travel& travel) {
  const int64_t due = travel.due ? travel.due->time_since_epoch().count() : 0;
  return absl::HashOf(travel.attempts, due, travel.serial);
}

RabbitmqConsumer::RabbitmqConsumer(RabbitmqBus* bus)
    : bus_(bus),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      mailbox_(std::make_shared<Mailbox<Mail>>()),
      helper_(std::make_unique<TaskThread>(SteadyClock())) {
  OUTBOARD_CHECK(epoll_ >= 0);
  Watch(epoll_, wakeup_.fd());
  Watch(epoll_, mailbox_->fd());
}

RabbitmqConsumer::~RabbitmqConsumer() {
  // Settlements handed over before are still made.
  const Steady end = SteadyNow() + kLastConfirms;
  while (publishing_ > 0 && SteadyNow() < end) {
    pollfd fd{mailbox_->fd(), POLLIN, 0};
    poll(&fd, 1, 100);
    TakeMail();
  }
  helper_.reset();
  CloseChannels();
  connection_.reset();
  SetMissed("");
  close(epoll_);
}

// ---- Lanes
// ------------------------------------------------------------------------------------

absl::Status RabbitmqConsumer::Open(LaneId lane, const std::string& name) {
  const std::optional<KnownLane> known = bus_->registry_->Find(name);
  if (!known || known->orphan)
    return absl::NotFoundError(absl::StrCat("no lane is called '", name, "'"));
  const bool singleton = known->spec.mode == Mode::kSingleton;
  if (singleton) {
    MutexLock lock(bus_->mu_);
    const auto [it, added] = bus_->singletons_.try_emplace(known->queue, this);
    if (it->second != this) {
      return absl::FailedPreconditionError(
          absl::StrCat("lane '", name, "' is a singleton and open elsewhere in this host"));
    }
  }
  std::unique_ptr<OpenQueue>& queue = queues_[known->queue];
  if (queue == nullptr) {
    queue = std::make_unique<OpenQueue>(
        Prefetch(bus_->options_.prefetch, bus_->options_.prefetch_bytes));
    queue->name = known->queue;
    queue->reliable = known->spec.reliable;
    queue->singleton = singleton;
    queue->single_active = known->spec.ordered && known->spec.reliable;
    queue->counts = known->counts;
    if (bus_->sources_.FiltersAfter(known->spec.filters)) queue->filters = known->spec.filters;
    queue->foreign = bus_->sources_.AnyForeign(known->spec.filters);
    queue->there = queue->reliable;  // Else nobody used it: the helper makes it.
    if (queue->there) {
      Takes(queue.get());
      if (connection_) OpenChannel(queue.get());
    }
  }
  queue->outlets.push_back({lane, name, 0});
  by_lane_[lane] = queue.get();
  if (!connection_ && !connecting_) AskForConnection();
  Wake();
  return absl::OkStatus();
}

// From now on the queue gets what is published.
void RabbitmqConsumer::Takes(OpenQueue* queue) {
  if (!std::exchange(queue->takes, true)) ++queue->counts->open;
}

void RabbitmqConsumer::Close(LaneId lane) {
  const auto found = by_lane_.find(lane);
  if (found == by_lane_.end()) return;
  OpenQueue* queue = found->second;
  by_lane_.erase(found);
  std::erase_if(queue->outlets, [lane](const Outlet& outlet) { return outlet.lane == lane; });
  const bool last = queue->outlets.empty();
  std::vector<Tag> open;
  for (auto& [tag, out] : outs_) {
    if (out->queue != queue || (!last && out->lane != lane)) continue;
    if (out->settling == nullptr) {
      if (last || !out->resting) open.push_back(tag);
    } else if (last) {
      out->queue = nullptr;
    }
  }
  for (const Tag tag : open) {
    if (last) {
      outs_.erase(tag);  // The channel's end gives it back.
    } else {
      Return(tag);  // To the lanes that share the queue.
    }
  }
  if (last) {
    Forget(queue);
    queues_.erase(std::string(queue->name));
  }
  Wake();
}

// Nobody has the queue open any more.
void RabbitmqConsumer::Forget(OpenQueue* queue) {
  if (queue->takes) --queue->counts->open;
  if (queue->singleton) {
    MutexLock lock(bus_->mu_);
    bus_->singletons_.erase(queue->name);
  }
  for (auto it = stale_.begin(); it != stale_.end();) {
    it = outs_.contains(it->second) ? std::next(it) : stale_.erase(it);
  }
  Life* life = queue->life;
  if (life == nullptr) return;
  RememberAcked(queue);
  life->queue = nullptr;
  CloseIfDone(life);
}

void RabbitmqConsumer::SetCredit(LaneId lane, uint32_t more) {
  const auto found = by_lane_.find(lane);
  if (found == by_lane_.end()) return;
  OpenQueue* queue = found->second;
  for (Outlet& outlet : queue->outlets) {
    if (outlet.lane == lane) outlet.credit = more;
  }
  if (more > 0 && queue->parked) {
    queue->parked = false;
    if (connection_ && queue->there) OpenChannel(queue);
  }
  if (more > 0 && (!queue->waiting.empty() || !queue->returned.empty() || !queue->due.empty()))
    Wake();
}

// ---- Poll
// ------------------------------------------------------------------------------------

void RabbitmqConsumer::TakeMail() {
  mailbox_->Drain(&mail_);
  for (Mail& mail : mail_) std::visit([this](auto& m) { On(m); }, mail);
  mail_.clear();
}

void RabbitmqConsumer::Poll(Time now, Arrivals* out) {
  now_ = now;
  steady_ = SteadyNow();
  wakeup_.Clear();
  TakeMail();
  LookAfterConnection();
  if (connection_ && ReadAll()) Wake();
  for (auto& [name, queue] : queues_) {
    RenewIfHeldLong(queue.get());
    FitPrefetch(queue.get());
    HandOut(queue.get(), now, out);
    ParkIfUseless(queue.get());
    WatchOver(queue.get());
  }
  for (auto& [number, life] : lives_) {
    if (!SendAcks(life.get(), false)) break;  // The connection broke: there are no lives any more.
  }
  out->settled.insert(out->settled.end(), std::make_move_iterator(settled_.begin()),
                      std::make_move_iterator(settled_.end()));
  settled_.clear();
}

Time RabbitmqConsumer::NextDue() const {
  const Steady steady = SteadyNow();
  const auto later = [&](Steady at) {
    return now_ + std::max(std::chrono::duration_cast<Duration>(at - steady), Duration(0));
  };
  Time due = kNever;
  if (connection_) {
    due = now_ + std::clamp<Duration>(bus_->options_.connection.heartbeat / 2,
                                      std::chrono::milliseconds(100), kLookAgain);
  } else if (!connecting_ && !queues_.empty()) {
    due = later(connect_at_);
  }
  if (!climb_again_.empty()) due = std::min(due, later(climb_again_.begin()->first));
  for (const auto& [name, queue] : queues_) {
    if (!queue->due.empty() && queue->HasCredit()) due = std::min(due, queue->due.begin()->first);
    if (queue->lacks() && !queue->asked && !IsDying(*queue))
      due = std::min(due, later(queue->ask_at));
    if (queue->useless_since) due = std::min(due, later(*queue->useless_since + kUselessFor));
    const Steady look = NextLook(*queue);
    if (look != Steady::max()) due = std::min(due, later(look));
  }
  for (const auto& [number, life] : lives_) {
    const Time ack = life->acks.next_due();
    if (ack != kNever) due = std::min(due, now_ + std::max(ack - AckTime(steady), Duration(0)));
  }
  return due;
}

void RabbitmqConsumer::HandOut(OpenQueue* queue, Time now, Arrivals* out) {
  while (!queue->finishing) {
    const bool is_due = !queue->due.empty() && queue->due.begin()->first <= now;
    if (queue->returned.empty() && !is_due && queue->waiting.empty()) return;
    const bool from_waiting = queue->returned.empty() && !is_due;
    // What is being published as a retry came already: its answer comes first.
    if (from_waiting && queue->waiting.front()->was_retry &&
        leaving_.contains(IdentityOf(*queue, *queue->waiting.front()))) {
      return;
    }
    Outlet* outlet = queue->Next();
    if (outlet == nullptr) return;
    --outlet->credit;
    const Tag tag = next_tag_++;
    std::unique_ptr<Item> item;
    if (!queue->returned.empty()) {
      item = std::move(queue->returned.begin()->second);
      queue->returned.erase(queue->returned.begin());
    } else if (is_due) {
      item = std::move(outs_.extract(queue->due.begin()->second).mapped());
      queue->due.erase(queue->due.begin());
      item->resting = false;
      // Its redelivery is still to come.
      if (item->life == nullptr) stale_.emplace(IdentityOf(*queue, *item), tag);
    } else {
      item = std::move(queue->waiting.front());
      queue->waiting.pop_front();
    }
    item->lane = outlet->lane;
    Delivery& delivery = out->deliveries.emplace_back();
    delivery.lane = outlet->lane;
    delivery.tag = tag;
    delivery.event = item->event;
    delivery.attempts = item->attempts;
    delivery.redelivered = item->redelivered;
    delivery.accepted_at = item->accepted_at;
    outs_.emplace(tag, std::move(item));
  }
}

}  // namespace outboard::bus::rabbitmq

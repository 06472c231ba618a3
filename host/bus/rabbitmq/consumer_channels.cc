#include <sys/epoll.h>

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/rabbitmq/flush_acks.h"
#include "host/bus/rabbitmq/rabbitmq_consumer.h"

// The connection of a shard, its channels, and what comes through them.
namespace outboard::bus::rabbitmq {
namespace {

constexpr amqp::Channel kMaxChannel = 2047;
// What one Poll reads at most, so that a shard's other work is not held up.
constexpr size_t kMaxMessages = 4096;
constexpr size_t kMaxBytes = 8 << 20;
// Ends of ended channels are remembered so long, and so many of them.
constexpr auto kSweepEvery = std::chrono::minutes(1);
constexpr size_t kRememberMost = 200'000;

// False: its id is a hash of its content, and another of the same content is not the same.
bool HasId(const dialect::Message& message) {
  const dialect::Properties& properties = message.properties;
  if (properties.message_id) return true;
  if (properties.content_type &&
      absl::StartsWith(*properties.content_type, "application/cloudevents"))
    return true;
  for (const auto& [name, field] : properties.headers) {
    if (name == "cloudEvents:id" || name == "cloudEvents_id" || name == "ce-id") return true;
  }
  return false;
}

std::chrono::milliseconds Backoff(int failures) {
  static thread_local std::minstd_rand random{std::random_device()()};
  const int64_t step = std::min<int64_t>(100LL << std::min(failures, 10), 10'000);
  return std::chrono::milliseconds(step / 2 + static_cast<int64_t>(random()) % (step / 2 + 1));
}

}  // namespace

// ---- The connection
// ------------------------------------------------------------------------------------

void RabbitmqConsumer::AskForConnection() {
  connecting_ = true;
  const size_t endpoint = endpoint_++;
  amqp::ConnectionOptions options = bus_->options_.connection;
  options.name += " consumes";
  helper_->Post([options, endpoint, mailbox = mailbox_] {
    mailbox->Post(Connected{amqp::Connection::Connect(options, endpoint)});
  });
}

void RabbitmqConsumer::On(Connected& mail) {
  connecting_ = false;
  if (!mail.connection.ok()) {
    ++failures_;
    connect_at_ = SteadyNow() + Backoff(failures_);
    if (failures_ == 1) {
      LogWarning("bus", "cannot consume",
                 {{"why", std::string(mail.connection.status().message())}});
    }
    return;
  }
  connection_ = *std::move(mail.connection);
  LogInfo("bus", "consuming", {{"broker", connection_->endpoint()}});
  epoll_event event{};
  event.events = EPOLLIN;
  OUTBOARD_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, connection_->fd(), &event) == 0);
  for (auto& [name, queue] : queues_) {
    if (queue->there && !queue->parked) OpenChannel(queue.get());
    if (!connection_) return;
  }
}

// What is to be done after a while.
void RabbitmqConsumer::LookAfterConnection() {
  const Steady steady = SteadyNow();
  if (!connection_ && !connecting_ && !queues_.empty() && steady >= connect_at_) AskForConnection();
  for (auto& [name, queue] : queues_) {
    if (!queue->there && !queue->asked && steady >= queue->ask_at) AskForQueue(queue.get());
  }
  while (!climb_again_.empty() && climb_again_.begin()->first <= steady) {
    const Tag tag = climb_again_.begin()->second;
    climb_again_.erase(climb_again_.begin());
    const auto found = outs_.find(tag);
    if (found == outs_.end()) continue;
    if (found->second->queue != nullptr) {
      StartPublish(tag);
      continue;
    }
    // Its lanes were closed meanwhile: the channel's end gives it back.
    Life* life = found->second->item.life;
    outs_.erase(found);
    if (life == nullptr) continue;
    --life->publishing;
    CloseIfDone(life);
    if (!connection_) break;
  }
  if (steady >= sweep_at_) Sweep(steady);
}

// Forgets what is late, and what is too much.
void RabbitmqConsumer::Sweep(Steady steady) {
  sweep_at_ = steady + kSweepEvery;
  std::erase_if(remembered_, [&](const auto& entry) { return entry.second < steady; });
  std::erase_if(stale_, [&](const auto& entry) { return !outs_.contains(entry.second); });
  while (remembered_.size() > kRememberMost) remembered_.erase(remembered_.begin());
}

void RabbitmqConsumer::Broke(const absl::Status& why) {
  LogWarning("bus", "the connection for consuming broke", {{"why", std::string(why.message())}});
  while (!lives_.empty()) EndLife(lives_.begin()->second.get());
  connection_.reset();
  connect_at_ = SteadyNow() + Backoff(failures_++);
}

bool RabbitmqConsumer::ReadAll() {
  size_t bytes = 0;
  for (size_t i = 0; i < kMaxMessages && bytes < kMaxBytes; ++i) {
    absl::StatusOr<std::optional<amqp::Incoming>> incoming = connection_->Read(Duration::zero());
    if (!incoming.ok()) {
      Broke(incoming.status());
      return false;
    }
    if (!incoming->has_value()) return false;
    if (auto* delivered = std::get_if<amqp::Delivered>(&**incoming)) {
      bytes += delivered->message.body.size();
      On(*delivered);
    } else if (const auto* answered = std::get_if<amqp::Answered>(&**incoming)) {
      On(*answered);
    } else if (const auto* closed = std::get_if<amqp::ChannelClosed>(&**incoming)) {
      On(*closed);
    } else if (const auto* cancelled = std::get_if<amqp::Cancelled>(&**incoming)) {
      On(*cancelled);
    }
    if (!connection_) return false;
  }
  return true;
}

// ---- Queues and channels
// ------------------------------------------------------------------------------------

void RabbitmqConsumer::AskForQueue(OpenQueue* queue) {
  queue->asked = true;
  helper_->Post(
      [bus = bus_, lane = queue->outlets.front().name, name = queue->name, mailbox = mailbox_] {
        mailbox->Post(Ensured{name, bus->Ensure(lane)});
      });
}

void RabbitmqConsumer::On(Ensured& mail) {
  const auto found = queues_.find(mail.queue);
  if (found == queues_.end()) return;
  OpenQueue* queue = found->second.get();
  queue->asked = false;
  if (!mail.status.ok()) {
    ++queue->failures;
    queue->ask_at = SteadyNow() + Backoff(queue->failures);
    LogWarning("bus", "cannot make the queue of a lane",
               {{"queue", queue->name}, {"why", std::string(mail.status.message())}});
    return;
  }
  queue->there = true;
  LogInfo("bus", "the queue of a lane was made again", {{"queue", queue->name}});
  if (connection_ && queue->life == nullptr && !queue->parked) OpenChannel(queue);
}

void RabbitmqConsumer::OpenChannel(OpenQueue* queue) {
  amqp::Channel number = 1;
  while (lives_.contains(number)) ++number;
  if (number > kMaxChannel) {
    LogError("bus", "no channel is left: use more shards (host.shards)", {{"queue", queue->name}});
    return;
  }
  const uint16_t prefetch = bus_->options_.prefetch;
  auto life = std::make_unique<Life>(std::max<size_t>(prefetch / 4, 1));
  life->number = number;
  life->queue = queue;
  life->counts = queue->counts;
  life->gone_when_closed = !queue->reliable;
  queue->life = life.get();
  lives_[number] = std::move(life);
  // The broker takes them in order; an answer that is none comes as ChannelClosed.
  absl::Status status = connection_->SendOpenChannel(number);
  if (status.ok()) status = connection_->SendPrefetch(number, prefetch);
  if (status.ok()) status = connection_->SendConsume(number, queue->name, "outboard");
  if (absl::IsUnavailable(status)) return Broke(status);
  if (!status.ok()) {
    LogError("bus", "a lane gets no channel",
             {{"queue", queue->name}, {"why", std::string(status.message())}});
    EndLife(queue->life);
    queue->there = false;
    queue->ask_at = SteadyNow() + Backoff(queue->failures++);
  }
}

// A channel without lanes ends once what is under way is acknowledged on it.
void RabbitmqConsumer::CloseIfDone(Life* life) {
  if (life->queue != nullptr || life->closing || life->publishing > 0 || !connection_) return;
  life->closing = true;
  if (!SendAcks(life, true)) return;
  life->counts->held -= life->held;
  life->held = 0;
  absl::Status status;
  if (life->gone_when_closed) {
    // The queue ends with its last consumer: whoever opens the lane next must not find it dying.
    status = connection_->CloseChannel(life->number);
    if (status.ok()) return EndLife(life);
  } else {
    status = connection_->SendCloseChannel(life->number);
  }
  // If the broker closed it meanwhile, that is still to be read.
  if (absl::IsUnavailable(status)) Broke(status);
}

void RabbitmqConsumer::LetGo(OpenQueue* queue) {
  Life* life = queue->life;
  const auto is_of = [life](const Item& item) { return item.life == life; };
  std::erase_if(queue->waiting, is_of);
  std::erase_if(queue->returned, [&](const auto& entry) { return is_of(entry.second); });
  for (auto& [due, item] : queue->due) {
    if (is_of(item)) item.life = nullptr;
  }
  for (auto& [tag, out] : outs_) {
    if (!is_of(out->item)) continue;
    out->item.life = nullptr;
    stale_.emplace(IdentityOf(*queue, out->item), tag);
  }
  life->publishing = 0;
  RememberAcked(queue);
  queue->life = nullptr;
  life->queue = nullptr;
  CloseIfDone(life);
}

// Acknowledgements may be lost on their way when a channel ends.
void RabbitmqConsumer::RememberAcked(OpenQueue* queue) {
  const Steady steady = SteadyNow();
  const auto lost_at_most = 2 * bus_->options_.connection.heartbeat;
  for (const auto& [identity, at] : queue->acked) {
    if (at + lost_at_most > steady) remembered_.emplace(identity, steady + kRememberFor);
  }
  queue->acked.clear();
}

void RabbitmqConsumer::ParkIfUseless(OpenQueue* queue) {
  if (queue->life == nullptr || !queue->reliable || queue->HasCredit()) {
    queue->useless_since.reset();
    return;
  }
  const Steady steady = SteadyNow();
  if (!queue->useless_since) queue->useless_since = steady;
  if (steady < *queue->useless_since + kUselessFor) return;
  queue->useless_since = steady;  // To look again after as long.
  for (const auto& [tag, out] : outs_) {
    if (out->queue == queue) return;
  }
  LogInfo("bus", "a lane that takes nothing leaves its queue to other replicas",
          {{"queue", queue->name}});
  queue->useless_since.reset();
  queue->parked = true;
  LetGo(queue);
}

// With the answer to it the broker has taken what was acknowledged before.
void RabbitmqConsumer::CloseChannels() {
  for (auto& [number, life] : lives_) {
    if (!connection_ || life->closing || life->queue == nullptr) continue;
    const std::string& queue = life->queue->name;
    absl::Status status =
        FlushAcks(*connection_, number, queue, &life->acks, life->busy_until > SteadyNow());
    if (status.ok()) status = connection_->CloseChannel(number);
    if (!status.ok()) {
      LogWarning("bus", "the last acknowledgements may be lost: what they end may come again",
                 {{"queue", queue}, {"why", std::string(status.message())}});
    }
    if (absl::IsUnavailable(status)) break;
  }
  while (!lives_.empty()) EndLife(lives_.begin()->second.get());
}

Life* RabbitmqConsumer::FindLife(amqp::Channel channel) {
  const auto it = lives_.find(channel);
  return it == lives_.end() ? nullptr : it->second.get();
}

void RabbitmqConsumer::EndLife(Life* life) {
  life->counts->held -= life->held;
  life->counts->oldest_us = 0;
  const auto is_of = [life](const Item& item) { return item.life == life; };
  for (auto& [tag, out] : outs_) {
    if (!is_of(out->item)) continue;
    out->item.life = nullptr;
    if (out->queue != nullptr) stale_.emplace(IdentityOf(*out->queue, out->item), tag);
  }
  if (OpenQueue* queue = life->queue) {
    std::erase_if(queue->waiting, is_of);
    std::erase_if(queue->returned, [&](const auto& entry) { return is_of(entry.second); });
    for (auto& [due, item] : queue->due) item.life = nullptr;
    RememberAcked(queue);
    queue->life = nullptr;
  }
  lives_.erase(life->number);
}

void RabbitmqConsumer::On(const amqp::Answered& answered) {
  Life* life = FindLife(answered.channel);
  if (life == nullptr) return;
  if (answered.what == amqp::Answered::What::kChannelClose) return EndLife(life);
  if (answered.what != amqp::Answered::What::kConsume) return;
  failures_ = 0;
  if (life->queue != nullptr) life->queue->failures = 0;
}

void RabbitmqConsumer::On(const amqp::ChannelClosed& closed) {
  Life* life = FindLife(closed.channel);
  if (life == nullptr) return;
  OpenQueue* queue = life->queue;
  LogWarning("bus", "the broker closed a channel",
             {{"queue", queue == nullptr ? "" : queue->name},
              {"code", std::to_string(closed.code)},
              {"why", closed.text}});
  EndLife(life);
  if (queue == nullptr) return;
  queue->there = false;
  queue->ask_at = SteadyNow() + Backoff(queue->failures++);
}

void RabbitmqConsumer::On(const amqp::Cancelled& cancelled) {
  Life* life = FindLife(cancelled.channel);
  if (life == nullptr || life->queue == nullptr) return;
  OpenQueue* queue = life->queue;
  LogWarning("bus", "the broker ended a consumer: its queue was deleted, or lost its leader",
             {{"queue", queue->name}});
  queue->there = false;
  queue->ask_at = SteadyNow();
  LetGo(queue);
}

// ---- Deliveries
// ------------------------------------------------------------------------------------

void RabbitmqConsumer::On(amqp::Delivered& delivered) {
  Life* life = FindLife(delivered.channel);
  if (life == nullptr || life->queue == nullptr) return;  // The channel's end gives it back.
  OpenQueue* queue = life->queue;
  Item item;
  item.message = std::move(delivered.message);
  item.life = life;
  item.delivery_tag = delivered.tag;
  item.order = next_order_++;
  item.redelivered = delivered.redelivered;
  item.has_id = HasId(item.message);
  const std::optional<Travel> travel = TakeTravel(&item.message);
  if (travel) {
    item.accepted_at = travel->accepted_at;
    item.attempts = travel->attempts;
    item.copy = CopyOf(*travel);
    item.was_retry = travel->due.has_value();
    item.redelivered = true;
  } else {
    item.accepted_at = AcceptedAt(item.message).value_or(now_);
  }
  life->acks.Delivered(delivered.tag, item.accepted_at);
  ++life->held;
  ++life->counts->held;
  absl::StatusOr<Event> event =
      dialect::Decode(item.message, bus_->options_.dialect, bus_->options_.limits);
  if (event.ok()) item.event = *std::move(event);
  if (delivered.redelivered && Adopt(queue, item)) return;
  if (!event.ok()) return BuryUndecodable(queue, std::move(item), event.status());
  if (travel && travel->due && *travel->due > now_ && queue->reliable)
    return ClimbAgain(queue, std::move(item), *travel);
  if (item.was_retry && !delivered.redelivered && life->counts->retrying > 0)
    --life->counts->retrying;
  queue->waiting.push_back(std::move(item));
}

// True: a lane has this one in hand, or has ended it.
bool RabbitmqConsumer::Adopt(OpenQueue* queue, const Item& item) {
  if (stale_.empty() && remembered_.empty()) return false;
  const uint64_t identity = IdentityOf(*queue, item);
  for (auto it = stale_.find(identity); it != stale_.end() && it->first == identity;) {
    const auto out = outs_.find(it->second);
    it = stale_.erase(it);
    if (out == outs_.end()) continue;
    out->second->item.life = item.life;
    out->second->item.delivery_tag = item.delivery_tag;
    if (out->second->settling != nullptr) ++item.life->publishing;
    return true;
  }
  const auto ended = remembered_.find(identity);
  if (ended == remembered_.end()) return false;
  const bool late = ended->second < SteadyNow();
  remembered_.erase(ended);
  if (late) return false;
  Acknowledge(nullptr, item);
  return true;
}

// It waits longer than the longest rung holds it.
void RabbitmqConsumer::ClimbAgain(OpenQueue* queue, Item item, const Travel& travel) {
  auto out = std::make_unique<Out>();
  out->lane = queue->outlets.front().lane;
  out->queue = queue;
  out->silent = true;
  out->settling = std::make_unique<Settlement>();
  out->settling->end = End::kRetry;
  out->settling->attempts = travel.attempts;
  out->settling->due = *travel.due;
  ++item.life->publishing;
  out->item = std::move(item);
  const Tag tag = next_tag_++;
  outs_.emplace(tag, std::move(out));
  StartPublish(tag);
}

// A dead letter keeps its bytes.
void RabbitmqConsumer::BuryUndecodable(OpenQueue* queue, Item item, const absl::Status& why) {
  auto out = std::make_unique<Out>();
  out->lane = queue->outlets.front().lane;
  out->queue = queue;
  out->silent = true;
  out->settling = std::make_unique<Settlement>();
  out->settling->end = End::kDead;
  out->settling->attempts = item.attempts;
  out->settling->dead =
      std::make_unique<DeadReason>(DeadReason{"UNDECODABLE", std::string(why.message()), ""});
  ++item.life->publishing;
  out->item = std::move(item);
  const Tag tag = next_tag_++;
  outs_.emplace(tag, std::move(out));
  StartPublish(tag);
}

}  // namespace outboard::bus::rabbitmq

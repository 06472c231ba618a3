#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/rabbitmq/flush_acks.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/rabbitmq_consumer.h"
#include "host/dialect/identity.h"

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
bool HasId(const dialect::MessageView& message) {
  const dialect::PropertiesView& properties = message.properties;
  if (properties.message_id) return true;
  if (properties.content_type &&
      absl::StartsWith(*properties.content_type, "application/cloudevents"))
    return true;
  for (const auto& [name, field] : properties.headers) {
    if (name == "cloudEvents:id" || name == "cloudEvents_id" || name == "ce-id") return true;
  }
  return false;
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
    const std::string why(mail.connection.status().message());
    SetMissed(why);
    if (failures_ == 1) LogWarning("bus", "cannot consume", {{"why", why}});
    return;
  }
  connection_ = *std::move(mail.connection);
  SetMissed("");
  LogInfo("bus", "consuming", {{"broker", connection_->endpoint()}});
  epoll_event event{};
  event.events = EPOLLIN;
  OUTBOARD_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, connection_->fd(), &event) == 0);
  for (auto& [name, queue] : queues_) {
    if (queue->there && !queue->parked) OpenChannel(queue.get());
    if (!connection_) return;
    // An exchange that is not durable went with its bindings if the broker restarted.
    queue->bound = !queue->foreign;
  }
}

// What is to be done after a while.
void RabbitmqConsumer::LookAfterConnection() {
  const Steady steady = SteadyNow();
  if (!connection_ && !connecting_ && !queues_.empty() && steady >= connect_at_) AskForConnection();
  for (auto& [name, queue] : queues_) {
    // Where a quorum queue is made again at once, the broker tells its consumers nothing.
    if (queue->life != nullptr && queue->life->made != queue->counts->made) {
      LogWarning("bus", "the queue of a lane was deleted and made again: it is consumed anew",
                 {{"queue", queue->name}});
      // What it acknowledges may be taken for messages of the new one: nothing more is.
      Life* const old = Detach(queue.get());
      old->closing = true;
      SendClose(old);
      if (connection_) OpenChannel(queue.get());
    }
    if (queue->lacks() && !queue->asked && steady >= queue->ask_at && !IsDying(*queue))
      AskForQueue(queue.get());
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
    Life* life = found->second->life;
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
  connection_.reset();
  while (!lives_.empty()) EndLife(lives_.begin()->second.get());
  connect_at_ = SteadyNow() + Backoff(++failures_);
  SetMissed(std::string(why.message()));
}

// Empty: it is connected.
void RabbitmqConsumer::SetMissed(const std::string& why) {
  MutexLock lock(bus_->mu_);
  if (why.empty()) {
    bus_->missed_.erase(this);
  } else {
    bus_->missed_[this] = why;
  }
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
      bytes += delivered->message.size();
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
  if (!queue->there && queue->takes)
    LogInfo("bus", "the queue of a lane was made again", {{"queue", queue->name}});
  Takes(queue);
  queue->there = queue->bound = true;
  if (connection_ && queue->life == nullptr && !queue->parked) OpenChannel(queue);
}

void RabbitmqConsumer::OpenChannel(OpenQueue* queue) {
  amqp::Channel number = 1;
  while (lives_.contains(number)) ++number;
  if (number > kMaxChannel) {
    LogError("bus", "no channel is left: use more shards (host.shards)", {{"queue", queue->name}});
    queue->there = false;
    queue->ask_at = SteadyNow() + Backoff(++queue->failures);
    return;
  }
  const uint16_t prefetch = queue->prefetch.now();
  auto life =
      std::make_unique<Life>(std::max<size_t>(prefetch / 4, 1), bus_->options_.silent_at_most);
  life->number = number;
  life->name = queue->name;
  life->queue = queue;
  life->counts = queue->counts;
  life->made = queue->counts->made;
  life->pipelined = queue->reliable && bus_->options_.quorum;
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
    queue->ask_at = SteadyNow() + Backoff(++queue->failures);
  }
}

// A channel without lanes ends once what is under way is acknowledged on it.
void RabbitmqConsumer::CloseIfDone(Life* life) {
  if (life->queue != nullptr || life->closing || life->publishing > 0 ||
      life->successor != nullptr || !connection_) {
    return;
  }
  life->closing = true;
  if (!SendAcks(life, true)) return;
  life->counts->held -= life->held;
  life->held = 0;
  if (!life->pipelined || !life->acked) return SendClose(life);
  life->flushing = kFlushAnswers;
  const absl::Status status = SendFlush(*connection_, life->number, life->name);
  if (absl::IsUnavailable(status)) Broke(status);
}

void RabbitmqConsumer::SendClose(Life* life) {
  const absl::Status status = connection_->SendCloseChannel(life->number);
  // If the broker closed it meanwhile, that is still to be read.
  if (absl::IsUnavailable(status)) Broke(status);
}

void RabbitmqConsumer::CloseReplacedBy(const Life* successor) {
  for (auto& [number, life] : lives_) {
    if (life->successor != successor) continue;
    life->successor = nullptr;
    return CloseIfDone(life.get());
  }
}

bool RabbitmqConsumer::IsDying(const OpenQueue& queue) const {
  if (queue.reliable) return false;
  return std::any_of(lives_.begin(), lives_.end(),
                     [&](const auto& entry) { return entry.second->name == queue.name; });
}

Life* RabbitmqConsumer::Detach(OpenQueue* queue) {
  Life* life = queue->life;
  const auto is_of = [life](const std::unique_ptr<Item>& item) { return item->life == life; };
  std::erase_if(queue->waiting, is_of);
  std::erase_if(queue->returned, [&](const auto& entry) { return is_of(entry.second); });
  for (auto& [tag, out] : outs_) {
    if (!is_of(out)) continue;
    out->life = nullptr;
    stale_.emplace(IdentityOf(*queue, *out), tag);
  }
  life->publishing = 0;
  life->counts->held -= life->held;
  life->held = 0;
  RememberAcked(queue);
  queue->life = nullptr;
  queue->finishing = false;
  life->queue = nullptr;
  return life;
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

// All at once, and waits for it.
void RabbitmqConsumer::CloseChannels() {
  for (auto& [name, queue] : queues_) Forget(queue.get());
  std::vector<amqp::Channel> left;
  for (auto& [number, life] : lives_) {
    life->publishing = 0;
    life->successor = nullptr;
    left.push_back(number);
  }
  for (const amqp::Channel number : left) {
    if (Life* life = FindLife(number)) CloseIfDone(life);
  }
  const Steady end = SteadyNow() + bus_->options_.connection.timeout;
  while (!lives_.empty() && connection_ && SteadyNow() < end) {
    if (ReadAll() || !connection_) continue;
    pollfd fd{connection_->fd(), POLLIN, 0};
    poll(&fd, 1, 100);
  }
  for (const auto& [number, life] : lives_) {
    LogWarning("bus", "the last acknowledgements may be lost: what they end may come again",
               {{"queue", life->name}, {"why", "the broker has not answered in time"}});
  }
  while (!lives_.empty()) EndLife(lives_.begin()->second.get());
}

Life* RabbitmqConsumer::FindLife(amqp::Channel channel) {
  const auto it = lives_.find(channel);
  return it == lives_.end() ? nullptr : it->second.get();
}

void RabbitmqConsumer::EndLife(Life* life) {
  if (life->queue != nullptr) Detach(life->queue);
  life->counts->held -= life->held;
  life->counts->oldest_us = 0;
  for (auto& [tag, out] : outs_) {
    if (out->life != life) continue;
    out->life = nullptr;
    if (out->queue != nullptr) stale_.emplace(IdentityOf(*out->queue, *out), tag);
  }
  const auto ended = lives_.extract(life->number);
  CloseReplacedBy(life);
  Wake();  // A queue that was dying is gone.
}

void RabbitmqConsumer::On(const amqp::Answered& answered) {
  Life* life = FindLife(answered.channel);
  if (life == nullptr) return;
  if (answered.what == amqp::Answered::What::kChannelClose) return EndLife(life);
  if (answered.what != amqp::Answered::What::kConsume) return;
  if (life->closing) {
    if (life->flushing > 0 && --life->flushing == 0) SendClose(life);
    return;
  }
  failures_ = 0;
  life->consumes = true;
  life->watchdog.Calm(steady_);
  if (life->queue != nullptr) life->queue->failures = 0;
  CloseReplacedBy(life);
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
  queue->ask_at = SteadyNow() + Backoff(++queue->failures);
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
  auto item = std::make_unique<Item>();
  item->raw = std::move(delivered.message);
  item->life = life;
  item->queue = life->queue;
  item->delivery_tag = delivered.tag;
  item->order = next_order_++;
  item->redelivered = delivered.redelivered;
  item->accepted_at = now_;
  life->watchdog.Heard(steady_);
  ++life->held;
  ++life->counts->held;
  life->held_bytes += item->raw.size();
  life->queue->prefetch.Delivered(item->raw.size());
  Probation* const probation = bus_->options_.probation;
  if (probation == nullptr || !probation->on()) return Take(std::move(item));
  const std::string bytes = LastingBytes(item->raw.View());
  const std::optional<DeadReason> why = probation->Try("", bytes, [&] { Take(std::move(item)); });
  if (!why) return;
  life->acks.Delivered(item->delivery_tag, now_, AckTime(steady_));
  if (!delivered.redelivered || !Adopt(item->queue, *item)) Bury(std::move(item), *why);
}

// Whose it is, and whether anybody's.
void RabbitmqConsumer::Take(std::unique_ptr<Item> item) {
  Life* const life = item->life;
  OpenQueue* const queue = item->queue;
  const bool redelivered = item->redelivered;  // By the broker.
  dialect::MessageView message = item->raw.View();
  const std::optional<Travel> travel = ReadTravel(message);
  if (travel) {
    message.exchange = travel->exchange;
    message.routing_key = travel->routing_key;
    if (travel->user_id) message.properties.user_id = *travel->user_id;
    item->accepted_at = travel->accepted_at;
    item->attempts = travel->attempts;
    item->copy = CopyOf(*travel);
    item->was_retry = travel->due.has_value();
    item->redelivered = true;
  } else {
    item->accepted_at = AcceptedAt(message).value_or(now_);
  }
  // Only of this host's own publishers: another's lanes are not what they count, and whoever may
  // publish here must not make the host publish elsewhere.
  if (std::optional<ReceiptAddress> address = ReadReceiptAddress(message);
      address && absl::StartsWith(address->queue, ReceiptQueues(bus_->options_.host, "")))
    item->receipt = std::make_unique<ReceiptAddress>(*std::move(address));
  life->acks.Delivered(item->delivery_tag, item->accepted_at, AckTime(steady_));
  const dialect::DialectOptions& dialect = bus_->sources_.dialect(message.exchange);
  absl::StatusOr<Event> event = dialect::Decode(message, dialect, bus_->options_.limits);
  const absl::Status decoded = event.status();
  if (decoded.ok()) item->event = *std::move(event);
  item->has_id = dialect.kind == dialect::Kind::kCloudEvents || !decoded.ok()
                     ? HasId(message)
                     : !dialect::IsContentId(item->event.id(), message);
  if (redelivered && Adopt(queue, *item)) return;
  if (!decoded.ok()) {
    return Bury(std::move(item), DeadReason{"UNDECODABLE", std::string(decoded.message()), ""});
  }
  if (!queue->filters.empty() &&
      !bus_->sources_.Takes(queue->filters, message.exchange, item->event.type())) {
    return Acknowledge(nullptr, *item);
  }
  if (travel && travel->due && *travel->due > now_ && queue->reliable)
    return ClimbAgain(std::move(item), *travel);
  if (item->was_retry) life->counts->retrying.Remove(*travel->due);
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
    out->second->life = item.life;
    out->second->delivery_tag = item.delivery_tag;
    // The broker may have put a header into it: what is acknowledged later is the first one.
    item.life->held_bytes += out->second->raw.size() - item.raw.size();
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
void RabbitmqConsumer::ClimbAgain(std::unique_ptr<Item> item, const Travel& travel) {
  auto settlement = std::make_unique<Settlement>();
  settlement->end = End::kRetry;
  settlement->attempts = travel.attempts;
  settlement->due = *travel.due;
  SettleSilently(std::move(item), std::move(settlement));
}

// A dead letter keeps its bytes.
void RabbitmqConsumer::Bury(std::unique_ptr<Item> item, DeadReason why) {
  auto settlement = std::make_unique<Settlement>();
  settlement->end = End::kDead;
  settlement->attempts = item->attempts;
  settlement->dead = std::make_unique<DeadReason>(std::move(why));
  SettleSilently(std::move(item), std::move(settlement));
}

void RabbitmqConsumer::SettleSilently(std::unique_ptr<Item> item,
                                      std::unique_ptr<Settlement> settlement) {
  item->lane = item->queue->outlets.front().lane;
  item->silent = true;
  item->settling = std::move(settlement);
  ++item->life->publishing;
  const Tag tag = next_tag_++;
  outs_.emplace(tag, std::move(item));
  StartPublish(tag);
}

}  // namespace outboard::bus::rabbitmq

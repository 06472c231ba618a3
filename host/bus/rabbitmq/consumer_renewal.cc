#include <algorithm>
#include <utility>

#include "host/base/log.h"
#include "host/bus/rabbitmq/rabbitmq_consumer.h"

// Channels that are closed and made anew, though nothing has failed.
namespace outboard::bus::rabbitmq {
namespace {

// So much later than an ordered lane's the deliveries of other lanes may be: without them the lane
// stands still, and if they go to another replica meanwhile, no order is lost.
constexpr int kUnorderedGrace = 10;

Steady ToSteady(Time ack_time) { return Steady(ack_time.time_since_epoch()); }

}  // namespace

void RabbitmqConsumer::Renew(OpenQueue* queue) {
  Life* const old = Detach(queue);
  OpenChannel(queue);
  if (!connection_) return;  // It broke, and `old` with it.
  old->successor = queue->life;
  CloseIfDone(old);
}

// ---- What is held for long
// ------------------------------------------------------------------------------------

// From then on nothing is handed out, so that lanes finish what they have: what they still have
// when the channel ends may go to another replica.
Steady RabbitmqConsumer::FinishAt(const OpenQueue& queue) const {
  const Time since = queue.life == nullptr ? kNever : queue.life->acks.held_since();
  return since == kNever ? Steady::max() : ToSteady(since) + bus_->options_.hold_at_most;
}

// At the latest.
Steady RabbitmqConsumer::RenewAt(const OpenQueue& queue) const {
  const Steady finish_at = FinishAt(queue);
  if (finish_at == Steady::max()) return finish_at;
  const Duration most = bus_->options_.hold_at_most;
  return finish_at + (queue.single_active ? most : most / kUnorderedGrace);
}

void RabbitmqConsumer::RenewIfHeldLong(OpenQueue* queue) {
  queue->finishing = FinishAt(*queue) <= steady_;
  if (!queue->finishing || !connection_) return;
  if (queue->InHand() > 0 && steady_ < RenewAt(*queue)) return;
  LogInfo("bus", "a delivery is held for long: the lane's channel is made anew",
          {{"queue", queue->name}});
  Renew(queue);
}

// ---- What is large
// ------------------------------------------------------------------------------------

// The queue of an unreliable lane would end with its channel.
void RabbitmqConsumer::FitPrefetch(OpenQueue* queue) {
  if (queue->life == nullptr || !queue->reliable || !connection_) return;
  const std::optional<uint16_t> fit = queue->prefetch.Change(queue->life->held_bytes, steady_);
  if (!fit) return;
  LogInfo("bus", "messages have another size: another number of them is fetched",
          {{"queue", queue->name}, {"prefetch", std::to_string(*fit)}});
  Renew(queue);
}

// ---- What the broker may have forgotten
// ------------------------------------------------------------------------------------

// Could take more, and has nothing to hand out.
bool RabbitmqConsumer::IsIdle(const OpenQueue& queue) {
  const Life* life = queue.life;
  return life != nullptr && life->consumes && queue.HasCredit() && !queue.finishing &&
         queue.waiting.empty() && queue.returned.empty() &&
         life->acks.unsettled() < queue.prefetch.now();
}

void RabbitmqConsumer::WatchOver(OpenQueue* queue) {
  Life* life = queue->life;
  if (life == nullptr || !connection_) return;
  if (!IsIdle(*queue)) return life->watchdog.Calm(steady_);
  if (steady_ < life->watchdog.look_at()) return;
  life->watchdog.Ask();
  helper_->Post([bus = bus_, name = queue->name, mailbox = mailbox_] {
    const auto count = bus->Look(name);
    mailbox->Post(Looked{name, count.ok() ? *count : std::nullopt});
  });
}

void RabbitmqConsumer::On(Looked& mail) {
  const auto found = queues_.find(mail.queue);
  if (found == queues_.end() || found->second->life == nullptr || !connection_) return;
  OpenQueue* queue = found->second.get();
  const amqp::QueueCount count = mail.count.value_or(amqp::QueueCount{});
  const Watchdog::Sight sight{count.ready, queue->single_active && count.consumers > 1};
  if (!queue->life->watchdog.Saw(sight, steady_)) return;
  LogWarning("bus", "the broker gives a lane nothing though its queue has messages: consumed anew",
             {{"queue", queue->name}, {"ready", std::to_string(count.ready)}});
  Renew(queue);
}

Steady RabbitmqConsumer::NextLook(const OpenQueue& queue) const {
  if (queue.life == nullptr || !connection_) return Steady::max();
  const Steady renew_at = queue.finishing ? RenewAt(queue) : FinishAt(queue);
  if (!IsIdle(queue)) return renew_at;
  return std::min(renew_at, queue.life->watchdog.look_at());
}

}  // namespace outboard::bus::rabbitmq

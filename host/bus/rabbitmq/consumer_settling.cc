#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/rabbitmq/ladder.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/rabbitmq_consumer.h"

// How deliveries end: what has to be published goes first, the acknowledgement follows its confirm.
namespace outboard::bus::rabbitmq {
namespace {

constexpr auto kClimbAgainAfter = std::chrono::seconds(1);
constexpr char kNoQueue[] =
    "no queue of the broker takes what it emits, though a lane should: it is made again";
constexpr auto kBusyFor = std::chrono::seconds(5);
constexpr auto kRepairEvery = std::chrono::seconds(5);

}  // namespace

void RabbitmqConsumer::Settle(Settlement settlement) {
  const auto found = outs_.find(settlement.tag);
  if (found == outs_.end()) {
    // Its lane was closed: it is the broker's again.
    settled_.push_back({settlement.lane, settlement.cookie, absl::OkStatus(), nullptr});
    return Wake();
  }
  SettleHere(settlement.tag, found->second.get(), std::move(settlement));
}

void RabbitmqConsumer::SettleHere(Tag tag, Out* out, Settlement settlement) {
  const bool plain =
      settlement.end == End::kDropped || (settlement.end == End::kDone && settlement.emits.empty());
  out->settling = std::make_unique<Settlement>(std::move(settlement));
  const Settlement& s = *out->settling;
  if (plain) {
    Acknowledge(out->queue, out->item);
    return Made(tag);
  }
  if (s.end == End::kReturned) {
    settled_.push_back({s.lane, s.cookie, absl::OkStatus(), nullptr});
    Wake();
    return Return(tag);
  }
  if (s.end == End::kRetry && !out->queue->reliable) {
    settled_.push_back({s.lane, s.cookie, absl::OkStatus(), nullptr});
    Item item = std::move(out->item);
    item.attempts = s.attempts;
    item.redelivered = true;
    if (item.life != out->queue->life) item.life = nullptr;
    out->queue->due.emplace(s.due, std::move(item));
    outs_.erase(tag);
    return Wake();
  }
  if (out->item.life != nullptr) ++out->item.life->publishing;
  StartPublish(tag);
}

// It goes to the front, behind what came before it.
void RabbitmqConsumer::Return(Tag tag) {
  const auto found = outs_.find(tag);
  Out& out = *found->second;
  // The broker brings back what came through a channel that ended.
  if (out.queue != nullptr && out.item.life != nullptr && out.item.life == out.queue->life) {
    out.item.redelivered = true;
    const uint64_t order = out.item.order;
    out.queue->returned.emplace(order, std::move(out.item));
    Wake();
  }
  outs_.erase(found);
}

void RabbitmqConsumer::Acknowledge(OpenQueue* queue, const Item& item) {
  const uint64_t identity = queue == nullptr ? 0 : IdentityOf(*queue, item);
  if (item.life == nullptr || item.life->closing) {
    if (queue != nullptr && item.has_id) remembered_.emplace(identity, SteadyNow() + kRememberFor);
    return;
  }
  item.life->acks.Settle(item.delivery_tag, AckTime());
  --item.life->held;
  --item.life->counts->held;
  if (queue == nullptr || !item.has_id) return;
  queue->acked.emplace_back(identity, SteadyNow());
  if (queue->acked.size() > size_t{2} * bus_->options_.prefetch) queue->acked.pop_front();
}

void RabbitmqConsumer::Made(Tag tag) {
  const auto found = outs_.find(tag);
  Out& out = *found->second;
  if (!out.silent) {
    settled_.push_back({out.settling->lane, out.settling->cookie, absl::OkStatus(), nullptr});
    Wake();
  }
  outs_.erase(found);
}

void RabbitmqConsumer::Refused(Tag tag, absl::Status status) {
  Out& out = *outs_.at(tag);
  if (out.silent) {
    // It is still unacknowledged, so nothing is lost meanwhile.
    if (out.item.life != nullptr) ++out.item.life->publishing;
    climb_again_.emplace(SteadyNow() + kClimbAgainAfter, tag);
    return;
  }
  const LaneId lane = out.settling->lane;
  const uint64_t cookie = out.settling->cookie;
  settled_.push_back({lane, cookie, std::move(status), std::move(out.settling)});
  out.settling = nullptr;
  Wake();
  // Its lane was closed meanwhile: the channel's end gives it back, or it is for the lanes that
  // share the queue.
  if (out.queue == nullptr) {
    outs_.erase(tag);
  } else if (!by_lane_.contains(lane)) {
    Return(tag);
  }
}

// A rung or a dead queue may have been deleted.
void RabbitmqConsumer::Repair(const OpenQueue* queue) {
  if (queue == nullptr || SteadyNow() < repair_at_) return;
  repair_at_ = SteadyNow() + kRepairEvery;
  helper_->Post([bus = bus_, lane = queue->outlets.front().name] {
    absl::Status status = bus->DeclareShared();
    if (status.ok()) status = bus->Ensure(lane);
    if (!status.ok()) {
      LogWarning("bus", "cannot make what a lane needs on the broker",
                 {{"lane", lane}, {"why", std::string(status.message())}});
    }
  });
}

// ---- What is published
// ------------------------------------------------------------------------------------

void RabbitmqConsumer::StartPublish(Tag tag) {
  Out& out = *outs_.at(tag);
  ++publishing_;
  switch (out.settling->end) {
    case End::kRetry: return PublishRetry(tag, out);
    case End::kDead: return PublishDead(tag, out);
    default: return PublishEmits(tag, out);
  }
}

Travel RabbitmqConsumer::TravelOf(const Item& item) const {
  Travel travel;
  travel.exchange = item.message.exchange;
  travel.routing_key = item.message.routing_key;
  travel.accepted_at = item.accepted_at;
  travel.attempts = item.attempts;
  return travel;
}

void RabbitmqConsumer::PublishRetry(Tag tag, Out& out) {
  dialect::Message message = out.item.message;
  Travel travel = TravelOf(out.item);
  travel.attempts = out.settling->attempts;
  travel.due = out.settling->due;
  PutTravel(travel, &message);
  const Duration delay = std::max(out.settling->due - bus_->options_.clock->Now(), Duration(0));
  message.exchange = RungName(RungFor(delay, bus_->options_.rungs));
  message.routing_key = out.queue->name;
  message.properties.expiration.reset();
  out.leaves_as = IdentityOf(*out.queue, out.item, CopyOf(travel));
  leaving_.emplace(out.leaves_as, tag);
  if (!out.silent) ++out.queue->counts->retrying;
  bus_->internal_.Publish({std::move(message)}, [mailbox = mailbox_,
                                                 tag](std::vector<Published> published) {
    const bool missing = published[0].unroutable || absl::IsNotFound(published[0].status);
    absl::Status status = std::move(published[0].status);
    if (status.ok() && published[0].unroutable) {
      status = absl::UnavailableError("a queue of the retry ladder is missing: it is made again");
    }
    mailbox->Post(PublishDone{tag, std::move(status), missing});
  });
}

void RabbitmqConsumer::PublishDead(Tag tag, const Out& out) {
  dialect::Message message = out.item.message;
  Travel travel = TravelOf(out.item);
  travel.attempts = out.settling->attempts;
  travel.dead_id = bus_->NextDeadId();
  travel.died_at = bus_->options_.clock->Now();
  if (out.settling->dead) travel.why = *out.settling->dead;
  travel.lane = out.queue->outlets.front().name;  // If its own was closed.
  for (const Outlet& outlet : out.queue->outlets) {
    if (outlet.lane == out.lane) travel.lane = outlet.name;
  }
  PutTravel(travel, &message);
  message.exchange.clear();  // The default one: straight into the queue.
  message.routing_key = DeadQueue(bus_->options_.host, travel.lane);
  message.properties.expiration.reset();
  message.properties.delivery_mode = 2;
  bus_->internal_.Publish(
      {std::move(message)}, [mailbox = mailbox_, tag](std::vector<Published> published) {
        const bool missing = published[0].unroutable || absl::IsNotFound(published[0].status);
        absl::Status status = std::move(published[0].status);
        if (status.ok() && published[0].unroutable)
          status = absl::UnavailableError("the lane's queue of dead letters is missing");
        mailbox->Post(PublishDone{tag, std::move(status), missing});
      });
}

void RabbitmqConsumer::PublishEmits(Tag tag, const Out& out) {
  std::vector<dialect::Message> messages;
  std::vector<bool> needed;  // A reliable lane takes it.
  for (const Event& emit : out.settling->emits) {
    absl::StatusOr<dialect::Message> message = bus_->ToMessage(emit);
    if (!message.ok()) {
      mailbox_->Post(PublishDone{tag, message.status()});
      return;
    }
    bool reliable = false;
    bus_->registry_->Matched(emit.source(), emit.type(), &reliable);
    needed.push_back(reliable);
    messages.push_back(*std::move(message));
  }
  bus_->external_.Publish(std::move(messages),
                          [mailbox = mailbox_, tag, needed](std::vector<Published> published) {
                            PublishDone done{tag, absl::OkStatus()};
                            for (size_t i = 0; i < published.size(); ++i) {
                              if (!done.status.ok()) break;
                              done.status = std::move(published[i].status);
                              if (done.status.ok() && published[i].unroutable && needed[i])
                                done.status = absl::UnavailableError(kNoQueue);
                            }
                            mailbox->Post(std::move(done));
                          });
}

void RabbitmqConsumer::On(PublishDone& mail) {
  --publishing_;
  const auto found = outs_.find(mail.tag);
  if (found == outs_.end()) return;
  Out& out = *found->second;
  Life* life = out.item.life;
  if (life != nullptr) --life->publishing;
  for (auto [it, end] = leaving_.equal_range(out.leaves_as); it != end;) {
    it = it->second == mail.tag ? leaving_.erase(it) : std::next(it);
  }
  if (!mail.status.ok()) {
    const End end = out.settling->end;
    if (end == End::kRetry && !out.silent && out.queue != nullptr) --out.queue->counts->retrying;
    if (end != End::kDone) {
      // Whatever it is, only time or a repair can mend it: the event is good.
      if (mail.missing) Repair(out.queue);
      mail.status = absl::UnavailableError(mail.status.message());
    }
    Refused(mail.tag, std::move(mail.status));
  } else {
    // A copy that climbs again looks like the one that it was: nothing to be remembered by.
    const bool climbed = out.silent && out.settling->end == End::kRetry;
    Acknowledge(climbed ? nullptr : out.queue, out.item);
    Made(mail.tag);
  }
  if (life != nullptr) CloseIfDone(life);
}

bool RabbitmqConsumer::SendAcks(Life* life, bool everything) {
  if (life->closing && !everything) return true;
  std::deque<AckWindow::Ack> acks;
  life->acks.Take(AckTime(), everything, &acks);
  for (const AckWindow::Ack& ack : acks) {
    const absl::Status status = connection_->Ack(life->number, ack.tag, ack.multiple);
    if (absl::IsUnavailable(status)) {
      Broke(status);
      return false;
    }
    if (!status.ok()) break;  // The broker closed the channel: Read will say so.
  }
  if (acks.size() > 1) life->busy_until = SteadyNow() + kBusyFor;
  const Time oldest = life->acks.oldest();
  life->counts->oldest_us = oldest == kNever ? 0 : oldest.time_since_epoch().count();
  return true;
}

}  // namespace outboard::bus::rabbitmq

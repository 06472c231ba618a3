#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/attempts.h"
#include "host/bus/rabbitmq/ladder.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/rabbitmq_consumer.h"

// How deliveries end: what has to be published goes first, the acknowledgement follows its confirm.
namespace outboard::bus::rabbitmq {
namespace {

constexpr auto kClimbAgainAfter = std::chrono::seconds(1);
constexpr char kNoQueue[] =
    "no queue of the broker takes what it emits, though a lane should: it is made again";

}  // namespace

// Lanes keep the retries of their keys to themselves, so to the bus no lane is ordered.
Operation RabbitmqConsumer::FirstOperation(const Item& item, const Settlement& settlement) {
  const LaneKind lane = item.queue->reliable ? LaneKind::kReliable : LaneKind::kUnreliable;
  return OperationsFor(EndingOf(settlement), lane).front();
}

void RabbitmqConsumer::Settle(Settlement settlement) {
  const Tag tag = settlement.tag;
  const auto found = outs_.find(tag);
  const auto answer = [&] {
    settled_.push_back({settlement.lane, settlement.cookie, absl::OkStatus(), nullptr});
    Wake();
  };
  if (found == outs_.end()) return answer();  // Its lane was closed: it is the broker's again.
  Item* item = found->second.get();
  switch (FirstOperation(*item, settlement)) {
    case Operation::kAck:
      answer();
      SendReceipt(*item, settlement);
      Acknowledge(item->queue, *item);
      outs_.erase(found);
      return;
    case Operation::kHandOutAgain: answer(); return Return(tag);
    case Operation::kHold:
      answer();
      item->attempts = settlement.attempts;
      item->redelivered = true;
      item->resting = true;
      item->queue->due.emplace(settlement.due, tag);
      return;
    default: break;  // Something is published.
  }
  item->settling = std::make_unique<Settlement>(std::move(settlement));
  if (item->life != nullptr) ++item->life->publishing;
  StartPublish(tag);
}

// It goes to the front, behind what came before it.
void RabbitmqConsumer::Return(Tag tag) {
  const auto found = outs_.find(tag);
  Item& item = *found->second;
  // The broker brings back what came through a channel that ended.
  if (item.queue != nullptr && item.life != nullptr && item.life == item.queue->life) {
    item.redelivered = true;
    item.settling = nullptr;
    item.queue->returned.emplace(item.order, std::move(found->second));
    Wake();
  }
  outs_.erase(found);
}

void RabbitmqConsumer::Acknowledge(OpenQueue* queue, const Item& item) {
  const uint64_t identity = queue == nullptr || !item.has_id ? 0 : IdentityOf(*queue, item);
  if (item.life == nullptr || item.life->closing) {
    if (identity != 0) remembered_.emplace(identity, steady_ + kRememberFor);
    return;
  }
  item.life->acks.Settle(item.delivery_tag, AckTime(steady_));
  --item.life->held;
  item.life->held_bytes -= item.raw.size();
  --item.life->counts->held;
  if (identity == 0) return;
  queue->acked.emplace_back(identity, steady_);
  if (queue->acked.size() > size_t{2} * bus_->options_.prefetch) queue->acked.pop_front();
}

void RabbitmqConsumer::Refused(Tag tag, absl::Status status) {
  Item& out = *outs_.at(tag);
  if (out.silent) {
    // It is still unacknowledged, so nothing is lost meanwhile.
    if (out.life != nullptr) ++out.life->publishing;
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

// ---- What is published
// ------------------------------------------------------------------------------------

void RabbitmqConsumer::StartPublish(Tag tag) {
  Item& out = *outs_.at(tag);
  ++publishing_;
  switch (FirstOperation(out, *out.settling)) {
    case Operation::kPublishToRung: return PublishRetry(tag, out);
    case Operation::kPublishToDead: return PublishDead(tag, out);
    case Operation::kPublishEmits: return PublishEmits(tag, out);
    default: OUTBOARD_CHECK(false);
  }
}

// Nobody waits for it to arrive: a publisher that asked has a time limit.
void RabbitmqConsumer::SendReceipt(const Item& item, const Settlement& settlement) {
  if (item.receipt == nullptr || item.queue == nullptr || !item.queue->reliable) return;
  Receipt receipt = Receipt::Of(settlement);
  receipt.lane = NameOf(item);
  bus_->internal_.Publish({ToMessage(receipt, *item.receipt)},
                          [](const std::vector<Published>&) {});
}

// Of its lane, or if that was closed, of another one of its queue.
std::string RabbitmqConsumer::NameOf(const Item& item) {
  const std::vector<Outlet>& outlets = item.queue->outlets;
  const auto own = std::find_if(outlets.begin(), outlets.end(),
                                [&](const Outlet& outlet) { return outlet.lane == item.lane; });
  return own != outlets.end() ? own->name : outlets.empty() ? "" : outlets.front().name;
}

// Of `item`, whose original becomes `message`.
Travel RabbitmqConsumer::TravelOf(const Item& item, dialect::Message* message) {
  *message = item.raw.Copy();
  const std::optional<Travel> before = TakeTravel(message);
  Travel travel;
  travel.exchange = message->exchange;
  travel.routing_key = message->routing_key;
  travel.history = AddHistory(before ? before->history : "", ToHistory(item.settling->tried.get()));
  travel.accepted_at = item.accepted_at;
  travel.attempts = item.settling->attempts;
  if (item.receipt) travel.receipt = *item.receipt;
  return travel;
}

void RabbitmqConsumer::PublishRetry(Tag tag, Item& item) {
  dialect::Message message;
  Travel travel = TravelOf(item, &message);
  travel.due = item.settling->due;
  PutTravel(travel, &message);
  const Duration delay = std::max(item.settling->due - bus_->options_.clock->Now(), Duration(0));
  message.exchange = RungName(RungFor(delay, bus_->options_.rungs));
  message.routing_key = item.queue->name;
  message.properties.expiration.reset();
  item.leaves_as = IdentityOf(*item.queue, item, CopyOf(travel));
  leaving_.emplace(item.leaves_as, tag);
  if (!item.silent) item.queue->counts->retrying.Add(item.settling->due, delay, SteadyNow());
  PublishInside(tag, std::move(message),
                "a queue of the retry ladder is missing: it is made again");
}

void RabbitmqConsumer::PublishDead(Tag tag, const Item& item) {
  dialect::Message message;
  Travel travel = TravelOf(item, &message);
  travel.dead_id = bus_->NextDeadId();
  travel.died_at = bus_->options_.clock->Now();
  if (item.settling->dead) travel.why = *item.settling->dead;
  travel.lane = NameOf(item);
  PutTravel(travel, &message);
  SendStraightTo(DeadQueue(bus_->options_.host, travel.lane), &message);
  message.properties.delivery_mode = 2;
  PublishInside(tag, std::move(message), "the lane's queue of dead letters is missing");
}

// `missing`: what to say where no queue takes it.
void RabbitmqConsumer::PublishInside(Tag tag, dialect::Message message,
                                     const std::string& missing) {
  bus_->internal_.Publish({std::move(message)},
                          [mailbox = mailbox_, tag, missing](std::vector<Published> published) {
                            Published& one = published[0];
                            const bool nowhere = one.unroutable || absl::IsNotFound(one.status);
                            if (one.status.ok() && one.unroutable)
                              one.status = absl::UnavailableError(missing);
                            mailbox->Post(PublishDone{tag, std::move(one.status), nowhere});
                          });
}

void RabbitmqConsumer::PublishEmits(Tag tag, const Item& item) {
  std::vector<dialect::Message> messages;
  std::vector<bool> needed;  // A reliable lane takes it.
  for (const Event& emit : item.settling->emits) {
    absl::StatusOr<dialect::Message> message = bus_->ToMessage(emit);
    if (!message.ok()) {
      mailbox_->Post(PublishDone{tag, message.status()});
      return;
    }
    needed.push_back(bus_->registry_->Matched(emit.source(), emit.type()).reliable > 0);
    messages.push_back(*std::move(message));
  }
  bus_->external_.Publish(
      std::move(messages), [mailbox = mailbox_, tag, needed](std::vector<Published> published) {
        PublishDone done{tag, absl::OkStatus()};
        for (size_t i = 0; i < published.size(); ++i) {
          if (!done.status.ok()) break;
          done.status = std::move(published[i].status);
          done.missing = done.status.ok() && published[i].unroutable && needed[i];
          if (done.missing) done.status = absl::UnavailableError(kNoQueue);
        }
        mailbox->Post(std::move(done));
      });
}

void RabbitmqConsumer::On(PublishDone& mail) {
  --publishing_;
  const auto found = outs_.find(mail.tag);
  if (found == outs_.end()) return;
  Item& out = *found->second;
  Life* life = out.life;
  if (life != nullptr) --life->publishing;
  for (auto [it, end] = leaving_.equal_range(out.leaves_as); it != end;) {
    it = it->second == mail.tag ? leaving_.erase(it) : std::next(it);
  }
  if (!mail.status.ok()) {
    // A rung, a dead queue, an exchange or a binding may have been deleted.
    if (mail.missing) bus_->Repair();
    const End end = out.settling->end;
    if (end == End::kRetry && !out.silent && out.queue != nullptr)
      out.queue->counts->retrying.Remove(out.settling->due);
    if (end != End::kDone) {
      // Whatever it is, only time or a repair can mend it: the event is good.
      mail.status = absl::UnavailableError(mail.status.message());
    }
    Refused(mail.tag, std::move(mail.status));
  } else {
    // A copy that climbs again looks like the one that it was: nothing to be remembered by.
    const bool climbed = out.silent && out.settling->end == End::kRetry;
    Acknowledge(climbed ? nullptr : out.queue, out);
    if (!out.silent) {
      if (out.settling->end != End::kRetry) SendReceipt(out, *out.settling);
      settled_.push_back({out.settling->lane, out.settling->cookie, absl::OkStatus(), nullptr});
      Wake();
    }
    outs_.erase(mail.tag);
  }
  if (life != nullptr) CloseIfDone(life);
}

bool RabbitmqConsumer::SendAcks(Life* life, bool everything) {
  if (life->closing && !everything) return true;
  std::deque<AckWindow::Ack> acks;
  life->acks.Take(AckTime(steady_), everything, &acks);
  for (const AckWindow::Ack& ack : acks) {
    const absl::Status status = connection_->Ack(life->number, ack.tag, ack.multiple);
    if (absl::IsUnavailable(status)) {
      Broke(status);
      return false;
    }
    if (!status.ok()) break;  // The broker closed the channel: Read will say so.
  }
  if (!acks.empty()) life->acked = true;
  if (life->queue == nullptr) return true;
  const Time oldest = life->acks.oldest();
  life->counts->oldest_us = oldest == kNever ? 0 : oldest.time_since_epoch().count();
  return true;
}

}  // namespace outboard::bus::rabbitmq

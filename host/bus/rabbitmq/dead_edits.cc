#include <future>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/rabbitmq/headers.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/rabbitmq_bus.h"

// What people made of dead letters: a queue of its own, so that letters stay as they are, in their
// order. An edit is a message like the letter, with its id; of several the newest counts. Ids are
// never used again, so one that is left over when its letter is gone does no harm.
namespace outboard::bus {

using dialect::Message;

absl::StatusOr<std::map<uint64_t, Message>> RabbitmqBus::ReadEdits() {
  std::map<uint64_t, Message> edits;
  OUTBOARD_RETURN_IF_ERROR(WalkDead(rabbitmq::kEdits, [&](Letter* edit) {
                             edits[edit->travel.dead_id] = std::move(edit->message);
                             return Fate::kKeep;
                           }).status());
  return edits;
}

absl::Status RabbitmqBus::DropEdits(const std::set<uint64_t>& ids, size_t most) {
  std::map<uint64_t, size_t> dropped;
  return WalkDead(rabbitmq::kEdits,
                  [&](Letter* edit) {
                    const uint64_t id = edit->travel.dead_id;
                    if (!ids.contains(id) || dropped[id] == most) return Fate::kKeep;
                    ++dropped[id];
                    return Fate::kTake;
                  })
      .status();
}

absl::Status RabbitmqBus::EditDead(uint64_t id, const Event& event) {
  MutexLock lock(dead_mu_);
  std::optional<Letter> letter;
  OUTBOARD_RETURN_IF_ERROR(ForEachLetter({.ids = {id}}, [&](Letter* found) {
                             letter = *found;
                             return Fate::kKeep;
                           }).status());
  if (!letter) return absl::NotFoundError(absl::StrCat("no dead letter ", id));
  if (!letter->queue.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("dead letter ", id,
                     " was given up by the broker, not by a lane: replay it, and "
                     "edit it if the lane gives it up"));
  }
  size_t before = 0;
  OUTBOARD_RETURN_IF_ERROR(WalkDead(rabbitmq::kEdits, [&](Letter* edit) {
                             before += edit->travel.dead_id == id ? 1 : 0;
                             return Fate::kKeep;
                           }).status());
  if (!event.empty()) OUTBOARD_RETURN_IF_ERROR(PublishEdit(*letter, event));
  return before == 0 ? absl::OkStatus() : DropEdits({id}, before);
}

// Decodes as the letter does: exchange and key stay.
absl::Status RabbitmqBus::PublishEdit(const Letter& letter, const Event& event) {
  const std::string queue = rabbitmq::EditsQueue(options_.host);
  OUTBOARD_RETURN_IF_ERROR(
      control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
        OUTBOARD_ASSIGN_OR_RETURN(const rabbitmq::SettlementPlan plan, PlanFor(connection));
        return connection.DeclareQueue(channel, plan.DeadQueue(queue)).status();
      }));
  OUTBOARD_ASSIGN_OR_RETURN(Message message,
                            dialect::Encode(event, sources_.dialect(letter.message.exchange)));
  message.exchange = letter.message.exchange;
  message.routing_key = letter.message.routing_key;
  rabbitmq::PutTravel(letter.travel, &message);
  rabbitmq::SendStraightTo(queue, &message);
  message.properties.delivery_mode = 2;
  std::promise<rabbitmq::Published> promise;
  internal_.Publish({std::move(message)}, [&](std::vector<rabbitmq::Published> published) {
    promise.set_value(std::move(published[0]));
  });
  const rabbitmq::Published published = promise.get_future().get();
  if (published.status.ok() && published.unroutable)
    return absl::UnavailableError(
        absl::StrCat("queue ", queue, " was deleted meanwhile: try again"));
  return published.status;
}

}  // namespace outboard::bus

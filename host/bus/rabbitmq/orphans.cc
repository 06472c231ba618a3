#include "host/bus/rabbitmq/orphans.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "host/base/stable_hash.h"
#include "host/bus/rabbitmq/names.h"

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Field;
using dialect::Message;
using dialect::Table;

constexpr int64_t kLastSecond = 253'402'300'799;  // Of the year 9999.

// What the broker noted when a queue gave the message up last.
struct Death {
  std::string queue, reason, exchange, key;
  int64_t at = 0;  // Seconds since 1970.
};

const Field* Find(const Table& table, absl::string_view name) {
  const auto it =
      std::find_if(table.begin(), table.end(), [&](const auto& m) { return m.first == name; });
  return it == table.end() ? nullptr : &it->second;
}

std::string TextOf(const Table& table, absl::string_view name) {
  const Field* field = Find(table, name);
  return field != nullptr && field->is_text() ? field->text : "";
}

// The newest note is the first.
std::optional<Death> LastDeath(const Message& message) {
  const Field* deaths = message.properties.header("x-death");
  if (deaths == nullptr || deaths->items.empty()) return std::nullopt;
  const Table& last = deaths->items.front().members;
  Death death{TextOf(last, "queue"), TextOf(last, "reason"), TextOf(last, "exchange"), "", 0};
  if (const Field* keys = Find(last, "routing-keys"); keys != nullptr && !keys->items.empty())
    death.key = keys->items.front().text;
  // Anybody who reaches the vhost may have written it.
  if (const Field* time = Find(last, "time"); time != nullptr)
    death.at = std::clamp<int64_t>(time->number, 0, kLastSecond);
  return death;
}

// In the range of the ids that hosts give, so that letters are listed by age: of the time to a
// second, with the rest by chance.
uint64_t IdOf(const Message& message, const std::string& queue, int64_t at) {
  StableHash hash;
  hash.Add(queue);
  hash.Add(message.body);
  hash.Add(message.properties.message_id.value_or(""));
  for (const auto& [name, field] : message.properties.headers) {
    if (IsBrokersNote(name)) continue;
    hash.Add(name);
    hash.Add(field.text);
    hash.Add(absl::StrCat(field.number));
  }
  return kDeadIdsASecond * static_cast<uint64_t>(std::max<int64_t>(at - kDeadIdsSince, 0)) +
         hash.value() % kDeadIdsASecond;
}

}  // namespace

Orphan TakeOrphan(Message* message) {
  const std::optional<Death> death = LastDeath(*message);
  const bool by_rung = death && IsRung(death->queue);
  Orphan orphan;
  orphan.queue = death && !by_rung ? death->queue : message->routing_key;
  const int64_t at = death ? death->at : 0;
  const uint64_t id = IdOf(*message, orphan.queue, at);
  if (std::optional<Travel> travel = TakeTravel(message)) {
    orphan.travel = *std::move(travel);
  } else {
    if (death) {
      message->exchange = death->exchange;
      message->routing_key = death->key;
    }
    orphan.travel.exchange = message->exchange;
    orphan.travel.routing_key = message->routing_key;
    orphan.travel.accepted_at = AcceptedAt(*message).value_or(Time(std::chrono::seconds(at)));
  }
  orphan.travel.dead_id = id;
  orphan.travel.died_at = Time(std::chrono::seconds(at));
  orphan.travel.why = {
      kOrphaned,
      death && !by_rung
          ? absl::StrCat("the broker gave it up in queue ", death->queue, ": ", death->reason)
          : absl::StrCat("queue ", orphan.queue, " was gone when it was due"),
      ""};
  return orphan;
}

}  // namespace outboard::bus::rabbitmq

#include "host/bus/rabbitmq/headers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/text.h"
#include "host/bus/attempts.h"

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Field;
using dialect::FieldView;
using dialect::Message;
using dialect::MessageView;

constexpr char kPrefix[] = "x-outboard-";
constexpr char kExchange[] = "x-outboard-exchange";
constexpr char kKey[] = "x-outboard-routing-key";
constexpr char kAccepted[] = "x-outboard-accepted-us";
constexpr char kAttempts[] = "x-outboard-attempts";
constexpr char kDue[] = "x-outboard-due-us";
constexpr char kSerial[] = "x-outboard-replay-of";
constexpr char kUserId[] = "x-outboard-user-id";
constexpr char kDeadId[] = "x-outboard-dead-id";
constexpr char kLane[] = "x-outboard-lane";
constexpr char kDied[] = "x-outboard-died-us";
constexpr char kReason[] = "x-outboard-reason";
constexpr char kMessage[] = "x-outboard-message";
constexpr char kDetail[] = "x-outboard-detail";
constexpr char kPluginVersion[] = "x-outboard-plugin-version";
constexpr char kHistory[] = "x-outboard-history";

constexpr size_t kMaxReason = 256;
constexpr size_t kMaxText = 2048;
constexpr size_t kMaxDetail = 8192;

int64_t ToMicros(Time time) { return time.time_since_epoch().count(); }

int64_t NumberOf(const MessageView& message, absl::string_view name) {
  return HeaderNumber(message, name).value_or(0);
}

}  // namespace

std::string HeaderText(const MessageView& message, absl::string_view name) {
  const FieldView* field = message.properties.header(name);
  return field != nullptr && field->is_text() ? std::string(field->text) : "";
}

std::optional<int64_t> HeaderNumber(const MessageView& message, absl::string_view name) {
  const FieldView* field = message.properties.header(name);
  if (field == nullptr || !field->is_integer()) return std::nullopt;
  return field->number;
}

bool IsBrokersNote(absl::string_view name) {
  return name == "x-death" || name == "x-delivery-count" || name == "x-acquired-count" ||
         absl::StartsWith(name, "x-first-death-") || absl::StartsWith(name, "x-last-death-");
}

std::optional<Travel> ReadTravel(const MessageView& message) {
  if (message.properties.header(kExchange) == nullptr) return std::nullopt;
  Travel travel;
  travel.exchange = HeaderText(message, kExchange);
  travel.routing_key = HeaderText(message, kKey);
  travel.accepted_at = Time(Duration(NumberOf(message, kAccepted)));
  travel.attempts =
      static_cast<uint32_t>(std::clamp<int64_t>(NumberOf(message, kAttempts), 0, UINT32_MAX));
  if (message.properties.header(kDue) != nullptr)
    travel.due = Time(Duration(NumberOf(message, kDue)));
  travel.serial = static_cast<uint64_t>(NumberOf(message, kSerial));
  travel.history = HeaderText(message, kHistory);
  travel.receipt = ReadReceiptAddress(message);
  travel.dead_id = static_cast<uint64_t>(NumberOf(message, kDeadId));
  travel.lane = HeaderText(message, kLane);
  travel.died_at = Time(Duration(NumberOf(message, kDied)));
  travel.why = {HeaderText(message, kReason), HeaderText(message, kMessage),
                HeaderText(message, kDetail), HeaderText(message, kPluginVersion)};
  if (message.properties.header(kUserId) != nullptr) travel.user_id = HeaderText(message, kUserId);
  return travel;
}

std::optional<Travel> TakeTravel(Message* message) {
  std::optional<Travel> travel = ReadTravel(*message);
  if (!travel) return std::nullopt;
  if (travel->user_id) message->properties.user_id = *travel->user_id;
  message->exchange = travel->exchange;
  message->routing_key = travel->routing_key;
  std::erase_if(message->properties.headers, [](const auto& header) {
    return absl::StartsWith(header.first, kPrefix) || IsBrokersNote(header.first);
  });
  return travel;
}

std::string LastingBytes(const MessageView& message) {
  std::string bytes;
  const auto add = [&bytes](absl::string_view text) {
    absl::StrAppend(&bytes, text.size(), ":", text);
  };
  add(message.exchange);
  add(message.routing_key);
  const dialect::PropertiesView& properties = message.properties;
  for (const auto& text :
       {properties.content_type, properties.content_encoding, properties.correlation_id,
        properties.reply_to, properties.message_id, properties.type, properties.app_id}) {
    add(text.value_or(""));
  }
  for (const auto& [name, field] : properties.headers) {
    if (IsBrokersNote(name)) continue;
    add(name);
    add(field.text);
    absl::StrAppend(&bytes, field.number, " ", field.real, " ");
  }
  add(message.body);
  return bytes;
}

std::optional<Time> AcceptedAt(const MessageView& message) {
  const int64_t micros = NumberOf(message, kAccepted);
  if (micros == 0) return std::nullopt;
  return Time(Duration(micros));
}

void PutAcceptedAt(Time accepted_at, Message* message) {
  message->properties.headers.emplace_back(kAccepted, Field::Number(ToMicros(accepted_at)));
}

void PutTravel(const Travel& travel, Message* message) {
  dialect::Table& headers = message->properties.headers;
  std::erase_if(headers, [](const auto& header) {
    return absl::StartsWith(header.first, kPrefix) || IsBrokersNote(header.first);
  });
  const auto number = [&headers](const char* name, int64_t value) {
    headers.emplace_back(name, Field::Number(value));
  };
  const auto text = [&headers](const char* name, absl::string_view value, size_t limit) {
    headers.emplace_back(name, Field::Text(Truncate(value, limit)));
  };
  text(kExchange, travel.exchange, kMaxReason);
  text(kKey, travel.routing_key, kMaxReason);
  // The broker refuses a user id that is not the publisher's own.
  if (message->properties.user_id) text(kUserId, *message->properties.user_id, kMaxReason);
  message->properties.user_id.reset();
  number(kAccepted, ToMicros(travel.accepted_at));
  number(kAttempts, travel.attempts);
  if (travel.due) number(kDue, ToMicros(*travel.due));
  if (travel.serial != 0) number(kSerial, static_cast<int64_t>(travel.serial));
  if (!travel.history.empty()) text(kHistory, travel.history, kMaxHistory);
  if (travel.dead_id == 0 && travel.receipt) PutReceiptAddress(*travel.receipt, message);
  if (travel.dead_id == 0) return;
  number(kDeadId, static_cast<int64_t>(travel.dead_id));
  text(kLane, travel.lane, kMaxReason);
  number(kDied, ToMicros(travel.died_at));
  text(kReason, travel.why.reason, kMaxReason);
  text(kMessage, travel.why.message, kMaxText);
  text(kDetail, travel.why.detail, kMaxDetail);
  if (!travel.why.version.empty()) text(kPluginVersion, travel.why.version, kMaxReason);
}

void SendStraightTo(const std::string& queue, dialect::Message* message) {
  message->exchange.clear();
  message->routing_key = queue;
  message->properties.expiration.reset();
}

}  // namespace outboard::bus::rabbitmq

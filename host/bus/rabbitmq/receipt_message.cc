#include "host/bus/rabbitmq/receipt_message.h"

#include "host/bus/rabbitmq/headers.h"

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Field;
using dialect::FieldView;
using dialect::Message;
using dialect::MessageView;

// Of the event.
constexpr char kTo[] = "x-outboard-receipt-to";
constexpr char kNumber[] = "x-outboard-receipt";
// Of the receipt.
constexpr char kLane[] = "lane";
constexpr char kEnd[] = "end";
constexpr char kReason[] = "reason";
constexpr char kOffset[] = "offset";
constexpr char kPlaced[] = "placed-us";

constexpr char kDone[] = "done";
constexpr char kDropped[] = "dropped";
constexpr char kDead[] = "dead";

// Each has a type of its own on the wire.
std::optional<Field> ToField(const Offset& offset) {
  if (const auto* number = std::get_if<int64_t>(&offset)) return Field::Number(*number);
  if (const auto* text = std::get_if<std::string>(&offset)) return Field::Text(*text);
  Field field;
  if (const auto* real = std::get_if<double>(&offset)) {
    field.type = 'd';
    field.real = *real;
  } else if (const auto* bytes = std::get_if<Bytes>(&offset)) {
    field.type = 'x';
    field.text = bytes->value;
  } else {
    return std::nullopt;
  }
  return field;
}

Offset ToOffset(const FieldView& field) {
  if (field.is_integer()) return field.number;
  if (field.type == 'd') return field.real;
  if (field.type == 'S') return std::string(field.text);
  if (field.type == 'x') return Bytes{std::string(field.text)};
  return {};
}

}  // namespace

void PutReceiptAddress(const ReceiptAddress& address, Message* message) {
  message->properties.headers.emplace_back(kTo, Field::Text(address.queue));
  message->properties.headers.emplace_back(kNumber, Field::Number(address.number));
}

std::optional<ReceiptAddress> ReadReceiptAddress(const MessageView& message) {
  const std::optional<int64_t> number = HeaderNumber(message, kNumber);
  if (!number) return std::nullopt;
  ReceiptAddress address{HeaderText(message, kTo), *number};
  // The broker would close the channel for a longer name.
  if (address.queue.empty() || address.queue.size() > dialect::kMaxShortText) return std::nullopt;
  return address;
}

Message ToMessage(const Receipt& receipt, const ReceiptAddress& address) {
  Message message;
  message.routing_key = address.queue;
  dialect::Table& headers = message.properties.headers;
  headers.emplace_back(kNumber, Field::Number(address.number));
  headers.emplace_back(kLane, Field::Text(receipt.lane));
  const char* end = receipt.end == End::kDead      ? kDead
                    : receipt.end == End::kDropped ? kDropped
                                                   : kDone;
  headers.emplace_back(kEnd, Field::Text(end));
  if (!receipt.reason.empty()) headers.emplace_back(kReason, Field::Text(receipt.reason));
  if (std::optional<Field> offset = ToField(receipt.placed.offset))
    headers.emplace_back(kOffset, *std::move(offset));
  if (receipt.placed.at) {
    headers.emplace_back(kPlaced, Field::Number(receipt.placed.at->time_since_epoch().count()));
  }
  return message;
}

std::optional<std::pair<int64_t, Receipt>> ReadReceipt(const MessageView& message) {
  const std::optional<int64_t> number = HeaderNumber(message, kNumber);
  const std::string end = HeaderText(message, kEnd);
  if (!number || (end != kDone && end != kDropped && end != kDead)) return std::nullopt;
  Receipt receipt;
  receipt.lane = HeaderText(message, kLane);
  receipt.end = end == kDead ? End::kDead : end == kDropped ? End::kDropped : End::kDone;
  receipt.reason = HeaderText(message, kReason);
  if (const FieldView* offset = message.properties.header(kOffset); offset != nullptr)
    receipt.placed.offset = ToOffset(*offset);
  if (const std::optional<int64_t> at = HeaderNumber(message, kPlaced))
    receipt.placed.at = Time(Duration(*at));
  return std::make_pair(*number, std::move(receipt));
}

}  // namespace outboard::bus::rabbitmq

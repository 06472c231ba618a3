#include "src/frame.h"

#include "src/wire.h"

namespace outboard::internal {
namespace {

bool ParseDelivery(std::string_view bytes, Delivery* delivery) {
  WireReader reader(bytes);
  while (reader.Next()) {
    switch (reader.field()) {
      case 1: delivery->id = reader.number(); break;
      case 2: delivery->event = reader.bytes(); break;
      case 3:
        delivery->call = reader.bytes();
        delivery->has_call = true;
        break;
      case 4: delivery->attempt = static_cast<uint32_t>(reader.number()); break;
      case 5: delivery->time_left = std::chrono::nanoseconds(ReadSeconds(reader.bytes())); break;
      case 6: delivery->order_key = reader.bytes(); break;
      case 7: delivery->route = reader.bytes(); break;
      default: break;
    }
  }
  return reader.ok() && delivery->id != 0;
}

bool ParseIds(const WireReader& field, std::vector<uint64_t>* ids) {
  if (field.is_varint()) {
    ids->push_back(field.number());
    return true;
  }
  WireReader packed(field.bytes());
  uint64_t id;
  while (packed.NextVarint(&id)) ids->push_back(id);
  return packed.ok();
}

std::string EncodeFailure(const Verdict& verdict) {
  std::string failure;
  AppendBytesField(&failure, 1, Utf8(verdict.reason()));
  if (!verdict.message().empty()) AppendBytesField(&failure, 2, Utf8(verdict.message()));
  if (!verdict.detail().empty()) AppendBytesField(&failure, 3, Utf8(verdict.detail()));
  for (const auto& [key, value] : verdict.metadata()) {
    std::string entry;
    AppendBytesField(&entry, 1, Utf8(key));
    AppendBytesField(&entry, 2, Utf8(value));
    AppendBytesField(&failure, 4, entry);
  }
  return failure;
}

uint64_t OutcomeNumber(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::kDone: return 1;
    case Verdict::Kind::kRetry: return 2;
    case Verdict::Kind::kReject: return 3;
    case Verdict::Kind::kRelease: return 4;
    case Verdict::Kind::kHalt: break;
  }
  return 5;
}

std::string EncodeOffset(const Offset& offset) {
  std::string out;
  if (const auto* integer = std::get_if<int64_t>(&offset)) {
    AppendNumberField(&out, 1, static_cast<uint64_t>(*integer));
  } else if (const auto* real = std::get_if<double>(&offset)) {
    AppendDoubleField(&out, 2, *real);
  } else if (const auto* text = std::get_if<std::string>(&offset)) {
    AppendBytesField(&out, 3, Utf8(*text));
  } else {
    AppendBytesField(&out, 4, std::get<Bytes>(offset).value);
  }
  return out;
}

std::string EncodeVerdict(uint64_t delivery_id, const Verdict& verdict) {
  std::string message;
  AppendNumberField(&message, 1, delivery_id);
  AppendNumberField(&message, 2, OutcomeNumber(verdict.kind()));
  if (verdict.kind() == Verdict::Kind::kRetry || verdict.kind() == Verdict::Kind::kReject) {
    AppendBytesField(&message, 3, EncodeFailure(verdict));
  }
  if (verdict.retry_after()) AppendSecondsField(&message, 4, verdict.retry_after()->count());
  // The same number for what a worker emits, a stage changes, and a producer's offset.
  for (const NewEvent& emit : verdict.emits()) AppendBytesField(&message, 5, emit.wire());
  if (verdict.changed()) AppendBytesField(&message, 5, verdict.changed()->wire());
  if (verdict.offset()) AppendBytesField(&message, 5, EncodeOffset(*verdict.offset()));
  if (verdict.accepted_at()) {
    AppendSecondsField(&message, 6, verdict.accepted_at()->time_since_epoch().count());
  }
  if (verdict.changed_call()) AppendBytesField(&message, 6, verdict.changed_call()->Encode());
  if (verdict.answer()) AppendBytesField(&message, 7, EncodeAnswer(*verdict.answer()));
  return message;
}

}  // namespace

bool ParseFrame(std::string_view bytes, Frame* frame) {
  WireReader reader(bytes);
  bool good = true;
  while (good && reader.Next()) {
    switch (reader.field()) {
      case 1:
        frame->has_open = true;
        frame->open = reader.bytes();
        break;
      case 2: good = ParseDelivery(reader.bytes(), &frame->deliveries.emplace_back()); break;
      case 3: good = ParseIds(reader, &frame->cancel_ids); break;
      case 4:
        frame->has_close = true;
        frame->close = reader.bytes();
        break;
      default: break;
    }
  }
  return good && reader.ok();
}

void AnswerBuffer::AddMessage(uint32_t field, std::string_view message) {
  // Small frames beside a large one cost little; ids beside a chunk must still fit.
  constexpr size_t kChunk = 256 << 10;
  if (messages_.empty() || messages_.back().size() + message.size() > kChunk) {
    messages_.emplace_back();
  }
  AppendBytesField(&messages_.back(), field, message);
  ++count_;
}

void AnswerBuffer::AddOpened(std::string_view instance_id) {
  std::string opened;
  AppendBytesField(&opened, 1, instance_id);
  AddMessage(1, opened);
}

void AnswerBuffer::AddVerdict(uint64_t delivery_id, const Verdict& verdict) {
  if (verdict.plain()) {
    ++count_;
    return AppendVarint(&done_ids_, delivery_id);
  }
  std::string message = EncodeVerdict(delivery_id, verdict);
  constexpr size_t kRoomForIds = 64 << 10;
  if (message.size() + kRoomForIds > limit_) {
    message = EncodeVerdict(
        delivery_id,
        Reject("ANSWER_TOO_LARGE", "the verdict has " + std::to_string(message.size()) +
                                       " bytes and the host takes frames of " +
                                       std::to_string(limit_) + ": answer with less"));
  }
  AddMessage(2, message);
}

void AnswerBuffer::AddProgress(uint64_t delivery_id) {
  ++count_;
  AppendVarint(&progress_ids_, delivery_id);
}

std::string AnswerBuffer::Take() {
  std::string frame;
  if (!messages_.empty()) {
    frame = std::move(messages_.front());
    messages_.pop_front();
  }
  if (!done_ids_.empty()) AppendBytesField(&frame, 3, done_ids_);
  if (!progress_ids_.empty()) AppendBytesField(&frame, 4, progress_ids_);
  done_ids_.clear();
  progress_ids_.clear();
  if (messages_.empty()) count_ = 0;
  return frame;
}

}  // namespace outboard::internal

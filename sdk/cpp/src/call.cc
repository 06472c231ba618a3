#include "outboard/call.h"

#include "src/wire.h"

namespace outboard {
namespace {

using internal::AppendBytesField;
using internal::ReadEntry;
using internal::Utf8;
using internal::WireReader;

// Of outboard.plugin.v1.Call.
constexpr uint32_t kPipeline = 1;
constexpr uint32_t kOperation = 2;
constexpr uint32_t kArgs = 3;
constexpr uint32_t kKwargs = 4;
constexpr uint32_t kContext = 5;

PayloadView ReadPayload(std::string_view wire) {
  PayloadView payload;
  WireReader reader(wire);
  while (reader.Next()) {
    if (reader.field() == 1) payload.data = reader.bytes();
    if (reader.field() == 2) payload.content_type = reader.bytes();
  }
  return payload;
}

std::string EncodePayload(const Payload& payload) {
  std::string out;
  AppendBytesField(&out, 1, payload.data);
  if (!payload.content_type.empty()) AppendBytesField(&out, 2, Utf8(payload.content_type));
  return out;
}

void AppendEntry(std::string* out, uint32_t field, std::string_view key, std::string_view value) {
  std::string entry;
  AppendBytesField(&entry, 1, Utf8(key));
  AppendBytesField(&entry, 2, value);
  AppendBytesField(out, field, entry);
}

template <typename Visit>
void ForEach(std::string_view wire, uint32_t field, Visit visit) {
  WireReader reader(wire);
  while (reader.Next()) {
    if (reader.field() == field) visit(reader.bytes());
  }
}

// The value of the last entry of that name, as protobuf reads it.
std::optional<std::string_view> Find(std::string_view wire, uint32_t field, std::string_view name) {
  std::optional<std::string_view> found;
  ForEach(wire, field, [&](std::string_view bytes) {
    const auto [key, value] = ReadEntry(bytes);
    if (key == name) found = value;
  });
  return found;
}

}  // namespace

std::optional<Call> Call::Parse(std::string_view wire) {
  Call call;
  call.wire_ = wire;
  WireReader reader(wire);
  while (reader.Next()) {
    if (reader.field() == kPipeline) call.pipeline_ = reader.bytes();
    if (reader.field() == kOperation) call.operation_ = reader.bytes();
    if (reader.field() == kArgs) ++call.arg_count_;
  }
  if (!reader.ok()) return std::nullopt;
  return call;
}

std::optional<PayloadView> Call::arg(size_t position) const {
  std::optional<PayloadView> found;
  size_t at = 0;
  ForEach(wire_, kArgs, [&](std::string_view bytes) {
    if (at++ == position) found = ReadPayload(bytes);
  });
  return found;
}

std::optional<PayloadView> Call::kwarg(std::string_view name) const {
  const std::optional<std::string_view> found = Find(wire_, kKwargs, name);
  if (!found) return std::nullopt;
  return ReadPayload(*found);
}

std::optional<std::string_view> Call::context(std::string_view name) const {
  return Find(wire_, kContext, name);
}

void Call::ForEachArg(const std::function<void(PayloadView)>& visit) const {
  ForEach(wire_, kArgs, [&](std::string_view bytes) { visit(ReadPayload(bytes)); });
}

void Call::ForEachKwarg(const std::function<void(std::string_view, PayloadView)>& visit) const {
  ForEach(wire_, kKwargs, [&](std::string_view bytes) {
    const auto [name, value] = ReadEntry(bytes);
    visit(name, ReadPayload(value));
  });
}

void Call::ForEachContext(
    const std::function<void(std::string_view, std::string_view)>& visit) const {
  ForEach(wire_, kContext, [&](std::string_view bytes) {
    const auto [name, value] = ReadEntry(bytes);
    visit(name, value);
  });
}

NewCall NewCall::From(const Call& call) {
  NewCall out;
  out.pipeline = call.pipeline();
  out.operation = call.operation();
  call.ForEachArg([&](PayloadView value) { out.args.push_back(value.Copy()); });
  call.ForEachKwarg([&](std::string_view name, PayloadView value) {
    out.kwargs[std::string(name)] = value.Copy();
  });
  call.ForEachContext([&](std::string_view name, std::string_view value) {
    out.context[std::string(name)] = value;
  });
  return out;
}

std::string NewCall::Encode() const {
  std::string out;
  AppendBytesField(&out, kPipeline, Utf8(pipeline));
  AppendBytesField(&out, kOperation, Utf8(operation));
  for (const Payload& arg : args) AppendBytesField(&out, kArgs, EncodePayload(arg));
  for (const auto& [name, value] : kwargs) AppendEntry(&out, kKwargs, name, EncodePayload(value));
  for (const auto& [name, value] : context) AppendEntry(&out, kContext, name, Utf8(value));
  return out;
}

namespace internal {

std::string EncodeAnswer(const Payload& answer) { return EncodePayload(answer); }

}  // namespace internal
}  // namespace outboard

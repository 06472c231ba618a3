#include "tests/simulation/samples.h"

#include <unordered_map>
#include <utility>

#include "host/base/status.h"
#include "host/event/wire.h"

namespace outboard::simulation {
namespace {

void PutVarint(std::string* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void PutText(std::string* out, int field, absl::string_view text) {
  PutVarint(out, static_cast<uint64_t>(field) << 3 | 2);
  PutVarint(out, text.size());
  out->append(text.data(), text.size());
}

// Field numbers: proto/outboard/event/v1/event.proto.
std::string EventBytes(absl::string_view id, absl::string_view source, absl::string_view type,
                       absl::string_view subject, const std::string& data) {
  std::string out;
  if (!id.empty()) PutText(&out, 1, id);
  if (!source.empty()) PutText(&out, 2, source);
  PutText(&out, 3, "1.0");
  PutText(&out, 4, type);
  if (!subject.empty()) {
    std::string value, entry;
    PutText(&value, 3, subject);  // ce_string
    PutText(&entry, 1, kOrderBy);
    PutText(&entry, 2, value);
    PutText(&out, 5, entry);
  }
  PutText(&out, 6, data);
  return out;
}

}  // namespace

Event SampleEvent(uint32_t index, int key, uint32_t data_bytes) {
  thread_local std::unordered_map<uint64_t, Event> made;
  const uint64_t name =
      static_cast<uint64_t>(index) << 40 | static_cast<uint64_t>(key + 1) << 32 | data_bytes;
  Event& event = made[name];
  if (event.empty()) {
    auto checked =
        CheckEvent(EventBytes("e" + std::to_string(index), "simulation", "thing.happened",
                              key == kNoKey ? "" : SampleKey(key), std::string(data_bytes, 'x')));
    OUTBOARD_CHECK(checked.ok());
    event = *std::move(checked);
  }
  return event;
}

int64_t SampleIndex(absl::string_view event_id) {
  if (event_id.size() < 2 || event_id[0] != 'e') return -1;
  int64_t index = 0;
  for (char c : event_id.substr(1)) {
    if (c < '0' || c > '9') return -1;
    index = index * 10 + (c - '0');
  }
  return index;
}

std::string SampleKey(int key) { return "k" + std::to_string(key); }

std::shared_ptr<const lane::Call> SampleCall(uint64_t number, const std::string& operation) {
  return std::make_shared<lane::Call>(
      lane::Call{"c" + std::to_string(number), "pipeline", operation});
}

std::shared_ptr<const lane::Call> ChangedCall(const lane::Call& call, bool forged) {
  return std::make_shared<lane::Call>(
      lane::Call{call.bytes + "'", call.pipeline, forged ? "forged" : call.operation});
}

std::string AnswerTo(const lane::Call& call) { return "answer to " + call.bytes; }

std::string EmitBytes(EmitKind kind, uint32_t number) {
  switch (kind) {
    case EmitKind::kPlain: return EventBytes("", "", kDeclaredEmit, "", "note");
    case EmitKind::kNamed:
      return EventBytes("note-" + std::to_string(number), "", kDeclaredEmit, "", "note");
    case EmitKind::kUndeclared: return EventBytes("", "", "note.forged", "", "note");
    case EmitKind::kBroken: return "\x0a\xff\xff no event";
  }
  return "";
}

}  // namespace outboard::simulation

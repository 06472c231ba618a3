#include "host/lineage/row.h"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "host/base/text.h"

namespace outboard::lineage {
namespace {

using nlohmann::json;

constexpr size_t kMaxText = 500;  // Bytes of a reason or message.
constexpr std::array<const char*, 5> kEnds = {"done", "dropped", "dead", "retry", "returned"};

// ---- Writing: by hand, since it is done for each event that emits

bool IsPlain(absl::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x80 || c == '"' ||
        c == '\\')
      return false;
  }
  return true;
}

void AppendText(absl::string_view text, std::string* out) {
  if (IsPlain(text)) {
    out->push_back('"');
    out->append(text.data(), text.size());
    out->push_back('"');
  } else {
    out->append(json(std::string(text)).dump(-1, ' ', false, json::error_handler_t::replace));
  }
}

void AppendName(absl::string_view name, std::string* out) {
  out->push_back('"');
  out->append(name.data(), name.size());
  out->append("\":", 2);
}

void AppendMember(absl::string_view name, absl::string_view value, std::string* out) {
  if (value.empty()) return;
  AppendName(name, out);
  AppendText(value, out);
  out->push_back(',');
}

void AppendCut(absl::string_view name, const std::string& value, std::string* out) {
  if (value.size() <= kMaxText) return AppendMember(name, value, out);
  AppendMember(name, Truncate(value, kMaxText), out);
}

void AppendMember(absl::string_view name, int64_t value, std::string* out) {
  if (value == 0) return;
  AppendName(name, out);
  std::array<char, 24> digits;
  const char* const end = std::to_chars(digits.begin(), digits.end(), value).ptr;
  out->append(digits.data(), static_cast<size_t>(end - digits.data()));
  out->push_back(',');
}

void AppendMember(absl::string_view name, Time time, std::string* out) {
  AppendMember(name, time.time_since_epoch().count(), out);
}

// In place of the last comma, if there was a member.
void Close(char bracket, std::string* out) {
  if (out->back() == ',') {
    out->back() = bracket;
  } else {
    out->push_back(bracket);
  }
}

void AppendTurn(const bus::Attempt& turn, std::string* out) {
  out->push_back('{');
  AppendMember("at", turn.at, out);
  AppendMember("outcome", turn.outcome, out);
  AppendCut("reason", turn.reason, out);
  AppendCut("message", turn.message, out);
  AppendMember("version", turn.version, out);
  AppendMember("component", turn.component, out);
  if (turn.instance) absl::StrAppend(out, "\"instance\":", *turn.instance, ",");
  AppendMember("quarantine", turn.quarantine ? 1 : 0, out);
  AppendMember("took", turn.took.count(), out);
  Close('}', out);
  out->push_back(',');
}

void AppendPlaced(const bus::Placed& placed, std::string* out) {
  absl::StrAppend(out, "\"placed\":{");
  if (const auto* number = std::get_if<int64_t>(&placed.offset)) {
    absl::StrAppend(out, "\"int\":", *number, ",");
  } else if (const auto* real = std::get_if<double>(&placed.offset)) {
    absl::StrAppend(out, "\"real\":", json(*real).dump(), ",");
  } else if (const auto* text = std::get_if<std::string>(&placed.offset)) {
    out->append("\"text\":");
    AppendText(*text, out);
    out->push_back(',');
  } else if (const auto* bytes = std::get_if<bus::Bytes>(&placed.offset)) {
    absl::StrAppend(out, "\"bytes\":\"", absl::Base64Escape(bytes->value), "\",");
  }
  if (placed.at) AppendMember("at", *placed.at, out);
  Close('}', out);
  out->push_back(',');
}

// ---- Reading

std::string TextOf(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

int64_t NumberOf(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
}

Time TimeOf(const json& object, const char* name) { return Time(Duration(NumberOf(object, name))); }

// Of an array under `name`, each object; none if it is no array.
template <typename Fn>
void ForEach(const json& object, const char* name, Fn fn) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_array()) return;
  for (const json& item : *it) {
    if (item.is_object()) fn(item);
  }
}

bus::Attempt ReadTurn(const json& in) {
  bus::Attempt turn{TimeOf(in, "at"), TextOf(in, "outcome"), TextOf(in, "reason"),
                    TextOf(in, "message"), TextOf(in, "version")};
  turn.component = TextOf(in, "component");
  if (in.contains("instance")) turn.instance = static_cast<uint32_t>(NumberOf(in, "instance"));
  turn.quarantine = NumberOf(in, "quarantine") != 0;
  turn.took = Duration(NumberOf(in, "took"));
  return turn;
}

bus::Placed ReadPlaced(const json& in) {
  bus::Placed placed;
  std::string bytes;
  if (in.contains("int")) {
    placed.offset = NumberOf(in, "int");
  } else if (in.contains("real") && in["real"].is_number()) {
    placed.offset = in["real"].get<double>();
  } else if (in.contains("text")) {
    placed.offset = TextOf(in, "text");
  } else if (in.contains("bytes") && absl::Base64Unescape(TextOf(in, "bytes"), &bytes)) {
    placed.offset = bus::Bytes{std::move(bytes)};
  }
  if (in.contains("at")) placed.at = TimeOf(in, "at");
  return placed;
}

}  // namespace

void AppendLine(absl::string_view lane, const lane::Record& record, std::string* out) {
  const Event& event = record.event;
  out->push_back('{');
  AppendMember("at", record.at, out);
  AppendMember("lane", lane, out);
  AppendMember("id", event.id(), out);
  AppendMember("source", event.source(), out);
  AppendMember("type", event.type(), out);
  AppendMember("subject", event.attribute("subject").value_or(""), out);
  AppendMember("traceparent", event.attribute("traceparent").value_or(""), out);
  AppendMember("accepted", record.accepted_at, out);
  if (!record.turns.empty()) {
    out->append("\"turns\":[");
    for (const bus::Attempt& turn : record.turns) AppendTurn(turn, out);
    Close(']', out);
    out->push_back(',');
  }
  if (record.end) AppendMember("end", kEnds[static_cast<size_t>(*record.end)], out);
  AppendMember("attempts", record.attempts, out);
  AppendMember("due", record.due, out);
  AppendCut("reason", record.reason, out);
  AppendCut("message", record.message, out);
  AppendMember("emitted", static_cast<int64_t>(record.emitted), out);
  if (!record.emits.empty()) {
    out->append("\"emits\":[");
    for (const Event& emit : record.emits) {
      out->push_back('{');
      AppendMember("id", emit.id(), out);
      AppendMember("source", emit.source(), out);
      AppendMember("type", emit.type(), out);
      Close('}', out);
      out->push_back(',');
    }
    Close(']', out);
    out->push_back(',');
  }
  if (record.placed) AppendPlaced(*record.placed, out);
  Close('}', out);
  out->push_back('\n');
}

std::optional<Row> ReadLine(absl::string_view line) {
  const json in = json::parse(line.data(), line.data() + line.size(), nullptr, false);
  if (!in.is_object()) return std::nullopt;
  Row row;
  row.lane = TextOf(in, "lane");
  row.id = TextOf(in, "id");
  if (row.lane.empty() || row.id.empty()) return std::nullopt;
  row.source = TextOf(in, "source");
  row.type = TextOf(in, "type");
  row.subject = TextOf(in, "subject");
  row.traceparent = TextOf(in, "traceparent");
  row.accepted_at = TimeOf(in, "accepted");
  row.at = TimeOf(in, "at");
  ForEach(in, "turns", [&](const json& turn) { row.turns.push_back(ReadTurn(turn)); });
  const std::string end = TextOf(in, "end");
  for (size_t i = 0; i < kEnds.size(); ++i) {
    if (end == kEnds[i]) row.end = static_cast<bus::End>(i);
  }
  row.attempts = static_cast<uint32_t>(NumberOf(in, "attempts"));
  row.due = TimeOf(in, "due");
  row.reason = TextOf(in, "reason");
  row.message = TextOf(in, "message");
  row.emitted = static_cast<uint64_t>(NumberOf(in, "emitted"));
  ForEach(in, "emits", [&](const json& emit) {
    row.emits.push_back({TextOf(emit, "id"), TextOf(emit, "source"), TextOf(emit, "type")});
  });
  if (const auto placed = in.find("placed"); placed != in.end() && placed->is_object())
    row.placed = ReadPlaced(*placed);
  return row;
}

std::string IdInLine(absl::string_view id) {
  std::string text = "\"id\":";
  AppendText(id, &text);
  return text;
}

}  // namespace outboard::lineage

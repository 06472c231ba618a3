#include "host/conform/samples.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "host/event/json.h"

namespace outboard::conform {
namespace {

namespace v1 = outboard::plugin::v1;
using Json = nlohmann::json;

constexpr EventLimits kAnySize{.max_bytes = 64 << 20};
constexpr int kKeys = 4;

absl::StatusOr<event::v1::Event> FromJson(const std::string& json, size_t number) {
  const absl::StatusOr<Event> read = EventFromJson(json, kAnySize);
  if (!read.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("event ", number, ": ", read.status().message()));
  }
  event::v1::Event event;
  event.ParseFromArray(read->bytes().data(), static_cast<int>(read->bytes().size()));
  return event;
}

void SetText(absl::string_view name, absl::string_view value, event::v1::Event* event) {
  (*event->mutable_attributes())[std::string(name)].set_ce_string(std::string(value));
}

void SetAllKinds(event::v1::Event* event) {
  auto& attributes = *event->mutable_attributes();
  attributes["conformbool"].set_ce_boolean(true);
  attributes["conformint"].set_ce_integer(-2147483647);
  attributes["conformtext"].set_ce_string("a text");
  attributes["conformbytes"].set_ce_bytes(std::string("\x00\xff\x80", 3));
  attributes["conformuri"].set_ce_uri("https://example.com/a?b=c#d");
  attributes["conformref"].set_ce_uri_ref("../a");
  attributes["time"].mutable_ce_timestamp()->set_seconds(1'700'000'000);
  attributes["time"].mutable_ce_timestamp()->set_nanos(123'456'789);
}

}  // namespace

absl::StatusOr<std::vector<event::v1::Event>> ReadEvents(absl::string_view text) {
  std::vector<std::string> parts;
  const Json whole = Json::parse(text.begin(), text.end(), nullptr, false);
  if (whole.is_array()) {
    for (const Json& item : whole) parts.push_back(item.dump());
  } else if (whole.is_object()) {
    parts.emplace_back(text);
  } else {
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      if (!absl::StripAsciiWhitespace(line).empty()) parts.emplace_back(line);
    }
  }
  if (parts.empty()) return absl::InvalidArgumentError("no event in it");
  std::vector<event::v1::Event> events;
  for (const std::string& part : parts) {
    absl::StatusOr<event::v1::Event> event = FromJson(part, events.size() + 1);
    if (!event.ok()) return event.status();
    events.push_back(*std::move(event));
  }
  return events;
}

std::string TypeFor(absl::string_view pattern) {
  std::vector<std::string> words = absl::StrSplit(pattern, '.');
  for (std::string& word : words) {
    if (word == "*" || word == "#") word = "conform";
  }
  return absl::StrJoin(words, ".");
}

event::v1::Event Samples::NextEvent() {
  const uint64_t number = ++made_;
  event::v1::Event event;
  if (!given_.empty()) {
    event = given_[(number - 1) % given_.size()];
    if (number > given_.size()) event.set_id(absl::StrCat(event.id(), "-", number));
    return event;
  }
  event.set_id(absl::StrCat("conform-", number));
  event.set_source("/outboard/conform");
  event.set_spec_version("1.0");
  const auto& types = component_.event_types();
  event.set_type(types.empty() ? "outboard.conform"
                               : TypeFor(types[static_cast<int>((number - 1) % types.size())]));
  SetText("datacontenttype", "application/json", &event);
  SetText("subject", absl::StrCat("conform/", number % kKeys), &event);
  event.set_binary_data(absl::StrCat("{\"number\": ", number, "}"));
  return event;
}

v1::Delivery Samples::Deliver(event::v1::Event event) {
  v1::Delivery delivery;
  delivery.set_attempt(1);
  delivery.set_route("conform");
  *delivery.mutable_event() = std::move(event);
  return delivery;
}

v1::Delivery Samples::Next() { return Deliver(NextEvent()); }

std::vector<v1::Delivery> Samples::Next(size_t count) {
  std::vector<v1::Delivery> deliveries;
  for (size_t i = 0; i < count; ++i) deliveries.push_back(Next());
  return deliveries;
}

v1::Delivery Samples::NextCall() {
  const auto& operations = component_.operations();
  const std::string& operation = operations[static_cast<int>(made_++ % operations.size())];
  v1::Delivery delivery;
  delivery.set_attempt(1);
  v1::Call& call = *delivery.mutable_call();
  call.set_pipeline("conform");
  call.set_operation(operation == "*" ? "conform" : operation);
  call.add_args()->set_data("{\"number\": 1}");
  (*call.mutable_kwargs())["limit"].set_data("null");
  (*call.mutable_context())["traceparent"] =
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  return delivery;
}

std::vector<std::pair<std::string, event::v1::Event>> Samples::Unusual() {
  std::vector<std::pair<std::string, event::v1::Event>> events;
  const auto add = [&](const char* what) -> event::v1::Event& {
    return events.emplace_back(what, NextEvent()).second;
  };
  SetAllKinds(&add("attributes of every kind"));
  add("binary data").set_binary_data(std::string("\x00\xff\xfe\x80{", 5));
  event::v1::Event& none = add("no data");
  none.clear_data();
  none.mutable_attributes()->erase("datacontenttype");
  add("data that is empty").set_binary_data("");
  add("data that is no JSON though datacontenttype says so").set_binary_data("{\"cut");
  event::v1::Event& text = add("text in another script");
  SetText("datacontenttype", "text/plain; charset=utf-8", &text);
  SetText("subject", "История/😀/\u200f", &text);
  text.set_binary_data("Grüße, 世界, \xf0\x9f\x9a\x80");
  add("JSON null as data").set_binary_data("null");
  event::v1::Event& proto = add("a protobuf message as data");
  proto.mutable_proto_data()->set_type_url("type.googleapis.com/example.Unknown");
  proto.mutable_proto_data()->set_value(std::string("\x08\x01", 2));
  add("a long id").set_id(std::string(1000, 'i') + absl::StrCat(made_));
  if (component_.event_types().empty()) {
    add("an odd type").set_type("odd..Type/with:all*sorts #of 'words'");
  }
  return events;
}

}  // namespace outboard::conform

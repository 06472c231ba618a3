#include "tests/fuzz/event_oracle.h"

#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/event/json.h"
#include "host/event/uri.h"
#include "host/event/wire.h"
#include "outboard/event/v1/event.pb.h"

namespace outboard::fuzz {
namespace {

using Proto = ::outboard::event::v1::Event;
using ::google::protobuf::util::TimeUtil;
using ::outboard::event::v1::AttributeValue;

// The text form by the generated class alone.
std::string TextOf(const AttributeValue& value) {
  switch (value.attr_case()) {
    case AttributeValue::kCeBoolean: return value.ce_boolean() ? "true" : "false";
    case AttributeValue::kCeInteger: return std::to_string(value.ce_integer());
    case AttributeValue::kCeString: return value.ce_string();
    case AttributeValue::kCeBytes: return absl::Base64Escape(value.ce_bytes());
    case AttributeValue::kCeUri: return value.ce_uri();
    case AttributeValue::kCeUriRef: return value.ce_uri_ref();
    case AttributeValue::kCeTimestamp: return TimeUtil::ToString(value.ce_timestamp());
    case AttributeValue::ATTR_NOT_SET: return "(not set)";
  }
  return "(unknown)";
}

bool IsAllowedValue(const AttributeValue& value) {
  switch (value.attr_case()) {
    case AttributeValue::ATTR_NOT_SET: return false;
    case AttributeValue::kCeUri: return IsAbsoluteUri(value.ce_uri());
    case AttributeValue::kCeUriRef: return IsUriReference(value.ce_uri_ref());
    case AttributeValue::kCeTimestamp: {
      const auto& t = value.ce_timestamp();
      return t.seconds() >= TimeUtil::kTimestampMinSeconds &&
             t.seconds() <= TimeUtil::kTimestampMaxSeconds && t.nanos() >= 0 &&
             t.nanos() <= 999'999'999;
    }
    default: return true;
  }
}

bool IsAllowedName(const std::string& name) {
  static const char* const kReserved[] = {"id", "source", "type", "specversion", "data"};
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos &&
         std::find(std::begin(kReserved), std::end(kReserved), name) == std::end(kReserved);
}

bool IsAllowedIdentity(const std::string& text) {
  return !text.empty() && std::none_of(text.begin(), text.end(),
                                       [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

bool IsAllowed(const Proto& proto) {
  if (!IsAllowedIdentity(proto.id()) || !IsAllowedIdentity(proto.source()) ||
      !IsAllowedIdentity(proto.type())) {
    return false;
  }
  if (!proto.spec_version().empty() && proto.spec_version() != "1.0") return false;
  for (const auto& [name, value] : proto.attributes()) {
    if (!IsAllowedName(name) || !IsAllowedValue(value)) return false;
  }
  if (!proto.has_proto_data()) return true;
  const std::string& url = proto.proto_data().type_url();
  return url.find('/') != std::string::npos && url.back() != '/';
}

bool HasUnknownFields(Proto proto) {
  const size_t size = proto.ByteSizeLong();
  proto.DiscardUnknownFields();
  return proto.ByteSizeLong() != size;
}

const std::string& PayloadOf(const Proto& proto) {
  return proto.has_text_data() ? proto.text_data() : proto.binary_data();
}

std::string CompareAttributes(const Event& event, const Proto& proto) {
  for (const auto& [name, value] : proto.attributes()) {
    const std::optional<std::string> text = event.attribute(name);
    if (text != TextOf(value)) {
      return absl::StrCat("attribute ", name, ": ", text.value_or("(none)"), " here, ",
                          TextOf(value), " for libprotobuf");
    }
  }
  return "";
}

// A name that the message quotes may contain the word too.
bool IsAboutUtf8(absl::string_view message) {
  return absl::StrContains(message.substr(message.rfind('"') + 1), "UTF-8");  // npos + 1 is 0.
}

// `before` is what libprotobuf saw in the bytes that came in.
std::string Compare(const Event& event, const Proto& before) {
  Proto after;
  if (!after.ParseFromString(std::string(event.bytes()))) return "libprotobuf refuses the result";
  if (after.id() != event.id() || after.source() != event.source() ||
      after.type() != event.type()) {
    return "id, source or type differ from libprotobuf's";
  }
  if (after.spec_version() != "1.0") return "the result has no spec_version";
  if (after.has_text_data()) return "the result has text_data";
  if (after.has_proto_data() != before.has_proto_data() ||
      after.proto_data().SerializeAsString() != before.proto_data().SerializeAsString() ||
      PayloadOf(after) != PayloadOf(before)) {
    return "the data changed";
  }
  if (HasUnknownFields(before)) return "unknown fields passed";
  if (after.attributes_size() != before.attributes_size()) return "attributes were lost";
  Proto expected = before;
  if (before.has_text_data()) expected.set_binary_data(before.text_data());
  expected.set_spec_version("1.0");
  const auto again = CheckEvent(std::string(event.bytes()));
  if (!again.ok() || again->bytes() != event.bytes()) return "the result does not pass as it is";
  if (!CheckEvent(expected.SerializeAsString()).ok()) return "libprotobuf's writing does not pass";
  return CompareAttributes(event, after);
}

// Blanks around a JSON payload and line ends in it may change.
std::string Loosened(std::string payload) {
  if (!nlohmann::json::accept(payload)) return payload;
  std::replace(payload.begin(), payload.end(), '\n', ' ');
  std::replace(payload.begin(), payload.end(), '\r', ' ');
  return std::string(absl::StripAsciiWhitespace(payload));
}

// JSON knows these in one type only; another passes on the wire and may not read back.
bool HasOddCoreAttribute(const Proto& proto) {
  for (const auto& [name, value] : proto.attributes()) {
    const auto kind = value.attr_case();
    const bool odd = name == "time"         ? kind != AttributeValue::kCeTimestamp
                     : name == "dataschema" ? kind != AttributeValue::kCeUri
                     : name == "subject" || name == "datacontenttype"
                         ? kind != AttributeValue::kCeString
                         : false;
    if (odd) return true;
  }
  return proto.has_proto_data();
}

}  // namespace

std::string FindDisagreement(absl::string_view input) {
  static google::protobuf::LogHandler* const silent [[maybe_unused]] =
      google::protobuf::SetLogHandler(nullptr);
  const std::string bytes(input);
  Proto proto;
  const bool parsed = proto.ParseFromString(bytes);
  const auto event = CheckEvent(bytes);
  if (event.ok()) {
    if (!parsed) return "libprotobuf refuses what passed";
    if (std::string problem = Compare(*event, proto); !problem.empty()) return problem;
    if (std::string problem = FindJsonDisagreement(*event); !problem.empty()) return problem;
  } else if (parsed && IsAboutUtf8(event.status().message())) {
    return absl::StrCat("libprotobuf takes what was refused: ", event.status().message());
  }
  if (!parsed) return "";
  proto.DiscardUnknownFields();
  const auto rewritten = CheckEvent(proto.SerializeAsString());
  if (rewritten.ok() == IsAllowed(proto)) return "";
  return absl::StrCat(
      "libprotobuf's writing of it: ",
      rewritten.ok() ? "passed, but is no CloudEvent: " : rewritten.status().message(),
      proto.ShortDebugString());
}

std::string FindJsonDisagreement(const Event& event) {
  const std::string json = EventToJson(event);
  if (!nlohmann::json::accept(json)) return absl::StrCat("no JSON: ", json);
  if (json.find_first_of("\r\n") != std::string::npos) return absl::StrCat("no line: ", json);
  Proto before, after;
  if (!before.ParseFromString(std::string(event.bytes()))) return "libprotobuf refuses the event";
  const auto back = EventFromJson(json);
  if (!back.ok()) {
    if (HasOddCoreAttribute(before)) return "";
    return absl::StrCat("does not read back: ", back.status().message(), ": ", json);
  }
  if (back->id() != event.id() || back->source() != event.source() ||
      back->type() != event.type()) {
    return absl::StrCat("id, source or type differ: ", json);
  }
  if (!after.ParseFromString(std::string(back->bytes())))
    return "libprotobuf refuses what came back";
  const std::string& payload =
      before.has_proto_data() ? before.proto_data().value() : before.binary_data();
  if (Loosened(payload) != Loosened(after.binary_data())) {
    return absl::StrCat("payload differs: ", json);
  }
  for (const auto& [name, value] : before.attributes()) {
    if (back->attribute(name) != TextOf(value)) {
      return absl::StrCat("attribute ", name, " differs: ", json);
    }
  }
  return "";
}

}  // namespace outboard::fuzz

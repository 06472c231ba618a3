#include "host/event/attribute_value.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "host/base/text.h"
#include "host/event/uri.h"
#include "host/event/wire_reader.h"

namespace outboard::event_wire {
namespace {

constexpr char kNotUtf8[] =
    "the text is not well-formed UTF-8; encode it as UTF-8, or use ce_bytes";

const char* FindUriProblem(absl::string_view uri) {
  if (!IsValidUtf8(uri)) return kNotUtf8;
  return IsAbsoluteUri(uri)
             ? nullptr
             : "ce_uri is no absolute URI; write scheme:..., percent-encoded, or use ce_uri_ref";
}

const char* FindUriRefProblem(absl::string_view uri) {
  if (!IsValidUtf8(uri)) return kNotUtf8;
  return IsUriReference(uri)
             ? nullptr
             : "ce_uri_ref is no URI reference; percent-encode it, or use ce_string";
}

const char* FindFieldProblem(const Field& field, const char** at) {
  int32_t integer;
  Timestamp timestamp;
  switch (field.tag) {
    case tag::kBoolean:
      return field.varint <= 1 ? nullptr : "ce_boolean is neither 0 nor 1; write 0 or 1";
    case tag::kInteger:
      return AsInt32(field.varint, &integer)
                 ? nullptr
                 : "ce_integer is no sign-extended int32; use ce_string for larger numbers";
    case tag::kString: return IsValidUtf8(field.payload) ? nullptr : kNotUtf8;
    case tag::kBytes: return nullptr;
    case tag::kUri: return FindUriProblem(field.payload);
    case tag::kUriRef: return FindUriRefProblem(field.payload);
    case tag::kTimestamp: return DecodeTimestamp(field.payload, &timestamp, at);
    default:
      return "unknown field of AttributeValue; use one of the ce_ fields 1 to 7 with its own wire "
             "type";
  }
}

}  // namespace

const char* FindValueProblem(absl::string_view value, const char** at) {
  Reader reader(value);
  Field field;
  *at = value.data();
  if (reader.done()) return "no value is set; set exactly one ce_ field";
  if (!reader.Next(&field)) return Describe(reader.error());
  if (const char* problem = FindFieldProblem(field, at)) return problem;
  *at = reader.pos();
  return reader.done() ? nullptr : "more than one value is set; set exactly one ce_ field";
}

const char* DecodeTimestamp(absl::string_view message, Timestamp* t, const char** at) {
  *t = {};
  bool seen_seconds = false, seen_nanos = false;
  Reader reader(message);
  for (Field field; !reader.done();) {
    *at = reader.pos();
    if (!reader.Next(&field)) return Describe(reader.error());
    if (field.tag == tag::kSeconds && !seen_seconds) {
      t->seconds = static_cast<int64_t>(field.varint);
      seen_seconds = true;
    } else if (field.tag == tag::kNanos && !seen_nanos) {
      if (!AsInt32(field.varint, &t->nanos))
        return "nanos of the timestamp are no sign-extended int32";
      seen_nanos = true;
    } else {
      return "the timestamp has an unknown or repeated field; write seconds and nanos once";
    }
  }
  *at = message.data();
  return IsValidTimestamp(*t)
             ? nullptr
             : "the timestamp is outside the years 1 to 9999, or its nanos outside 0 to 999999999";
}

std::optional<std::string> ValueText(absl::string_view value) {
  Reader reader(value);
  Field field;
  if (reader.done() || !reader.Next(&field) || !reader.done()) return std::nullopt;
  switch (field.tag) {
    case tag::kBoolean: return std::string(field.varint != 0 ? "true" : "false");
    case tag::kInteger: return absl::StrCat(static_cast<int32_t>(field.varint));
    case tag::kString:
    case tag::kUri:
    case tag::kUriRef: return std::string(field.payload);
    case tag::kBytes: return absl::Base64Escape(field.payload);
    case tag::kTimestamp: {
      Timestamp t;
      const char* at;
      if (DecodeTimestamp(field.payload, &t, &at) != nullptr) return std::nullopt;
      return FormatTimestamp(t);
    }
    default: return std::nullopt;
  }
}

}  // namespace outboard::event_wire

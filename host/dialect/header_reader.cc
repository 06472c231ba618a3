#include "host/dialect/header_reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/dialect/event_builder.h"
#include "host/dialect/identity.h"
#include "host/dialect/shown.h"

namespace outboard::dialect {
namespace {

// A header that is an attribute.
struct Attribute {
  absl::string_view name;
  absl::string_view header;
  const FieldView* field;
};
using Attributes = absl::InlinedVector<Attribute, 16>;

// Empty if the header is no attribute.
absl::string_view AttributeOf(absl::string_view header) {
  for (const absl::string_view prefix : kPrefixes) {
    if (absl::StartsWith(header, prefix)) return header.substr(prefix.size());
  }
  return "";
}

absl::Status HeaderError(absl::string_view header, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("header ", Shown(header), ": ", problem));
}

// Sorted by name, each once.
absl::StatusOr<Attributes> Collect(const TableView& headers) {
  Attributes found;
  for (const auto& [header, field] : headers) {
    const absl::string_view name = AttributeOf(header);
    if (!name.empty() && field.type != 'V') found.push_back({name, header, &field});
  }
  if (found.empty()) {
    return absl::InvalidArgumentError(
        "headers: none begins with \"cloudEvents:\", \"cloudEvents_\" or \"ce-\", and content_type "
        "is neither application/cloudevents+json nor +protobuf; publish a CloudEvent, or read "
        "these messages with the dialect json or raw");
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Attribute& a, const Attribute& b) { return a.name < b.name; });
  Attributes once;
  for (const Attribute& attribute : found) {
    if (once.empty() || once.back().name != attribute.name) {
      once.push_back(attribute);
    } else if (once.back().header != attribute.header) {
      return HeaderError(attribute.header, absl::StrCat("is the same attribute as \"",
                                                        once.back().header, "\"; send it once"));
    }  // Of a header that is there twice the first counts.
  }
  return once;
}

const Attribute* Find(const Attributes& attributes, absl::string_view name) {
  const auto at = std::lower_bound(
      attributes.begin(), attributes.end(), name,
      [](const Attribute& attribute, absl::string_view n) { return attribute.name < n; });
  return at != attributes.end() && at->name == name ? &*at : nullptr;
}

absl::Status CheckRequired(const Attributes& attributes) {
  for (const absl::string_view name : {"source", "type"}) {
    if (Find(attributes, name) == nullptr) {
      return HeaderError(absl::StrCat(kPrefixes[0], name), "is missing; set it");
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool HoldsEvent(const MessageView& message) {
  const TableView& headers = message.properties.headers;
  return std::any_of(headers.begin(), headers.end(),
                     [](const auto& header) { return AttributeOf(header.first) == "specversion"; });
}

absl::StatusOr<Event> DecodeHeaders(const MessageView& message, const EventLimits& limits) {
  OUTBOARD_ASSIGN_OR_RETURN(const Attributes attributes, Collect(message.properties.headers));
  OUTBOARD_RETURN_IF_ERROR(CheckRequired(attributes));
  const std::optional<absl::string_view>& media_type = message.properties.content_type;
  EventBuilder builder(message.body.size() + 48 * attributes.size());
  Texts texts;
  for (const Attribute& attribute : attributes) {
    const Value value = FromField(*attribute.field, &texts);
    if (attribute.name == "datacontenttype" && media_type) {
      if (value.text == *media_type) continue;
      return HeaderError(attribute.header, "differs from the content_type; leave it out");
    }
    if (const char* problem = builder.Set(attribute.name, value)) {
      return HeaderError(attribute.header, problem);
    }
  }
  if (Find(attributes, "id") == nullptr) {
    const std::optional<absl::string_view>& id = message.properties.message_id;
    if (id && !id->empty()) {
      builder.SetText("id", *id);
    } else {
      builder.SetText("id", ContentId(message));
    }
  }
  if (media_type) builder.SetText("datacontenttype", *media_type);
  for (const absl::string_view name : kTraceNames) {
    const absl::string_view text = TraceText(message, name);
    if (!text.empty() && Find(attributes, name) == nullptr) builder.SetText(name, text);
  }
  if (!message.body.empty()) builder.SetData(message.body);
  return builder.Finish(limits);
}

absl::string_view TraceText(const MessageView& message, absl::string_view name) {
  const FieldView* field = message.properties.header(name);
  if (field == nullptr || !field->is_text() || !IsValidUtf8(field->text)) return "";
  return field->text;
}

}  // namespace outboard::dialect

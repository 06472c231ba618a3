#include "host/http/event_request.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/dialect/event_builder.h"
#include "host/dialect/media_type.h"
#include "host/event/attribute_error.h"
#include "host/event/json.h"
#include "host/event/json_members.h"
#include "host/event/wire_reader.h"
#include "host/http/header_value.h"

namespace outboard::http {
namespace {

constexpr absl::string_view kHeaderPrefix = "ce-";
constexpr absl::string_view kJsonBatchType = "application/cloudevents-batch+json";
constexpr absl::string_view kProtobufBatchType = "application/cloudevents-batch+protobuf";
constexpr size_t kMaxBatchBytes = size_t{16} << 20;
constexpr size_t kShownId = 200;
constexpr uint8_t kBatchedEvent = 0x0A;  // io.cloudevents.v1.CloudEventBatch.events.

absl::Status AboutHeader(absl::string_view name, absl::string_view problem) {
  return AboutAttribute(name,
                        absl::InvalidArgumentError(absl::StrCat(
                            "header \"ce-", Truncate(EscapeForPeople(name), 80), "\": ", problem)));
}

absl::Status SetFromHeader(absl::string_view name, absl::string_view value,
                           absl::string_view content_type, dialect::EventBuilder* builder) {
  const absl::StatusOr<std::string> text = DecodeHeaderValue(value);
  if (!text.ok()) return AboutHeader(name, text.status().message());
  if (name == "datacontenttype") {
    if (*text == content_type) return absl::OkStatus();
    return AboutHeader(name,
                       "differs from Content-Type, which is the same attribute; leave it out");
  }
  if (const char* problem = builder->Set(name, dialect::Value::Text(*text)))
    return AboutHeader(name, problem);
  return absl::OkStatus();
}

absl::StatusOr<Event> ReadBinary(const EventHeaders& headers, absl::string_view body,
                                 const EventLimits& limits) {
  dialect::EventBuilder builder(body.size() + 48 * headers.attributes.size());
  std::set<absl::string_view> seen;
  for (const auto& [name, value] : headers.attributes) {
    if (!seen.insert(name).second) return AboutHeader(name, "is there twice; send it once");
    OUTBOARD_RETURN_IF_ERROR(SetFromHeader(name, value, headers.content_type, &builder));
  }
  for (const char* name : {"id", "source", "type"}) {
    if (!seen.contains(name)) return AboutHeader(name, "is missing; set it");
  }
  if (!headers.content_type.empty()) builder.SetText("datacontenttype", headers.content_type);
  const auto set_trace = [&](const char* name, const std::string& value) {
    if (!value.empty() && !seen.contains(name)) builder.SetText(name, value);
  };
  set_trace("traceparent", headers.traceparent);
  set_trace("tracestate", headers.tracestate);
  if (!body.empty()) builder.SetData(body);
  return builder.Finish(limits);
}

// A name inside of a JSON Pointer.
std::string PointerWord(absl::string_view name) {
  return absl::StrReplaceAll(name, {{"~", "~0"}, {"/", "~1"}});
}

Fault ToFault(const absl::Status& status, EventForm form, std::optional<size_t> index) {
  Fault fault;
  fault.index = index;
  fault.attribute = AttributeOf(status);
  fault.detail = std::string(status.message());
  fault.too_large = absl::IsResourceExhausted(status);
  if (form == EventForm::kBinary && !fault.attribute.empty()) {
    fault.in_header = true;
    fault.place = absl::StrCat(kHeaderPrefix, fault.attribute);
  } else if (form == EventForm::kJson || form == EventForm::kJsonBatch) {
    fault.place = absl::StrCat(
        "#", index ? absl::StrCat("/", *index) : "",
        fault.attribute.empty() ? "" : absl::StrCat("/", PointerWord(fault.attribute)));
  }
  return fault;
}

// Of an event that is not valid, for people to find it.
std::string IdOf(absl::string_view json) {
  const auto members = SplitJsonObject(json);
  if (!members.ok()) return "";
  for (const JsonMember& member : *members) {
    if (member.name == "id" && member.value[0] == '"')
      return Truncate(UnquoteJson(member.value), kShownId);
  }
  return "";
}

Fault TooMany(EventForm form) {
  Fault fault = ToFault(absl::OkStatus(), form, std::nullopt);
  fault.detail =
      absl::StrCat("the batch has more than ", kMaxBatchEvents, " events; send it in parts");
  fault.too_large = true;
  return fault;
}

ReadEvents ReadJsonBatch(absl::string_view body, const EventLimits& limits) {
  ReadEvents read;
  const auto items = SplitJsonArray(body);
  if (!items.ok()) {
    read.faults.push_back(ToFault(items.status(), EventForm::kJsonBatch, std::nullopt));
    return read;
  }
  if (items->size() > kMaxBatchEvents) {
    read.faults.push_back(TooMany(EventForm::kJsonBatch));
    return read;
  }
  for (size_t i = 0; i < items->size(); ++i) {
    absl::StatusOr<Event> event = EventFromJson((*items)[i], limits);
    if (event.ok()) {
      read.events.push_back(*std::move(event));
    } else {
      read.faults.push_back(ToFault(event.status(), EventForm::kJsonBatch, i));
      read.faults.back().id = IdOf((*items)[i]);
    }
  }
  return read;
}

ReadEvents ReadProtobufBatch(absl::string_view body, const EventLimits& limits) {
  ReadEvents read;
  event_wire::Reader reader(body);
  for (event_wire::Field field; !reader.done();) {
    if (!reader.Next(&field) || field.tag != kBatchedEvent) {
      const auto malformed = absl::InvalidArgumentError(
          "the body is no io.cloudevents.v1.CloudEventBatch; write one, or JSON");
      read.faults = {ToFault(malformed, EventForm::kProtobufBatch, std::nullopt)};
      return read;
    }
    const size_t index = read.events.size() + read.faults.size();
    if (index == kMaxBatchEvents) {
      read.faults = {TooMany(EventForm::kProtobufBatch)};
      return read;
    }
    absl::StatusOr<Event> event = CheckEvent(std::string(field.payload), limits);
    if (event.ok()) {
      read.events.push_back(*std::move(event));
    } else {
      read.faults.push_back(ToFault(event.status(), EventForm::kProtobufBatch, index));
    }
  }
  return read;
}

absl::StatusOr<Event> ReadOne(EventForm form, const EventHeaders& headers, std::string body,
                              const EventLimits& limits) {
  if (form == EventForm::kBinary) return ReadBinary(headers, body, limits);
  if (form == EventForm::kJson) return EventFromJson(body, limits);
  return CheckEvent(std::move(body), limits);
}

}  // namespace

void EventHeaders::Add(absl::string_view name, absl::string_view value) {
  const std::string lower = absl::AsciiStrToLower(name);
  if (absl::StartsWith(lower, kHeaderPrefix)) {
    attributes.emplace_back(lower.substr(kHeaderPrefix.size()), value);
  } else if (lower == "content-type") {
    content_type = std::string(value);
  } else if (lower == "traceparent" && IsValidUtf8(value)) {
    traceparent = std::string(value);
  } else if (lower == "tracestate" && IsValidUtf8(value)) {
    tracestate = std::string(value);
  }
}

std::optional<EventForm> FormOf(const EventHeaders& headers) {
  const absl::string_view type = headers.content_type;
  if (dialect::IsMediaType(type, dialect::kStructuredJsonType)) return EventForm::kJson;
  if (dialect::IsMediaType(type, kJsonBatchType)) return EventForm::kJsonBatch;
  if (dialect::IsMediaType(type, dialect::kProtobufType)) return EventForm::kProtobuf;
  if (dialect::IsMediaType(type, kProtobufBatchType)) return EventForm::kProtobufBatch;
  if (dialect::IsCloudEventsMediaType(type) || headers.attributes.empty()) return std::nullopt;
  return EventForm::kBinary;
}

std::string FormsText() {
  return absl::StrCat("send an event as ", dialect::kStructuredJsonType, " or ",
                      dialect::kProtobufType, ", a batch as ", kJsonBatchType, " or ",
                      kProtobufBatchType,
                      ", or data of any type with the event's attributes in ce- headers");
}

bool IsBatch(EventForm form) {
  return form == EventForm::kJsonBatch || form == EventForm::kProtobufBatch;
}

size_t MaxBody(EventForm form, const EventLimits& limits) {
  // JSON needs more than the bytes of the event, as for base64.
  if (form == EventForm::kJson) return 2 * limits.max_bytes;
  if (IsBatch(form)) return std::max(kMaxBatchBytes, 2 * limits.max_bytes);
  return limits.max_bytes;
}

ReadEvents ReadBody(EventForm form, const EventHeaders& headers, std::string body,
                    const EventLimits& limits) {
  if (form == EventForm::kJsonBatch) return ReadJsonBatch(body, limits);
  if (form == EventForm::kProtobufBatch) return ReadProtobufBatch(body, limits);
  ReadEvents read;
  absl::StatusOr<Event> event = ReadOne(form, headers, std::move(body), limits);
  if (event.ok()) {
    read.events.push_back(*std::move(event));
  } else {
    read.faults.push_back(ToFault(event.status(), form, std::nullopt));
  }
  return read;
}

}  // namespace outboard::http

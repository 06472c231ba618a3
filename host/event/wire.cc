#include "host/event/wire.h"

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/event/attribute_error.h"
#include "host/event/attribute_value.h"
#include "host/event/wire_reader.h"
#include "host/event/wire_writer.h"

namespace outboard {
namespace {

namespace tag = event_wire::tag;
using event_wire::Describe;
using event_wire::Entry;
using event_wire::Field;
using event_wire::Reader;

constexpr size_t kMaxNameBytes = 64;
constexpr char kNotUtf8[] = "is not well-formed UTF-8; encode it as UTF-8";

bool IsReserved(absl::string_view name) {
  return name == "id" || name == "source" || name == "type" || name == "specversion" ||
         name == "data";
}

bool HasControl(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(c); });
}

bool IsNameText(absl::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

// An attribute's name for an error: what it is, if it can be shown.
std::string Shown(absl::string_view name) {
  return absl::StrCat("attribute \"", Truncate(EscapeForPeople(name), 80), "\"");
}

// One walk over an event from outside. Looks only; the fields say what CheckEvent then mends.
class Checker {
 public:
  explicit Checker(absl::string_view bytes) : bytes_(bytes) {}

  absl::Status Run() {
    Reader reader(bytes_);
    for (Field field; !reader.done();) {
      const char* at = reader.pos();
      if (!reader.Next(&field)) return Error(at, "event", Describe(reader.error()));
      OUTBOARD_RETURN_IF_ERROR(CheckField(field));
    }
    return CheckWhole();
  }

  // Where the tag of text_data lies, if it is there.
  const char* text_tag() const { return text_tag_; }
  // The field spec_version, tag and all, if it is there and empty.
  absl::string_view empty_version() const { return empty_version_; }
  bool has_version() const { return version_ != nullptr; }

 private:
  absl::Status Error(const char* at, absl::string_view where, absl::string_view problem) const {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": ", problem, " (byte ", at - bytes_.data(), ")"));
  }

  absl::Status CheckField(const Field& field) {
    switch (field.tag) {
      case tag::kId: return CheckIdentity("id", field, &id_);
      case tag::kSource: return CheckIdentity("source", field, &source_);
      case tag::kType: return CheckIdentity("type", field, &type_);
      case tag::kSpecVersion: return CheckVersion(field);
      case tag::kAttribute: return CheckAttribute(field);
      case tag::kBinaryData:
      case tag::kTextData:
      case tag::kProtoData: return CheckData(field);
      default:
        return Error(field.begin, "event",
                     absl::StrCat("unknown field ", field.tag >> 3, " of wire type ", field.tag & 7,
                                  "; send an io.cloudevents.v1.CloudEvent"));
    }
  }

  absl::Status CheckIdentity(const char* name, const Field& field, const char** seen) {
    const absl::Status status = FindIdentityProblem(name, field, seen);
    return status.ok() ? status : AboutAttribute(name, status);
  }

  absl::Status FindIdentityProblem(const char* name, const Field& field, const char** seen) {
    if (*seen != nullptr) return Error(field.begin, name, "is there twice; send it once");
    *seen = field.begin;
    if (field.payload.empty()) return Error(field.begin, name, "is empty; set it");
    if (!IsValidUtf8(field.payload)) return Error(field.begin, name, kNotUtf8);
    if (HasControl(field.payload)) {
      return Error(field.begin, name, "holds a control character; leave it out");
    }
    return absl::OkStatus();
  }

  absl::Status CheckVersion(const Field& field) {
    const auto error = [&](const char* problem) {
      return AboutAttribute("specversion", Error(field.begin, "spec_version", problem));
    };
    if (version_ != nullptr) return error("is there twice; send it once");
    version_ = field.begin;
    if (field.payload.empty()) {
      empty_version_ = absl::string_view(field.begin, field.payload.data() - field.begin);
    } else if (field.payload != "1.0") {
      return error("is not \"1.0\"; send CloudEvents 1.0");
    }
    return absl::OkStatus();
  }

  absl::Status CheckAttribute(const Field& field) {
    OUTBOARD_RETURN_IF_ERROR(CheckEntry(field));
    const Entry entry = event_wire::ReadEntry(field.payload);
    const absl::Status named = CheckName(entry.name, field.begin);
    if (!named.ok()) return AboutAttribute(entry.name, named);
    const char* at;
    if (const char* problem = event_wire::FindValueProblem(entry.value, &at)) {
      return AboutAttribute(entry.name, Error(at, Shown(entry.name), problem));
    }
    names_.push_back(entry.name);
    return absl::OkStatus();
  }

  // The entry has one name and one value, in either order.
  absl::Status CheckEntry(const Field& field) const {
    bool name = false, value = false;
    Reader reader(field.payload);
    for (Field part; !reader.done();) {
      const char* at = reader.pos();
      if (!reader.Next(&part)) return Error(at, "attributes", Describe(reader.error()));
      bool* seen = part.tag == tag::kEntryKey     ? &name
                   : part.tag == tag::kEntryValue ? &value
                                                  : nullptr;
      if (seen == nullptr || *seen) {
        return Error(at, "attributes",
                     "an entry has an unknown or repeated field; write key and value once");
      }
      *seen = true;
    }
    if (name && value) return absl::OkStatus();
    return Error(field.begin, "attributes",
                 name ? "an entry has no value; set one" : "an entry has no key; set one");
  }

  absl::Status CheckName(absl::string_view name, const char* at) const {
    if (name.empty() || name.size() > kMaxNameBytes || !IsNameText(name)) {
      return Error(at, Shown(name), "is no CloudEvents attribute name; use 1 to 64 of a-z and 0-9");
    }
    if (IsReserved(name)) {
      return Error(at, Shown(name), "is a reserved name; use the event's field of that meaning");
    }
    return absl::OkStatus();
  }

  absl::Status CheckData(const Field& field) {
    if (has_data_) return Error(field.begin, "data", "is there twice; send one data field");
    has_data_ = true;
    if (field.tag == tag::kProtoData) return CheckAny(field);
    if (field.tag == tag::kTextData) {
      text_tag_ = field.begin;
      if (!IsValidUtf8(field.payload)) {
        return Error(field.begin, "text_data", "is not well-formed UTF-8; use binary_data");
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckAny(const Field& field) const {
    absl::string_view url;
    bool value = false;
    Reader reader(field.payload);
    for (Field part; !reader.done();) {
      const char* at = reader.pos();
      if (!reader.Next(&part)) return Error(at, "proto_data", Describe(reader.error()));
      if (part.tag == tag::kTypeUrl && url.data() == nullptr) {
        url = part.payload;
      } else if (part.tag == tag::kAnyValue && !value) {
        value = true;
      } else {
        return Error(at, "proto_data",
                     "an unknown or repeated field; write type_url and value once");
      }
    }
    if (!IsValidUtf8(url)) return Error(field.begin, "proto_data.type_url", kNotUtf8);
    const size_t slash = url.rfind('/');
    if (slash == absl::string_view::npos || slash + 1 == url.size()) {
      return Error(field.begin, "proto_data.type_url",
                   "names no message; write type.googleapis.com/package.Message");
    }
    return absl::OkStatus();
  }

  // What only the end of the walk shows.
  absl::Status CheckWhole() {
    const char* missing = id_ == nullptr       ? "id"
                          : source_ == nullptr ? "source"
                          : type_ == nullptr   ? "type"
                                               : nullptr;
    if (missing != nullptr) {
      return AboutAttribute(
          missing, absl::InvalidArgumentError(absl::StrCat(missing, ": is missing; set it")));
    }
    std::sort(names_.begin(), names_.end());
    const auto twice = std::adjacent_find(names_.begin(), names_.end());
    if (twice != names_.end())
      return AboutAttribute(*twice,
                            Error(twice->data(), Shown(*twice), "is there twice; send it once"));
    return absl::OkStatus();
  }

  const absl::string_view bytes_;
  const char* id_ = nullptr;
  const char* source_ = nullptr;
  const char* type_ = nullptr;
  const char* version_ = nullptr;
  const char* text_tag_ = nullptr;
  absl::string_view empty_version_;
  bool has_data_ = false;
  absl::InlinedVector<absl::string_view, 16> names_;
};

absl::Status CheckSize(size_t size, const EventLimits& limits) {
  if (size <= limits.max_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("event: has ", size, " bytes, more than the ", limits.max_bytes,
                   " allowed; put large data elsewhere and send a reference (dataref)"));
}

}  // namespace

absl::StatusOr<Event> CheckEvent(std::string bytes, const EventLimits& limits) {
  OUTBOARD_RETURN_IF_ERROR(CheckSize(bytes.size(), limits));
  Checker checker(bytes);
  OUTBOARD_RETURN_IF_ERROR(checker.Run());
  if (const char* text = checker.text_tag()) {
    bytes[text - bytes.data()] = static_cast<char>(tag::kBinaryData);
  }
  if (!checker.has_version() || !checker.empty_version().empty()) {
    if (const absl::string_view empty = checker.empty_version(); !empty.empty()) {
      bytes.erase(empty.data() - bytes.data(), empty.size());
    }
    event_wire::AppendField(tag::kSpecVersion, "1.0", &bytes);
    OUTBOARD_RETURN_IF_ERROR(CheckSize(bytes.size(), limits));
  }
  return Event::FromChecked(std::move(bytes));
}

}  // namespace outboard

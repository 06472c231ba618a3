#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace outboard {

using Timestamp = std::chrono::sys_time<std::chrono::nanoseconds>;

// The value of one CloudEvents attribute, a view like Event.
struct Attribute {
  enum class Kind { kBoolean, kInteger, kString, kBytes, kUri, kUriRef, kTimestamp };

  Kind kind = Kind::kString;
  std::string_view text;  // kString, kBytes, kUri, kUriRef.
  bool boolean = false;
  int32_t integer = 0;
  Timestamp timestamp;

  // The canonical text of CloudEvents; bytes as they are, timestamps as RFC 3339 in UTC.
  std::string ToString() const;
};

// One event, read in place: everything it returns points into memory that lives until the handler
// returns. Copy what you keep. Never changes; any thread.
class Event {
 public:
  enum class DataKind { kNone, kBinary, kText, kProto };

  Event() = default;

  // Views an encoded outboard.event.v1.Event, which must outlive the view. Nothing where it is not
  // one.
  static std::optional<Event> Parse(std::string_view wire);

  std::string_view id() const { return id_; }
  std::string_view source() const { return source_; }
  std::string_view spec_version() const { return spec_version_; }
  std::string_view type() const { return type_; }
  // The payload; of a protobuf message, its bytes (see data_type_url).
  std::string_view data() const { return data_; }
  DataKind data_kind() const { return data_kind_; }
  // kProto: the type URL of the message in data(). Otherwise empty.
  std::string_view data_type_url() const { return data_type_url_; }

  // Well-known attributes; empty where absent.
  std::string_view subject() const { return text("subject"); }
  std::string_view data_content_type() const { return text("datacontenttype"); }
  // Attribute "time"; nothing where absent.
  std::optional<Timestamp> time() const;

  // Any optional or extension attribute by its name. A lookup walks the attributes: keep what you
  // need twice.
  std::optional<Attribute> attribute(std::string_view name) const;
  // Its text where it is text, else empty.
  std::string_view text(std::string_view name) const;
  void ForEachAttribute(
      const std::function<void(std::string_view name, const Attribute& value)>& visit) const;

  // The event as it is encoded; parse it with the generated outboard::event::v1::Event where you
  // want that.
  std::string_view wire() const { return wire_; }

 private:
  bool ReadData(uint32_t field, std::string_view bytes);

  std::string_view wire_;
  std::string_view attributes_;  // From the first attribute to the end of wire_.
  std::string_view id_, source_, spec_version_, type_, data_, data_type_url_;
  DataKind data_kind_ = DataKind::kNone;
};

// An event to emit or to publish. Setters may be chained; the last one of a kind counts.
class NewEvent {
 public:
  explicit NewEvent(std::string_view type);
  // The same event, for a stage to change: what is set afterwards counts.
  static NewEvent From(const Event& event);

  // In an emit leave id and source empty: the host derives them, so that a redelivery makes the
  // same ones. To publish, both are needed.
  NewEvent& Id(std::string_view id);
  NewEvent& Source(std::string_view source);
  NewEvent& Data(std::string_view bytes);
  // Data with datacontenttype application/json.
  NewEvent& Json(std::string_view json);
  NewEvent& Subject(std::string_view subject) { return Set("subject", subject); }
  NewEvent& DataContentType(std::string_view type) { return Set("datacontenttype", type); }
  NewEvent& Time(Timestamp time) { return Set("time", time); }

  // Any optional or extension attribute.
  NewEvent& Set(std::string_view name, std::string_view text);
  NewEvent& Set(std::string_view name, const char* text) {
    return Set(name, std::string_view(text));
  }
  NewEvent& Set(std::string_view name, int32_t value);
  NewEvent& Set(std::string_view name, bool value);
  NewEvent& Set(std::string_view name, Timestamp time);

  // The encoded outboard.event.v1.Event.
  const std::string& wire() const { return wire_; }
  // A view of it, valid until this changes or dies.
  Event view() const { return *Event::Parse(wire_); }

 private:
  NewEvent() = default;
  NewEvent& SetEncoded(std::string_view name, std::string_view value);

  std::string wire_;
};

}  // namespace outboard

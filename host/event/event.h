#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outboard {

// One CloudEvent: the wire bytes of an outboard.event.v1.Event, checked once where they entered,
// and views of the attributes that routing and lineage need. Immutable; copies share the bytes. Any
// thread.
class Event {
 public:
  // No event: bytes() and all attributes are empty.
  Event() = default;

  // Takes over bytes that CheckEvent (wire.h) has passed before, such as those in our own log, and
  // finds the attributes again. DATA_LOSS if they are no well-formed event after all.
  static absl::StatusOr<Event> FromChecked(std::string bytes);

  absl::string_view bytes() const { return rep_ ? absl::string_view(rep_->bytes) : ""; }
  size_t size() const { return rep_ ? rep_->bytes.size() : 0; }
  bool empty() const { return rep_ == nullptr; }

  absl::string_view id() const { return View(&Rep::id); }
  absl::string_view source() const { return View(&Rep::source); }
  absl::string_view type() const { return View(&Rep::type); }

  // An attribute in its CloudEvents text form (integers in decimal, booleans as "true" and "false",
  // bytes as base64, timestamps as RFC 3339), optional, extension or required; nothing if it is
  // absent. Walks the bytes.
  std::optional<std::string> attribute(absl::string_view name) const;

 private:
  struct Span {
    uint32_t offset = 0;
    uint32_t size = 0;
  };
  struct Rep {
    std::string bytes;
    Span id, source, type;
  };
  absl::string_view View(Span Rep::*span) const {
    if (!rep_) return "";
    const Span s = (*rep_).*span;
    return absl::string_view(rep_->bytes).substr(s.offset, s.size);
  }

  std::shared_ptr<const Rep> rep_;
};

}  // namespace outboard

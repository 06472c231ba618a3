#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "outboard/event/v1/event.pb.h"
#include "outboard/plugin/v1/plugin.pb.h"
#include "outboard/plugin/v1/session.pb.h"

namespace outboard::conform {

// The events of a file: one in CloudEvents' JSON format, an array of them, or one a line.
// INVALID_ARGUMENT names the line and the fix.
absl::StatusOr<std::vector<event::v1::Event>> ReadEvents(absl::string_view text);

// Makes deliveries for a component: of the events that people gave, in turn, or made up for its
// event_types. Each event has an id of its own. Ids of deliveries are left to the session.
class Samples {
 public:
  Samples(std::vector<event::v1::Event> given, outboard::plugin::v1::Component component)
      : given_(std::move(given)), component_(std::move(component)) {}

  event::v1::Event NextEvent();
  outboard::plugin::v1::Delivery Next();
  std::vector<outboard::plugin::v1::Delivery> Next(size_t count);
  outboard::plugin::v1::Delivery Deliver(event::v1::Event event);
  // Of an operation that the component hooks, which must name some.
  outboard::plugin::v1::Delivery NextCall();

  // Events that are legal and unusual, each with what is unusual about it.
  std::vector<std::pair<std::string, event::v1::Event>> Unusual();

 private:
  std::vector<event::v1::Event> given_;
  const outboard::plugin::v1::Component component_;
  uint64_t made_ = 0;
};

// A type that the pattern takes: "story.#" gives "story.conform".
std::string TypeFor(absl::string_view pattern);

}  // namespace outboard::conform

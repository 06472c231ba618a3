#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "host/conform/stand.h"

namespace outboard::conform {

// What a component said of one event.
struct Tried {
  v1::Component component;
  event::v1::Event event;
  Answer answer;
};

// Starts (or dials) the plugin, opens one session with the component (empty: its only one), and
// delivers the subject's events, each once. `show` gets each event with its answer, in the order of
// the events. INVALID_ARGUMENT: no such component, or several; FAILED_PRECONDITION: the plugin
// refuses its config, or broke the contract; UNAVAILABLE: nobody listens at the address.
absl::Status TryEvents(const Subject& subject, const std::string& component,
                       const std::function<void(const Tried&)>& show);

}  // namespace outboard::conform

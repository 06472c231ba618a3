#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "host/base/clock.h"
#include "host/lane/io.h"

namespace outboard::lane {

// Decides everything about the events of one plugin: which delivery goes to which session and when,
// what an answer, a deadline or a crash means, retry, order per key, probing, crash attribution,
// circuit, drain. A pure state machine: no I/O, no clock, no threads; the same inputs at the same
// times give the same effects (jitter comes from the seed).
//
// Owned by a shard and stepped on its thread. All lanes of a plugin are here together, because they
// share its sessions, and because suspects and the circuit are the plugin's.
class Dispatcher {
 public:
  // `known`: what a dispatcher before this one said last, in Effects::known.
  Dispatcher(DispatcherOptions options, uint64_t seed, std::vector<KnownSuspect> known = {});
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Takes one input and appends what is to be done. `now` never goes back. The caller carries out
  // all effects before the next step: credits are absolute, frames of a session go out in the order
  // given, cancels and closes of a session after its frames.
  void Step(Input input, Time now, Effects* effects);

  const LaneStats& stats(LaneId lane) const;
  // Nothing of the lane is here, or owed by a session.
  bool empty(LaneId lane) const;
  CircuitState circuit() const;
  const std::string& circuit_reason() const;
  std::vector<SuspectView> suspects() const;
  std::vector<SessionView> sessions() const;
  // Since when every usable session of the component has had its window held at 0 by the plugin;
  // nothing: one is open, or there is none.
  std::optional<Time> paused_since(ComponentId component) const;
  // Where events of these ids are and what they wait for; not those that another hop has.
  std::vector<EventView> Find(const absl::flat_hash_set<std::string>& ids) const;
  uint64_t late_answers() const;
  uint64_t protocol_errors() const;
  bool draining() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::lane

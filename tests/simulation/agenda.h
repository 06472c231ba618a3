#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "host/base/clock.h"

namespace outboard::simulation {

// What the world does next, by virtual time; at one instant in the order of the calls.
enum class Act : uint8_t {
  kPublish,        // what: lane.
  kHandOut,        // what: lane.
  kReport,         // The bus reports settlements.
  kTick,           // what: session; its component works.
  kLateAnswer,     // what: session; answers what was given up.
  kSessionDown,    // what: session.
  kLaunch,         // what: slot.
  kSessionUp,      // what: slot, extra: component.
  kStopSlot,       // what: slot; the supervisor ends an instance that has drained or whose grace is
                   // over.
  kInstanceEnded,  // what: slot, extra: generation; the host learns that a remote instance is gone.
  kCalls,          // Callers call, or give up.
  kGoOn,           // what: lane; somebody has seen to the dead letters that stopped it.
  kLetters,        // what: lane; somebody replays and purges its dead letters.
  kChaos,          // Something befalls the world.
};

struct Appointment {
  Time at;
  uint64_t order;
  Act act;
  uint64_t what;
  uint64_t extra;
};

class Agenda {
 public:
  void Add(Time at, Act act, uint64_t what = 0, uint64_t extra = 0) {
    heap_.push_back({at, ++order_, act, what, extra});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  bool empty() const { return heap_.empty(); }
  Time next() const { return heap_.empty() ? kNever : heap_.front().at; }
  Appointment Take() {
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    const Appointment result = heap_.back();
    heap_.pop_back();
    return result;
  }

 private:
  static bool Later(const Appointment& a, const Appointment& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }
  std::vector<Appointment> heap_;
  uint64_t order_ = 0;
};

}  // namespace outboard::simulation

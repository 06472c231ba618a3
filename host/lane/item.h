#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/bus/bus.h"
#include "host/lane/io.h"

namespace outboard::lane {

struct Item;
class Lane;

constexpr uint64_t kNoSequence = ~uint64_t{0};
constexpr size_t kMaxTried = 16;       // The last so many turns of an event,
constexpr size_t kMaxTriedText = 200;  // and so much of what was said then, go with a dead letter.

// One value of an ordered lane's attribute, while the lane has events of it. The oldest ones are
// active, the others wait.
struct Key {
  std::string value;
  std::vector<Item*> active;  // Ready, in flight, waiting, suspect or set aside: one, or a run on
                              // an in_order component.
  std::deque<Item*> parked;   // In the order of the bus.
  uint32_t owed = 0;          // Expired deliveries that a session still has to answer.
  // The oldest active one that went back to the bus before younger ones of its run: these follow.
  uint64_t back_from = kNoSequence;
  SessionId failed_on =
      0;  // The run under way on this session had a failure: what it releases is free.
};

enum class ItemState : uint8_t {
  kFree,       // Slot not in use, or on its way from one state to the next.
  kReady,      // In its lane's queue.
  kParked,     // Behind its key.
  kInFlight,   // With a session.
  kForwarded,  // With the next hop.
  kWaiting,    // In memory until `wake`: a retry of an ordered lane, or a released delivery.
  kSuspect,    // Was unanswered when its session was lost.
  kSetAside,   // Ended crash_limit quarantine sessions.
  kSettling,   // Handed to the bus.
};

// One delivery on its way through the dispatcher.
struct Item {
  uint32_t slot = 0;  // Its place in the dispatcher's table; the cookie of its settlement.
  ItemState state = ItemState::kFree;
  bool passes = false;     // The stage does not hook its type.
  bool overdue = false;    // kWaiting, and due, but its key does not let it go yet.
  bool suspected = false;  // kSuspect, kSetAside, or on trial.
  bool aside = false;      // kSetAside, also while the circuit tries it.
  bool control_known =
      false;              // Suspect: another event succeeded after this one had been set aside.
  uint64_t sequence = 0;  // Order of arrival.
  Lane* lane = nullptr;
  Key* key = nullptr;
  bus::LaneId lane_id = 0;
  bus::Tag tag = 0;
  Event event;
  std::shared_ptr<const Call> call;  // Instead of the event, or what has it.
  Time call_deadline = kNever;
  size_t bytes = 0;
  uint32_t attempts = 0;  // Counted.
  uint32_t releases = 0;
  uint32_t ends = 0;            // Quarantine sessions that ended with it.
  uint32_t proven = 0;          // Of these, its doing: no stream failed, or its instance ended too.
  std::vector<uint64_t> vague;  // Remote: lives of the others, as in SessionUp.
  uint64_t last_trial = 0;      // When it was last tried by the circuit; a count.
  SessionId session = 0;        // kInFlight.
  uint64_t delivery_id = 0;     // kInFlight.
  Time accepted_at{};           // By the bus.
  Time sent_at{};               // kInFlight.
  std::optional<Duration> took;  // Of a stage's last turn, if it let the event pass.
  Time wake{};                   // kWaiting.
  bus::End end{};                // kSettling.
  // Its last kMaxTried turns that did not end well since the bus handed it out; null: none.
  std::unique_ptr<std::vector<bus::Attempt>> tried;
  std::string version;      // Of the plugin, at its last end.
  uint64_t generation = 0;  // The same.
  size_t lost_with = 0;     // In flight on the session by whose end it became a suspect.
  std::string report;       // Of its last end.
};

}  // namespace outboard::lane

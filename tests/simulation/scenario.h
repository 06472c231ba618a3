#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/lane/io.h"
#include "tests/simulation/random.h"

namespace outboard::simulation {

// What the world is like for some time. Chances are per delivery handled, per tick of a session, or
// per settlement.
struct Phase {
  const char* name = "calm";
  uint32_t steps = 0;
  // Per delivery: what the component says; the rest is DONE.
  double retry = 0.03, reject = 0.02, release = 0.03;
  double retry_after = 0.3;     // Of RETRY: says when.
  double hang = 0;              // Not answered, or late.
  double emit = 0.1;            // Of DONE.
  double halt = 0, change = 0;  // Of DONE of a stage.
  bool die_on_all = false;
  // Per tick.
  double duplicate = 0.02, lie = 0, progress = 0.05, window = 0.02;
  uint64_t pace_from = 30, pace_to = 20'000;  // Microseconds between the ticks of a session.
  // Per settlement.
  double settle_fails = 0.01, settle_refused = 0.1;  // The second: of those with emits.
  // Per launch.
  double launch_fails = 0.02;
  // Microseconds between two blows, and what they are.
  uint64_t chaos_from = 50'000, chaos_to = 5'000'000;
  uint32_t kill = 1, go_away = 1, stream = 1, deploy = 1, host = 1, drain = 1, quarantine = 1,
           pause = 1;
};

struct ComponentTraits {
  lane::Role role = lane::Role::kWorker;
  std::vector<std::string> event_types;  // As in SessionUp.
  std::vector<std::string> operations;
  uint32_t concurrency = 0;
  bool in_order = false;
  uint32_t max_in_flight = 0;
  size_t max_in_flight_bytes = 0;
  size_t max_message_bytes = 4 << 20;
};

struct LaneTraits {
  uint32_t events = 0;
  uint32_t keys = 0;  // 0: no event has a key.
  double keyless = 0;
  double killers = 0;  // Share of events that end the process that handles them.
  double big = 0;
  uint64_t arrive_to = 0;  // Microseconds between two batches, at most.
};

struct Scenario {
  uint64_t seed = 0;
  uint32_t steps = 0;
  lane::DispatcherOptions options;
  std::vector<ComponentTraits> components;
  std::vector<LaneTraits> lanes;
  std::vector<Phase> phases;
  uint32_t instances = 1;
  double streams_fail = 0;   // Remote: share of ends of a process that look like a failed stream.
  uint32_t killer_hops = 1;  // Ids of hops that killers may choose from.
  bool fair = false;         // Only killers end quarantine instances: no innocent may be convicted.
  bool killers_mended = false;  // At the end killers become harmless; else they must be convicted.
  double late_timer = 0;
};

// One piece of a scenario, for others to put together.
Phase MakePhase(Random* random);
ComponentTraits MakeComponent(Random* random);
LaneTraits MakeLaneTraits(uint32_t steps, Random* random);
lane::DispatcherOptions MakeOptions(Random* random);
lane::LaneOptions MakeLaneOptions(uint32_t number, uint32_t components, Random* random);

// Everything that is chosen before a history begins.
Scenario MakeScenario(uint64_t seed, uint32_t steps, Random* random);
// The last phase: everything is mended.
Phase MendedPhase();

}  // namespace outboard::simulation

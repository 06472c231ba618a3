#include "tests/simulation/scenario.h"

#include <algorithm>

#include "tests/simulation/samples.h"

namespace outboard::simulation {
namespace {

using std::chrono::hours;

Phase Outage() {
  Phase p;
  p.name = "outage";
  p.retry = 0.985, p.reject = 0.002, p.release = 0.005;
  return p;
}

Phase Flaky() {
  Phase p;
  p.name = "flaky";
  p.retry = 0.35, p.reject = 0.1, p.release = 0.1, p.hang = 0.05;
  return p;
}

Phase Releasing() {
  Phase p;
  p.name = "releasing";
  p.release = 0.95, p.retry = 0.02;
  return p;
}

Phase Deadly() {
  Phase p;
  p.name = "deadly";
  p.die_on_all = true;
  return p;
}

Phase Hanging() {
  Phase p;
  p.name = "hanging";
  p.hang = 0.4, p.progress = 0.4;
  return p;
}

Phase Lying() {
  Phase p;
  p.name = "lying";
  p.lie = 0.08, p.duplicate = 0.2, p.hang = 0.05;
  return p;
}

Phase BrokenBus() {
  Phase p;
  p.name = "broken bus";
  p.settle_fails = 0.4, p.settle_refused = 0.5, p.emit = 0.4, p.reject = 0.15, p.retry = 0.15;
  return p;
}

Phase Windows() {
  Phase p;
  p.name = "windows";
  p.window = 0.4;
  return p;
}

Phase NoLaunch() {
  Phase p;
  p.name = "no launch";
  p.launch_fails = 0.9, p.chaos_to = 200'000, p.kill = 8;
  return p;
}

Phase Storm() {
  Phase p;
  p.name = "storm";
  p.chaos_from = 2'000, p.chaos_to = 300'000, p.hang = 0.1, p.retry = 0.1;
  return p;
}

}  // namespace

Phase MakePhase(Random* random) {
  static constexpr Phase (*kMakers[])() = {Outage, Flaky,     Releasing, Deadly,   Hanging,
                                           Lying,  BrokenBus, Windows,   NoLaunch, Storm};
  Phase p = random->Chance(0.25) ? Phase() : random->Pick(kMakers)();
  if (random->Chance(0.5)) {
    p.pace_from = random->Spread(10, 1'000);
    p.pace_to = p.pace_from * random->Spread(1, 100);
  }
  if (random->Chance(0.3)) p.kill = 6;
  if (random->Chance(0.5)) p.host = 0;
  if (random->Chance(0.5)) p.drain = 0;
  if (random->Chance(0.7)) p.deploy = 0;
  return p;
}

ComponentTraits MakeComponent(Random* random) {
  static constexpr uint32_t kConcurrency[] = {0, 1, 1, 2, 4};
  ComponentTraits c;
  c.concurrency = random->Pick(kConcurrency);
  c.in_order = random->Chance(0.25);
  if (random->Chance(0.4)) c.max_in_flight = static_cast<uint32_t>(random->Between(1, 24));
  if (random->Chance(0.2)) c.max_in_flight_bytes = random->Between(200, 4'000);
  if (random->Chance(0.25)) c.max_message_bytes = random->Between(1'500, 2'500);
  return c;
}

lane::LaneOptions MakeLaneOptions(uint32_t number, uint32_t components, Random* random) {
  lane::LaneOptions lane;
  lane.id = 10 + 7 * number;
  lane.name = "route" + std::to_string(number) + "/target";
  lane.route = "route" + std::to_string(number);
  lane.component = number < components ? number : static_cast<uint32_t>(random->Below(components));
  if (random->Chance(0.5)) lane.order_by = kOrderBy;
  lane.retry.max_attempts = static_cast<uint32_t>(random->Between(1, 6));
  lane.retry.initial = random->SpreadMicros(5'000, 500'000);
  lane.retry.max = lane.retry.initial * static_cast<int64_t>(random->Between(1, 20));
  static constexpr double kJitter[] = {0, 0.2, 1};
  lane.retry.jitter = random->Pick(kJitter);
  lane.retry.probe_limit =
      random->Chance(0.4) ? random->SpreadMicros(300'000, 5'000'000) : Duration(hours(24));
  return lane;
}

LaneTraits MakeLaneTraits(uint32_t steps, Random* random) {
  LaneTraits t;
  t.events = static_cast<uint32_t>(random->Between(5, 20 + steps / 8));
  t.keys = random->Chance(0.85) ? static_cast<uint32_t>(random->Between(1, 6)) : 0;
  t.keyless = random->Chance(0.5) ? 0.2 : 0;
  t.killers = random->Chance(0.35) ? static_cast<double>(random->Between(1, 3)) / t.events : 0;
  t.big = random->Chance(0.4) ? 0.1 : 0;
  t.arrive_to = random->Spread(1'000, 2'000'000);
  return t;
}

lane::DispatcherOptions MakeOptions(Random* random) {
  lane::DispatcherOptions o;
  o.plugin = "subject";
  o.remote = random->Chance(0.25);
  o.time_limit = random->SpreadMicros(100'000, 4'000'000);
  o.progress_cap = o.time_limit * static_cast<int64_t>(random->Between(1, 5));
  o.crash_limit = static_cast<uint32_t>(random->Between(1, 3));
  o.circuit.crashes = static_cast<uint32_t>(random->Between(2, 8));
  o.circuit.within = random->SpreadMicros(1'000'000, 60'000'000);
  o.circuit.trial_after = random->SpreadMicros(300'000, 10'000'000);
  o.linger = random->SpreadMicros(50, 4'000);
  o.frame_deliveries = static_cast<uint32_t>(random->Spread(1, 24));
  o.frame_bytes = random->Chance(0.3) ? random->Between(300, 3'000) : 1 << 20;
  o.session_deliveries = static_cast<uint32_t>(random->Spread(1, 63));
  if (random->Chance(0.3)) o.session_bytes = random->Between(200, 8'000);
  o.lane_deliveries = static_cast<uint32_t>(random->Spread(8, 63));
  if (random->Chance(0.3)) o.lane_bytes = random->Between(12'000, 30'000);
  // As by default, well below what the lane may hold.
  o.lane_held = static_cast<uint32_t>(random->Between(2, std::max(2u, o.lane_deliveries / 2)));
  o.probe_after = static_cast<uint32_t>(random->Between(2, 12));
  o.probe_events = static_cast<uint32_t>(random->Between(1, std::min(o.probe_after, 5u)));
  o.probe_initial = random->SpreadMicros(20'000, 1'000'000);
  o.probe_max = o.probe_initial * static_cast<int64_t>(random->Between(1, 30));
  o.release_delay = random->SpreadMicros(5'000, 200'000);
  o.max_releases = static_cast<uint32_t>(random->Between(1, 4));
  o.settle_retry = random->SpreadMicros(10'000, 1'000'000);
  return o;
}

Scenario MakeScenario(uint64_t seed, uint32_t steps, Random* random) {
  Scenario s;
  s.seed = seed;
  // Short ones are the more likely: they find as much per second, and the long ones what needs
  // time.
  const uint32_t drawn = static_cast<uint32_t>(200'000 / random->Between(100, 1'000));
  s.steps = steps != 0 ? steps : drawn;
  s.options = MakeOptions(random);
  if (s.options.remote) s.streams_fail = random->Chance(0.3) ? 1 : 0.4;
  const uint32_t components = random->Chance(0.35) ? 2 : 1;
  for (uint32_t i = 0; i < components; ++i) {
    s.options.components.push_back("component" + std::to_string(i));
    s.components.push_back(MakeComponent(random));
  }
  const uint32_t lanes = static_cast<uint32_t>(random->Between(components, 3));
  for (uint32_t i = 0; i < lanes; ++i) {
    s.options.lanes.push_back(MakeLaneOptions(i, components, random));
    s.options.lanes.back().stops = random->Chance(0.3);
    s.options.lanes.back().parks = !s.options.lanes.back().order_by.empty() && random->Chance(0.4);
    s.lanes.push_back(MakeLaneTraits(s.steps, random));
  }
  s.instances = static_cast<uint32_t>(random->Between(1, 3));
  s.killers_mended = random->Chance(0.4);
  s.late_timer = random->Chance(0.3) ? 0.3 : 0;
  s.fair = random->Chance(0.5);
  for (uint32_t left = s.steps; left > 0;) {
    Phase p = MakePhase(random);
    if (s.fair) {
      p.die_on_all = false;
      p.lie = 0;
      p.quarantine = 0;
    }
    p.steps = std::min<uint32_t>(left, static_cast<uint32_t>(random->Between(50, 400)));
    left -= p.steps;
    s.phases.push_back(p);
  }
  return s;
}

Phase MendedPhase() {
  Phase p;
  p.name = "mended";
  p.retry = p.reject = p.release = p.hang = p.emit = 0;
  p.duplicate = p.lie = p.progress = p.window = 0;
  p.settle_fails = p.settle_refused = p.launch_fails = 0;
  p.pace_from = 50, p.pace_to = 5'000;
  p.chaos_to = 0;
  return p;
}

}  // namespace outboard::simulation

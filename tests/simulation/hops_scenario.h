#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/pipeline/walks.h"
#include "tests/simulation/random.h"
#include "tests/simulation/scenario.h"

namespace outboard::simulation {

// One hop of a lane, or one stage of the pipeline.
struct HopTraits {
  uint32_t plugin = 0;
  lane::LaneId id = 0;
  bool hooks = true;  // Its component takes the events of the samples.
  bool fail_open = false;
  bool observes = false;
};

// Several plugins: lanes that go through stages of some to a worker of another, and a pipeline.
struct HopsScenario {
  uint32_t steps = 0;
  std::vector<Scenario> plugins;             // Each with its part: components, options, instances.
  Scenario world;                            // Its lanes: what the bus has.
  std::vector<std::vector<HopTraits>> hops;  // By lane, in order, observers before what they see.
  std::vector<HopTraits> stages;             // Of the pipeline.
  std::vector<std::string> operations;       // That it may be called with.
  uint32_t calls = 0;
  std::vector<Phase> phases;
};

HopsScenario MakeHopsScenario(uint64_t seed, uint32_t steps, Random* random);

}  // namespace outboard::simulation

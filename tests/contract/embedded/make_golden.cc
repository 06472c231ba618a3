#include <cstdio>
#include <filesystem>

#include "host/base/status.h"
#include "host/bus/embedded/embedded_bus.h"
#include "tests/contract/bus_harness.h"

// Makes a file of the current version as a host leaves it that was cut off: make_golden FOLDER.
// golden_test.cc says what is in it. Run it once for each version, keep the result as
// tests/golden/embedded-v<version>, and never change it.
namespace outboard::bus {
namespace {

void Make(const std::string& folder) {
  const std::string work = folder + ".work";
  TestClock clock;
  EmbeddedBusOptions options;
  options.path = work;
  options.clock = &clock;
  options.limits = {2, 1000, std::chrono::hours(1)};
  auto bus = EmbeddedBus::Open(options).value();
  LaneSpec unreliable = MakeLane("quick/x", "story.#");
  unreliable.reliable = false;
  LaneSpec one = MakeLane("one/x", "task.*");
  one.mode = Mode::kSingleton;
  LaneSpec two = one;
  two.name = "two/x";
  const std::vector<LaneSpec> lanes = {MakeLane("main/x", "story.#"), unreliable, one, two};
  std::vector<LaneSpec> with_orphan = lanes;
  with_orphan.push_back(MakeLane("orphan/x", "#"));
  OUTBOARD_CHECK(bus->Declare(with_orphan).ok());
  PublishIds(*bus, {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"}, "story.post");
  PublishIds(*bus, {"t0", "t1"}, "task.put");
  OUTBOARD_CHECK(bus->Declare(lanes).ok());
  clock.Advance(std::chrono::seconds(1));
  PublishIds(*bus, {"s10", "s11"}, "story.post");

  Reader reader(*bus, clock);
  reader.Open(1, "main/x", 9);
  const std::vector<Delivery> deliveries = reader.Take(1, 9);
  reader.Finish(deliveries[0], End::kDone);
  reader.Finish(deliveries[1], End::kRetry, [&](Settlement* s) {
    s->attempts = 4;
    s->due = clock.Now() + std::chrono::seconds(30);
  });
  reader.Finish(deliveries[3], End::kDead, [](Settlement* s) {
    s->attempts = 12;
    *s->dead = {"TIMEOUT", "no answer in 30 s", "line 1\nline 2"};
  });
  // s2 is passed by so much that it moves to a row of its own; s5 stays in flight, s7 and s8 too.
  reader.Finish(deliveries[4], End::kDone);
  reader.Finish(deliveries[6], End::kDone,
                [](Settlement* s) { s->emits = {MakeEvent("c6", "task.emitted")}; });
  bus->Info();
  std::filesystem::create_directories(folder);
  for (const char* file : {"/bus.sqlite", "/bus.sqlite-wal"}) {
    std::filesystem::copy_file(work + file, folder + file);
  }
  reader.consumer().Close(1);
}

}  // namespace
}  // namespace outboard::bus

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_golden FOLDER\n");
    return 2;
  }
  outboard::bus::Make(argv[1]);
  std::filesystem::remove_all(std::string(argv[1]) + ".work");
  return 0;
}

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
  LaneSpec parking = MakeLane("park/x", "park.#");
  parking.parking.by = "source";
  const std::vector<LaneSpec> lanes = {MakeLane("main/x", "story.#"), unreliable, one, two,
                                       parking};
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
    s->tried = std::make_unique<std::vector<Attempt>>(
        std::vector<Attempt>{{clock.Now(), "retry", "BUSY", "later", "v1"}});
  });
  reader.Finish(deliveries[3], End::kDead, [&](Settlement* s) {
    s->attempts = 12;
    *s->dead = DeadReason{"TIMEOUT", "no answer in 30 s", "line 1\nline 2", "v1"};
    s->tried = std::make_unique<std::vector<Attempt>>(
        std::vector<Attempt>{{clock.Now(), "deadline", "TIMEOUT", "no answer in 30 s", "v1"}});
  });
  // s2 is passed by so much that it moves to a row of its own; s5 stays in flight, s7 and s8 too.
  reader.Finish(deliveries[4], End::kDone, [&](Settlement* s) {
    s->placed = std::make_unique<Placed>(Placed{Offset(std::string("topic/3@17")), clock.Now()});
  });
  reader.Finish(deliveries[6], End::kDone,
                [](Settlement* s) { s->emits = {MakeEvent("c6", "task.emitted")}; });
  const std::vector<DeadLetter> letters = bus->ListDead({}, 0, 1, nullptr).value();
  OUTBOARD_CHECK(
      bus->EditDead(letters.at(0).id, MakeEvent("s3", "story.post", "storyboard", "[3]")).ok());
  // p1 waits behind p0.
  PublishIds(*bus, {"p0", "p1"}, "park.it");
  reader.Open(2, "park/x", 1);
  reader.Finish(reader.TakeOne(2), End::kDead);
  reader.Credit(2, 10);
  OUTBOARD_CHECK(Eventually([&] {
    reader.Pump();
    return InfoOf(*bus, "park/x").parked == 1;
  }));
  bus->Info();
  std::filesystem::create_directories(folder);
  for (const char* file : {"/bus.sqlite", "/bus.sqlite-wal"}) {
    std::filesystem::copy_file(work + file, folder + file);
  }
  reader.consumer().Close(1);
  reader.consumer().Close(2);
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

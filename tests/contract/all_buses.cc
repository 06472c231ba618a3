#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "host/bus/embedded/embedded_bus.h"
#include "host/bus/memory/memory_bus.h"
#include "tests/chaos/bus/fault_vfs.h"
#include "tests/contract/bus_harness.h"

namespace outboard::bus {
namespace {

class MemoryBusUnderTest final : public BusUnderTest {
 public:
  MemoryBusUnderTest() : bus_(MemoryBusOptions{.clock = &clock_}) {}

  Bus& bus() override { return bus_; }
  TestClock& clock() override { return clock_; }
  void FailWrites(bool on) override {
    bus_.FailWrites(on ? absl::UnavailableError("told to fail") : absl::OkStatus());
  }

 private:
  TestClock clock_;
  MemoryBus bus_;
};

class EmbeddedBusUnderTest final : public BusUnderTest {
 public:
  EmbeddedBusUnderTest() {
    char folder[] = "/tmp/outboard-bus-XXXXXX";
    root_ = mkdtemp(folder);
    folder_ = root_ + "/0";
    Start();
  }
  ~EmbeddedBusUnderTest() override {
    bus_.reset();
    std::filesystem::remove_all(root_);
  }

  Bus& bus() override { return *bus_; }
  TestClock& clock() override { return clock_; }
  void Restart() override {
    bus_.reset();
    Start();
  }
  // The files as they are now, which is what kill -9 leaves, become those of the next bus.
  void Crash() override {
    const std::string next = root_ + "/" + std::to_string(++starts_);
    std::filesystem::copy(folder_, next);
    bus_.reset();
    folder_ = next;
    Start();
  }
  void FailWrites(bool on) override { vfs_.FailWrites(on ? SQLITE_IOERR_WRITE : SQLITE_OK); }

 private:
  void Start() {
    EmbeddedBusOptions options;
    options.path = folder_;
    options.clock = &clock_;
    options.vfs = vfs_.name();
    options.dead_step = 2;  // What takes several steps in earnest takes them here.
    auto bus = EmbeddedBus::Open(options);
    ASSERT_TRUE(bus.ok()) << bus.status();
    bus_ = *std::move(bus);
  }

  TestClock clock_;
  FaultVfs vfs_;
  std::string root_, folder_;
  int starts_ = 0;
  std::unique_ptr<EmbeddedBus> bus_;
};

}  // namespace

std::vector<BusKind> AllBuses() {
  return {
      {"Memory", [] { return std::make_unique<MemoryBusUnderTest>(); }, false},
      {"Embedded", [] { return std::make_unique<EmbeddedBusUnderTest>(); }},
      {"RabbitmqQuorum", [] { return MakeRabbitmqBusUnderTest(true); }, true, false},
      {"RabbitmqClassic", [] { return MakeRabbitmqBusUnderTest(false); }, true, false},
  };
}

std::vector<BusKind> BusesThat(bool BusKind::*can) {
  std::vector<BusKind> kinds;
  for (BusKind& kind : AllBuses()) {
    if (kind.*can) kinds.push_back(std::move(kind));
  }
  return kinds;
}

}  // namespace outboard::bus

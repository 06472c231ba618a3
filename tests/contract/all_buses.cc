#include "host/bus/memory/memory_bus.h"
#include "tests/contract/bus_harness.h"

namespace outboard::bus {
namespace {

class MemoryBusUnderTest final : public BusUnderTest {
 public:
  MemoryBusUnderTest() : bus_(MemoryBusOptions{.clock = &clock_}) {}

  Bus& bus() override { return bus_; }
  TestClock& clock() override { return clock_; }
  bool durable() const override { return false; }
  void FailWrites(bool on) override {
    bus_.FailWrites(on ? absl::UnavailableError("told to fail") : absl::OkStatus());
  }

 private:
  TestClock clock_;
  MemoryBus bus_;
};

}  // namespace

std::vector<BusKind> AllBuses() {
  return {{"Memory", [] { return std::make_unique<MemoryBusUnderTest>(); }}};
}

}  // namespace outboard::bus

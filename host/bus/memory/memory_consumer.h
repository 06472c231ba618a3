#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/base/mailbox.h"
#include "host/bus/memory/memory_bus.h"

namespace outboard::bus {

// One shard's side of a MemoryBus. All state is guarded by the bus's mutex.
class MemoryConsumer final : public Consumer {
 public:
  explicit MemoryConsumer(MemoryBus* bus) : bus_(bus) {}
  ~MemoryConsumer() override;

  // One of its consumers has an event of this place.
  static bool Has(const MemoryBus::Queue& queue, uint64_t place);

  int fd() const override { return wakeup_.fd(); }
  absl::Status Open(LaneId lane, const std::string& name) override;
  void Close(LaneId lane) override;
  void SetCredit(LaneId lane, uint32_t more) override;
  void Settle(Settlement settlement) override;
  void Poll(Time now, Arrivals* out) override;
  Time NextDue() const override;

 private:
  friend class MemoryBus;
  struct OpenLane {
    std::string name;
    std::shared_ptr<MemoryBus::Queue> queue;
    uint32_t credit = 0;
  };
  struct InFlight {
    LaneId lane = 0;
    MemoryBus::Item item;
  };

  Receipts::Listener SettleLocked(Settlement settlement, Receipt* receipt);
  void CloseLocked(LaneId lane) OUTBOARD_REQUIRES(bus_->mu_);
  void HandOut(LaneId id, OpenLane* lane, Arrivals* out) OUTBOARD_REQUIRES(bus_->mu_);

  MemoryBus* const bus_;
  Wakeup wakeup_;
  std::map<LaneId, OpenLane> lanes_;
  std::unordered_map<Tag, InFlight> in_flight_;
  std::vector<Settled> settled_;
  Tag next_tag_ = 1;
};

}  // namespace outboard::bus

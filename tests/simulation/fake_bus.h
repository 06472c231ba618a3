#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "host/bus/bus.h"
#include "host/bus/parked_keys.h"
#include "tests/simulation/agenda.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/random.h"
#include "tests/simulation/scenario.h"

namespace outboard::simulation {

// One event on one lane, as the bus has it.
struct BusEvent {
  enum class State : uint8_t { kPending, kOut, kRetry, kParked, kDone, kDead };
  Event event;
  int key = -1;
  bool killer = false;
  State state = State::kPending;
  bool redelivered = false;
  bool holds = false;   // Later events of its key wait for it.
  bool purged = false;  // kDead, and nobody waits for it any more.
  uint32_t attempts = 0;
  bus::Tag tag = 0;  // kOut.
  Time due{};        // kRetry.
};

// A durable bus as the port promises it: hands out in order within the credit, returned ones first,
// retries when due; makes settlements in the order of the calls, late, and now and then not. Lanes
// go by number here, 0, 1, ...
class FakeBus {
 public:
  FakeBus(const Scenario& scenario, Random* random, Agenda* agenda, Coverage* coverage);

  void Publish(uint32_t lane, Time now);
  // One more event without faults, whatever the scenario says.
  void PublishControl(uint32_t lane, Time now);
  void HandOut(uint32_t lane, Time now, std::vector<bus::Delivery>* out);
  void SetCredit(uint32_t lane, uint32_t more, Time now);
  void Settle(bus::Settlement settlement, Time now);
  // The outcome of some of the oldest settlements.
  void Report(const Phase& phase, Time now, std::vector<bus::Settled>* out);
  // The host is gone: of the settlements handed over some first ones are made, or all; all that is
  // out comes again.
  void LoseHost(bool orderly, Time now);

  // Somebody replays some of the lane's dead letters that others wait for, and purges some; or all.
  void SeeToLetters(uint32_t lane, bool purge_all, Time now);
  bool HasLetters(uint32_t lane) const;

  bool AllEnded() const;
  // A broken rule that the bus itself sees; empty: none.
  const std::string& complaint() const { return complaint_; }
  const std::vector<BusEvent>& events(uint32_t lane) const { return lanes_[lane].events; }
  uint32_t lanes() const { return static_cast<uint32_t>(lanes_.size()); }
  uint32_t credit(uint32_t lane) const { return lanes_[lane].credit; }
  uint32_t LaneOf(bus::LaneId id) const { return (id - 10) / 7; }
  size_t settling() const { return settling_.size(); }
  size_t retrying() const;
  std::string Describe() const;

 private:
  struct Lane {
    std::vector<BusEvent> events;
    std::vector<uint32_t> returned;                  // A heap, least first.
    std::vector<std::pair<Time, uint32_t>> retries;  // A heap, earliest first.
    uint32_t fresh = 0;                              // The first that was never handed out.
    uint32_t credit = 0;
    bool handing_out = false;  // An appointment is made.
    bus::ParkedKeys letters;   // Also those on their way.
  };
  struct Out {
    uint32_t lane, index;
  };

  void Add(uint32_t lane, bool control);
  void GiveBack(uint32_t lane, uint32_t index);
  // Whether it waits behind a dead letter from now on.
  bool Park(Lane* lane, uint32_t index);
  void Free(Lane* lane, uint32_t index);
  void Unpark(uint32_t lane);
  void Plan(uint32_t lane, Time now);
  void Make(const bus::Settlement& settlement, Time now);
  BusEvent* Find(const bus::Settlement& settlement);

  const Scenario& scenario_;
  Random* random_;
  Agenda* agenda_;
  Coverage* coverage_;
  std::vector<Lane> lanes_;
  std::vector<Out> tags_;  // By tag - 1.
  std::deque<bus::Settlement> settling_;
  bool reporting_ = false;
  std::string complaint_;
};

}  // namespace outboard::simulation

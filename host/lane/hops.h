#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "host/lane/io.h"
#include "host/lane/options.h"

namespace outboard::lane {

// Carries what dispatchers have for each other: events from hop to hop, what became of them and
// credit back, copies to observers, and calls to stages. Gathers what comes for a dispatcher, so
// that a batch stays a batch. Pure; owned by the shard that has all of these dispatchers.
class Hops {
 public:
  // By position, which is how a dispatcher is named here. The options outlive this, or the next
  // Configure.
  explicit Hops(const std::vector<const DispatcherOptions*>& dispatchers);
  // Dispatchers may have come, at the end; of the lanes that left nothing is under way. Not while
  // Next has something.
  void Configure(const std::vector<const DispatcherOptions*>& dispatchers);

  // Takes out of a dispatcher's effects what is for other hops: forwards, jams, stops, and the
  // settlements and credits of all hops but the first. The rest is for the bus and the sessions.
  void TakeFrom(Effects* effects);
  // Observers of a first hop get copies of what the bus handed out.
  void Copy(const std::vector<bus::Delivery>& deliveries);
  void Call(CallsArrived::Item call);
  void GiveUp(LaneId lane, uint64_t call);

  struct Turn {
    size_t dispatcher = 0;
    Input input;
  };
  // The next step to make; nothing: each has all that there is for it.
  std::optional<Turn> Next();

  bool Has(LaneId hop) const { return at_.contains(hop); }
  // The lane that a hop, or an observer, belongs to.
  LaneId LaneOf(LaneId hop) const;
  size_t DispatcherOf(LaneId hop) const { return at_.at(hop).dispatcher; }
  const LaneOptions& OptionsOf(LaneId hop) const { return *at_.at(hop).options; }
  // Those that get copies of what the hop gets.
  const std::vector<LaneId>& ObserversOf(LaneId hop) const;
  // Copies that the observer had no room for.
  uint64_t missed(LaneId observer) const { return observers_.at(observer).missed; }

 private:
  struct Place {
    size_t dispatcher = 0;
    const LaneOptions* options = nullptr;
  };
  struct Observer {
    uint32_t credit = 0;
    uint64_t missed = 0;
    bus::Tag last_tag = 0;
  };
  struct Waiting {
    std::vector<NextCredit> credits;
    std::vector<FirstJammed> jams;
    std::vector<FirstStopped> stops;
    SettlesArrived settled;
    NextEnded ended;
    DeliveriesArrived forwarded;
    CallsArrived calls;
    CallsCancelled given_up;
    bool queued = false;
  };

  Waiting& For(LaneId hop);
  void Copy(const bus::Delivery& delivery);
  // True: it was for another hop.
  bool Take(bus::Settlement* settlement);
  bool Take(const SetCredit& credit);
  void Tell(const FirstJammed& jam);
  void Tell(const FirstStopped& stop);
  static std::optional<Input> TakeNext(Waiting* waiting);

  absl::flat_hash_map<LaneId, Place> at_;
  absl::flat_hash_map<LaneId, LaneId> before_;  // The hop before each but the first.
  std::map<LaneId, Observer> observers_;
  absl::flat_hash_map<LaneId, std::vector<LaneId>> observed_by_;
  std::vector<Waiting> waiting_;  // By dispatcher.
  std::deque<size_t> queue_;      // Those for which something waits.
};

}  // namespace outboard::lane

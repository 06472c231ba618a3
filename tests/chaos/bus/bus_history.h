#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "host/base/mutex.h"
#include "host/bus/bus.h"
#include "tests/contract/bus_harness.h"

// An oracle for buses that are cut off: what a workload saw the bus promise, and whether a bus that
// was opened on what is left keeps it.
namespace outboard::bus {

// Lines such as "confirmed 12", "over a/x 12 done 0 12.0" (handed over), "made a/x 12 done 0" or
// "failed a/x 12"; any thread.
using Recorder = std::function<void(const std::string& line)>;

// The lanes that the workload uses; every event is for "b/x", those of type story.# also for "a/x".
std::vector<LaneSpec> WorkloadLanes();

// Publishes, and settles in every way, by chance.
class Workload {
 public:
  // `prefix` makes event ids unique over several runs.
  Workload(Bus& bus, TestClock& clock, uint64_t seed, std::string prefix, Recorder record);
  // One round: some publishes, one poll, settlements of some of what is out. Publishes may still be
  // under way after it.
  void Step();
  // Waits for the publishes under way.
  ~Workload();

 private:
  struct Held {
    Delivery delivery;
    int rounds = 0;
  };

  void PublishSome();
  void Poll();
  void AwaitAnswers();
  void SettleOne(Delivery delivery);

  Bus& bus_;
  TestClock& clock_;
  std::mt19937_64 random_;
  const std::string prefix_;
  const Recorder record_;
  std::unique_ptr<Consumer> consumer_;
  std::vector<Held> held_;
  std::map<uint64_t, std::string> under_way_;  // Cookie to what to say of it.
  uint64_t next_cookie_ = 1;
  uint64_t next_id_ = 0;
  int calm_ = 0;  // Rounds in which things only end, without emits.
  Mutex mu_;
  CondVar cv_;
  int publishing_ OUTBOARD_GUARDED_BY(mu_) = 0;
};

// What the lines of one or more runs promise.
class History {
 public:
  void Add(const std::string& line);
  // The process that wrote the lines so far is gone: what it handed over is never answered.
  void NextRun();
  size_t confirmed() const { return confirmed_.size(); }
  size_t made() const { return made_; }

  // Takes all there is from the bus and says what is wrong; empty if it keeps all that was
  // promised. After a power loss a plain end may have been taken back (`*undone` counts them), but
  // none that was made before something that the power loss must not touch.
  std::vector<std::string> Check(Bus& bus, TestClock& clock, size_t* undone = nullptr) const;

 private:
  struct Ending {
    std::string end;
    uint32_t attempts = 0;
    std::vector<std::string> emits;

    bool plain() const { return end == "dropped" || (end == "done" && emits.empty()); }
  };
  // One event on one lane.
  struct State {
    Ending now;          // Made last; end empty: nothing yet.
    Ending pending;      // Handed over without an answer.
    Ending before;       // What a plain end replaced,
    size_t made_at = 0;  // and in which line it was made.
    bool cut = false;    // `pending` is of an earlier run.
    size_t over_at = 0;  // In which line `pending` was handed over.
  };
  struct Found {
    std::map<std::string, std::vector<uint32_t>> delivered;  // Id to attempts.
    std::map<std::string, int> dead;
  };

  void HandedOver(const std::string& what, const Ending& ending, State* state);
  void Made(const Ending& ending, State* state);
  std::string CheckOne(const std::string& lane, const std::string& id, const Found& found,
                       size_t* undone) const;
  static bool Fits(const Ending& ending, const Ending& before, const std::string& id,
                   const Found& found);

  std::set<std::string> confirmed_;
  std::map<std::pair<std::string, std::string>, State> states_;  // By lane and id.
  std::set<std::string> void_;      // Emits of settlements that were not made.
  std::vector<std::string> wrong_;  // Promises broken while it ran.
  size_t made_ = 0;
  size_t lines_ = 0;
  size_t synced_to_ = 0;  // What was made in an earlier line no power loss takes back.
};

}  // namespace outboard::bus

#include "host/app/dead_stops.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"

namespace outboard::app {
namespace {

// How often the counts of the bus are looked at, and how often the letters themselves at least: on
// a broker that is a walk over a queue.
constexpr Duration kLookAtCounts = std::chrono::seconds(1);
constexpr Duration kLookAtLetters = std::chrono::minutes(1);
// A dead letter that is on its way to the bus is waited for.
constexpr int kWaitsForLetter = 100;
constexpr auto kWaitForLetter = std::chrono::milliseconds(20);
bool Stops(const bus::DeadLetter& letter) { return letter.why.reason != bus::kOrphaned; }

}  // namespace

DeadStops::DeadStops(bus::Bus* bus, const Clock* clock, Passed passed)
    : bus_(bus), clock_(clock), passed_(std::move(passed)), thread_(clock) {}

DeadStops::~DeadStops() { Stop(); }

void DeadStops::Watch(std::vector<Lane> lanes) {
  thread_.Post([this, lanes = std::move(lanes)] {
    lanes_.clear();
    {
      MutexLock lock(mu_);
      stopped_by_.clear();
    }
    for (const Lane& lane : lanes) lanes_.push_back({lane});
    LookAtAll(true);
  });
}

void DeadStops::Look() {
  thread_.Post([this] { LookAtAll(true); });
}

std::map<std::string, admin::StoppedBy> DeadStops::stopped_by() const {
  MutexLock lock(mu_);
  return stopped_by_;
}

std::optional<admin::StoppedBy> DeadStops::LetterOf(const std::string& lane) const {
  MutexLock lock(mu_);
  const auto found = stopped_by_.find(lane);
  if (found == stopped_by_.end()) return std::nullopt;
  return found->second;
}

void DeadStops::LookLater() {
  if (looks_later_ || lanes_.empty()) return;
  looks_later_ = true;
  thread_.At(clock_->Now() + kLookAtCounts, [this] {
    looks_later_ = false;
    LookAtAll(false);
  });
}

void DeadStops::LookAtAll(bool asked) {
  std::map<std::string, uint64_t> counted;
  if (!lanes_.empty()) {
    absl::StatusOr<std::map<std::string, uint64_t>> counts = bus_->DeadCounts();
    if (counts.ok()) counted = *std::move(counts);
  }
  for (Watched& watched : lanes_) {
    if (stopping_) return;
    LookAt(&watched, counted[watched.lane.name], asked);
  }
  LookLater();
}

// The lane is asked before the bus: what it made of letters since then does not get lost.
void DeadStops::LookAt(Watched* watched, uint64_t counted, bool asked) {
  const std::string& name = watched->lane.name;
  const absl::StatusOr<shard::LaneStops> stops = watched->lane.stops();
  if (!stops.ok()) return;  // It left.
  const std::optional<admin::StoppedBy> before = LetterOf(name);
  const Time now = clock_->Now();
  const bool unexplained = stops->stopped && !before;
  const bool long_ago = stops->stopped && now - watched->looked_at >= kLookAtLetters;
  if (!asked && watched->known && counted == watched->counted && !unexplained && !long_ago) return;
  uint64_t total = 0;
  const absl::StatusOr<std::optional<admin::StoppedBy>> first = FirstOf(name, &total);
  watched->known = first.ok();
  watched->counted = counted;
  watched->looked_at = now;
  if (!first.ok()) return;
  if (*first) {
    if (!stops->stopped) watched->lane.stop();
    MutexLock lock(mu_);
    stopped_by_[name] = **first;
    return;
  }
  if (total == 0) passed_.erase(name);
  {
    MutexLock lock(mu_);
    stopped_by_.erase(name);
  }
  if (!stops->stopped || stops->dying > 0) return;
  watched->lane.go_on(stops->stops);
  if (before) LogInfo("app", "the dead letters are gone, and the lane goes on", {{"lane", name}});
}

absl::StatusOr<std::optional<admin::StoppedBy>> DeadStops::FirstOf(const std::string& lane,
                                                                   uint64_t* total) {
  const auto passed = passed_.find(lane);
  const uint64_t after = passed == passed_.end() ? 0 : passed->second;
  std::optional<admin::StoppedBy> first;
  const auto look = [&](const bus::DeadLetter& letter) {
    if (!Stops(letter) || letter.id <= after || (first && first->dead_id < letter.id)) return;
    first = admin::StoppedBy{letter.id, letter.why.reason, std::string(letter.event.id())};
  };
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<bus::DeadLetter> letters,
                            bus_->ListDead({.lane = lane}, after, 1, total));
  if (letters.empty()) return first;
  look(letters.front());
  // An orphan may stand before others.
  if (!first) OUTBOARD_RETURN_IF_ERROR(bus_->ForEachDead({.lane = lane}, look));
  return first;
}

absl::StatusOr<uint64_t> DeadStops::Pass(const std::string& lane,
                                         const std::function<absl::Status(const Passed&)>& keep) {
  absl::StatusOr<uint64_t> passed = uint64_t{0};
  thread_.Run([&] {
    for (Watched& watched : lanes_) {
      if (watched.lane.name == lane) passed = PassNow(&watched, keep);
    }
  });
  return passed;
}

absl::StatusOr<uint64_t> DeadStops::PassNow(
    Watched* watched, const std::function<absl::Status(const Passed&)>& keep) {
  const std::string& name = watched->lane.name;
  OUTBOARD_ASSIGN_OR_RETURN(shard::LaneStops stops, watched->lane.stops());
  for (int i = 0; stops.dying > 0 && i < kWaitsForLetter && !stopping_; ++i) {
    std::this_thread::sleep_for(kWaitForLetter);
    OUTBOARD_ASSIGN_OR_RETURN(stops, watched->lane.stops());
  }
  if (!stops.stopped) return uint64_t{0};
  if (stops.dying > 0) {
    return absl::UnavailableError(absl::StrCat("lane ", name, " is stopped by a dead letter that ",
                                               "the bus does not have yet: try again"));
  }
  uint64_t last = 0;
  OUTBOARD_RETURN_IF_ERROR(
      bus_->ForEachDead({.lane = name}, [&last](const bus::DeadLetter& letter) {
        if (Stops(letter)) last = std::max(last, letter.id);
      }));
  Passed passed = passed_;
  if (last > 0) passed[name] = last;
  OUTBOARD_RETURN_IF_ERROR(keep(passed));
  passed_ = std::move(passed);
  {
    MutexLock lock(mu_);
    stopped_by_.erase(name);
  }
  watched->lane.go_on(stops.stops);
  return last;
}

}  // namespace outboard::app

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "host/base/mutex.h"

namespace outboard::ingress {

struct Load {
  size_t bytes = 0;
  size_t events = 0;

  friend bool operator==(const Load&, const Load&) = default;
};

// How much all publishers together may have under way. Any thread.
class Bound {
 public:
  explicit Bound(Load most) : most_(most) {}

  // Keeps `call` and calls it once there is room for anything, on the thread that gave it back.
  // False: there is room now, or nobody is kept waiting any more; `call` is not kept.
  bool CallWhenRoom(std::function<void()> call) OUTBOARD_EXCLUDES(mu_);
  // Calls all who wait, and keeps nobody waiting from now on.
  void StopWaiting() OUTBOARD_EXCLUDES(mu_);

  Load under_way() const OUTBOARD_EXCLUDES(mu_);
  Load most() const { return most_; }

 private:
  friend class Room;

  bool HasRoom() const OUTBOARD_REQUIRES(mu_) {
    return load_.bytes < most_.bytes && load_.events < most_.events;
  }
  bool Add(Load more, Load own, bool anyway) OUTBOARD_EXCLUDES(mu_);
  void GiveBack(Load load) OUTBOARD_EXCLUDES(mu_);

  const Load most_;
  mutable Mutex mu_;
  Load load_ OUTBOARD_GUARDED_BY(mu_);
  bool stopped_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::vector<std::function<void()>> waiting_ OUTBOARD_GUARDED_BY(mu_);
};

// What one request takes of a Bound; gives it back at its end. Any thread, one at a time.
class Room {
 public:
  Room() = default;
  explicit Room(std::shared_ptr<Bound> bound) : bound_(std::move(bound)) {}
  ~Room() { GiveBack(); }
  Room(Room&& other) noexcept;
  Room& operator=(Room&& other) noexcept;

  // False: the bound is reached, and nothing was taken. A request that is alone is never refused,
  // or none of its size would ever be taken.
  bool Take(Load more);
  // For what is in memory already.
  void TakeAnyway(Load more);
  void GiveBack();

 private:
  std::shared_ptr<Bound> bound_;  // Shared with requests that the bus answers after the ingress.
  Load load_;
};

}  // namespace outboard::ingress

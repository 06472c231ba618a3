#pragma once

#include <cstdint>
#include <vector>

#include "host/base/mutex.h"
#include "host/config/config.h"
#include "host/ingress/screen.h"
#include "host/route/filter.h"
#include "host/shard/shard.h"

namespace outboard::app {

// Has publishers' events go through the stages of the first entry of `ingress:` that takes them,
// each by itself, on the shards that have these. Any thread.
class Screening final : public ingress::Screen {
 public:
  // Where an entry's stages are.
  struct Place {
    shard::Shard* shard = nullptr;
    size_t position = 0;  // In ShardOptions::pipelines.
  };

  explicit Screening(const std::vector<config::Ingress>& entries);

  // From now on the stages can be asked; before, publishers of what they take are told to wait.
  // One place for each entry.
  void Open(std::vector<Place> places) OUTBOARD_EXCLUDES(mu_);
  // The shards are not asked any more when this returns.
  void Close() OUTBOARD_EXCLUDES(mu_);

  bool Look(const std::vector<Event>& events, Time deadline, Done done) override
      OUTBOARD_EXCLUDES(mu_);

 private:
  class Request;

  // The entry that takes it; the number of entries: none.
  size_t EntryOf(const Event& event) const;

  const std::vector<route::Filter> filters_;  // By entry.
  Mutex mu_;
  std::vector<Place> places_ OUTBOARD_GUARDED_BY(mu_);  // By entry; empty: not open.
  bool closed_ OUTBOARD_GUARDED_BY(mu_) = false;
  // Calls of pipelines count from 1.
  uint64_t next_id_ OUTBOARD_GUARDED_BY(mu_) = uint64_t{1} << 63;
};

}  // namespace outboard::app

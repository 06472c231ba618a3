#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/mutex.h"
#include "host/bus/bus.h"
#include "host/bus/rabbitmq/on_ladder.h"
#include "host/bus/rabbitmq/sources.h"
#include "host/route/topic_trie.h"

namespace outboard::bus::rabbitmq {

// What this process knows of one queue beside the broker's count of ready messages. Any thread.
struct QueueCounts {
  std::atomic<int64_t> held{0};       // Delivered to this process and not acknowledged.
  std::atomic<int64_t> oldest_us{0};  // When the oldest of the held was accepted; 0: none.
  std::atomic<int> open{0};           // Consumers of this process.
  std::atomic<uint64_t> made{0};      // How often it was missing and made again.
  OnLadder retrying;
};

struct KnownLane {
  LaneSpec spec;
  std::string queue;
  std::set<Binding> bindings;  // Made, and not undone.
  bool orphan = false;
  std::shared_ptr<QueueCounts> counts;  // Of its queue: lanes may share one.
};

// The lanes that this host declared on the broker, which cannot be asked for them: kept in a file,
// so that a lane that left the configuration is known to be an orphan. Any thread.
class LaneRegistry {
 public:
  // `file`: of JSON; made when there is something to keep. DATA_LOSS: it cannot be read.
  static absl::StatusOr<std::unique_ptr<LaneRegistry>> Load(const std::string& file);

  std::optional<KnownLane> Find(const std::string& name) OUTBOARD_EXCLUDES(mu_);
  std::vector<KnownLane> All() OUTBOARD_EXCLUDES(mu_);
  // The lane of a queue; a declared one if there is any.
  std::optional<KnownLane> FindQueue(const std::string& queue) OUTBOARD_EXCLUDES(mu_);
  // Another lane has the same queue: any, or one that is declared.
  enum class Sharer { kAny, kDeclared };
  bool IsShared(const KnownLane& lane, Sharer sharer) OUTBOARD_EXCLUDES(mu_);
  // Adds a lane or replaces what is known of it; its counts are those of its queue.
  absl::Status Put(KnownLane lane) OUTBOARD_EXCLUDES(mu_);
  // Of a lane that is known; else nothing.
  absl::Status SetBindings(const std::string& name, std::set<Binding> bindings)
      OUTBOARD_EXCLUDES(mu_);
  absl::Status Remove(const std::string& name) OUTBOARD_EXCLUDES(mu_);
  // The same; but its dead letters outlive it.
  absl::Status Forget(const std::string& name) OUTBOARD_EXCLUDES(mu_);
  // The lanes that may have dead letters: those that there are or were.
  std::set<std::string> DeadLanes() OUTBOARD_EXCLUDES(mu_);

  // How many queues of declared lanes take such an event; unreliable ones only while they are open
  // here.
  struct Match {
    uint32_t queues = 0;
    uint32_t reliable = 0;  // Of them.
  };
  Match Matched(absl::string_view source, absl::string_view type) OUTBOARD_EXCLUDES(mu_);

 private:
  explicit LaneRegistry(std::string file) : file_(std::move(file)) {}
  absl::Status Parse(const std::string& text) OUTBOARD_REQUIRES(mu_);
  absl::Status Save() OUTBOARD_REQUIRES(mu_);
  void Index() OUTBOARD_REQUIRES(mu_);
  std::shared_ptr<QueueCounts> CountsOf(const std::string& queue) OUTBOARD_REQUIRES(mu_);

  const std::string file_;
  Mutex mu_;
  std::map<std::string, KnownLane> lanes_ OUTBOARD_GUARDED_BY(mu_);
  std::set<std::string> forgotten_ OUTBOARD_GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<QueueCounts>> counts_ OUTBOARD_GUARDED_BY(mu_);
  // Of the declared ones, for Matched.
  route::TopicTrie trie_ OUTBOARD_GUARDED_BY(mu_);
  std::vector<const KnownLane*> numbered_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::bus::rabbitmq

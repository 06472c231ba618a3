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
#include "host/route/topic_trie.h"

namespace outboard::bus::rabbitmq {

// What this process knows of one queue beside the broker's count of ready messages. Any thread.
struct QueueCounts {
  std::atomic<int64_t> held{0};       // Delivered to this process and not acknowledged.
  std::atomic<int64_t> retrying{0};   // On the ladder, by this process.
  std::atomic<int64_t> oldest_us{0};  // When the oldest of the held was accepted; 0: none.
  std::atomic<int> open{0};           // Consumers of this process.
};

// Exchange and routing key of a binding.
using Binding = std::pair<std::string, std::string>;

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
  // Adds a lane or replaces what is known of it; its counts are those of its queue.
  absl::Status Put(KnownLane lane) OUTBOARD_EXCLUDES(mu_);
  absl::Status Remove(const std::string& name) OUTBOARD_EXCLUDES(mu_);

  // How many queues of declared lanes take such an event; unreliable ones only while they are open
  // here.
  uint32_t Matched(absl::string_view source, absl::string_view type, bool* reliable)
      OUTBOARD_EXCLUDES(mu_);

 private:
  explicit LaneRegistry(std::string file) : file_(std::move(file)) {}
  absl::Status Parse(const std::string& text) OUTBOARD_REQUIRES(mu_);
  absl::Status Save() OUTBOARD_REQUIRES(mu_);
  void Index() OUTBOARD_REQUIRES(mu_);
  std::shared_ptr<QueueCounts> CountsOf(const std::string& queue) OUTBOARD_REQUIRES(mu_);

  const std::string file_;
  Mutex mu_;
  std::map<std::string, KnownLane> lanes_ OUTBOARD_GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<QueueCounts>> counts_ OUTBOARD_GUARDED_BY(mu_);
  // Of the declared ones, for Matched.
  route::TopicTrie trie_ OUTBOARD_GUARDED_BY(mu_);
  std::vector<const KnownLane*> numbered_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::bus::rabbitmq

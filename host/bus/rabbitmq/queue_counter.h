#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/base/task_thread.h"
#include "host/bus/rabbitmq/control.h"
#include "host/bus/rabbitmq/lane_registry.h"
#include "host/bus/rabbitmq/steady.h"

namespace outboard::bus::rabbitmq {

struct CounterOptions {
  Duration fresh = std::chrono::seconds(1);  // So long the broker is not asked again.
  // So long one who wants to know waits for it.
  Duration patience = std::chrono::milliseconds(500);
};

// How many messages queues have, as the broker said last. It is asked when somebody wants to know,
// on a thread of its own: while it hangs or is away, what was known before is told, with its age.
class QueueCounter {
 public:
  struct Watched {
    bool kept = true;                     // Its end would lose events.
    std::shared_ptr<QueueCounts> counts;  // Of its lanes; null: it has none.
  };
  // Which queues to ask for. On the counter's thread.
  using Which = std::function<std::map<std::string, Watched>()>;

  struct Count {
    bool there = false;
    uint32_t ready = 0;
    uint32_t consumers = 0;
    // At the same time, of this process: as in QueueCounts.
    uint64_t held = 0;
    uint64_t retrying = 0;
  };
  struct Answer {
    std::map<std::string, Count> queues;  // None of a queue that was not asked for yet.
    std::optional<Duration> age;          // Nothing: never answered.
    std::string problem;  // Why the broker was asked last in vain; empty: it was not.
  };

  QueueCounter(Control* control, Which which, CounterOptions options);

  // Waits for the broker up to the patience. Any thread.
  Answer Get() OUTBOARD_EXCLUDES(mu_);
  // Somebody found that the queue is not there, and nobody here deleted it.
  void Missing(const std::string& queue) OUTBOARD_EXCLUDES(mu_);
  // Somebody here deleted it.
  void Forget(const std::string& queue) OUTBOARD_EXCLUDES(mu_);
  // For people: queues that were deleted in the last hour with events in them.
  std::vector<std::string> Losses() OUTBOARD_EXCLUDES(mu_);

 private:
  using Counts = std::map<std::string, Count>;

  void Begin() OUTBOARD_REQUIRES(mu_);
  void Ask() OUTBOARD_EXCLUDES(mu_);
  static absl::Status AskFor(const std::map<std::string, Watched>& watched,
                             amqp::Connection& connection, amqp::Channel channel, Counts* counts);
  void Note(const std::map<std::string, Watched>& watched, Counts counts) OUTBOARD_REQUIRES(mu_);
  // Tells of a queue that is gone what was known in it.
  void Lost(const std::string& queue) OUTBOARD_REQUIRES(mu_);

  Control* const control_;
  const Which which_;
  const CounterOptions options_;
  Mutex mu_;
  CondVar answered_;
  uint64_t begun_ OUTBOARD_GUARDED_BY(mu_) = 0;  // Rounds.
  uint64_t ended_ OUTBOARD_GUARDED_BY(mu_) = 0;
  bool again_ OUTBOARD_GUARDED_BY(mu_) = false;  // Another round is wanted after this one.
  Steady begun_at_ OUTBOARD_GUARDED_BY(mu_);
  Counts counts_ OUTBOARD_GUARDED_BY(mu_);
  std::map<std::string, uint64_t> kept_ OUTBOARD_GUARDED_BY(mu_);  // What their ends would lose.
  std::optional<Steady> counted_at_ OUTBOARD_GUARDED_BY(mu_);
  std::string problem_ OUTBOARD_GUARDED_BY(mu_);
  std::vector<std::pair<Steady, std::string>> losses_ OUTBOARD_GUARDED_BY(mu_);
  const RealClock clock_;
  TaskThread thread_{&clock_};  // Ends first.
};

}  // namespace outboard::bus::rabbitmq

#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/base/mutex.h"
#include "host/base/task_thread.h"
#include "host/bus/bus.h"
#include "host/bus/probation.h"
#include "host/bus/rabbitmq/control.h"
#include "host/bus/rabbitmq/headers.h"
#include "host/bus/rabbitmq/ladder.h"
#include "host/bus/rabbitmq/lane_registry.h"
#include "host/bus/rabbitmq/mover.h"
#include "host/bus/rabbitmq/publisher.h"
#include "host/bus/rabbitmq/queue_counter.h"
#include "host/bus/rabbitmq/receipt_queue.h"
#include "host/bus/rabbitmq/settlement_plan.h"
#include "host/bus/rabbitmq/sources.h"
#include "host/dialect/dialect.h"

namespace outboard::bus {

namespace rabbitmq {
class RabbitmqConsumer;
}

struct RabbitmqBusOptions {
  amqp::ConnectionOptions connection;
  std::string host = "outboard";   // Names the queues; the same for all replicas of a host.
  std::string replica;             // Names this replica's own queues; empty: a new one each start.
  std::string data;                // A folder for what the broker cannot be asked for; made.
  bool quorum = true;              // Kind of the durable queues; false: classic.
  dialect::Table queue_arguments;  // More of them, for the durable queues of lanes.
  bool declare = true;             // false: exchanges of sources must be there already.
  dialect::DialectOptions dialect;
  std::map<std::string, rabbitmq::SourceOptions> sources;  // By name, where they differ.
  EventLimits limits;
  uint16_t prefetch = 1000;  // Unacknowledged messages of one queue and consumer.
  uint64_t prefetch_bytes = uint64_t{16} << 20;  // The same in bytes, about.
  // Before a delivery is unacknowledged for much longer its channel is closed, as the broker would
  // do after 30 minutes (its consumer_timeout).
  Duration hold_at_most = std::chrono::minutes(10);
  // A consumer that could take more and gets nothing for so long is looked after.
  Duration silent_at_most = std::chrono::seconds(30);
  std::vector<Duration> rungs = rabbitmq::DefaultRungs();
  rabbitmq::CounterOptions counting;
  const Clock* clock = nullptr;    // Not owned, any thread. Required.
  Probation* probation = nullptr;  // Not owned. Null: there is none.
};

// A RabbitMQ broker or cluster as the bus of one or many hosts; docs/reference/rabbitmq.md says
// what stands for what there. The log cannot be read again: lanes begin with the next event.
class RabbitmqBus final : public Bus {
 public:
  // PERMISSION_DENIED, FAILED_PRECONDITION and the like: the broker refuses what is configured,
  // with the reason and the fix. A broker that cannot be reached is no error here and in Declare:
  // that is tried again, Info says why, and what is published meanwhile is answered UNAVAILABLE.
  static absl::StatusOr<std::unique_ptr<RabbitmqBus>> Open(RabbitmqBusOptions options);
  // What deliveries become on the broker: connects and goes, and changes nothing there.
  // UNAVAILABLE: it cannot be reached; PERMISSION_DENIED, FAILED_PRECONDITION: Open would be
  // refused.
  static absl::StatusOr<SettlementInfo> Ask(const RabbitmqBusOptions& options);
  // What is wrong with them that needs no broker to be known; Declare says it too.
  static absl::Status Check(const RabbitmqBusOptions& options, const std::vector<LaneSpec>& lanes);
  // Consumers are gone by then. Publishes under way are still made.
  ~RabbitmqBus() override;

  absl::Status Declare(const std::vector<LaneSpec>& lanes) override;
  std::unique_ptr<Consumer> NewConsumer() override;
  void PublishWithReceipts(std::vector<Event> events, std::weak_ptr<ReceiptSink> sink,
                           PublishDone done) override;
  BusInfo Info() override;
  absl::StatusOr<std::vector<LaneInfo>> Lanes() override;
  absl::StatusOr<std::map<std::string, uint64_t>> DeadCounts() override;
  absl::StatusOr<Forgotten> ForgetLane(const std::string& name, Remainder remainder) override;
  absl::StatusOr<std::vector<DeadLetter>> ListDead(const DeadFilter& filter, uint64_t after,
                                                   size_t limit, uint64_t* total) override;
  absl::Status ForEachDead(const DeadFilter& filter,
                           const std::function<void(const DeadLetter&)>& visit) override;
  absl::StatusOr<Replayed> ReplayBatch(const DeadFilter& filter, size_t limit) override;
  absl::Status EditDead(uint64_t id, const Event& event) override;
  absl::StatusOr<uint64_t> PurgeDead(const DeadFilter& filter) override;
  // UNIMPLEMENTED: queues are not read twice.
  absl::StatusOr<std::vector<LoggedEvent>> ReadLog(uint64_t from, size_t limit) override;
  absl::StatusOr<FoundEvents> FindEvents(const absl::flat_hash_set<std::string>&) override {
    return FoundEvents();
  }
  uint64_t NextOffset() override { return 0; }

 private:
  friend class rabbitmq::RabbitmqConsumer;
  RabbitmqBus(RabbitmqBusOptions options, std::unique_ptr<rabbitmq::LaneRegistry> registry);

  // ---- Declaring, on any thread that may block: declare.cc ----
  // In the registry; Make does it on the broker.
  absl::Status Know(const LaneSpec& spec);
  absl::Status KeepFormer(rabbitmq::KnownLane old);
  absl::Status Orphan(rabbitmq::KnownLane lane);
  absl::Status DeclareShared();
  absl::Status Make();
  absl::Status UnbindFormer(amqp::Connection& connection, amqp::Channel channel,
                            const rabbitmq::KnownLane& lane);
  absl::Status Unbind(amqp::Connection& connection, amqp::Channel channel,
                      const rabbitmq::KnownLane& lane);
  // Those that are there.
  static absl::Status UndoBindings(amqp::Connection& connection, amqp::Channel channel,
                                   const std::string& queue,
                                   const std::set<rabbitmq::Binding>& bindings);
  // Tries Make until it succeeds.
  void MakeLater(int failures);
  void SetUnmade(const std::string& why) OUTBOARD_EXCLUDES(mu_);
  std::string unmade() OUTBOARD_EXCLUDES(mu_);
  // Makes again what a lane needs on the broker, as far as it is not there.
  absl::Status Ensure(const std::string& lane);
  // Makes the exchange of a source, or looks for it, and has its events copied to all.
  absl::Status MakeExchange(amqp::Connection& connection, amqp::Channel channel,
                            const std::string& exchange);
  // The same for all reliable lanes and what they share, soon, on a thread of its own: something
  // was not there. Any thread.
  void Repair() OUTBOARD_EXCLUDES(mu_);
  // `exchanges` are those that were made already, and it adds its own.
  absl::Status MakeQueue(amqp::Connection& connection, amqp::Channel channel,
                         const rabbitmq::KnownLane& lane, std::set<std::string>* exchanges);
  absl::StatusOr<rabbitmq::SettlementPlan> PlanFor(const amqp::Connection& connection) const;

  // ---- Messages ----
  void PublishNow(std::vector<Event> events, const std::weak_ptr<ReceiptSink>& sink,
                  PublishDone done);
  struct Held {
    std::vector<Event> events;
    std::weak_ptr<ReceiptSink> sink;
    PublishDone done;
  };
  // The first that asks for receipts, and what comes behind it, is held until it was tried to make
  // a queue for them. False: it is not to be.
  bool Hold(Held* call) OUTBOARD_EXCLUDES(held_mu_);
  void PublishHeld() OUTBOARD_EXCLUDES(held_mu_);
  // The event as a message for its exchange. INVALID_ARGUMENT: it has no form there.
  absl::StatusOr<dialect::Message> ToMessage(const Event& event);
  uint64_t NextDeadId();

  // ---- Forgetting: forget.cc ----
  absl::StatusOr<Forgotten> GiveUp(const rabbitmq::KnownLane& lane, Remainder remainder);
  absl::StatusOr<uint64_t> MoveToDead(const rabbitmq::KnownLane& lane);
  absl::StatusOr<uint64_t> MoveToDead(const rabbitmq::KnownLane& lane, uint64_t count);
  // Nothing: it is not there.
  absl::StatusOr<std::optional<amqp::QueueCount>> Look(const std::string& queue);

  // ---- Dead letters: dead_letters.cc ----
  // One of a lane's queue of dead letters, or of the queue of orphans.
  struct Letter {
    dialect::Message message;  // As it was published first.
    rabbitmq::Travel travel;   // With id, lane and reason.
    std::string queue;         // That an orphan was for; empty: a lane gave it up.
    absl::Status if_no_queue;  // See Mover::Move.
    std::optional<dialect::Message> edited = {};  // What a replay gives back instead.
  };
  enum class Fate { kKeep, kTake, kMove };  // kMove: its message is published, then it is taken.
  using Glance = std::function<absl::StatusOr<Fate>(Letter* letter)>;
  struct Pass {
    uint32_t left = 0;         // How many are to be there after it.
    std::set<uint64_t> taken;  // Ids.
    size_t count = 0;          // Of letters that were taken.
  };
  // Queues whose letters have ids that are not theirs alone.
  static bool SharesIds(const std::string& lane);
  bool Takes(const DeadFilter& filter, const Letter& letter);
  std::string OrphanLane(const std::string& queue);
  std::optional<Letter> ToLetter(const std::string& lane, dialect::Message message);
  static DeadLetter WithoutEvent(const Letter& letter);
  DeadLetter Shown(const Letter& letter);
  absl::StatusOr<uint64_t> ForEachLetter(const DeadFilter& filter, const Glance& glance);
  // Ids of those that did not stay.
  absl::StatusOr<std::set<uint64_t>> WalkDead(const std::string& lane, const Glance& glance);
  absl::Status ReadDead(const std::string& lane, const std::string& queue, Pass* pass,
                        const Glance& glance);
  absl::StatusOr<uint64_t> WaitUntilBack(const std::string& queue, uint32_t left);
  absl::StatusOr<Fate> Replay(Letter* letter, bool named);
  absl::Status NarrowTo(size_t limit, DeadFilter* filter);

  // ---- What people made of them: dead_edits.cc ----
  // By id of the letter; the newest.
  absl::StatusOr<std::map<uint64_t, dialect::Message>> ReadEdits();
  // Takes at most the `most` oldest of each of these letters.
  absl::Status DropEdits(const std::set<uint64_t>& ids, size_t most);
  absl::Status PublishEdit(const Letter& letter, const Event& event);

  // What Lanes asks the broker for.
  std::map<std::string, rabbitmq::QueueCounter::Watched> Watched();

  const RabbitmqBusOptions options_;
  const std::string replica_;
  const rabbitmq::Sources sources_;
  const std::unique_ptr<rabbitmq::LaneRegistry> registry_;
  rabbitmq::Control control_;
  Mutex mu_;
  uint64_t last_dead_ OUTBOARD_GUARDED_BY(mu_) = 0;  // In tens of microseconds.
  // Consumers whose connection broke and is not made again, with the reason.
  std::map<const rabbitmq::RabbitmqConsumer*, std::string> missed_ OUTBOARD_GUARDED_BY(mu_);
  // Singleton queues that a consumer of this process has open.
  std::map<std::string, const void*> singletons_ OUTBOARD_GUARDED_BY(mu_);
  // Why the lanes are not made on the broker yet; empty: they are.
  std::string unmade_ OUTBOARD_GUARDED_BY(mu_);
  rabbitmq::QueueCounter counter_;
  const RealClock real_time_;
  rabbitmq::Steady repair_at_ OUTBOARD_GUARDED_BY(mu_);          // Not before.
  std::unique_ptr<TaskThread> helper_ OUTBOARD_GUARDED_BY(mu_);  // Null: the bus is ending.

  enum class Asked { kNever, kTrying, kTried };
  std::atomic<Asked> asked_{Asked::kNever};  // Set under the lock.
  Mutex dead_mu_;  // Held by an edit, a replay and a purge: none meets half of another.
  Mutex held_mu_;
  std::vector<Held> held_ OUTBOARD_GUARDED_BY(held_mu_);
  // They end before all that their threads use.
  rabbitmq::Publisher external_;     // What users and plugins publish.
  rabbitmq::Publisher internal_;     // Retries, dead letters and receipts.
  rabbitmq::ReceiptQueue receipts_;  // Uses the other two.
};

}  // namespace outboard::bus

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "host/base/mutex.h"
#include "host/bus/bus.h"
#include "host/bus/rabbitmq/control.h"
#include "host/bus/rabbitmq/headers.h"
#include "host/bus/rabbitmq/ladder.h"
#include "host/bus/rabbitmq/lane_registry.h"
#include "host/bus/rabbitmq/publisher.h"
#include "host/dialect/dialect.h"

namespace outboard::bus {

namespace rabbitmq {
class RabbitmqConsumer;
}

struct RabbitmqBusOptions {
  amqp::ConnectionOptions connection;
  std::string host = "outboard";  // Names the queues; the same for all replicas of a host.
  std::string replica;            // Names this replica's own queues; empty: a new one each start.
  std::string data;               // A folder for what the broker cannot be asked for; made.
  bool quorum = true;             // Kind of the durable queues; false: classic.
  bool declare = true;            // false: exchanges of sources must be there already.
  std::map<std::string, std::string> exchanges;  // By source, where the name is another.
  dialect::DialectOptions dialect;
  EventLimits limits;
  uint16_t prefetch = 1000;  // Unacknowledged messages of one queue and consumer.
  std::vector<Duration> rungs = rabbitmq::DefaultRungs();
  const Clock* clock = nullptr;  // Not owned, any thread. Required.
};

// A RabbitMQ broker or cluster as the bus of one or many hosts; docs/reference/rabbitmq.md says
// what stands for what there. The log cannot be read again: lanes begin with the next event.
class RabbitmqBus final : public Bus {
 public:
  // UNAVAILABLE, PERMISSION_DENIED: the broker cannot be used, with the reason and the fix.
  static absl::StatusOr<std::unique_ptr<RabbitmqBus>> Open(RabbitmqBusOptions options);
  // Consumers are gone by then. Publishes under way are still made.
  ~RabbitmqBus() override;

  absl::Status Declare(const std::vector<LaneSpec>& lanes) override;
  std::unique_ptr<Consumer> NewConsumer() override;
  void Publish(std::vector<Event> events, PublishDone done) override;
  BusInfo Info() override;
  absl::StatusOr<std::vector<LaneInfo>> Lanes() override;
  absl::StatusOr<Forgotten> ForgetLane(const std::string& name, Remainder remainder) override;
  absl::StatusOr<std::vector<DeadLetter>> ListDead(const DeadFilter& filter, uint64_t after,
                                                   size_t limit, uint64_t* total) override;
  absl::StatusOr<uint64_t> ReplayDead(const DeadFilter& filter) override;
  absl::StatusOr<uint64_t> PurgeDead(const DeadFilter& filter) override;
  // UNIMPLEMENTED: queues are not read twice.
  absl::StatusOr<std::vector<LoggedEvent>> ReadLog(uint64_t from, size_t limit) override;
  uint64_t NextOffset() override { return 0; }

 private:
  friend class rabbitmq::RabbitmqConsumer;
  // What a look at a dead letter decides.
  enum class Fate { kKeep, kTake };
  using Look = std::function<absl::StatusOr<Fate>(DeadLetter letter, dialect::Message message,
                                                  const rabbitmq::Travel& travel)>;

  RabbitmqBus(RabbitmqBusOptions options, std::unique_ptr<rabbitmq::LaneRegistry> registry);

  // ---- Declaring, on any thread that may block ----
  absl::Status DeclareShared();
  absl::Status DeclareLane(const LaneSpec& spec);
  absl::Status Orphan(rabbitmq::KnownLane lane);
  absl::Status RefuseIfConsumed(const rabbitmq::KnownLane& lane);
  // Makes again what a lane needs on the broker, as far as it is not there.
  absl::Status Ensure(const std::string& lane);
  absl::Status MakeQueue(amqp::Connection& connection, amqp::Channel channel,
                         const rabbitmq::KnownLane& lane);
  std::set<rabbitmq::Binding> BindingsOf(const LaneSpec& spec) const;
  std::string ExchangeOf(absl::string_view source) const;
  dialect::Table QueueArguments(bool dead) const;

  // ---- Messages ----
  // The event as a message for its exchange. INVALID_ARGUMENT: it has no form there.
  absl::StatusOr<dialect::Message> ToMessage(const Event& event);
  uint64_t NextDeadId();

  // ---- Dead letters ----
  std::vector<std::string> DeadLanes(const DeadFilter& filter);
  using Glance =
      std::function<absl::StatusOr<Fate>(dialect::Message message, const rabbitmq::Travel& travel)>;
  absl::Status WalkDead(const std::string& lane, const Look& look);
  absl::Status ReadDead(const std::string& queue, uint32_t* left, const Glance& glance);
  absl::StatusOr<uint64_t> WaitUntilBack(const std::string& queue, uint32_t left);
  absl::Status PublishAndWait(dialect::Message message);
  absl::StatusOr<uint64_t> MoveToDead(const rabbitmq::KnownLane& lane);
  absl::Status MoveToDead(const rabbitmq::KnownLane& lane, uint64_t count);
  absl::StatusOr<uint64_t> CountReady(const std::string& queue);
  // Of several; one that is not there has none.
  absl::StatusOr<std::map<std::string, uint64_t>> CountReady(const std::set<std::string>& queues);

  const RabbitmqBusOptions options_;
  const std::string replica_;
  const std::unique_ptr<rabbitmq::LaneRegistry> registry_;
  rabbitmq::Control control_;
  rabbitmq::Publisher external_;  // What users and plugins publish.
  rabbitmq::Publisher internal_;  // Retries and dead letters.
  Mutex mu_;
  uint64_t last_dead_ OUTBOARD_GUARDED_BY(mu_) = 0;  // In tens of microseconds.
  // Singleton queues that a consumer of this process has open.
  std::map<std::string, const void*> singletons_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::bus

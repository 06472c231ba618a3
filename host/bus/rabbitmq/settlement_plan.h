#pragma once

#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "host/bus/amqp/connection.h"
#include "host/bus/bus.h"

// What deliveries and queues become on a broker of some version: the one table that the driver
// acts by, and that `check` and `status` print. Pure; docs/reference/rabbitmq.md has it for people.
namespace outboard::bus::rabbitmq {

using BrokerVersion = std::pair<int, int>;  // Major, minor.
// Of "3.10.8", "4.0.0+2", "4.3.0-rc.1"; nothing where the text has no major and minor number.
std::optional<BrokerVersion> ParseBrokerVersion(absl::string_view text);

// How a delivery ends, by a lane's doing or without it.
enum class Ending { kDone, kEmits, kRetry, kDead, kReturned, kLost };
Ending EndingOf(const Settlement& settlement);

enum class LaneKind {
  kReliable,
  kOrdered,  // A reliable lane's event with a key. Lanes keep its retries from the bus.
  kUnreliable,
};

// What is done with it, in this order; an acknowledgement follows the confirms of what is
// published. There is no basic.nack: a quorum queue puts what it returns at the end.
enum class Operation {
  kAck,
  kPublishEmits,
  kPublishToRung,  // Mandatory, as is the next.
  kPublishToDead,
  kHold,          // In memory, unacknowledged.
  kHandOutAgain,  // Unacknowledged meanwhile.
  kAdopt,         // The redelivery is taken for what the lane has in hand, or has ended.
  kLose,          // What waits, with the queue, unless another replica consumes it.
};
absl::Span<const Operation> OperationsFor(Ending ending, LaneKind lane);

class SettlementPlan {
 public:
  // FAILED_PRECONDITION: the broker is too old for this kind of queue, with the fix. A version that
  // is not known is taken for the oldest: a limit of -1, meant for 4.0, drops messages before it.
  static absl::StatusOr<SettlementPlan> For(absl::string_view version, bool quorum);

  // ---- Queues, as they are declared ----
  // `more`: arguments from the configuration, of reliable lanes.
  amqp::QueueSpec LaneQueue(const std::string& name, bool reliable, bool ordered,
                            const dialect::Table& more = {}) const;
  amqp::QueueSpec DeadQueue(const std::string& name) const;
  amqp::QueueSpec Rung(Duration wait) const;
  amqp::QueueSpec Orphans() const;

  // It was run on a broker of this version; else it is what the documentation says.
  bool run() const;
  bool version_known() const { return version_.has_value(); }
  SettlementInfo Info() const;
  // As far as no broker needs to be asked.
  static SettlementInfo WithoutBroker(bool quorum);

 private:
  SettlementPlan(absl::string_view text, std::optional<BrokerVersion> version, bool quorum)
      : text_(text.data(), text.size()), version_(version), quorum_(quorum) {}
  bool From(BrokerVersion version) const { return version_.has_value() && *version_ >= version; }
  amqp::QueueSpec Durable(const std::string& name, bool limited) const;
  void AddBrokersDoing(SettlementInfo* info) const;
  void AddQueues(SettlementInfo* info) const;
  void AddNotes(SettlementInfo* info) const;

  std::string text_;
  std::optional<BrokerVersion> version_;
  bool quorum_;
};

}  // namespace outboard::bus::rabbitmq

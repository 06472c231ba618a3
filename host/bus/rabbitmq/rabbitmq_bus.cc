#include "host/bus/rabbitmq/rabbitmq_bus.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host/base/status.h"
#include "host/bus/rabbitmq/headers.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/rabbitmq_consumer.h"

namespace outboard::bus {

using rabbitmq::KnownLane;
using rabbitmq::LaneRegistry;
using rabbitmq::Published;

namespace {

std::string NewReplica() {
  std::random_device random;
  return absl::StrFormat("%08x%08x", random(), random());
}

}  // namespace

absl::StatusOr<std::unique_ptr<RabbitmqBus>> RabbitmqBus::Open(RabbitmqBusOptions options) {
  OUTBOARD_CHECK(options.clock != nullptr);
  if (mkdir(options.data.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::UnavailableError(absl::StrCat("cannot make the folder ", options.data, ": ",
                                               strerror(errno),
                                               ": set host.data to one that this user may write"));
  }
  OUTBOARD_ASSIGN_OR_RETURN(std::unique_ptr<LaneRegistry> registry,
                            LaneRegistry::Load(options.data + "/rabbitmq-lanes.json"));
  std::unique_ptr<RabbitmqBus> bus(new RabbitmqBus(std::move(options), std::move(registry)));
  OUTBOARD_RETURN_IF_ERROR(bus->DeclareShared());
  OUTBOARD_RETURN_IF_ERROR(bus->external_.WaitUntilTried());
  OUTBOARD_RETURN_IF_ERROR(bus->internal_.WaitUntilTried());
  return bus;
}

RabbitmqBus::RabbitmqBus(RabbitmqBusOptions options, std::unique_ptr<LaneRegistry> registry)
    : options_([&] {
        options.connection.name = absl::StrCat("outboard ", options.host);
        return std::move(options);
      }()),
      replica_(options_.replica.empty() ? NewReplica() : options_.replica),
      registry_(std::move(registry)),
      control_(options_.connection),
      external_(options_.connection, options_.connection.name + " publishes",
                rabbitmq::kAllExchange),
      internal_(options_.connection, options_.connection.name + " retries") {}

RabbitmqBus::~RabbitmqBus() = default;

std::unique_ptr<Consumer> RabbitmqBus::NewConsumer() {
  return std::make_unique<rabbitmq::RabbitmqConsumer>(this);
}

// ---- Publishing
// ------------------------------------------------------------------------------------

std::string RabbitmqBus::ExchangeOf(absl::string_view source) const {
  const std::string name(source.data(), source.size());
  const auto it = options_.exchanges.find(name);
  return it == options_.exchanges.end() ? name : it->second;
}

absl::StatusOr<dialect::Message> RabbitmqBus::ToMessage(const Event& event) {
  OUTBOARD_ASSIGN_OR_RETURN(dialect::Message message, dialect::Encode(event, options_.dialect));
  // Other hosts may have lanes of this source. Where nobody has, the exchange is not there.
  message.exchange = ExchangeOf(event.source());
  rabbitmq::PutAcceptedAt(options_.clock->Now(), &message);
  return message;
}

void RabbitmqBus::Publish(std::vector<Event> events, PublishDone done) {
  // By their places, as some may have no message.
  struct Call {
    std::vector<PublishResult> results;
    std::vector<size_t> places;
    std::vector<bool> needed;  // A reliable lane takes it.
  };
  auto call = std::make_shared<Call>();
  call->results.resize(events.size());
  std::vector<dialect::Message> messages;
  messages.reserve(events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    absl::StatusOr<dialect::Message> message = ToMessage(events[i]);
    if (!message.ok()) {
      call->results[i].status = message.status();
      continue;
    }
    bool reliable = false;
    call->results[i].matched = registry_->Matched(events[i].source(), events[i].type(), &reliable);
    call->places.push_back(i);
    call->needed.push_back(reliable);
    messages.push_back(*std::move(message));
  }
  external_.Publish(std::move(messages), [call, done = std::move(done)](
                                             std::vector<Published> published) {
    for (size_t k = 0; k < published.size(); ++k) {
      PublishResult& result = call->results[call->places[k]];
      result.status = std::move(published[k].status);
      if (!result.status.ok()) result.matched = 0;
      if (result.status.ok() && published[k].unroutable && call->needed[k]) {
        result.matched = 0;
        result.status = absl::UnavailableError(
            "no queue of the broker takes it, though a lane should: its queue is being made again");
      }
    }
    if (done) done(std::move(call->results));
  });
}

// ---- What people ask for
// ------------------------------------------------------------------------------------

BusInfo RabbitmqBus::Info() {
  BusInfo info;
  info.kind = "rabbitmq";
  const std::string version = control_.broker_version();
  info.location = absl::StrCat(amqp::Location(options_.connection), " (RabbitMQ ", version, ")");
  const rabbitmq::Publisher::Health out = external_.health();
  const rabbitmq::Publisher::Health in = internal_.health();
  info.connected = out.connected && in.connected;
  for (const std::string& problem : {out.problem, in.problem}) {
    const bool known =
        std::find(info.warnings.begin(), info.warnings.end(), problem) != info.warnings.end();
    if (!problem.empty() && !known) info.warnings.push_back(problem);
  }
  return info;
}

absl::StatusOr<std::map<std::string, uint64_t>> RabbitmqBus::CountReady(
    const std::set<std::string>& queues) {
  std::map<std::string, uint64_t> ready;
  OUTBOARD_RETURN_IF_ERROR(
      control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
        for (const std::string& queue : queues) {
          const absl::StatusOr<amqp::QueueCount> count = connection.CheckQueue(channel, queue);
          if (absl::IsNotFound(count.status())) {
            // The refusal has closed the channel.
            OUTBOARD_RETURN_IF_ERROR(connection.OpenChannel(channel));
            continue;
          }
          OUTBOARD_RETURN_IF_ERROR(count.status());
          ready[queue] = count->ready;
        }
        return absl::OkStatus();
      }));
  return ready;
}

absl::StatusOr<uint64_t> RabbitmqBus::CountReady(const std::string& queue) {
  OUTBOARD_ASSIGN_OR_RETURN(auto ready, CountReady(std::set<std::string>{queue}));
  return ready[queue];
}

absl::StatusOr<std::vector<LaneInfo>> RabbitmqBus::Lanes() {
  std::vector<LaneInfo> infos;
  const std::vector<KnownLane> lanes = registry_->All();
  std::set<std::string> queues;
  for (const KnownLane& lane : lanes) {
    queues.insert(rabbitmq::DeadQueue(options_.host, lane.spec.name));
    if (lane.spec.reliable || lane.counts->open > 0) queues.insert(lane.queue);
  }
  OUTBOARD_ASSIGN_OR_RETURN(auto ready, CountReady(queues));
  for (const KnownLane& lane : lanes) {
    LaneInfo& info = infos.emplace_back();
    info.name = lane.spec.name;
    info.orphan = lane.orphan;
    info.dead = ready[rabbitmq::DeadQueue(options_.host, lane.spec.name)];
    // Of an orphan's shared queue the events are the others'.
    const bool others = std::any_of(lanes.begin(), lanes.end(), [&](const KnownLane& other) {
      return other.queue == lane.queue && other.spec.name != lane.spec.name && !other.orphan;
    });
    if (lane.orphan && others) continue;
    info.retrying = static_cast<uint64_t>(std::max<int64_t>(lane.counts->retrying, 0));
    info.backlog = ready[lane.queue] + info.retrying +
                   static_cast<uint64_t>(std::max<int64_t>(lane.counts->held, 0));
    const int64_t oldest = lane.counts->oldest_us;
    if (oldest != 0) info.oldest = Time(Duration(oldest));
  }
  return infos;
}

absl::StatusOr<std::vector<LoggedEvent>> RabbitmqBus::ReadLog(uint64_t, size_t) {
  return absl::UnimplementedError(
      "RabbitMQ's queues cannot be read again: use the embedded bus for that, or bind a queue of "
      "your own to the exchange");
}

}  // namespace outboard::bus

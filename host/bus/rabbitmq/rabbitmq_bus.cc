#include "host/bus/rabbitmq/rabbitmq_bus.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/rabbitmq/headers.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/rabbitmq_consumer.h"

namespace outboard::bus {

using rabbitmq::KnownLane;
using rabbitmq::LaneRegistry;
using rabbitmq::Published;
using rabbitmq::Publisher;
using rabbitmq::QueueCounter;

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
  const absl::Status made = bus->DeclareShared();
  if (made.ok()) {
    // What is published at once goes out. A publisher that failed tries again by itself.
    bus->external_.WaitUntilTried().IgnoreError();
    bus->internal_.WaitUntilTried().IgnoreError();
    return bus;
  }
  if (!rabbitmq::MayPass(made)) return made;
  bus->SetUnmade(std::string(made.message()));
  LogWarning("bus", "the broker cannot be used yet; tried again",
             {{"why", std::string(made.message())}});
  return bus;
}

RabbitmqBus::RabbitmqBus(RabbitmqBusOptions options, std::unique_ptr<LaneRegistry> registry)
    : options_([&] {
        options.connection.name = absl::StrCat("outboard ", options.host);
        return std::move(options);
      }()),
      replica_(options_.replica.empty() ? NewReplica() : options_.replica),
      sources_({.declare = options_.declare, .dialect = options_.dialect}, options_.sources),
      registry_(std::move(registry)),
      control_(options_.connection),
      counter_(
          &control_, [this] { return Watched(); }, options_.counting),
      helper_(std::make_unique<TaskThread>(&real_time_)),
      external_(options_.connection, options_.connection.name + " publishes",
                rabbitmq::kAllExchange),
      internal_(options_.connection, options_.connection.name + " retries"),
      receipts_(options_.connection, rabbitmq::ReceiptQueues(options_.host, replica_)) {}

RabbitmqBus::~RabbitmqBus() {
  std::unique_ptr<TaskThread> helper;  // Ends first, while all that it uses is there.
  {
    MutexLock lock(mu_);
    helper = std::move(helper_);
  }
}

std::unique_ptr<Consumer> RabbitmqBus::NewConsumer() {
  return std::make_unique<rabbitmq::RabbitmqConsumer>(this);
}

absl::StatusOr<SettlementInfo> RabbitmqBus::Ask(const RabbitmqBusOptions& options) {
  amqp::ConnectionOptions connection = options.connection;
  connection.name = absl::StrCat("outboard ", options.host, " check");
  OUTBOARD_ASSIGN_OR_RETURN(const auto connected, amqp::Connection::Connect(connection));
  OUTBOARD_ASSIGN_OR_RETURN(
      const rabbitmq::SettlementPlan plan,
      rabbitmq::SettlementPlan::For(connected->broker_version(), options.quorum));
  return plan.Info();
}

// ---- Publishing
// ------------------------------------------------------------------------------------

absl::StatusOr<dialect::Message> RabbitmqBus::ToMessage(const Event& event) {
  // Other hosts may have lanes of this source. Where nobody has, the exchange is not there.
  std::string exchange = sources_.ExchangeOf(event.source());
  OUTBOARD_ASSIGN_OR_RETURN(dialect::Message message,
                            dialect::Encode(event, sources_.dialect(exchange)));
  OUTBOARD_RETURN_IF_ERROR(sources_.CheckKey(event.source(), exchange, message.routing_key));
  message.exchange = std::move(exchange);
  rabbitmq::PutAcceptedAt(options_.clock->Now(), &message);
  return message;
}

void RabbitmqBus::PublishWithReceipts(std::vector<Event> events, std::weak_ptr<ReceiptSink> sink,
                                      PublishDone done) {
  Held call{std::move(events), std::move(sink), std::move(done)};
  if (!Hold(&call)) PublishNow(std::move(call.events), call.sink, std::move(call.done));
}

bool RabbitmqBus::Hold(Held* call) {
  if (asked_ == Asked::kTried || (asked_ == Asked::kNever && call->sink.expired())) return false;
  MutexLock lock(held_mu_);
  if (asked_ == Asked::kTried) return false;
  held_.push_back(std::move(*call));
  if (asked_ == Asked::kTrying) return true;
  asked_ = Asked::kTrying;
  receipts_.WhenTried([this] { PublishHeld(); });
  return true;
}

void RabbitmqBus::PublishHeld() {
  MutexLock lock(held_mu_);
  for (Held& held : held_) PublishNow(std::move(held.events), held.sink, std::move(held.done));
  held_.clear();
  asked_ = Asked::kTried;
}

void RabbitmqBus::PublishNow(std::vector<Event> events, const std::weak_ptr<ReceiptSink>& sink,
                             PublishDone done) {
  const bool asks = !sink.expired();
  if (const std::string why = unmade(); !why.empty()) {
    const size_t count = events.size();
    external_.Publish({}, [count, why, done = std::move(done)](const std::vector<Published>&) {
      std::vector<PublishResult> results(count);
      for (PublishResult& result : results) result.status = absl::UnavailableError(why);
      if (done) done(std::move(results));
    });
    return;
  }
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
    const LaneRegistry::Match match = registry_->Matched(events[i].source(), events[i].type());
    call->results[i].matched = match.queues;
    if (asks && match.reliable > 0) {
      if (const auto address = receipts_.Expect(sink, i)) {
        call->results[i].reporting = match.reliable;
        rabbitmq::PutReceiptAddress(*address, &*message);
      }
    }
    call->places.push_back(i);
    call->needed.push_back(match.reliable > 0);
    messages.push_back(*std::move(message));
  }
  external_.Publish(std::move(messages), [this, call, done = std::move(done)](
                                             std::vector<Published> published) {
    for (size_t k = 0; k < published.size(); ++k) {
      PublishResult& result = call->results[call->places[k]];
      result.status = std::move(published[k].status);
      if (!result.status.ok()) result.matched = 0;
      if (result.status.ok() && published[k].unroutable && call->needed[k]) {
        result.matched = 0;
        result.status = absl::UnavailableError(
            "no queue of the broker takes it, though a lane should: its queue is being made again");
        Repair();
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
  info.location = amqp::Location(options_.connection);
  if (!version.empty()) absl::StrAppend(&info.location, " (RabbitMQ ", version, ")");
  const Publisher::Health out = external_.health();
  const Publisher::Health in = internal_.health();
  const std::string unmade = this->unmade();
  const QueueCounter::Answer counts = counter_.Get();
  std::map<const rabbitmq::RabbitmqConsumer*, std::string> missed;
  {
    MutexLock lock(mu_);
    missed = missed_;
  }
  info.connected =
      out.connected && in.connected && missed.empty() && unmade.empty() && counts.problem.empty();
  const auto warn = [&](const std::string& text) {
    const bool known =
        std::find(info.warnings.begin(), info.warnings.end(), text) != info.warnings.end();
    if (!text.empty() && !known) info.warnings.push_back(text);
  };
  for (const std::string& problem : {unmade, out.problem, in.problem}) warn(problem);
  for (const auto& [consumer, why] : missed) warn(why);
  if (!counts.problem.empty()) {
    warn(absl::StrCat(
        "backlogs are ",
        counts.age ? absl::StrCat("those of ", *counts.age / std::chrono::seconds(1), " s ago")
                   : "not known",
        ", as the broker does not tell them: ", counts.problem));
  }
  for (const std::string& loss : counter_.Losses()) warn(loss);
  const auto orphans = counts.queues.find(rabbitmq::kOrphansExchange);
  if (orphans != counts.queues.end() && orphans->second.ready > 0) {
    warn(absl::StrCat(orphans->second.ready,
                      " messages are for queues that are gone, or were given up by the broker: "
                      "outboard dead list --reason ORPHANED shows them"));
  }
  const absl::StatusOr<rabbitmq::SettlementPlan> plan =
      rabbitmq::SettlementPlan::For(version, options_.quorum);
  if (plan.ok()) {
    info.settlement = plan->Info();
    if (!plan->version_known()) info.warnings.push_back(info.settlement.notes.front());
  }
  return info;
}

std::map<std::string, QueueCounter::Watched> RabbitmqBus::Watched() {
  std::map<std::string, QueueCounter::Watched> queues;
  for (const KnownLane& lane : registry_->All()) {
    queues[rabbitmq::DeadQueue(options_.host, rabbitmq::LaneOf(lane.spec.name))] = {};
    if (lane.spec.reliable || lane.counts->open > 0)
      queues[lane.queue] = {lane.spec.reliable, lane.counts};
  }
  queues[rabbitmq::kOrphansExchange] = {};
  return queues;
}

absl::StatusOr<std::vector<LaneInfo>> RabbitmqBus::Lanes() {
  const QueueCounter::Answer counts = counter_.Get();
  std::vector<LaneInfo> infos;
  for (const KnownLane& lane : registry_->All()) {
    LaneInfo& info = infos.emplace_back();
    info.name = lane.spec.name;
    info.orphan = lane.orphan;
    info.age = counts.age;
    const bool former = rabbitmq::LaneOf(lane.spec.name) != lane.spec.name;
    const auto dead = counts.queues.find(rabbitmq::DeadQueue(options_.host, lane.spec.name));
    const auto own = counts.queues.find(lane.queue);
    const bool closed = !lane.spec.reliable && lane.counts->open == 0;
    info.counted =
        (former || dead != counts.queues.end()) && (closed || own != counts.queues.end());
    if (!info.counted) continue;
    if (!former) info.dead = dead->second.ready;
    if (closed) continue;
    const QueueCounter::Count& count = own->second;
    // Of an orphan's shared queue the events are the others'.
    if (lane.orphan && (registry_->IsShared(lane, LaneRegistry::Sharer::kDeclared) ||
                        (lane.spec.mode == Mode::kSingleton && count.consumers > 0))) {
      continue;
    }
    info.retrying = count.retrying;
    info.backlog = count.ready + count.held + count.retrying;
    const int64_t oldest = lane.counts->oldest_us;
    if (oldest != 0) info.oldest = Time(Duration(oldest));
  }
  return infos;
}

absl::StatusOr<std::map<std::string, uint64_t>> RabbitmqBus::DeadCounts() {
  const QueueCounter::Answer answer = counter_.Get();
  std::map<std::string, uint64_t> counts;
  for (const KnownLane& lane : registry_->All()) {
    const std::string& name = lane.spec.name;
    const auto dead = answer.queues.find(rabbitmq::DeadQueue(options_.host, name));
    if (rabbitmq::LaneOf(name) != name) {
      counts[name] = 0;  // Its letters are those of the lane that it was.
    } else if (dead != answer.queues.end()) {
      counts[name] = dead->second.ready;
    }
  }
  return counts;
}

absl::StatusOr<std::vector<LoggedEvent>> RabbitmqBus::ReadLog(uint64_t, size_t) {
  return absl::UnimplementedError(
      "RabbitMQ's queues cannot be read again: use the embedded bus for that, or bind a queue of "
      "your own to the exchange");
}

}  // namespace outboard::bus

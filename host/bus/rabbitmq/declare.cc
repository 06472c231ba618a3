#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/lane_groups.h"
#include "host/bus/rabbitmq/check_names.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/rabbitmq_bus.h"
#include "host/bus/rabbitmq/steady.h"

// What is made on the broker: exchanges, queues, bindings, the ladder.
namespace outboard::bus {

using dialect::Field;
using rabbitmq::Binding;
using rabbitmq::KnownLane;
using rabbitmq::LaneRegistry;
using rabbitmq::SettlementPlan;
using rabbitmq::Sources;

namespace {

// After one repair, before the next.
constexpr auto kRepairPause = std::chrono::seconds(1);

// What sets an argument of a queue, which the broker names in its refusal.
constexpr std::pair<absl::string_view, absl::string_view> kCauses[] = {
    {"'x-queue-type'", "set bus.queue_type back (all hosts of a vhost have the same)"},
    {"'x-single-active-consumer'", "set delivery.order_by of its route back"},
    {"'x-delivery-limit'", "the broker was upgraded, or another one made it"},
    {"'durable'", "set delivery.reliable of its route back"},
    {"'auto_delete'", "set delivery.reliable of its route back"},
};

absl::Status DeclareQueue(amqp::Connection& connection, amqp::Channel channel,
                          const amqp::QueueSpec& queue, const std::string& vhost) {
  absl::Status status = connection.DeclareQueue(channel, queue).status();
  if (!absl::IsFailedPrecondition(status)) return status;
  std::string fix = "see who made it";
  for (const auto& [argument, cause] : kCauses) {
    if (absl::StrContains(status.message(), argument)) fix = std::string(cause);
  }
  return absl::FailedPreconditionError(absl::StrCat(
      status.message(), "; ", fix, ", or delete it once it is empty, and it is made anew: ",
      "rabbitmqctl delete_queue --vhost '", vhost, "' '", queue.name, "'"));
}

}  // namespace

// The nodes of a cluster may differ while it is upgraded.
absl::StatusOr<SettlementPlan> RabbitmqBus::PlanFor(const amqp::Connection& connection) const {
  return SettlementPlan::For(connection.broker_version(), options_.quorum);
}

// The ladder, and what all lanes share.
absl::Status RabbitmqBus::DeclareShared() {
  return control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
    OUTBOARD_ASSIGN_OR_RETURN(const SettlementPlan plan, PlanFor(connection));
    const std::string orphans = rabbitmq::kOrphansExchange;
    OUTBOARD_RETURN_IF_ERROR(
        connection.DeclareExchange(channel, rabbitmq::kAllExchange, "topic", false));
    OUTBOARD_RETURN_IF_ERROR(connection.DeclareExchange(channel, orphans, "fanout", false));
    const std::string& vhost = options_.connection.vhost;
    OUTBOARD_RETURN_IF_ERROR(DeclareQueue(connection, channel, plan.Orphans(), vhost));
    OUTBOARD_RETURN_IF_ERROR(connection.BindQueue(channel, orphans, orphans, ""));
    // A message for a queue that is gone must not hold up those behind it on its rung.
    OUTBOARD_RETURN_IF_ERROR(
        connection.DeclareExchange(channel, rabbitmq::kDueExchange, "direct", false,
                                   {{"alternate-exchange", Field::Text(orphans)}}));
    for (const Duration wait : options_.rungs) {
      const std::string rung = rabbitmq::RungName(wait);
      OUTBOARD_RETURN_IF_ERROR(connection.DeclareExchange(channel, rung, "fanout", false));
      OUTBOARD_RETURN_IF_ERROR(DeclareQueue(connection, channel, plan.Rung(wait), vhost));
      OUTBOARD_RETURN_IF_ERROR(connection.BindQueue(channel, rung, rung, ""));
    }
    return absl::OkStatus();
  });
}

absl::Status RabbitmqBus::MakeExchange(amqp::Connection& connection, amqp::Channel channel,
                                       const std::string& exchange) {
  const bool declares = sources_.declares(exchange);
  const absl::Status status = connection.DeclareExchange(channel, exchange, "topic", !declares);
  if (!declares && absl::IsNotFound(status)) {
    return absl::NotFoundError(
        absl::StrCat(status.message(), "; start what declares it, or take declare: passive away"));
  }
  if (declares && absl::IsFailedPrecondition(status)) {
    return absl::FailedPreconditionError(absl::StrCat(
        status.message(),
        "; if it is another system's, set declare: passive for its source in bus.sources"));
  }
  OUTBOARD_RETURN_IF_ERROR(status);
  for (const std::string& key : sources_.routing_keys(exchange)) {
    OUTBOARD_RETURN_IF_ERROR(
        connection.BindExchange(channel, rabbitmq::kAllExchange, exchange, key));
  }
  return absl::OkStatus();
}

absl::Status RabbitmqBus::MakeQueue(amqp::Connection& connection, amqp::Channel channel,
                                    const KnownLane& lane, std::set<std::string>* exchanges) {
  OUTBOARD_ASSIGN_OR_RETURN(const SettlementPlan plan, PlanFor(connection));
  for (const route::Filter& filter : lane.spec.filters) {
    if (filter.service.empty()) continue;
    const std::string exchange = sources_.ExchangeOf(filter.service);
    if (!exchanges->insert(exchange).second) continue;
    OUTBOARD_RETURN_IF_ERROR(MakeExchange(connection, channel, exchange));
  }
  const std::string& vhost = options_.connection.vhost;
  OUTBOARD_RETURN_IF_ERROR(DeclareQueue(
      connection, channel,
      plan.LaneQueue(lane.queue, lane.spec.reliable, lane.spec.ordered, options_.queue_arguments),
      vhost));
  OUTBOARD_RETURN_IF_ERROR(
      connection.BindQueue(channel, lane.queue, rabbitmq::kDueExchange, lane.queue));
  for (const auto& [exchange, key] : sources_.BindingsOf(lane.spec.filters))
    OUTBOARD_RETURN_IF_ERROR(connection.BindQueue(channel, lane.queue, exchange, key));
  const std::string dead = rabbitmq::DeadQueue(options_.host, lane.spec.name);
  return DeclareQueue(connection, channel, plan.DeadQueue(dead), vhost);
}

absl::Status RabbitmqBus::Ensure(const std::string& name) {
  const std::optional<KnownLane> lane = registry_->Find(name);
  if (!lane || lane->orphan)
    return absl::NotFoundError(absl::StrCat("no lane is called '", name, "'"));
  if (const std::string why = unmade(); !why.empty()) {
    // All is made when the broker comes. A queue that ends with its consumer is asked for then.
    return lane->spec.reliable ? absl::UnavailableError(why) : absl::OkStatus();
  }
  return control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
    for (const std::string& queue : {lane->queue, rabbitmq::DeadQueue(options_.host, name)}) {
      absl::Status there = connection.CheckQueue(channel, queue).status();
      if (there.ok()) continue;
      if (!absl::IsNotFound(there)) return there;
      counter_.Missing(queue);
      if (queue == lane->queue) ++lane->counts->made;
      // The refusal has closed the channel.
      OUTBOARD_RETURN_IF_ERROR(connection.OpenChannel(channel));
    }
    std::set<std::string> exchanges;
    return MakeQueue(connection, channel, *lane, &exchanges);
  });
}

void RabbitmqBus::Repair() {
  MutexLock lock(mu_);
  if (helper_ == nullptr || rabbitmq::SteadyNow() < repair_at_) return;
  repair_at_ = rabbitmq::Steady::max();  // One at a time.
  helper_->Post([this] {
    absl::Status status = DeclareShared();
    for (const KnownLane& lane : registry_->All()) {
      if (status.ok() && lane.spec.reliable && !lane.orphan) status = Ensure(lane.spec.name);
    }
    if (!status.ok()) {
      LogWarning("bus", "cannot make what lanes need on the broker",
                 {{"why", std::string(status.message())}});
    }
    external_.ForgetExchanges();
    MutexLock done(mu_);
    repair_at_ = rabbitmq::SteadyNow() + kRepairPause;
  });
}

// ---- What is known of lanes
// ------------------------------------------------------------------------------------

absl::Status RabbitmqBus::Know(const LaneSpec& spec) {
  KnownLane lane;
  lane.spec = spec;
  lane.queue = rabbitmq::LaneQueue(options_.host, replica_, spec);
  lane.bindings = sources_.BindingsOf(spec.filters);
  if (const std::optional<KnownLane> old = registry_->Find(spec.name)) {
    if (old->queue == lane.queue) {
      lane.bindings.insert(old->bindings.begin(), old->bindings.end());  // Until they are undone.
    } else {
      OUTBOARD_RETURN_IF_ERROR(KeepFormer(*old));
    }
  }
  OUTBOARD_RETURN_IF_ERROR(registry_->Put(lane));
  return registry_->Remove(rabbitmq::FormerName(spec.name, lane.queue));  // It has it again.
}

// A lane whose route makes another queue now has left events in its old one, or other hosts use
// that: it becomes an orphan of its own, until a person forgets it.
absl::Status RabbitmqBus::KeepFormer(KnownLane old) {
  if (!old.spec.reliable || registry_->IsShared(old, LaneRegistry::Sharer::kDeclared))
    return absl::OkStatus();
  old.spec.name = rabbitmq::FormerName(old.spec.name, old.queue);
  old.orphan = true;
  LogWarning("bus", "a lane has another queue from now on; its old one is an orphan",
             {{"lane", old.spec.name}});
  return registry_->Put(std::move(old));
}

absl::Status RabbitmqBus::Orphan(KnownLane lane) {
  if (!lane.spec.reliable) return registry_->Forget(lane.spec.name);
  lane.orphan = true;
  return registry_->Put(std::move(lane));
}

absl::Status RabbitmqBus::Check(const RabbitmqBusOptions& options,
                                const std::vector<LaneSpec>& lanes) {
  OUTBOARD_RETURN_IF_ERROR(CheckLanes(lanes));
  for (const LaneSpec& spec : lanes) {
    if (spec.mode == Mode::kBroadcast && spec.reliable && options.replica.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("lane '", spec.name,
                       "': a reliable broadcast lane keeps a queue for each replica, which needs a "
                       "name that stays: set host.replica, or delivery.reliable: false"));
    }
  }
  const Sources sources({}, options.sources);
  return rabbitmq::CheckNames(options.host, options.replica, sources, lanes);
}

absl::Status RabbitmqBus::Declare(const std::vector<LaneSpec>& lanes) {
  OUTBOARD_RETURN_IF_ERROR(Check(options_, lanes));
  for (const LaneSpec& spec : lanes) {
    if (spec.from.kind != From::Kind::kNext && !registry_->Find(spec.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("lane '", spec.name,
                       "': RabbitMQ's queues cannot be read again; take `from` out of its route"));
    }
  }
  // Known before it is made: whatever happens between, it can be undone.
  std::set<std::string> names;
  for (const LaneSpec& spec : lanes) {
    OUTBOARD_RETURN_IF_ERROR(Know(spec));
    names.insert(spec.name);
  }
  for (KnownLane& lane : registry_->All()) {
    if (!lane.orphan && !names.contains(lane.spec.name))
      OUTBOARD_RETURN_IF_ERROR(Orphan(std::move(lane)));
  }
  if (unmade().empty()) {
    absl::Status made = Make();
    if (made.ok() || !rabbitmq::MayPass(made)) return made;
    SetUnmade(std::string(made.message()));
  }
  MutexLock lock(mu_);
  helper_->Post([this] { MakeLater(0); });
  return absl::OkStatus();
}

// ---- On the broker
// ------------------------------------------------------------------------------------

// On one channel, as with many lanes each round trip counts. Nothing is taken away before all is
// made: where a lane is refused, the others still get what they got before.
absl::Status RabbitmqBus::Make() {
  OUTBOARD_RETURN_IF_ERROR(DeclareShared());
  std::set<std::string> exchanges;  // Many lanes may have one.
  const std::vector<KnownLane> lanes = registry_->All();
  return control_.Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
    const auto named = [](const KnownLane& lane, const absl::Status& status) {
      return absl::Status(status.code(),
                          absl::StrCat("lane '", lane.spec.name, "': ", status.message()));
    };
    for (const KnownLane& lane : lanes) {
      if (lane.orphan || !lane.spec.reliable) continue;  // The latter is made when it is opened.
      const absl::Status status = MakeQueue(connection, channel, lane, &exchanges);
      if (!status.ok()) return named(lane, status);
    }
    for (const KnownLane& lane : lanes) {
      const absl::Status status =
          lane.orphan ? Unbind(connection, channel, lane) : UnbindFormer(connection, channel, lane);
      if (!status.ok()) return named(lane, status);
    }
    return absl::OkStatus();
  });
}

// From what its filters do not name any more.
absl::Status RabbitmqBus::UnbindFormer(amqp::Connection& connection, amqp::Channel channel,
                                       const KnownLane& lane) {
  if (!lane.spec.reliable) return absl::OkStatus();
  const std::set<Binding> wanted = sources_.BindingsOf(lane.spec.filters);
  std::set<Binding> old;
  std::set_difference(lane.bindings.begin(), lane.bindings.end(), wanted.begin(), wanted.end(),
                      std::inserter(old, old.begin()));
  OUTBOARD_RETURN_IF_ERROR(UndoBindings(connection, channel, lane.queue, old));
  return registry_->SetBindings(lane.spec.name, wanted);
}

// An orphan takes nothing new.
absl::Status RabbitmqBus::Unbind(amqp::Connection& connection, amqp::Channel channel,
                                 const KnownLane& lane) {
  // A singleton's queue is other hosts' too, and they may be away just now.
  if (lane.bindings.empty() || lane.spec.mode == Mode::kSingleton ||
      registry_->IsShared(lane, LaneRegistry::Sharer::kDeclared)) {
    return absl::OkStatus();
  }
  OUTBOARD_RETURN_IF_ERROR(UndoBindings(connection, channel, lane.queue, lane.bindings));
  return registry_->SetBindings(lane.spec.name, {});
}

absl::Status RabbitmqBus::UndoBindings(amqp::Connection& connection, amqp::Channel channel,
                                       const std::string& queue,
                                       const std::set<Binding>& bindings) {
  for (const auto& [exchange, key] : bindings) {
    absl::Status status = connection.UnbindQueue(channel, queue, exchange, key);
    // It is gone with its queue or exchange; the refusal has closed the channel.
    if (absl::IsNotFound(status)) {
      OUTBOARD_RETURN_IF_ERROR(connection.OpenChannel(channel));
    } else if (!status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

void RabbitmqBus::MakeLater(int failures) {
  const absl::Status made = Make();
  if (made.ok()) {
    SetUnmade("");
    LogInfo("bus", "the broker is there: lanes are declared");
    return;
  }
  const std::string why(made.message());
  // What is configured may be mended on the broker too.
  if (why != unmade()) LogError("bus", "cannot declare lanes; tried again", {{"why", why}});
  SetUnmade(why);
  MutexLock lock(mu_);
  if (helper_ == nullptr) return;
  helper_->At(real_time_.Now() + rabbitmq::Backoff(failures),
              [this, failures] { MakeLater(failures + 1); });
}

void RabbitmqBus::SetUnmade(const std::string& why) {
  MutexLock lock(mu_);
  unmade_ = why;
}

std::string RabbitmqBus::unmade() {
  MutexLock lock(mu_);
  return unmade_;
}

}  // namespace outboard::bus

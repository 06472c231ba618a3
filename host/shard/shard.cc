#include "host/shard/shard.h"

#include <poll.h>

#include <algorithm>
#include <future>
#include <utility>

#include "host/base/log.h"
#include "host/base/status.h"
#include "host/shard/shard_impl.h"

namespace outboard::shard {
namespace {

constexpr Duration kLastSettlements = std::chrono::seconds(5);

}  // namespace

Shard::Impl::Impl(ShardOptions options, bus::Bus* bus, const Clock* clock)
    : options_(std::move(options)), bus_(bus), clock_(clock) {
  for (const PluginOptions& plugin_options : options_.plugins) {
    auto plugin = std::make_unique<Plugin>();
    plugin->options = plugin_options;
    plugin->status.id = plugin_options.id;
    plugin->dispatcher = std::make_unique<lane::Dispatcher>(plugin_options.dispatcher,
                                                            options_.seed + plugin_options.id);
    for (const lane::LaneOptions& lane : plugin_options.dispatcher.lanes) {
      plugin_of_lane_[lane.id] = plugin.get();
      if (routes_.size() <= lane.id) routes_.resize(lane.id + 1);
      routes_[lane.id] = lane.route;
    }
    plugins_.push_back(std::move(plugin));
  }
}

Shard::Impl::~Impl() {
  if (thread_.joinable()) {
    Post(Task([this] { stop_ = true; }));
    thread_.join();
  }
  // Streams refer to this sink until they are done: end them and take their last messages.
  size_t open = 0;
  for (auto& [id, session] : sessions_) {
    if (session->ended) continue;
    session->stream->Abort();
    ++open;
  }
  while (open > 0) {
    pollfd fd{mailbox_.fd(), POLLIN, 0};
    poll(&fd, 1, 1000);
    mailbox_.Drain(&messages_);
    for (const Message& message : messages_) {
      if (std::holds_alternative<StreamEnded>(message)) --open;
    }
  }
}

absl::Status Shard::Impl::Start(fleet::Fleet* fleet) {
  fleet_ = fleet;
  consumer_ = bus_->NewConsumer();
  for (const auto& plugin : plugins_) {
    for (const lane::LaneOptions& lane : plugin->options.dispatcher.lanes) {
      OUTBOARD_RETURN_IF_ERROR(consumer_->Open(lane.id, lane.name));
    }
  }
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

// ---- The loop
// ------------------------------------------------------------------------------------

void Shard::Impl::Run() {
  while (!stop_) {
    mailbox_.Drain(&messages_);
    for (Message& message : messages_) std::visit([this](auto& m) { On(m); }, message);
    FireTimers();
    // Each round may settle, and so make room for more; a few rounds, then the mailbox again.
    bool more = true;
    for (int round = 0; round < 4 && more; ++round) more = PollBus();
    if (!more && !stop_) Wait();
  }
}

void Shard::Impl::Wait() {
  Time until = consumer_->NextDue();
  for (const auto& plugin : plugins_) {
    until = std::min(until, plugin->wake_at);
    for (const auto& [lane, failures] : plugin->settle_failures)
      until = std::min(until, failures.line.due());
  }
  for (const auto& [id, session] : sessions_) until = std::min(until, session->deadline);
  for (const auto& [key, life] : lives_) until = std::min(until, life->heartbeat.due());
  pollfd fds[2] = {{mailbox_.fd(), POLLIN, 0}, {consumer_->fd(), POLLIN, 0}};
  if (until == kNever) {
    ppoll(fds, 2, nullptr, nullptr);
    return;
  }
  const Duration left =
      std::clamp(until - clock_->Now(), Duration(0), Duration(std::chrono::seconds(60)));
  const timespec timeout{left.count() / 1'000'000, (left.count() % 1'000'000) * 1000};
  ppoll(fds, 2, &timeout, nullptr);
}

bool Shard::Impl::PollBus() {
  arrivals_.Clear();
  consumer_->Poll(clock_->Now(), &arrivals_);
  if (arrivals_.deliveries.empty() && arrivals_.settled.empty()) return false;
  for (const bus::Settled& settled : arrivals_.settled) {
    if (emit_bytes_.empty() || !settled.status.ok()) continue;
    const auto it = emit_bytes_.find({settled.lane, settled.cookie});
    if (it == emit_bytes_.end()) continue;
    emit_bytes_total_ -= it->second;
    emit_bytes_.erase(it);
  }
  // By plugin, in order; most hosts have few plugins, and most reads are of one lane.
  for (const auto& plugin : plugins_) {
    lane::SettlesArrived settles;
    lane::DeliveriesArrived deliveries;
    for (bus::Settled& settled : arrivals_.settled) {
      if (plugin_of_lane_[settled.lane] == plugin.get())
        settles.settled.push_back(std::move(settled));
    }
    for (bus::Delivery& delivery : arrivals_.deliveries) {
      if (plugin_of_lane_[delivery.lane] == plugin.get())
        deliveries.deliveries.push_back(std::move(delivery));
    }
    if (!settles.settled.empty()) Step(*plugin, std::move(settles));
    if (!deliveries.deliveries.empty()) Step(*plugin, std::move(deliveries));
  }
  if (emit_bytes_total_ < options_.max_emit_bytes) {
    for (const SessionId id : std::exchange(not_consumed_, {})) {
      if (Session* session = Find(id)) session->stream->Consumed();
    }
  }
  return true;
}

void Shard::Impl::FireTimers() {
  const Time now = clock_->Now();
  for (const auto& plugin : plugins_) {
    if (plugin->wake_at <= now) Step(*plugin, lane::TimerFired());
    LogSettleFailures(*plugin);
  }
  for (const auto& [key, life] : lives_) {
    if (life->heartbeat.due() <= now) AskForSignOfLife(*life);
  }
  std::vector<SessionId> due;
  for (const auto& [id, session] : sessions_) {
    if (session->deadline <= now) due.push_back(id);
  }
  for (const SessionId id : due) {
    if (Session* session = Find(id)) CheckTime(*session);
  }
}

// ---- From other threads
// --------------------------------------------------------------------------

bool Shard::Impl::Drain(Duration timeout) {
  Post(Task([this, timeout] {
    draining_ = true;
    const Time deadline = clock_->Now() + timeout;
    for (const auto& plugin : plugins_) Step(*plugin, lane::StartDrain{deadline});
    AbortOpening();
  }));
  const Time last = clock_->Now() + timeout + kLastSettlements;
  while (clock_->Now() < last) {
    std::promise<bool> done;
    Post(Task([this, &done] {
      bool all = true;
      for (const auto& plugin : plugins_) all = all && plugin->drained;
      done.set_value(all && sessions_.empty());
    }));
    if (done.get_future().get()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  Post(Task([this] { TellAbandoned(); }));
  return false;
}

void Shard::Impl::TellAbandoned() {
  drain_failed_ = true;
  for (const auto& plugin : plugins_) {
    for (const lane::LaneOptions& lane : plugin->options.dispatcher.lanes) {
      const uint64_t count = Unsettled(plugin->dispatcher->stats(lane.id));
      if (count == 0) continue;
      LogWarning("shard", "abandoned deliveries: they come again at the next start",
                 {{"lane", lane.name}, {"count", std::to_string(count)}});
    }
  }
}

// ---- Shard
// ---------------------------------------------------------------------------------------

Shard::Shard(ShardOptions options, bus::Bus* bus, const Clock* clock)
    : impl_(std::make_unique<Impl>(std::move(options), bus, clock)) {}
Shard::~Shard() = default;

absl::Status Shard::Start(fleet::Fleet* fleet) { return impl_->Start(fleet); }
void Shard::OnReady(fleet::Instance instance) { impl_->Post(std::move(instance)); }
void Shard::OnGoingAway(fleet::PluginId plugin, fleet::InstanceUid uid) {
  impl_->Post(GoingAway{plugin, uid});
}
void Shard::OnGone(fleet::PluginId plugin, fleet::InstanceUid uid, bool requested,
                   std::string report) {
  impl_->Post(Gone{plugin, uid, requested, std::move(report)});
}
void Shard::OnEnded(fleet::PluginId plugin, fleet::InstanceUid uid) {
  impl_->Post(Ended{plugin, uid});
}
void Shard::OnHealth(fleet::PluginId plugin, fleet::InstanceUid uid, absl::Status health) {
  impl_->Post(HealthAnswered{plugin, uid, std::move(health)});
}
void Shard::OnFailed(fleet::PluginId plugin, bool quarantine, std::string report) {
  impl_->Post(Failed{plugin, quarantine, std::move(report)});
}
bool Shard::Drain(Duration timeout) { return impl_->Drain(timeout); }
Status Shard::GetStatus() { return impl_->GetStatus(); }

}  // namespace outboard::shard

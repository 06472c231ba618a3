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
    : options_(std::move(options)),
      bus_(bus),
      clock_(clock),
      hops_({}),
      walks_(options_.pipelines) {
  for (PluginOptions& plugin : options_.plugins) AddPlugin(std::move(plugin));
  options_.plugins.clear();
  hops_.Configure(DispatcherOptionsOf());
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
      if (lane.first && !lane.calls) OUTBOARD_RETURN_IF_ERROR(consumer_->Open(lane.id, lane.name));
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
    uint64_t found = 0;
    uint64_t in_round = 0;
    for (int round = 0; round < 4; ++round) {
      in_round = PollBus();
      found += in_round;
      if (in_round == 0 || pace_.IsFew(in_round)) break;
    }
    const Time now = clock_->Now();
    pace_.Looked(found, now);
    if (!leaving_.empty()) RemoveOver();
    if (stop_) break;
    // Under load alone: at low rates the lanes are not asked.
    const Duration rest = pace_.IsFew(in_round) ? pace_.Rest(FewestLeft(), now) : Duration::zero();
    if (rest > Duration::zero()) {
      std::this_thread::sleep_for(rest);
    } else if (in_round == 0) {
      Wait();
    }
  }
}

// Deliveries that are still with the plugin that has fewest, of those for which more is there.
std::optional<uint64_t> Shard::Impl::FewestLeft() const {
  std::optional<uint64_t> fewest;
  for (const auto& plugin : plugins_) {
    uint64_t left = 0;
    bool more = false;
    for (const lane::LaneOptions& lane : plugin->options.dispatcher.lanes) {
      const lane::LaneStats& stats = plugin->dispatcher->stats(lane.id);
      left += stats.in_flight;
      more = more || stats.ready > 0 || stats.parked > 0;
    }
    if (more && (!fewest || left < *fewest)) fewest = left;
  }
  return fewest;
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
  until = std::min(until, walks_.NextDue());
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

// How many deliveries and settlements there were.
uint64_t Shard::Impl::PollBus() {
  arrivals_.Clear();
  consumer_->Poll(clock_->Now(), &arrivals_);
  const uint64_t found = arrivals_.deliveries.size() + arrivals_.settled.size();
  if (found == 0) return 0;
  for (const bus::Settled& settled : arrivals_.settled) {
    if (emit_bytes_.empty() || !settled.status.ok()) continue;
    const auto it = emit_bytes_.find({settled.lane, settled.cookie});
    if (it == emit_bytes_.end()) continue;
    emit_bytes_total_ -= it->second;
    emit_bytes_.erase(it);
  }
  hops_.Copy(arrivals_.deliveries);
  // By plugin, in order; most hosts have few plugins, and most reads are of one lane.
  for (size_t i = 0; i < plugins_.size(); ++i) {
    Plugin* const plugin = plugins_[i].get();
    lane::SettlesArrived settles;
    lane::DeliveriesArrived deliveries;
    for (bus::Settled& settled : arrivals_.settled) {
      if (hops_.DispatcherOf(settled.lane) == i) settles.settled.push_back(std::move(settled));
    }
    for (bus::Delivery& delivery : arrivals_.deliveries) {
      if (hops_.DispatcherOf(delivery.lane) == i)
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
  return found;
}

void Shard::Impl::FireTimers() {
  const Time now = clock_->Now();
  for (const auto& plugin : plugins_) {
    if (plugin->wake_at <= now) Step(*plugin, lane::TimerFired());
    LogSettleFailures(*plugin);
  }
  EndLateCalls();
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
  const Time deadline = clock_->Now() + timeout;
  EndCalls(timeout / 2);
  Post(Task([this, deadline] {
    draining_ = true;
    walks_.StopFailingOpen();
    for (const auto& plugin : plugins_)
      Step(*plugin, lane::StartDrain{std::max(deadline, clock_->Now())});
    AbortOpening();
  }));
  const Time last = deadline + kLastSettlements;
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

// A call needs sessions of several plugins until it is over. Events are not taken any more.
void Shard::Impl::EndCalls(Duration timeout) {
  Post(Task([this] {
    refuses_calls_ = true;
    for (const auto& plugin : plugins_) {
      for (const lane::LaneOptions& lane : plugin->options.dispatcher.lanes) {
        if (lane.first && !lane.calls) consumer_->SetCredit(lane.id, 0);
      }
    }
  }));
  const Time last = clock_->Now() + timeout;
  while (clock_->Now() < last) {
    std::promise<bool> none;
    Post(Task([this, &none] { none.set_value(walks_.under_way() == 0); }));
    if (none.get_future().get()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Shard::Impl::TellAbandoned() {
  drain_failed_ = true;
  for (const auto& plugin : plugins_) {
    for (const lane::LaneOptions& lane : plugin->options.dispatcher.lanes) {
      if (!lane.first || lane.calls) continue;  // What is with another hop is the first one's too.
      const uint64_t count = Unsettled(plugin->dispatcher->stats(lane.id));
      if (count == 0) continue;
      LogWarning("shard", "abandoned deliveries: they come again at the next start",
                 {{"lane", lane.name}, {"count", std::to_string(count)}});
    }
  }
}

void Shard::Invoke(std::vector<Invocation> invocations) { impl_->Post(std::move(invocations)); }
void Shard::GiveUp(std::vector<uint64_t> ids) { impl_->Post(CallsGivenUp{std::move(ids)}); }

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
std::vector<LaneEvent> Shard::Find(const absl::flat_hash_set<std::string>& ids) {
  return impl_->Find(ids);
}
Status Shard::GetStatus() { return impl_->GetStatus(); }
absl::Status Shard::Apply(ShardOptions options) { return impl_->Apply(std::move(options)); }
std::vector<std::string> Shard::Leaving() { return impl_->Leaving(); }
absl::Status Shard::Pause(lane::LaneId lane, bool paused) { return impl_->Pause(lane, paused); }
absl::StatusOr<LaneStops> Shard::StopsOf(lane::LaneId lane) { return impl_->StopsOf(lane); }
void Shard::StopLane(lane::LaneId lane) { impl_->TellFirst(lane, lane::StopLane{lane}); }
void Shard::GoOn(lane::LaneId lane, uint64_t stops) {
  impl_->TellFirst(lane, lane::GoOn{lane, stops});
}

}  // namespace outboard::shard

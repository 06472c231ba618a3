#include "host/fleet/fleet.h"

#include <algorithm>
#include <csignal>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/fleet/dial.h"
#include "host/fleet/fleet_impl.h"
#include "host/plugin/config_schema.h"
#include "host/plugin/description.h"

namespace outboard::fleet {
namespace {

constexpr Duration kRedialInitial = std::chrono::milliseconds(500);
constexpr Duration kRedialMax = std::chrono::seconds(30);
// The report on a process comes a moment after the end of its connection.
constexpr Duration kReportWait = std::chrono::seconds(2);
// An idle quarantine instance stays a moment: suspects often come in groups.
constexpr Duration kQuarantineLinger = std::chrono::seconds(5);

// `who` follows what happened; empty: it is said elsewhere.
std::string EndReport(const std::string& who, const supervise::ProcessEnd& end) {
  std::string report = absl::StrCat(end.Describe(), who);
  // Zero: nobody could ask the system, as its launcher was killed.
  if (end.max_rss_bytes > 0) {
    absl::StrAppend(&report, "; peak memory ", end.max_rss_bytes >> 20, " MiB, CPU time ",
                    end.cpu / std::chrono::milliseconds(1), " ms");
  }
  if (!end.stderr_tail.empty())
    absl::StrAppend(&report, "; its last lines on stderr:\n", end.stderr_tail);
  return report;
}

// A process that ended before it was asked what it is; the texts are for after the plugin's name.
struct EarlyEnd {
  std::string problem;
  std::string report;
};

EarlyEnd ToEarlyEnd(const supervise::ProgramSpec& program, const supervise::Ended& ended) {
  const supervise::ProcessEnd& end = ended.end;
  if (!end.start_error.empty()) {
    absl::string_view text = end.start_error;
    absl::ConsumePrefix(&text, absl::StrCat("plugin ", program.name, ": "));
    return {std::string(text), std::string(text)};
  }
  constexpr char kEarly[] = "ended before it answered Describe: ";
  return {absl::StrCat(kEarly, end.Describe()),
          absl::StrCat(kEarly, EndReport("", end),
                       "\nrun it by hand: ", supervise::CommandByHand(program))};
}

}  // namespace

absl::Status Fleet::Impl::Begin() {
  supervise::SupervisorOptions options = options_.supervisor;
  options.on_started = [this](const supervise::Started& s) { Post([this, s] { OnStarted(s); }); };
  options.on_ended = [this](const supervise::Ended& e) { Post([this, e] { OnEnded(e); }); };
  options.on_removed = [this](const InstanceKey& key) { Post([this, key] { OnRemoved(key); }); };
  for (const PluginSpec& spec : options_.plugins) {
    options.use_cgroups = options.use_cgroups || spec.program.limits.by_cgroup();
  }
  OUTBOARD_ASSIGN_OR_RETURN(supervisor_, supervise::Supervisor::Create(std::move(options)));
  for (const PluginSpec& spec : options_.plugins)
    plugins_.emplace_back().spec = std::make_shared<const PluginSpec>(spec);
  for (PluginId id = 0; id < plugins_.size(); ++id) OUTBOARD_RETURN_IF_ERROR(StartGeneration(id));
  return absl::OkStatus();
}

PluginId Fleet::Impl::IdOf(const std::string& name) const {
  for (PluginId id = 0; id < plugins_.size(); ++id) {
    if (Spec(id).name == name) return id;
  }
  OUTBOARD_CHECK(false);
  return 0;
}

Fleet::Impl::Slot* Fleet::Impl::FindSlot(PluginId plugin, uint32_t number, bool quarantine) {
  for (auto& slot : plugins_[plugin].slots) {
    if (slot->number == number && slot->quarantine == quarantine) return slot.get();
  }
  return nullptr;
}

Fleet::Impl::Slot* Fleet::Impl::FindLife(PluginId plugin, InstanceUid uid) {
  for (auto& slot : plugins_[plugin].slots) {
    if (uid != 0 && slot->uid == uid) return slot.get();
  }
  return nullptr;
}

// ---- Launched
// ------------------------------------------------------------------------------------

void Fleet::Impl::OnStarted(const supervise::Started& started) {
  const PluginId plugin = IdOf(started.instance.plugin);
  Slot* slot =
      FindSlot(plugin, static_cast<uint32_t>(started.instance.number), started.instance.quarantine);
  if (slot == nullptr || slot->leaving || stopping_) return;
  slot->pid = started.pid;
  slot->address = started.address;
  Dial(*slot);
}

void Fleet::Impl::OnEnded(const supervise::Ended& ended) {
  const PluginId plugin = IdOf(ended.instance.plugin);
  PluginState& state = plugins_[plugin];
  Slot* slot =
      FindSlot(plugin, static_cast<uint32_t>(ended.instance.number), ended.instance.quarantine);
  if (slot == nullptr) return;
  const std::string report = EndReport(
      absl::StrCat("; plugin ", ended.instance.plugin, ", instance ", ended.instance.Instance()),
      ended.end);
  const bool crashed = !ended.end.requested;
  if (slot->connection) slot->connection->CancelCalls();
  if (!stopping_ && ended.restart_at != kNever) {
    ++state.restarts;
    const std::string cause = !crashed ? "requested" : ended.end.signaled ? "signal" : "exit";
    ++state.restarts_by_cause[cause];
  }
  if (slot->ready) {
    listener_->OnGone(plugin, slot->uid, ended.end.requested, report);
  } else if (crashed && !slot->told) {
    const EarlyEnd early = ToEarlyEnd(slot->spec->program, ended);
    if (IsJoining(*slot)) return FailJoin(*slot, early.problem);
    state.problem = early.problem;
    // That it could not be started at all, the supervisor has said.
    if (ended.end.start_error.empty())
      LogError("fleet", early.report, {{"plugin", Spec(plugin).name}});
    listener_->OnFailed(plugin, slot->quarantine, early.report);
  }
  slot->uid = 0;
  slot->ready = slot->told = false;
  slot->pid = 0;
  slot->address.clear();  // Its socket is gone.
  slot->connection.reset();
  slot->state = ended.restart_at == kNever ? "stopped" : "backoff";
  if (slot->leaving && ended.restart_at != kNever) supervisor_->Stop(KeyOf(*slot));
}

void Fleet::Impl::OnRemoved(const InstanceKey& key) {
  const Slot* slot = FindSlot(IdOf(key.plugin), static_cast<uint32_t>(key.number), key.quarantine);
  if (slot != nullptr && (slot->leaving || slot->quarantine)) Forget(*slot);
}

void Fleet::Impl::Forget(const Slot& slot) {
  const PluginId plugin = slot.plugin;
  const bool quarantine = slot.quarantine;
  PluginState& state = plugins_[plugin];
  std::erase_if(state.slots, [&slot](const auto& s) { return s.get() == &slot; });
  if (!quarantine) return;
  state.quarantine_runs = false;
  if (state.quarantine_wanted) WantQuarantine(plugin, true);
}

void Fleet::Impl::WantQuarantine(PluginId plugin, bool wanted) {
  if (stopping_ || Spec(plugin).remote() || plugins_[plugin].removed) return;
  PluginState& state = plugins_[plugin];
  state.quarantine_wanted = wanted;
  if (!wanted) {
    thread_->At(clock_.Now() + kQuarantineLinger, [this, plugin] { StopQuarantine(plugin); });
    return;
  }
  if (state.quarantine_runs) return;
  state.quarantine_runs = true;
  Slot& slot = NewSlot(plugin);
  slot.quarantine = true;
  slot.number = 0;  // They are numbered by themselves.
  const absl::Status status = supervisor_->Start(Spec(plugin).program, 0, /*quarantine=*/true);
  if (!status.ok()) LogError("fleet", status.message(), {{"plugin", Spec(plugin).name}});
}

void Fleet::Impl::StopQuarantine(PluginId plugin) {
  PluginState& state = plugins_[plugin];
  if (state.quarantine_wanted || !state.quarantine_runs || stopping_) return;
  supervisor_->Stop({Spec(plugin).name, 0, true});
}

// ---- From an address to a described instance
// -----------------------------------------------------

void Fleet::Impl::Dial(Slot& slot) {
  const PluginSpec& spec = *slot.spec;
  slot.uid = next_uid_++;
  slot.state = "starting";
  absl::StatusOr<std::shared_ptr<plugin::Connection>> connection = Connect(spec, slot.address);
  if (!connection.ok()) return Unusable(slot, connection.status());
  slot.connection = *std::move(connection);
  DescribeRequest request;
  request.set_host(options_.host_name);
  request.set_host_version(OUTBOARD_VERSION);
  request.set_max_message_bytes(plugin::kMaxResponseBytes);
  request.set_config_json(spec.config_json);
  const PluginId plugin = slot.plugin;
  const InstanceUid uid = slot.uid;
  CallBegins();
  slot.connection->Describe(
      std::move(request), spec.start_timeout,
      [this, plugin, uid](absl::StatusOr<DescribeResponse> result) {
        Post([this, plugin, uid, result = std::move(result)] { OnDescribed(plugin, uid, result); });
        CallOver();
      });
}

void Fleet::Impl::CheckHealth(PluginId plugin, InstanceUid uid, Duration timeout) {
  Slot* slot = FindLife(plugin, uid);
  if (slot == nullptr || stopping_) return;
  CallBegins();
  slot->connection->CheckHealth(timeout, [this, plugin, uid](const absl::Status& health) {
    Post([this, plugin, uid, health] { listener_->OnHealth(plugin, uid, health); });
    CallOver();
  });
}

void Fleet::Impl::CallBegins() {
  MutexLock lock(door_);
  ++calls_;
}

void Fleet::Impl::CallOver() {
  MutexLock lock(door_);
  --calls_;
  answered_.NotifyAll();
}

void Fleet::Impl::OnDescribed(PluginId plugin, InstanceUid uid,
                              absl::StatusOr<DescribeResponse> result) {
  Slot* slot = FindLife(plugin, uid);
  if (slot == nullptr || slot->leaving || stopping_) return;
  absl::Status status = result.ok() ? plugin::CheckDescription(*result)
                                    : NoDescription(*slot->spec, slot->address, result.status());
  if (status.ok()) {
    const std::vector<std::string> faults =
        plugin::CheckAgainstSchema(slot->spec->config_json, result->config_schema_json());
    if (!faults.empty()) {
      status = absl::InvalidArgumentError(
          absl::StrCat("its config is wrong: ", absl::StrJoin(faults, "; ")));
    }
  }
  if (!status.ok() && absl::IsUnavailable(status) && !slot->spec->remote()) {
    // Most likely its process died, and the report on that says more.
    thread_->At(clock_.Now() + kReportWait, [this, plugin, uid, status] {
      Slot* still = FindLife(plugin, uid);
      if (still != nullptr && !still->leaving && !stopping_) Unusable(*still, status);
    });
    return;
  }
  if (!status.ok()) return Unusable(*slot, status);
  PluginState& state = plugins_[plugin];
  state.description = *result;
  slot->description = *result;
  state.problem.clear();
  const bool known = !slot->instance_id.empty() && !result->instance_id().empty();
  if (known && slot->instance_id != result->instance_id()) TellEnded(*slot);
  slot->before = 0;
  slot->instance_id = result->instance_id();
  slot->ready = true;
  slot->state = slot->quarantine ? "quarantine" : "ready";
  slot->connection->WatchGoingAway(watcher_.get(),
                                   [this, plugin, uid] { listener_->OnGoingAway(plugin, uid); });
  LogInfo("fleet", "plugin is ready",
          {{"plugin", Spec(plugin).name},
           {"instance", KeyOf(*slot).Instance()},
           {"program", result->name()},
           {"version", result->version()},
           {"address", slot->address}});
  listener_->OnReady({plugin, uid, slot->number, slot->quarantine, slot->connection,
                      *std::move(result), slot->spec->config_json, IsJoining(*slot),
                      slot->generation});
}

void Fleet::Impl::Unusable(Slot& slot, const absl::Status& why) {
  if (IsJoining(slot) && !slot.spec->remote()) return FailJoin(slot, RedactSecrets(why.message()));
  PluginState& state = plugins_[slot.plugin];
  state.problem = RedactSecrets(why.message());
  LogError("fleet", why.message(), {{"plugin", Spec(slot.plugin).name}});
  slot.told = true;
  if (slot.spec->remote()) return Redial(slot);
  listener_->OnFailed(slot.plugin, slot.quarantine, std::string(why.message()));
  supervisor_->Kill(KeyOf(slot), SIGTERM);
}

void Fleet::Impl::Replace(PluginId plugin, InstanceUid uid, ReplaceCause cause, std::string why) {
  Slot* slot = FindLife(plugin, uid);
  if (slot == nullptr || stopping_) return;
  const bool launched = !slot->spec->remote();
  const bool joining = launched && IsJoining(*slot);
  const bool aborts = launched && cause == ReplaceCause::kStuck && slot->spec->program.core;
  // What ends for good, too: the stop that follows does not signal it again.
  if (aborts && (slot->leaving || joining)) supervisor_->Kill(KeyOf(*slot), SIGABRT);
  if (slot->leaving) return EndForGood(*slot);
  if (joining) return FailJoin(*slot, why);
  LogWarning("fleet", "replacing an instance",
             {{"plugin", Spec(plugin).name}, {"instance", KeyOf(*slot).Instance()}, {"why", why}});
  if (!launched) {
    if (slot->ready) listener_->OnGone(plugin, uid, true, why);
    return Redial(*slot);
  }
  slot->state = "draining";
  if (cause == ReplaceCause::kDrained) {
    supervisor_->Replace(KeyOf(*slot));
  } else {
    supervisor_->Kill(KeyOf(*slot), aborts ? SIGABRT : SIGTERM);
  }
}

void Fleet::Impl::ReportHealthy(PluginId plugin, InstanceUid uid) {
  Slot* slot = FindLife(plugin, uid);
  if (slot == nullptr) return;
  slot->failures = 0;
  if (!slot->spec->remote()) supervisor_->ReportHealthy(KeyOf(*slot));
}

// ---- Remote
// --------------------------------------------------------------------------------------

void Fleet::Impl::OnAddresses(PluginId plugin, uint64_t generation,
                              std::vector<std::string> addresses) {
  if (stopping_) return;
  PluginState& state = plugins_[plugin];
  std::set<std::string> left(addresses.begin(), addresses.end());
  for (auto it = state.slots.begin(); it != state.slots.end();) {
    Slot& slot = **it;
    if (slot.generation != generation) {
      ++it;
      continue;
    }
    const bool gone = left.erase(slot.address) == 0;
    if (gone && slot.ready && !slot.gone) listener_->OnGoingAway(plugin, slot.uid);
    slot.gone = gone;
    if (gone && !slot.ready) {
      TellEnded(slot);
      it = state.slots.erase(it);
    } else {
      ++it;
    }
  }
  if (generation != state.generation || state.removed) return;
  for (const std::string& address : left) {
    Slot& slot = NewSlot(plugin);
    slot.address = address;
    Dial(slot);
  }
}

void Fleet::Impl::Redial(Slot& slot) {
  PluginState& state = plugins_[slot.plugin];
  if (slot.ready) slot.before = slot.uid;
  slot.ready = slot.told = false;
  slot.uid = 0;
  slot.connection.reset();
  if (slot.gone) {
    TellEnded(slot);
    std::erase_if(state.slots, [&slot](const auto& s) { return s.get() == &slot; });
    return;
  }
  slot.state = "backoff";
  ++state.restarts;
  ++state.restarts_by_cause["connection"];
  Duration delay = kRedialInitial;
  for (uint32_t i = 0; i < slot.failures && delay < kRedialMax; ++i)
    delay = std::min(delay * 2, kRedialMax);
  ++slot.failures;
  const PluginId plugin = slot.plugin;
  const uint32_t number = slot.number;
  thread_->At(clock_.Now() + delay, [this, plugin, number] {
    Slot* again = FindSlot(plugin, number, false);
    if (again != nullptr && again->uid == 0 && !stopping_) Dial(*again);
  });
}

// The address shows another instance, or left.
void Fleet::Impl::TellEnded(Slot& slot) {
  if (slot.before != 0) listener_->OnEnded(slot.plugin, slot.before);
  slot.before = 0;
}

// ---- Status and end
// ------------------------------------------------------------------------------

std::vector<PluginStatus> Fleet::Impl::Status() {
  std::vector<PluginStatus> out;
  thread_->Run([this, &out] { out = StatusNow(); });
  return out;
}

std::vector<PluginStatus> Fleet::Impl::StatusNow() {
  std::vector<PluginStatus> out;
  const std::vector<supervise::InstanceStatus> processes =
      supervisor_ ? supervisor_->Snapshot() : std::vector<supervise::InstanceStatus>();
  for (const PluginState& state : plugins_) {
    PluginStatus& status = out.emplace_back();
    status.program = state.description.name();
    status.version = state.description.version();
    status.sdk = state.description.sdk();
    status.components.assign(state.description.components().begin(),
                             state.description.components().end());
    status.restarts = state.restarts;
    status.restarts_by_cause = state.restarts_by_cause;
    status.problem = state.problem;
    for (const auto& slot : state.slots) {
      InstanceStatus& instance = status.instances.emplace_back();
      instance.number = slot->number;
      instance.quarantine = slot->quarantine;
      instance.state = slot->state;
      instance.pid = slot->pid;
      instance.address = slot->address;
      instance.uid = slot->ready ? slot->uid : 0;
      for (const supervise::InstanceStatus& process : processes) {
        if (process.instance != KeyOf(*slot)) continue;
        instance.restarts = process.generation > 0 ? process.generation - 1 : 0;
        instance.last_end = process.last_end;
        instance.unapplied = process.unapplied;
      }
    }
  }
  return out;
}

void Fleet::Impl::Shutdown(Duration deadline) {
  if (thread_ == nullptr) return;
  std::vector<std::unique_ptr<Resolver>> resolvers;
  thread_->Run([this, &resolvers] {
    stopping_ = true;
    for (PluginState& state : plugins_) {
      resolvers.push_back(std::move(state.resolver));
      resolvers.push_back(std::move(state.former_resolver));
      for (const auto& slot : state.slots) {
        if (slot->connection) slot->connection->CancelCalls();
      }
    }
  });
  resolvers.clear();
  if (supervisor_) supervisor_->Shutdown(deadline);
  supervisor_.reset();
  watcher_.reset();
  {
    MutexLock lock(door_);
    open_ = false;
    while (calls_ > 0) answered_.Wait(door_);
  }
  thread_.reset();
}

// ---- Fleet
// ---------------------------------------------------------------------------------------

Fleet::Fleet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Fleet::~Fleet() = default;

absl::StatusOr<std::unique_ptr<Fleet>> Fleet::Create(FleetOptions options,
                                                     FleetListener* listener) {
  auto impl = std::make_unique<Impl>(std::move(options), listener);
  OUTBOARD_RETURN_IF_ERROR(impl->Begin());
  return std::unique_ptr<Fleet>(new Fleet(std::move(impl)));
}

void Fleet::WantQuarantine(PluginId plugin, bool wanted) {
  impl_->Post([impl = impl_.get(), plugin, wanted] { impl->WantQuarantine(plugin, wanted); });
}
void Fleet::Replace(PluginId plugin, InstanceUid uid, ReplaceCause cause, std::string why) {
  impl_->Post([impl = impl_.get(), plugin, uid, cause, why = std::move(why)] {
    impl->Replace(plugin, uid, cause, why);
  });
}
void Fleet::ReportHealthy(PluginId plugin, InstanceUid uid) {
  impl_->Post([impl = impl_.get(), plugin, uid] { impl->ReportHealthy(plugin, uid); });
}
void Fleet::CheckHealth(PluginId plugin, InstanceUid uid, Duration timeout) {
  impl_->Post(
      [impl = impl_.get(), plugin, uid, timeout] { impl->CheckHealth(plugin, uid, timeout); });
}
std::vector<PluginStatus> Fleet::Status() { return impl_->Status(); }
absl::Status Fleet::Join(PluginId plugin, PluginSpec spec) {
  return impl_->Join(plugin, std::move(spec));
}
Joining Fleet::JoinState(PluginId plugin) { return impl_->JoinState(plugin); }
void Fleet::Settle(PluginId plugin, bool keep) { impl_->Settle(plugin, keep); }
void Fleet::Remove(PluginId plugin) { impl_->Remove(plugin); }
void Fleet::Shutdown(Duration deadline) { impl_->Shutdown(deadline); }

}  // namespace outboard::fleet

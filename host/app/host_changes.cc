#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/app/host_impl.h"
#include "host/app/paused_lanes.h"
#include "host/app/wiring.h"
#include "host/base/log.h"
#include "host/base/status.h"

// What people change of a running host: its config, and whether lanes go on.
namespace outboard::app {
namespace {

void LogReload(const Host::Reloaded& reloaded) {
  for (const std::string& warning : reloaded.warnings) LogWarning("config", warning);
  for (const config::Change& change : reloaded.changes)
    LogInfo("config", config::ToText(change), {{"what", absl::StrJoin(change.details, "; ")}});
  LogInfo("app", "config reloaded", {{"changes", std::to_string(reloaded.changes.size())}});
}

}  // namespace

absl::StatusOr<Host::Reloaded> Host::Impl::Reload(const ReloadOptions& options) {
  MutexLock lock(reload_mu_);
  absl::StatusOr<Reloaded> result = ReloadNow(options);
  if (options.dry_run) return result;
  MutexLock state(mu_);
  reloads_.last_succeeded = result.ok();
  ++(result.ok() ? reloads_.succeeded : reloads_.failed);
  if (result.ok()) reloads_.applied_at = clock_.Now();
  return result;
}

absl::StatusOr<Host::Reloaded> Host::Impl::ReloadNow(const ReloadOptions& options) {
  if (stopping_ || !running_)
    return absl::FailedPreconditionError("the host is starting or shutting down");
  const std::shared_ptr<const Setup> before = setup();
  OUTBOARD_ASSIGN_OR_RETURN(config::ReadResult read, ReadAgain(before->config));
  Reloaded out;
  out.changes = ChangesOf(before->config, read.config);
  for (const config::ConfigProblem& warning : read.warnings) out.warnings.push_back(warning.text());
  const std::set<std::string> replace(options.replace.begin(), options.replace.end());
  OUTBOARD_RETURN_IF_ERROR(CheckReload(before->config, read.config, out.changes, replace));
  auto after = std::make_shared<Setup>();
  after->lanes = before->lanes;
  OUTBOARD_ASSIGN_OR_RETURN(after->ids, AssignIds(read.config, before->ids));
  after->config = std::move(read.config);
  if (options.dry_run) return out;
  by_shard_.Know(after->ids);
  Reload::Parts parts;
  parts.bus = bus_.get();
  parts.fleet = fleet_.get();
  for (const auto& shard : shards_) parts.shards.push_back(shard.get());
  parts.open_pipelines = [this](const Setup& setup) { OpenPipelines(setup); };
  parts.tell = [this](fleet::PluginSpec* spec) { Tell(spec); };
  parts.stopping = [this] { return stopping_.load(); };
  auto undone = std::make_shared<Setup>(*before);
  undone->ids = Spend(before->ids, after->ids);
  app::Reload reload(std::move(parts), *before, *after, *undone, replace);
  const absl::Status status = reload.Run();
  {
    MutexLock lock(mu_);
    setup_ = status.ok() ? std::move(after) : std::move(undone);
  }
  WatchDeadLetters(*this->setup());
  if (!status.ok()) return status;
  out.applied = true;
  return out;
}

absl::Status Host::Impl::Reload(const host::v1::ReloadRequest& request,
                                host::v1::ReloadResponse* response) {
  ReloadOptions options;
  options.dry_run = request.dry_run();
  options.replace.assign(request.replace().begin(), request.replace().end());
  OUTBOARD_ASSIGN_OR_RETURN(const Reloaded reloaded, Reload(options));
  if (reloaded.applied) LogReload(reloaded);
  for (const config::Change& change : reloaded.changes) {
    host::v1::ConfigChange* out = response->add_changes();
    out->set_kind(change.kind == config::Change::Kind::kAdded ? host::v1::ConfigChange::KIND_ADDED
                  : change.kind == config::Change::Kind::kChanged
                      ? host::v1::ConfigChange::KIND_CHANGED
                      : host::v1::ConfigChange::KIND_REMOVED);
    out->set_section(change.section);
    out->set_name(change.name);
    for (const std::string& detail : change.details) out->add_details(detail);
  }
  for (const std::string& warning : reloaded.warnings) response->add_warnings(warning);
  response->set_applied(reloaded.applied);
  return absl::OkStatus();
}

absl::Status Host::Impl::PauseLane(const std::string& name, bool paused,
                                   host::v1::PauseLaneResponse* response) {
  WaitUntilStarted();
  MutexLock lock(reload_mu_);  // Lanes do not change meanwhile.
  if (!running_ || stopping_) return absl::UnavailableError("the host is not running, or stops");
  const std::shared_ptr<const Setup> setup = this->setup();
  for (const config::Route& route : setup->config.routes) {
    for (const config::Target& target : route.to) {
      if (LaneName(route, target) != name) continue;
      if (!paused && setup->lanes.paused.count(name) == 0) return Resume(name, response);
      const size_t shard = setup->ids.plugins.at(target.plugin).shard;
      auto after = std::make_shared<Setup>(*setup);
      if (paused) after->lanes.paused.insert(name);
      if (!paused) after->lanes.paused.erase(name);
      OUTBOARD_RETURN_IF_ERROR(WritePausedLanes(setup->config.host.data, after->lanes));
      OUTBOARD_RETURN_IF_ERROR(shards_[shard]->Pause(setup->ids.lanes.at(name).id, paused));
      {
        MutexLock state(mu_);
        setup_ = std::move(after);
      }
      LogInfo("app", paused ? "lane paused" : "lane goes on", {{"lane", name}});
      const auto stops = dead_stops();
      const auto stopped_by =
          stops ? stops->stopped_by() : std::map<std::string, admin::StoppedBy>();
      const auto by = stopped_by.find(name);
      if (by != stopped_by.end()) response->set_stopped_by(by->second.dead_id);
      return absl::OkStatus();
    }
  }
  return absl::NotFoundError(
      absl::StrCat("no lane ", name, " in the config: `outboard lane list` shows which there are"));
}

absl::Status Host::Impl::Resume(const std::string& name, host::v1::PauseLaneResponse* response) {
  const auto stops = dead_stops();
  if (!stops) return absl::OkStatus();
  auto after = std::make_shared<Setup>(*setup());
  OUTBOARD_ASSIGN_OR_RETURN(const uint64_t passed,
                            stops->Pass(name, [&after](const DeadStops::Passed& all) {
                              after->lanes.passed = all;
                              return WritePausedLanes(after->config.host.data, after->lanes);
                            }));
  response->set_passed(passed);
  if (passed == 0) return absl::OkStatus();
  {
    MutexLock state(mu_);
    setup_ = std::move(after);
  }
  LogInfo("app", "lane goes on past its dead letters",
          {{"lane", name}, {"up_to", std::to_string(passed)}});
  return absl::OkStatus();
}

void Host::Impl::ReloadLater() {
  reloader_.Post([this] {
    const absl::StatusOr<Reloaded> result = Reload(ReloadOptions());
    if (!result.ok()) {
      LogError("app", absl::StrCat("the config was not reloaded, all is as before: ",
                                   result.status().message()));
      return;
    }
    LogReload(*result);
  });
}

}  // namespace outboard::app

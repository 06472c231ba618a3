// Instances and sessions come and go; what the end of a stream means.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/plugin/description.h"
#include "host/shard/shard_impl.h"

namespace outboard::shard {
namespace {

// Text of a plugin that goes to people and to callers.
std::string Clean(absl::string_view text) { return EscapeForPeople(RedactSecrets(text)); }

// The report on a process comes a moment after the end of its streams.
constexpr Duration kReportWait = std::chrono::seconds(2);
// The status of a stream follows its last frame at once.
constexpr Duration kEndAfterReads = std::chrono::seconds(1);

// As in the lines of the supervisor.
std::string InstanceName(const fleet::Instance& instance) {
  return absl::StrCat(instance.quarantine ? "q" : "", instance.number);
}

lane::Role ToRole(outboard::plugin::v1::Role role) {
  switch (role) {
    case outboard::plugin::v1::ROLE_STAGE: return lane::Role::kStage;
    case outboard::plugin::v1::ROLE_PRODUCER: return lane::Role::kProducer;
    default: return lane::Role::kWorker;
  }
}

}  // namespace

// ---- Messages
// ------------------------------------------------------------------------------------

Plugin* Shard::Impl::FindPlugin(fleet::PluginId id) {
  for (const auto& plugin : plugins_) {
    if (plugin->options.id == id) return plugin.get();
  }
  OUTBOARD_CHECK(false);
  return nullptr;
}

Session* Shard::Impl::Find(SessionId id) {
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second.get();
}

void Shard::Impl::On(fleet::Instance& instance) {
  Plugin* plugin = FindPlugin(instance.plugin);
  const auto key = std::pair(instance.plugin, instance.uid);
  auto& life = lives_[key];
  life = std::make_unique<InstanceLife>(std::move(instance), plugin, clock_->Now());
  if (draining_) return;
  plugin->status.problem.clear();
  plugin->status.disabled.clear();
  plugin->disabled.clear();
  for (lane::ComponentId c = 0; c < plugin->options.components.size(); ++c) {
    if (plugin->options.components[c].wanted) OpenSession(*life, c);
  }
}

// What one that goes said of its components counts no more.
void Shard::Impl::JudgeAgain(Plugin& plugin) {
  plugin.status.problem.clear();
  plugin.status.disabled.clear();
  plugin.disabled.clear();
  for (const auto& [key, life] : lives_) {
    if (life->plugin != &plugin || life->going || life->gone) continue;
    for (lane::ComponentId c = 0; c < plugin.options.components.size(); ++c) {
      if (!plugin.options.components[c].wanted) continue;
      const auto component =
          plugin::FindComponent(plugin.options.name, plugin.options.components[c].name,
                                plugin.options.components[c].use, life->instance.description);
      if (!component.ok()) {
        plugin.status.problem = std::string(component.status().message());
      } else if (component->disabled()) {
        plugin.disabled[c] = Clean(component->disabled_reason());
        plugin.status.disabled[component->name()] = component->disabled_reason();
      }
    }
  }
}

void Shard::Impl::On(GoingAway& message) {
  const auto it = lives_.find({message.plugin, message.uid});
  if (it == lives_.end()) return;
  InstanceLife& life = *it->second;
  life.going = true;
  JudgeAgain(*life.plugin);
  if (life.sessions.empty()) return ReplaceLife(life, ReplaceCause::kDrained, "it has no sessions");
  const std::set<SessionId> sessions = life.sessions;
  for (const SessionId id : sessions) {
    Session* session = Find(id);
    if (session != nullptr && session->opened && !session->ended) {
      Step(*session->plugin, lane::SessionDraining{id});
    }
  }
}

void Shard::Impl::On(Gone& message) {
  const auto it = lives_.find({message.plugin, message.uid});
  if (it == lives_.end()) return;
  InstanceLife& life = *it->second;
  life.gone = message;
  const std::set<SessionId> sessions = life.sessions;
  for (const SessionId id : sessions) {
    Session* session = Find(id);
    if (session != nullptr && session->ended) CheckTime(*session);
  }
  ForgetLifeIfOver(life);
}

void Shard::Impl::On(Ended& message) {
  Step(*FindPlugin(message.plugin), lane::InstanceEnded{message.uid});
}

// No sign of life is the same as no progress: the instance is replaced.
void Shard::Impl::On(HealthAnswered& message) {
  const auto it = lives_.find({message.plugin, message.uid});
  if (it == lives_.end()) return;
  InstanceLife& life = *it->second;
  if (life.heartbeat.OnAnswer(clock_->Now(), message.health, IsIdle(life))) return;
  const std::string why = absl::StrCat("no sign of life: ", message.health.message());
  LogError("shard", "an idle instance is stuck",
           {{"plugin", life.plugin->options.name},
            {"instance", InstanceName(life.instance)},
            {"why", why}});
  for (const SessionId id : life.sessions) {
    Session* session = Find(id);
    session->stuck = true;
    session->deadline = clock_->Now();
  }
  ReplaceLife(life, ReplaceCause::kStuck, why);
}

void Shard::Impl::On(Failed& message) {
  Step(*FindPlugin(message.plugin), lane::InstanceFailed{message.quarantine, message.report});
}

void Shard::Impl::On(Opened& message) {
  Session* session = Find(message.session);
  if (session == nullptr || session->ended || session->aborted) return;
  const fleet::Instance& instance = session->life->instance;
  const std::string& described = instance.description.instance_id();
  if (!described.empty() && !message.instance_id.empty() && described != message.instance_id) {
    LogWarning(
        "shard",
        "Describe and the session were answered by two instances: if a balancer or a Service "
        "stands before the plugin, "
        "use a headless Service and address: dns:///name:port, so that the host sees each instance",
        {{"plugin", session->plugin->options.name}, {"address", instance.connection->address()}});
  }
  session->opened = true;
  session->deadline = kNever;
  const outboard::plugin::v1::Component& component = session->description;
  lane::SessionUp up;
  up.session = session->id;
  up.component = session->component;
  up.instance = instance.number;
  up.life = instance.uid;
  up.quarantine = instance.quarantine;
  up.version = RedactSecrets(instance.description.version());  // Part of crash reports.
  up.generation = instance.generation;
  up.concurrency = component.concurrency();
  up.in_order = component.in_order();
  up.max_in_flight = component.max_in_flight();
  const uint32_t configured = session->plugin->options.max_in_flight;
  if (configured > 0 && (up.max_in_flight == 0 || configured < up.max_in_flight))
    up.max_in_flight = configured;
  up.max_in_flight_bytes = component.max_in_flight_bytes();
  if (instance.description.max_message_bytes() > 0)
    up.max_message_bytes = instance.description.max_message_bytes();
  up.emits.assign(component.emits().begin(), component.emits().end());
  up.event_types.assign(component.event_types().begin(), component.event_types().end());
  up.operations.assign(component.operations().begin(), component.operations().end());
  Step(*session->plugin, std::move(up));
  if (session->life->going) Step(*session->plugin, lane::SessionDraining{message.session});
}

void Shard::Impl::On(lane::AnswersArrived& answers) {
  Session* session = Find(answers.session);
  if (session == nullptr || !session->opened) return;
  session->life->heartbeat.OnFrame(clock_->Now());
  const auto good = [](const lane::Answer& answer) {
    return answer.verdict == lane::Verdict::kDone || answer.verdict == lane::Verdict::kHalt;
  };
  const bool well = !answers.done_ids.empty() ||
                    std::any_of(answers.verdicts.begin(), answers.verdicts.end(), good);
  if (!session->life->healthy_reported && well) {
    session->life->healthy_reported = true;
    fleet_->ReportHealthy(session->life->instance.plugin, session->life->instance.uid);
  }
  Step(*session->plugin, std::move(answers));
  HoldOrConsume(*session);
}

void Shard::Impl::HoldOrConsume(Session& session) {
  if (emit_bytes_total_ < options_.max_emit_bytes) {
    session.stream->Consumed();
  } else {
    not_consumed_.push_back(session.id);
  }
}

void Shard::Impl::On(Broken& message) {
  Session* session = Find(message.session);
  if (session == nullptr || session->ended) return;
  NoteBroken(*session, message.rule);
  session->deadline = clock_->Now() + kCloseGrace;
  session->stream->Close(
      {session->id, lane::CloseCause::kProtocolError, message.rule, Duration::zero()});
}

void Shard::Impl::On(ReadsOver& message) {
  Session* session = Find(message.session);
  if (session == nullptr || session->ended || session->aborted) return;
  session->reads_over = true;
  session->deadline = std::min(session->deadline, clock_->Now() + kEndAfterReads);
}

void Shard::Impl::On(StreamEnded& message) {
  Session* session = Find(message.session);
  if (session == nullptr) return;
  session->ended = message.status;
  const bool launched = !session->plugin->options.dispatcher.remote;
  if (absl::IsResourceExhausted(message.status) && session->broken_rule.empty() &&
      absl::StrContains(message.status.message(), "larger than max")) {
    NoteBroken(*session, absl::StrCat("a frame above ", plugin::kMaxResponseBytes,
                                      " bytes: send answers in several frames"));
  }
  // Only a connection that broke may have an end of the process behind it.
  const bool may_have_died =
      launched && !session->life->gone &&
      (absl::IsUnavailable(message.status) || absl::IsCancelled(message.status));
  const bool never_opened = session->aborted && !session->opened;
  // A stream that we cancelled says nothing of the process.
  const bool cancelled = session->aborted && !session->broken_rule.empty();
  const bool explained = EndedByDrain(*session) || never_opened || cancelled || !may_have_died;
  session->deadline = explained ? clock_->Now() : clock_->Now() + kReportWait;
  if (explained) CheckTime(*session);
}

// ---- Sessions
// ------------------------------------------------------------------------------------

void Shard::Impl::OpenSession(InstanceLife& life, lane::ComponentId component) {
  Plugin& plugin = *life.plugin;
  absl::StatusOr<outboard::plugin::v1::Component> description =
      plugin::FindComponent(plugin.options.name, plugin.options.components[component].name,
                            plugin.options.components[component].use, life.instance.description);
  if (!description.ok()) {
    plugin.status.problem = std::string(description.status().message());
    LogError("shard", description.status().message(), {{"plugin", plugin.options.name}});
    return;
  }
  if (description->disabled()) {
    plugin.disabled[component] = Clean(description->disabled_reason());
    plugin.status.disabled[description->name()] = description->disabled_reason();
    LogWarning("shard", "component is disabled by its plugin",
               {{"plugin", plugin.options.name},
                {"component", description->name()},
                {"reason", description->disabled_reason()}});
    return;
  }
  auto session = std::make_unique<Session>();
  session->id = next_session_++;
  session->plugin = &plugin;
  session->life = &life;
  session->component = component;
  session->description = *description;
  session->deadline = clock_->Now() + plugin.options.start_timeout;
  outboard::plugin::v1::Open open;
  open.set_component(description->name());
  open.set_host(options_.host_name);
  open.set_config_json(life.instance.config_json);
  const Duration limit = plugin.options.dispatcher.time_limit;
  open.mutable_time_limit()->set_seconds(limit.count() / 1'000'000);
  open.mutable_time_limit()->set_nanos(static_cast<int32_t>(limit.count() % 1'000'000) * 1000);
  session->stream = life.instance.connection->OpenSession(session->id, ToRole(description->role()),
                                                          std::move(open), this);
  life.sessions.insert(session->id);
  sessions_[session->id] = std::move(session);
}

// The session's deadline has come, or what it waited for.
void Shard::Impl::CheckTime(Session& session) {
  InstanceLife& life = *session.life;
  if (!session.ended) {
    // Not open in time, not ended in time after a close: the stream's end comes as a message.
    session.deadline = kNever;
    session.aborted = true;
    session.stream->Abort();
    return;
  }
  if (session.aborted && session.reads_over && !life.gone && session.broken_rule.empty()) {
    NoteBroken(session, "a frame is no valid message of the service: is a text field no UTF-8?");
  }
  const std::string who = absl::StrCat("; plugin ", session.plugin->options.name, ", instance ",
                                       InstanceName(life.instance));
  const std::string status =
      session.ended->ok() ? "the plugin ended the stream"
                          : absl::StrCat("the stream failed: ", Clean(session.ended->message()));
  if (!session.opened) return FailedToOpen(session, status);
  const std::string broken =
      session.broken_rule.empty() ? "" : absl::StrCat("broke the contract: ", session.broken_rule);
  const ReplaceCause cause = session.stuck ? ReplaceCause::kStuck : ReplaceCause::kUnusable;
  if (EndsItsProcess(session)) {
    session.ends_process = true;
    session.deadline = clock_->Now() + kReportWait;
    return ReplaceLife(life, cause, broken.empty() ? status : broken);
  }
  const std::string process = life.gone ? absl::StrCat("; its process: ", life.gone->report) : who;
  if (!broken.empty()) {
    const std::string report = absl::StrCat(broken, process);
    EndSession(session, lane::DownCause::kProtocolError, report);
    return ReplaceLife(life, ReplaceCause::kUnusable, report);
  }
  if (EndedByDrain(session)) {
    EndSession(session, lane::DownCause::kDrained, "");
    if (life.sessions.empty())
      ReplaceLife(life, ReplaceCause::kDrained, "its sessions were drained");
    return;
  }
  if (life.gone) {
    const bool asked = life.gone->requested && !session.stuck && !life.replaced;
    const bool remote = session.plugin->options.dispatcher.remote;
    const auto lost = remote ? lane::DownCause::kStreamFailed : lane::DownCause::kCrashed;
    EndSession(session, asked ? lane::DownCause::kDrained : lost,
               session.ends_process ? absl::StrCat(status, process) : life.gone->report);
    return ForgetLifeIfOver(life);
  }
  EndSession(session, lane::DownCause::kStreamFailed, absl::StrCat(status, who));
  ReplaceLife(life, cause, status);
}

// One that tried a suspect and lives on is ended for it, and its report is awaited: that is what
// people read of a dead letter. Nothing else is in its hands.
bool Shard::Impl::EndsItsProcess(const Session& session) const {
  const InstanceLife& life = *session.life;
  return life.instance.quarantine && !life.gone && !life.replaced && !draining_ &&
         (!session.broken_rule.empty() || !EndedByDrain(session));
}

// A process that dies looks like a server that goes away at first: the end of its stream tells. But
// a server far away closes its connection right behind its last word, and what the host writes
// meanwhile breaks the stream before that word is read: with nothing in hand that is a drain too.
bool Shard::Impl::EndedByDrain(const Session& session) const {
  if (!session.closing || session.stuck) return false;
  if (session.ended->ok() || session.aborted || draining_) return true;
  return session.plugin->options.dispatcher.remote && absl::IsUnavailable(*session.ended) &&
         !HasInFlight(session);
}

bool Shard::Impl::HasInFlight(const Session& session) const {
  for (const lane::SessionView& view : session.plugin->dispatcher->sessions()) {
    if (view.session == session.id) return view.in_flight > 0;
  }
  return false;
}

// They have nothing in hand: a drain need not wait for them.
void Shard::Impl::AbortOpening() {
  for (auto& [id, session] : sessions_) {
    if (!session->opened && !session->ended) CheckTime(*session);
  }
}

// What the session core and the stream find; the dispatcher counts what it finds itself.
void Shard::Impl::NoteBroken(Session& session, std::string rule) {
  ++session.plugin->status.protocol_errors;
  LogError("shard", "the plugin broke the contract",
           {{"plugin", session.plugin->options.name}, {"rule", rule}});
  session.broken_rule = std::move(rule);
}

void Shard::Impl::FailedToOpen(Session& session, const std::string& why) {
  InstanceLife& life = *session.life;
  Plugin& plugin = *session.plugin;
  std::string report = absl::StrCat("the session was not opened: ", why);
  if (!session.broken_rule.empty()) {
    report = absl::StrCat("broke the contract: ", session.broken_rule);
  } else if (life.gone) {
    report = life.gone->report;
  } else if (session.aborted) {
    report =
        "no opened came within start_timeout: answer open with opened when the component is "
        "ready, or raise start_timeout";
  }
  const bool asked = draining_ || life.going || (life.gone && life.gone->requested);
  life.sessions.erase(session.id);
  sessions_.erase(session.id);
  if (!asked && !life.instance.joining) {
    plugin.status.problem = report;
    Step(plugin, lane::InstanceFailed{life.instance.quarantine, report});
  }
  ReplaceLife(life, ReplaceCause::kUnusable, report);
}

void Shard::Impl::EndSession(Session& session, lane::DownCause cause, std::string report) {
  Plugin& plugin = *session.plugin;
  const SessionId id = session.id;
  if (cause != lane::DownCause::kDrained) {
    LogWarning("shard", "a session was lost",
               {{"plugin", plugin.options.name},
                {"instance", InstanceName(session.life->instance)},
                {"why", report}});
  }
  session.life->sessions.erase(id);
  sessions_.erase(id);
  Step(plugin, lane::SessionDown{id, cause, std::move(report)});
}

void Shard::Impl::ReplaceLife(InstanceLife& life, ReplaceCause cause, const std::string& why) {
  if (!life.gone && !life.replaced && !draining_) {
    life.replaced = true;
    fleet_->Replace(life.instance.plugin, life.instance.uid, cause, why);
  }
  ForgetLifeIfOver(life);
}

void Shard::Impl::AskForSignOfLife(InstanceLife& life) {
  if (!life.heartbeat.OnTime(clock_->Now(), IsIdle(life))) return;
  for (const SessionId id : life.sessions) Find(id)->stream->SendSignOfLife();
  fleet_->CheckHealth(life.instance.plugin, life.instance.uid,
                      life.plugin->options.dispatcher.time_limit);
}

// All its sessions are open, with nothing in flight, and nobody wants it to end.
bool Shard::Impl::IsIdle(const InstanceLife& life) const {
  if (life.gone || life.replaced || draining_) return false;
  for (const SessionId id : life.sessions) {
    const Session& session = *sessions_.at(id);
    if (!session.opened || session.closing || session.ended || session.aborted) return false;
    if (HasInFlight(session)) return false;
  }
  return !life.sessions.empty();
}

void Shard::Impl::ForgetLifeIfOver(InstanceLife& life) {
  if (life.sessions.empty() && life.gone) lives_.erase({life.instance.plugin, life.instance.uid});
}

}  // namespace outboard::shard

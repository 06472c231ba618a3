#include "host/shard/shard.h"

#include <poll.h>

#include <algorithm>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/mailbox.h"
#include "host/base/status.h"
#include "host/plugin/description.h"

namespace outboard::shard {
namespace {

using lane::SessionId;

// The report on a process comes a moment after the end of its streams.
constexpr Duration kReportWait = std::chrono::seconds(2);
// A drained stream that does not end by itself is cancelled so long after its time.
constexpr Duration kCloseGrace = std::chrono::seconds(1);
// The status of a stream follows its last frame at once.
constexpr Duration kEndAfterReads = std::chrono::milliseconds(200);
constexpr Duration kLastSettlements = std::chrono::seconds(5);

struct GoingAway {
  fleet::PluginId plugin;
  fleet::InstanceUid uid;
};
struct Gone {
  fleet::PluginId plugin;
  fleet::InstanceUid uid;
  bool requested;
  std::string report;
};
struct Failed {
  fleet::PluginId plugin;
  bool quarantine;
  std::string report;
};
struct Opened {
  SessionId session;
  std::string instance_id;
};
struct Broken {
  SessionId session;
  std::string rule;
};
struct ReadsOver {
  SessionId session;
};
struct StreamEnded {
  SessionId session;
  absl::Status status;
};
using Task = std::function<void()>;
using Message =
    std::variant<fleet::Instance, GoingAway, Gone, Failed, Opened, lane::AnswersArrived, Broken, ReadsOver, StreamEnded, Task>;

// One plugin on this shard.
struct Plugin {
  PluginOptions options;
  std::unique_ptr<lane::Dispatcher> dispatcher;
  Time wake_at = kNever;
  bool wants_quarantine = false;
  bool drained = false;
  PluginStatus status;  // The counters that the dispatcher does not keep.
};

// One life of an instance.
struct InstanceLife {
  fleet::Instance instance;
  Plugin* plugin = nullptr;
  std::set<SessionId> sessions;
  std::optional<Gone> gone;
  bool healthy_reported = false;
  bool replaced = false;  // The fleet was asked to end it.
};

struct Session {
  SessionId id = 0;
  Plugin* plugin = nullptr;
  InstanceLife* life = nullptr;
  lane::ComponentId component = 0;
  outboard::plugin::v1::Component description;
  std::shared_ptr<plugin::GrpcSession> stream;
  bool opened = false;   // The dispatcher knows it.
  bool closing = false;  // Close was sent for a drain.
  bool stuck = false;    // Its unanswered deliveries are suspects however it ends.
  bool reads_over = false;
  std::string broken_rule;
  std::optional<absl::Status> ended;  // The stream is over; the report on its process is awaited.
  Time deadline = kNever;  // To be open, to end after a close, or for the report.
};

}  // namespace

class Shard::Impl final : public plugin::SessionSink {
 public:
  Impl(ShardOptions options, bus::Bus* bus, const Clock* clock);
  ~Impl() override;

  absl::Status Start(fleet::Fleet* fleet);
  void Post(Message message) { mailbox_.Post(std::move(message)); }
  bool Drain(Duration timeout);
  Status GetStatus();

  // plugin::SessionSink, on gRPC's threads.
  void OnOpened(SessionId session, const std::string& instance_id) override { Post(Opened{session, instance_id}); }
  void OnAnswers(lane::AnswersArrived answers) override { Post(std::move(answers)); }
  void OnBroken(SessionId session, std::string rule) override { Post(Broken{session, std::move(rule)}); }
  void OnReadsOver(SessionId session) override { Post(ReadsOver{session}); }
  void OnEnded(SessionId session, absl::Status status) override { Post(StreamEnded{session, std::move(status)}); }

 private:
  // ---- The loop ----
  void Run();
  void Wait();
  bool PollBus();
  void FireTimers();

  // ---- Messages ----
  void On(fleet::Instance& instance);
  void On(GoingAway& message);
  void On(Gone& message);
  void On(Failed& message);
  void On(Opened& message);
  void On(lane::AnswersArrived& answers);
  void On(Broken& message);
  void On(ReadsOver& message);
  void On(StreamEnded& message);
  void On(Task& task) { task(); }

  // ---- Sessions ----
  void OpenSession(InstanceLife& life, lane::ComponentId component);
  void CheckTime(Session& session);
  void FailedToOpen(Session& session, const std::string& why);
  void EndSession(Session& session, lane::DownCause cause, std::string report);
  void ReplaceLife(InstanceLife& life, bool at_once, const std::string& why);
  void ForgetLifeIfOver(InstanceLife& life);
  Session* Find(SessionId id);
  Plugin* FindPlugin(fleet::PluginId id);

  // ---- Dispatchers ----
  void Step(Plugin& plugin, lane::Input input);
  void CarryOut(Plugin& plugin, lane::Effects& effects);
  void Take(Plugin& plugin, const lane::Notice& notice);
  void HoldOrConsume(Session& session);
  std::string LaneState(const Plugin& plugin, const lane::LaneOptions& lane, const lane::LaneStats& stats) const;

  const ShardOptions options_;
  bus::Bus* const bus_;
  const Clock* const clock_;
  fleet::Fleet* fleet_ = nullptr;

  std::unique_ptr<bus::Consumer> consumer_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
  absl::flat_hash_map<lane::LaneId, Plugin*> plugin_of_lane_;
  absl::flat_hash_map<lane::LaneId, std::map<std::string, uint64_t>> dead_by_reason_;
  plugin::RouteNames routes_;
  std::map<std::pair<fleet::PluginId, fleet::InstanceUid>, std::unique_ptr<InstanceLife>> lives_;
  absl::flat_hash_map<SessionId, std::unique_ptr<Session>> sessions_;
  SessionId next_session_ = 1;

  absl::flat_hash_map<std::pair<lane::LaneId, uint64_t>, size_t> emit_bytes_;  // Of settlements under way, by lane and cookie.
  size_t emit_bytes_total_ = 0;
  std::vector<SessionId> not_consumed_;  // Frames that were worked off, their sessions held back for emits.

  bool draining_ = false;
  bool stop_ = false;
  bus::Arrivals arrivals_;
  std::vector<Message> messages_;
  Mailbox<Message> mailbox_;
  std::thread thread_;
};

Shard::Impl::Impl(ShardOptions options, bus::Bus* bus, const Clock* clock)
    : options_(std::move(options)), bus_(bus), clock_(clock) {
  for (const PluginOptions& plugin_options : options_.plugins) {
    auto plugin = std::make_unique<Plugin>();
    plugin->options = plugin_options;
    plugin->status.id = plugin_options.id;
    plugin->dispatcher = std::make_unique<lane::Dispatcher>(plugin_options.dispatcher, options_.seed + plugin_options.id);
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

// ---- The loop --------------------------------------------------------------------------------------

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
  for (const auto& plugin : plugins_) until = std::min(until, plugin->wake_at);
  for (const auto& [id, session] : sessions_) until = std::min(until, session->deadline);
  pollfd fds[2] = {{mailbox_.fd(), POLLIN, 0}, {consumer_->fd(), POLLIN, 0}};
  if (until == kNever) {
    ppoll(fds, 2, nullptr, nullptr);
    return;
  }
  const Duration left = std::clamp(until - clock_->Now(), Duration(0), Duration(std::chrono::seconds(60)));
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
      if (plugin_of_lane_[settled.lane] == plugin.get()) settles.settled.push_back(std::move(settled));
    }
    for (bus::Delivery& delivery : arrivals_.deliveries) {
      if (plugin_of_lane_[delivery.lane] == plugin.get()) deliveries.deliveries.push_back(std::move(delivery));
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
  }
  std::vector<SessionId> due;
  for (const auto& [id, session] : sessions_) {
    if (session->deadline <= now) due.push_back(id);
  }
  for (const SessionId id : due) {
    if (Session* session = Find(id)) CheckTime(*session);
  }
}

// ---- Messages --------------------------------------------------------------------------------------

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
  life = std::make_unique<InstanceLife>();
  life->instance = std::move(instance);
  life->plugin = plugin;
  if (draining_) return;
  plugin->status.problem.clear();
  plugin->status.disabled.clear();
  for (lane::ComponentId c = 0; c < plugin->options.component_names.size(); ++c) OpenSession(*life, c);
}

void Shard::Impl::On(GoingAway& message) {
  const auto it = lives_.find({message.plugin, message.uid});
  if (it == lives_.end()) return;
  const std::set<SessionId> sessions = it->second->sessions;
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

void Shard::Impl::On(Failed& message) {
  Step(*FindPlugin(message.plugin), lane::InstanceFailed{message.quarantine, message.report});
}

void Shard::Impl::On(Opened& message) {
  Session* session = Find(message.session);
  if (session == nullptr || session->ended) return;
  const fleet::Instance& instance = session->life->instance;
  const std::string& described = instance.description.instance_id();
  if (!described.empty() && !message.instance_id.empty() && described != message.instance_id) {
    LogWarning("shard",
               "Describe and the session were answered by two instances: if a balancer or a Service stands before the plugin, "
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
  up.quarantine = instance.quarantine;
  up.version = instance.description.version();
  up.concurrency = component.concurrency();
  up.in_order = component.in_order();
  up.max_in_flight = component.max_in_flight();
  const uint32_t configured = session->plugin->options.max_in_flight;
  if (configured > 0 && (up.max_in_flight == 0 || configured < up.max_in_flight)) up.max_in_flight = configured;
  up.max_in_flight_bytes = component.max_in_flight_bytes();
  if (instance.description.max_message_bytes() > 0) up.max_message_bytes = instance.description.max_message_bytes();
  up.emits.assign(component.emits().begin(), component.emits().end());
  Step(*session->plugin, std::move(up));
}

void Shard::Impl::On(lane::AnswersArrived& answers) {
  Session* session = Find(answers.session);
  if (session == nullptr || !session->opened) return;
  if (!session->life->healthy_reported && !answers.done_ids.empty()) {
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
  session->broken_rule = message.rule;
  session->deadline = clock_->Now() + kCloseGrace;
  session->stream->Close({session->id, lane::CloseCause::kProtocolError, message.rule, Duration::zero()});
}

void Shard::Impl::On(ReadsOver& message) {
  Session* session = Find(message.session);
  if (session == nullptr || session->ended) return;
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
    session->broken_rule = absl::StrCat("a frame above ", plugin::kMaxResponseBytes, " bytes: send answers in several frames");
  }
  const bool explained = session->closing || !session->broken_rule.empty() || session->life->gone || !launched;
  session->deadline = explained ? clock_->Now() : clock_->Now() + kReportWait;
  if (explained) CheckTime(*session);
}

// ---- Sessions --------------------------------------------------------------------------------------

void Shard::Impl::OpenSession(InstanceLife& life, lane::ComponentId component) {
  Plugin& plugin = *life.plugin;
  absl::StatusOr<outboard::plugin::v1::Component> description =
      plugin::FindComponent(plugin.options.name, plugin.options.component_names[component],
                            outboard::plugin::v1::ROLE_WORKER, life.instance.description);
  if (!description.ok()) {
    plugin.status.problem = std::string(description.status().message());
    LogError("shard", description.status().message());
    return;
  }
  if (description->disabled()) {
    plugin.status.disabled[description->name()] = description->disabled_reason();
    LogWarning("shard", "component is disabled by its plugin",
               {{"plugin", plugin.options.name}, {"component", description->name()}, {"reason", description->disabled_reason()}});
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
  open.set_config_json(plugin.options.config_json);
  const Duration limit = plugin.options.dispatcher.time_limit;
  open.mutable_time_limit()->set_seconds(limit.count() / 1'000'000);
  open.mutable_time_limit()->set_nanos(static_cast<int32_t>(limit.count() % 1'000'000) * 1000);
  session->stream = life.instance.connection->OpenWorker(session->id, std::move(open), this);
  life.sessions.insert(session->id);
  sessions_[session->id] = std::move(session);
}

// The session's deadline has come, or what it waited for.
void Shard::Impl::CheckTime(Session& session) {
  InstanceLife& life = *session.life;
  if (!session.ended) {
    // Not open in time, not ended in time after a close: the stream's end comes as a message.
    session.deadline = kNever;
    if (session.reads_over && session.broken_rule.empty()) {
      session.broken_rule = "a frame is no valid message of the service: is a text field no UTF-8?";
    }
    session.stream->Abort();
    return;
  }
  const std::string status = session.ended->ok() ? "the plugin ended the stream"
                                                 : absl::StrCat("the stream failed: ", session.ended->message());
  if (!session.opened) return FailedToOpen(session, status);
  if (!session.broken_rule.empty()) {
    const std::string report = absl::StrCat("broke the contract: ", session.broken_rule);
    EndSession(session, lane::DownCause::kProtocolError, report);
    return ReplaceLife(life, true, report);
  }
  const bool was_drain = session.closing && !session.stuck;
  if (was_drain) {
    EndSession(session, lane::DownCause::kDrained, "");
    if (life.sessions.empty()) ReplaceLife(life, false, "its sessions were drained");
    return;
  }
  if (life.gone) {
    const bool asked = life.gone->requested && !session.stuck && !life.replaced;
    EndSession(session, asked ? lane::DownCause::kDrained : lane::DownCause::kCrashed, life.gone->report);
    return ForgetLifeIfOver(life);
  }
  EndSession(session, lane::DownCause::kStreamFailed, status);
  ReplaceLife(life, true, status);
}

void Shard::Impl::FailedToOpen(Session& session, const std::string& why) {
  InstanceLife& life = *session.life;
  Plugin& plugin = *session.plugin;
  const std::string report = life.gone ? life.gone->report : absl::StrCat("the session was not opened: ", why);
  const bool asked = draining_ || (life.gone && life.gone->requested);
  life.sessions.erase(session.id);
  sessions_.erase(session.id);
  if (!asked) {
    plugin.status.problem = report;
    Step(plugin, lane::InstanceFailed{life.instance.quarantine, report});
  }
  ReplaceLife(life, true, report);
}

void Shard::Impl::EndSession(Session& session, lane::DownCause cause, std::string report) {
  Plugin& plugin = *session.plugin;
  const SessionId id = session.id;
  if (cause != lane::DownCause::kDrained) {
    LogWarning("shard", "a session was lost",
               {{"plugin", plugin.options.name}, {"instance", std::to_string(session.life->instance.number)}, {"why", report}});
  }
  session.life->sessions.erase(id);
  sessions_.erase(id);
  Step(plugin, lane::SessionDown{id, cause, std::move(report)});
}

void Shard::Impl::ReplaceLife(InstanceLife& life, bool at_once, const std::string& why) {
  if (!life.gone && !life.replaced && !draining_) {
    life.replaced = true;
    fleet_->Replace(life.instance.plugin, life.instance.uid, at_once, why);
  }
  ForgetLifeIfOver(life);
}

void Shard::Impl::ForgetLifeIfOver(InstanceLife& life) {
  if (life.sessions.empty() && life.gone) lives_.erase({life.instance.plugin, life.instance.uid});
}

// ---- Dispatchers -----------------------------------------------------------------------------------

void Shard::Impl::Step(Plugin& plugin, lane::Input input) {
  lane::Effects effects;
  plugin.dispatcher->Step(std::move(input), clock_->Now(), &effects);
  CarryOut(plugin, effects);
}

void Shard::Impl::CarryOut(Plugin& plugin, lane::Effects& effects) {
  for (lane::SendFrame& frame : effects.frames) {
    if (Session* session = Find(frame.session)) session->stream->Send(std::move(frame), routes_);
  }
  for (lane::CancelDeliveries& cancel : effects.cancels) {
    if (Session* session = Find(cancel.session)) session->stream->Cancel(std::move(cancel));
  }
  for (lane::CloseSession& close : effects.closes) {
    Session* session = Find(close.session);
    if (session == nullptr) continue;
    const bool broken = close.cause == lane::CloseCause::kProtocolError;
    session->closing = !broken;
    if (broken) session->broken_rule = close.message;
    session->deadline = clock_->Now() + (broken ? Duration::zero() : close.time_left) + kCloseGrace;
    session->stream->Close(std::move(close));
  }
  for (bus::Settlement& settlement : effects.settlements) {
    size_t bytes = 0;
    for (const Event& emit : settlement.emits) bytes += emit.size();
    if (bytes > 0 && emit_bytes_.emplace(std::pair(settlement.lane, settlement.cookie), bytes).second) {
      emit_bytes_total_ += bytes;
    }
    consumer_->Settle(std::move(settlement));
  }
  for (const lane::SetCredit& credit : effects.credits) consumer_->SetCredit(credit.lane, credit.more);
  for (const lane::ReplaceInstance& replace : effects.replaces) {
    Session* session = Find(replace.session);
    if (session == nullptr) continue;
    session->stuck = true;
    session->deadline = clock_->Now() + (replace.at_once ? Duration::zero() : plugin.options.dispatcher.time_limit);
    if (replace.at_once) ReplaceLife(*session->life, true, replace.why);
  }
  for (const lane::Notice& notice : effects.notices) Take(plugin, notice);
  if (effects.wants_quarantine != plugin.wants_quarantine) {
    plugin.wants_quarantine = effects.wants_quarantine;
    fleet_->WantQuarantine(plugin.options.id, plugin.wants_quarantine);
  }
  plugin.wake_at = effects.wake_at;
  plugin.drained = effects.drained;
}

void Shard::Impl::Take(Plugin& plugin, const lane::Notice& notice) {
  using Kind = lane::Notice::Kind;
  const std::string& name = plugin.options.name;
  const std::string lane = notice.lane < routes_.size() ? routes_[notice.lane] : "";
  switch (notice.kind) {
    case Kind::kSuspected:
      plugin.status.suspected += notice.count;
      LogWarning("lane", "deliveries are suspects: they are tried one at a time",
                 {{"plugin", name}, {"count", std::to_string(notice.count)}});
      break;
    case Kind::kCleared: break;
    case Kind::kSetAside:
      LogWarning("lane", "an event ended every process that it was given to; it is set aside until another event succeeds",
                 {{"plugin", name}, {"route", lane}, {"event", notice.event_id}, {"report", notice.text}});
      break;
    case Kind::kConvicted:
      ++plugin.status.convictions;
      LogError("lane", "an event is convicted of crashing its plugin: see `outboard dead list`",
               {{"plugin", name}, {"route", lane}, {"event", notice.event_id}, {"report", notice.text}});
      break;
    case Kind::kCircuitOpened:
      ++plugin.status.circuit_openings;
      LogError("lane", "circuit open: the plugin gets nothing but a trial now and then",
               {{"plugin", name}, {"why", notice.text}});
      break;
    case Kind::kCircuitTrial: LogInfo("lane", "circuit trial", {{"plugin", name}}); break;
    case Kind::kCircuitClosed: LogInfo("lane", "circuit closed", {{"plugin", name}}); break;
    case Kind::kProbeStarted: LogWarning("lane", notice.text, {{"plugin", name}}); break;
    case Kind::kProbeEnded: LogInfo("lane", notice.text, {{"plugin", name}}); break;
    case Kind::kDeadLettered: {
      auto& reasons = dead_by_reason_[notice.lane];
      const bool known = reasons.count(notice.text) > 0 || reasons.size() < kMaxReasons;
      ++reasons[known ? notice.text : "other"];
      LogWarning("lane", "dead letter", {{"route", lane}, {"event", notice.event_id}, {"reason", notice.text}});
      break;
    }
    case Kind::kProtocolError:
      LogError("lane", "the plugin broke the contract", {{"plugin", name}, {"rule", notice.text}});
      break;
    case Kind::kStuck: LogError("lane", "an instance is stuck", {{"plugin", name}, {"why", notice.text}}); break;
    case Kind::kSettleFailed:
      LogError("lane", "the bus did not settle; it is tried again", {{"plugin", name}, {"why", notice.text}});
      break;
  }
}

// ---- From other threads ----------------------------------------------------------------------------

bool Shard::Impl::Drain(Duration timeout) {
  Post(Task([this, timeout] {
    draining_ = true;
    const Time deadline = clock_->Now() + timeout;
    for (const auto& plugin : plugins_) Step(*plugin, lane::StartDrain{deadline});
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
  return false;
}

std::string Shard::Impl::LaneState(const Plugin& plugin, const lane::LaneOptions& lane,
                                   const lane::LaneStats& stats) const {
  if (draining_) return "draining";
  if (plugin.dispatcher->circuit() != lane::CircuitState::kClosed) return "circuit";
  bool usable = false;
  bool paused = false;
  for (const auto& [id, session] : sessions_) {
    const bool mine = session->plugin == &plugin && session->component == lane.component && session->opened &&
                      !session->closing && !session->ended && !session->life->instance.quarantine;
    usable = usable || mine;
  }
  for (const lane::SessionView& view : plugin.dispatcher->sessions()) paused = paused || view.window == 0;
  if (!usable) return plugin.status.disabled.empty() ? "no session" : "disabled";
  if (stats.probing) return "probing";
  return paused ? "paused" : "running";
}

Status Shard::Impl::GetStatus() {
  std::promise<Status> promise;
  Post(Task([this, &promise] {
    Status status;
    status.draining = draining_;
    for (const auto& plugin : plugins_) {
      const lane::Dispatcher& dispatcher = *plugin->dispatcher;
      PluginStatus p = plugin->status;
      p.circuit = dispatcher.circuit();
      p.circuit_reason = dispatcher.circuit_reason();
      p.suspects = dispatcher.suspects();
      p.late_answers = dispatcher.late_answers();
      p.protocol_errors = dispatcher.protocol_errors();
      for (const lane::SessionView& view : dispatcher.sessions()) {
        const Session* session = Find(view.session);
        if (session != nullptr) p.loads.push_back({session->life->instance.uid, view.in_flight});
      }
      status.plugins.push_back(std::move(p));
      for (const lane::LaneOptions& lane : plugin->options.dispatcher.lanes) {
        LaneStatus l;
        l.id = lane.id;
        l.name = lane.name;
        l.route = lane.route;
        l.target = plugin->options.dispatcher.components[lane.component];
        l.stats = dispatcher.stats(lane.id);
        l.state = LaneState(*plugin, lane, l.stats);
        const auto reasons = dead_by_reason_.find(lane.id);
        if (reasons != dead_by_reason_.end()) l.dead_by_reason = reasons->second;
        status.lanes.push_back(std::move(l));
      }
    }
    promise.set_value(std::move(status));
  }));
  return promise.get_future().get();
}

// ---- Shard -----------------------------------------------------------------------------------------

Shard::Shard(ShardOptions options, bus::Bus* bus, const Clock* clock)
    : impl_(std::make_unique<Impl>(std::move(options), bus, clock)) {}
Shard::~Shard() = default;

absl::Status Shard::Start(fleet::Fleet* fleet) { return impl_->Start(fleet); }
void Shard::OnReady(fleet::Instance instance) { impl_->Post(std::move(instance)); }
void Shard::OnGoingAway(fleet::PluginId plugin, fleet::InstanceUid uid) { impl_->Post(GoingAway{plugin, uid}); }
void Shard::OnGone(fleet::PluginId plugin, fleet::InstanceUid uid, bool requested, std::string report) {
  impl_->Post(Gone{plugin, uid, requested, std::move(report)});
}
void Shard::OnFailed(fleet::PluginId plugin, bool quarantine, std::string report) {
  impl_->Post(Failed{plugin, quarantine, std::move(report)});
}
bool Shard::Drain(Duration timeout) { return impl_->Drain(timeout); }
Status Shard::GetStatus() { return impl_->GetStatus(); }

}  // namespace outboard::shard

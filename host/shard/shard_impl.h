#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "host/base/grouped_line.h"
#include "host/base/mailbox.h"
#include "host/lane/hops.h"
#include "host/plugin/heartbeat.h"
#include "host/shard/pace.h"
#include "host/shard/shard.h"

// The shard's state and its parts by subject, one source file each. Only shard*.cc include this.
namespace outboard::shard {

using fleet::ReplaceCause;
using lane::SessionId;

// A drained stream that does not end by itself is cancelled so long after its time.
inline constexpr Duration kCloseGrace = std::chrono::seconds(1);

// ---- What comes through the mailbox ----

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
struct Ended {
  fleet::PluginId plugin;
  fleet::InstanceUid uid;
};
struct HealthAnswered {
  fleet::PluginId plugin;
  fleet::InstanceUid uid;
  absl::Status health;
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
struct CallsGivenUp {
  std::vector<uint64_t> ids;
};
using Task = std::function<void()>;
using Message = std::variant<fleet::Instance, GoingAway, Gone, Ended, HealthAnswered, Failed,
                             Opened, lane::AnswersArrived, Broken, ReadsOver, StreamEnded,
                             std::vector<Invocation>, CallsGivenUp, Task>;

// ---- What the shard keeps ----

// What the bus did not settle of a lane: a full disk fails thousands a second.
struct SettleFailures {
  GroupedLine line;
  std::string why;  // Of the last one.
};

// One plugin on this shard.
struct Plugin {
  PluginOptions options;
  std::unique_ptr<lane::Dispatcher> dispatcher;
  Time wake_at = kNever;
  bool wants_quarantine = false;
  bool drained = false;
  std::map<lane::ComponentId, std::string> disabled;  // By the plugin itself; why.
  PluginStatus status;  // The counters that the dispatcher does not keep.
  std::map<lane::LaneId, SettleFailures> settle_failures;
};

// One life of an instance.
struct InstanceLife {
  InstanceLife(fleet::Instance of, Plugin* its_plugin, Time now)
      : instance(std::move(of)), plugin(its_plugin), heartbeat(now) {}

  fleet::Instance instance;
  Plugin* plugin;
  plugin::Heartbeat heartbeat;
  std::set<SessionId> sessions;
  std::optional<Gone> gone;
  bool healthy_reported = false;
  bool replaced = false;  // The fleet was asked to end it.
  bool going = false;     // Its server, or the fleet, said that it stops.
};

struct Session {
  SessionId id = 0;
  Plugin* plugin = nullptr;
  InstanceLife* life = nullptr;
  lane::ComponentId component = 0;
  outboard::plugin::v1::Component description;
  std::shared_ptr<plugin::GrpcSession> stream;
  bool opened = false;        // The dispatcher knows it.
  bool closing = false;       // Close was sent for a drain.
  bool stuck = false;         // Its unanswered deliveries are suspects however it ends.
  bool reads_over = false;    // By itself.
  bool aborted = false;       // By the host, at a deadline.
  bool ends_process = false;  // Which was asked to end for it.
  std::string broken_rule;
  std::optional<absl::Status> ended;  // The stream is over; the report on its process is awaited.
  Time deadline = kNever;             // To be open, to end after a close, or for the report.
};

class Shard::Impl final : public plugin::SessionSink {
 public:
  Impl(ShardOptions options, bus::Bus* bus, const Clock* clock);
  ~Impl() override;

  absl::Status Start(fleet::Fleet* fleet);
  void Post(Message message) { mailbox_.Post(std::move(message)); }
  bool Drain(Duration timeout);
  Status GetStatus();
  std::vector<LaneEvent> Find(const absl::flat_hash_set<std::string>& ids);
  absl::Status Apply(ShardOptions next);
  std::vector<std::string> Leaving();
  absl::Status Pause(lane::LaneId lane, bool paused);
  absl::StatusOr<LaneStops> StopsOf(lane::LaneId lane);
  // Where the lane is there.
  void TellFirst(lane::LaneId lane, lane::Input input);

  // plugin::SessionSink, on gRPC's threads.
  void OnOpened(SessionId session, const std::string& instance_id) override {
    Post(Opened{session, instance_id});
  }
  void OnAnswers(lane::AnswersArrived answers) override { Post(std::move(answers)); }
  void OnBroken(SessionId session, std::string rule) override {
    Post(Broken{session, std::move(rule)});
  }
  void OnReadsOver(SessionId session) override { Post(ReadsOver{session}); }
  void OnEnded(SessionId session, absl::Status status) override {
    Post(StreamEnded{session, std::move(status)});
  }

 private:
  // ---- The loop ----
  void Run();
  void Wait();
  std::optional<uint64_t> FewestLeft() const;
  uint64_t PollBus();
  void FireTimers();

  // ---- Messages ----
  void On(fleet::Instance& instance);
  void On(GoingAway& message);
  void On(Gone& message);
  void On(Ended& message);
  void On(HealthAnswered& message);
  void On(Failed& message);
  void On(Opened& message);
  void On(lane::AnswersArrived& answers);
  void On(Broken& message);
  void On(ReadsOver& message);
  void On(StreamEnded& message);
  void On(std::vector<Invocation>& invocations);
  void On(CallsGivenUp& message);
  void On(Task& task) { task(); }

  // ---- Sessions ----
  void JudgeAgain(Plugin& plugin);
  void OpenSession(InstanceLife& life, lane::ComponentId component);
  void CheckTime(Session& session);
  void AbortOpening();
  bool EndsItsProcess(const Session& session) const;
  bool EndedByDrain(const Session& session) const;
  bool HasInFlight(const Session& session) const;
  void NoteBroken(Session& session, std::string rule);
  void FailedToOpen(Session& session, const std::string& why);
  void EndSession(Session& session, lane::DownCause cause, std::string report);
  void ReplaceLife(InstanceLife& life, ReplaceCause cause, const std::string& why);
  void ForgetLifeIfOver(InstanceLife& life);
  void AskForSignOfLife(InstanceLife& life);
  bool IsIdle(const InstanceLife& life) const;
  Session* Find(SessionId id);
  Plugin* FindPlugin(fleet::PluginId id);

  // ---- Dispatchers ----
  void Step(Plugin& plugin, lane::Input input);
  void StepOne(Plugin& plugin, lane::Input input);
  void CarryOut(Plugin& plugin, lane::Effects& effects);
  void StepHops();
  void Take(Plugin& plugin, const lane::Notice& notice);
  void Keep(std::vector<lane::Record> records);

  // ---- Calls ----
  void CarryOut(pipeline::Walks::Effects& effects);
  const std::string* WhyDisabled(lane::LaneId lane) const;
  void TakeCallEnds(std::vector<lane::CallEnd> ends);
  void EndLateCalls();
  // No new ones; waits for those under way.
  void EndCalls(Duration timeout);
  PipelineStatus ToStatus(size_t pipeline) const;

  // ---- Changes ----
  absl::Status Change(ShardOptions& next);
  absl::Status OpenNew(const ShardOptions& next);
  void LetGo(const ShardOptions& next);
  void SetPaused(lane::LaneId hop, bool paused);
  std::vector<lane::LaneId> HopsOf(lane::LaneId lane) const;
  void SetOptions(ShardOptions& next);
  void AddPlugin(PluginOptions options);
  void Know(const lane::LaneOptions& lane);
  std::vector<const lane::DispatcherOptions*> DispatcherOptionsOf() const;
  void ConfigureAll();
  void TakeComponents(Plugin& plugin, const std::vector<ComponentOptions>& before);
  void TakePipelines(const ShardOptions& next);
  bool IsOver(lane::LaneId lane, const std::vector<lane::LaneId>& hops) const;
  void RemoveOver();

  // ---- Status ----
  void LogSettleFailures(Plugin& plugin);
  void HoldOrConsume(Session& session);
  void TellAbandoned();
  static uint64_t Unsettled(const lane::LaneStats& stats);
  std::string HopState(const Plugin& plugin, const lane::LaneOptions& hop,
                       const lane::LaneStats& stats) const;
  LaneStatus ToStatus(const Plugin& plugin, const lane::LaneOptions& lane) const;
  StageStatus ToStage(const lane::LaneOptions& hop) const;

  ShardOptions options_;  // Without plugins: each has its own.
  bus::Bus* const bus_;
  const Clock* const clock_;
  fleet::Fleet* fleet_ = nullptr;

  std::unique_ptr<bus::Consumer> consumer_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
  lane::Hops hops_;  // Of plugins_, by position.
  absl::flat_hash_map<lane::LaneId, std::map<std::string, uint64_t>> dead_by_reason_;
  pipeline::Walks walks_;
  absl::flat_hash_map<uint64_t, Invocation::Done> callers_;
  plugin::RouteNames routes_;
  // Lanes that no config names any more, and the stages of such pipelines, each with its hops.
  std::map<lane::LaneId, std::vector<lane::LaneId>> leaving_;
  std::set<lane::LaneId> paused_;      // By a person.
  std::set<size_t> former_pipelines_;  // That left.
  std::map<std::pair<fleet::PluginId, fleet::InstanceUid>, std::unique_ptr<InstanceLife>> lives_;
  absl::flat_hash_map<SessionId, std::unique_ptr<Session>> sessions_;
  SessionId next_session_ = 1;

  absl::flat_hash_map<std::pair<lane::LaneId, uint64_t>, size_t>
      emit_bytes_;  // Of settlements under way, by lane and cookie.
  size_t emit_bytes_total_ = 0;
  std::vector<SessionId>
      not_consumed_;  // Frames that were worked off, their sessions held back for emits.

  bool refuses_calls_ = false;  // A drain begins: it takes no events either.
  bool draining_ = false;
  bool drain_failed_ = false;  // What is unsettled is abandoned.
  bool stop_ = false;
  Pace pace_;
  bus::Arrivals arrivals_;
  std::vector<Message> messages_;
  Mailbox<Message> mailbox_;
  std::thread thread_;
};

}  // namespace outboard::shard

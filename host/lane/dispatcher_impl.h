#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "host/lane/dispatcher.h"
#include "host/lane/item.h"
#include "host/lane/lane.h"
#include "host/lane/retry.h"
#include "host/lane/session_ledger.h"

namespace outboard::lane {

// The dispatcher's state and its parts by subject, one source file each. Only dispatch*.cc include
// this.
class Dispatcher::Impl {
 public:
  Impl(DispatcherOptions options, uint64_t seed, std::vector<KnownSuspect> known);

  void Step(Input input, Time now, Effects* effects);

  DispatcherOptions options;

  // ---- dispatcher.cc: inputs of the bus, time and drain; the end of a step ----
  void On(DeliveriesArrived& in);
  void On(SettlesArrived& in);
  void On(TimerFired& in);
  void On(StartDrain& in);
  void WakeWaiting();
  void SettleAgain();
  void EndDrainAtDeadline();
  void Finish();
  void UpdateCredit(Lane& lane);
  Time NextWake();

  // ---- dispatch_changes.cc: a person or another config ----
  void On(PauseLane& in);
  void On(StopLane& in) { Stop(lane_by_id.at(in.lane)); }
  void On(GoOn& in);
  void On(FirstStopped& in);
  // From this moment nothing of the lane is sent; what it has goes back at the end of the step.
  void Stop(Lane* lane);
  void SetStopped(Lane* lane, bool stopped);
  void RunDry();
  void RunDry(Lane* lane);
  void TellStop(Lane& lane);
  void On(Configure& in);
  void AddComponents();  // Those of the options that are not there yet.
  void AddLane(const LaneOptions& lane);
  void RemoveLane(LaneId lane);
  // What cannot be with a plugin goes back to the bus.
  bool GivesBack(const Lane& lane) const { return draining || lane.paused || lane.stats.stopped; }

  // ---- dispatch_hops.cc: lanes with stages ----
  void On(NextCredit& in);
  void On(NextEnded& in);
  void On(FirstJammed& in) { lane_by_id.at(in.lane)->first_jammed = in.jammed; }
  void TellJam(Lane& lane);
  void TakeEnd(bus::Settlement& end);
  // To the next hop, with this event in place of its own.
  void Forward(Item* item, Event event);
  void PassBy(Lane& lane);
  void PassSuspects(Lane& lane);
  // The end of a copy that an observer failed on.
  void Ignore(Item* item);
  bool StaysWhenDown(const Lane& lane) const;
  // By what its component said last.
  bool DoesNotHook(const Item& item) const;
  void ForwardPassing(Lane& lane);
  bool IsAbsent(ComponentId component) const;
  void NoteAbsence(ComponentId component);
  void JudgeContinue(Item* item, SessionLedger& session, Answer* answer);
  void JudgeHalt(Item* item, const SessionLedger& session);
  // What a stage made of the event; INVALID_ARGUMENT: none that may go on.
  absl::StatusOr<Event> Changed(const Event& event, std::string bytes) const;

  // ---- dispatch_calls.cc: calls of pipelines, and events before the bus ----
  void On(CallsArrived& in);
  void On(CallsCancelled& in);
  void JudgeCall(Item* item, const SessionLedger& session, Answer* answer);
  bool TakeChange(const Item& item, Answer* answer, CallEnd* end) const;
  static bool HooksOperation(const std::vector<std::string>& hooked, const Call& call);
  // The stage does not hook the operation, or the type.
  void PassBy(Item* item);
  void EndCall(Item* item, CallEnd end);
  // What settles an event ends a call.
  void EndCall(Item* item, bus::Settlement& settlement);
  // Why no call can be made of this component now; empty: it can.
  std::string WhyNoCalls(ComponentId component) const;
  void FailCalls(Lane& lane);

  // ---- dispatch_frames.cc: what goes to which session ----
  void Pump(ComponentId component);
  bool MayTake(const Lane& lane) const;
  SessionLedger* BestSession(ComponentId component);
  // Without waiting for more: few frames are open, or this one is full.
  bool FrameMayLeave(const SessionLedger& session, size_t ready, size_t ready_bytes, uint32_t room);
  bool SendFrameTo(SessionLedger& session, uint32_t room);
  // Moves what fits from the lane into the frame. False: the frame is full.
  bool AddToFrame(SessionLedger& session, Lane& lane, SendFrame& frame, uint32_t room,
                  size_t* bytes);
  void AddRun(SessionLedger& session, Lane& lane, Key* key, SendFrame& frame, uint32_t room,
              size_t* bytes);
  void Put(Item* item, SessionLedger& session, SendFrame& frame);
  // Where it is not the session's time limit.
  std::optional<Duration> TimeLeft(const Item& item) const;
  void SendAlone(Item* item, SessionLedger& session);
  // Ends the lane's first event if this session could never have it. False: it could.
  bool SettleUnfit(Lane& lane, const SessionLedger& session);
  bool Takes(const SessionLedger& session, const Item& item) const;
  bool TooLarge(const Item& item, const SessionLedger& session) const;
  // Ends it, or lets it pass a stage that fails open.
  void SettleTooLarge(Item* item, const SessionLedger& session);

  // ---- dispatch_answers.cc: what an answer or a deadline means ----
  void On(AnswersArrived& in);
  bool TakeAnswer(SessionLedger& session, uint64_t id, Answer* answer);
  void Judge(Item* item, SessionLedger& session, Answer* answer);
  void JudgeDone(Item* item, SessionLedger& session, Answer* answer);
  void JudgeRetry(Item* item, std::optional<Duration> after, Failure failure);
  // A retry that is counted, in memory or by the bus.
  void PlaceRetry(Item* item, Time due, Failure failure);
  void JudgeReject(Item* item, Answer* answer);
  // What a dead letter keeps beside reason and message.
  static std::string KeptDetail(const Failure& failure);
  void JudgeRelease(Item* item, const SessionLedger& session);
  void ExpireDeliveries(SessionLedger& session);
  // The end of a delivery whose time was over.
  void EndLate(Item* item);
  void CheckStuck(SessionLedger& session);
  void CountFailure(Lane& lane, const std::string& event_id);
  void StartProbing(Lane& lane);
  void BreakRun(Lane& lane);
  bool ChargesAttempts(const Lane& lane) const;
  void ProtocolError(SessionLedger& session, std::string rule);

  // ---- dispatch_sessions.cc: sessions come and go ----
  void On(SessionUp& in);
  void On(SessionDraining& in);
  void On(SessionDown& in);
  void On(InstanceEnded& in);
  void On(InstanceFailed& in);
  void DrainSession(SessionLedger& session, std::string why);
  void LearnHooks(ComponentId component);
  // A session ended, and with it perhaps its process: no suspect is tried on the others of its
  // instance until they prove that the process lives, or have lived on for a while.
  void DoubtInstance(const SessionLedger& lost);
  // Stamps or clears since when the component has had no window.
  void NotePause(ComponentId component);
  void GiveToOthers(const std::vector<Item*>& items);
  SessionLedger* Find(SessionId id);

  // ---- dispatch_suspects.cc: crash attribution and circuit ----
  void Suspect(const std::vector<Item*>& items, const std::string& report, const SessionUp& lost);
  void OnTrialLost(Item* item, const SessionLedger& session, DownCause cause,
                   const std::string& report);
  void SetAside(Item* item);
  void ForgetEnds(Item* item);
  // It was answered or its deadline passed: it ended no process.
  void ClearOfEnds(Item* item);
  // ---- dispatch_known.cc: ends that outlive the host ----
  uint64_t NameOf(const Item& item) const;
  void KeepEnds(const Item& item);
  void ForgetKnown(const Item& item);
  // Of a delivery that has just been admitted.
  void Recall(Item* item);
  void Convict(Item* item);
  // An ordered lane that can hold no more behind an event that is set aside gives that one up.
  void GiveUpAside(Lane& lane);
  // The same behind the first hop, one at a time.
  void GiveUpAsideForFirst(Lane& lane);
  void GiveUp(Item* aside);
  void OnSuccess(const Item& item, const SessionUp& build);
  void CountCrash(const std::string& report);
  void OpenCircuit(std::string why);
  void CloseCircuit(const SessionUp& build);  // Of the session that had a success.
  void PumpTrials();
  void PumpQuarantine();
  void StartCircuitTrial();
  void PumpCircuitTrial();
  bool TryEvent();
  void TrySuspect();
  void EndCircuitTrial();  // Without a success.
  Item* LeastTriedSuspect();
  void SendTrial(Item* item, SessionLedger& session);
  // An idle session for suspects of this component; on a remote plugin one is reserved for it
  // first.
  SessionLedger* TrialSession(ComponentId component);
  void Unreserve();
  bool WantsQuarantine() const;
  void AddSuspect(Item* item);
  void TakeFromSuspects(Item* item);
  // What another build of the plugin did with it proves nothing: it is tried anew.
  void SuspectAgain(Item* item);
  // A session of this build is up.
  void OnBuild(const SessionUp& build);
  // Of a suspect, whose success would be the control of what is set aside.
  bool TrialToCome() const;
  bool SuspectsLeft() const { return !suspects.empty() || !set_aside.empty(); }

  // ---- dispatch_records.cc: what is told of events that did not go straight through ----
  // A turn that did not end well: one more of Item::tried.
  void NoteTried(Item* item, const char* outcome, const std::string& reason,
                 const std::string& message, const SessionUp& by);
  static void KeepTried(Item* item, bus::Attempt attempt);
  bus::Attempt TurnOf(const Item& item, const char* outcome, const SessionUp& by) const;
  // Its record of this step.
  Record& RecordOf(const Item& item);
  void RecordTurn(const Item& item, bus::Attempt turn);
  void RecordEnd(const Item& item, bus::Settlement* end);
  // A turn that ended the event well, where there is more to tell of it.
  void NoteGoodTurn(const Item& item, const char* outcome, const SessionUp& by,
                    bus::Settlement* end) const;
  // That of a stage, before those of the hops behind it.
  void NotePassed(const Item& item, bus::Settlement* end);

  // ---- dispatch_waits.cc: where an event is ----
  EventView ViewOf(const Item& item) const;
  void TellWhyReady(const Item& item, EventView* view) const;

  // ---- Items ----
  Item* NewItem(LaneId lane);
  void Settle(Item* item, bus::Settlement settlement);
  void SettleDone(Item* item, std::vector<Event> emits, std::unique_ptr<bus::Placed> placed,
                  const SessionUp& by);
  void SettleDead(Item* item, std::string reason, std::string message, std::string detail);
  // `why`: for the hop before, if this is not the first.
  void SettleRetry(Item* item, Time due, Failure why);
  void Return(Item* item);
  // Also what is parked behind its key, which must not overtake it.
  void ReturnWithFollowers(Item* item);
  // What is ready, parked or waiting goes back to the bus. `only` null: of all lanes.
  void ReturnUnsent(Lane* only, bool keep_one_ready);
  void Wait(Item* item, Time until);
  void Unwait(Item* item);
  // Takes the item out of whatever its state keeps it in.
  void Detach(Item* item);
  void Release(Item* item);  // The bus has it.
  void FreeSlot(Item* item);
  void Notify(Notice::Kind kind, const Item* item, std::string text, uint64_t count = 1);

  // ---- State ----
  Time now{};
  Effects* out = nullptr;  // Of the step under way.
  Random random;
  std::vector<std::unique_ptr<Lane>> lanes;
  absl::flat_hash_map<LaneId, Lane*> lane_by_id;
  std::vector<std::vector<Lane*>> lanes_of;  // By component.
  std::vector<size_t> turn;                  // By component: whose lane is next.
  std::vector<std::optional<Time>>
      forming;  // By component: since when a frame that could leave has been held back.
  std::vector<std::optional<Time>> paused_since;  // By component.
  std::vector<std::vector<std::string>> hooks;    // By component: types, as of its last session.
  // By component: the same of operations; nothing: it has had no session.
  std::vector<std::optional<std::vector<std::string>>> operations;
  std::vector<std::optional<Time>> absent_since;  // By component: it has had no usable session.
  std::map<SessionId, std::unique_ptr<SessionLedger>> sessions;

  std::deque<Item> items;  // Slots; pointers stay valid.
  absl::flat_hash_map<uint64_t, Item*> calls;
  std::vector<uint32_t> free_slots;
  uint64_t next_sequence = 1;
  uint64_t live_items = 0;
  std::set<std::pair<Time, uint32_t>> waiting;  // Wake time, slot.
  std::multimap<Time, std::unique_ptr<bus::Settlement>> settle_again;

  // Suspects by order of arrival; the one on trial is in flight and in neither.
  std::map<uint64_t, Item*> suspects;
  std::vector<Item*> set_aside;
  absl::flat_hash_map<uint64_t, KnownSuspect> known;  // By name; also of what is not here.
  bool known_changed = false;                         // In this step.
  Item* on_trial = nullptr;  // A suspect, on a quarantine (or reserved) session.
  uint32_t asides_since_success = 0;
  uint64_t trials = 0;

  CircuitState circuit = CircuitState::kClosed;
  std::string circuit_reason;
  std::deque<Time> crashes;  // Without a success between them.
  Time circuit_next{};  // kOpen: when the next trial begins. kTrial: when suspects are tried for
                        // want of others.
  Item* circuit_event = nullptr;        // kTrial: no suspect, in flight on a normal session.
  bool circuit_tries_suspects = false;  // kTrial: there is nothing but suspects.

  bool draining = false;
  Time drain_deadline = kNever;  // kNever again once it is over.
  uint64_t late_answers = 0;
  uint64_t protocol_errors = 0;
};

}  // namespace outboard::lane

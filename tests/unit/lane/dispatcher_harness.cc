#include "tests/unit/lane/dispatcher_harness.h"

#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "tests/unit/event/wire_text.h"

namespace outboard::lane {
namespace {

Event MakeEvent(const std::string& id, const What& what) {
  std::string bytes =
      wire_text::Join({wire_text::Id(id), wire_text::Source("tracker"), wire_text::Version("1.0"),
                       wire_text::Type("story.created")});
  if (!what.key.empty()) bytes += wire_text::StringAttribute("key", what.key);
  bytes += wire_text::Binary(std::string(what.data, 'x'));
  auto event = CheckEvent(bytes);
  OUTBOARD_CHECK(event.ok());
  return *std::move(event);
}

bus::Settlement Copy(const bus::Settlement& in) {
  bus::Settlement out{in.lane, in.tag, in.cookie, in.end, in.attempts, in.due, in.emits, nullptr};
  if (in.dead) out.dead = std::make_unique<bus::DeadReason>(*in.dead);
  out.dropped_by = in.dropped_by;
  if (in.placed) out.placed = std::make_unique<bus::Placed>(*in.placed);
  if (in.tried) out.tried = std::make_unique<std::vector<bus::Attempt>>(*in.tried);
  return out;
}

std::string KindName(Notice::Kind kind) {
  switch (kind) {
    case Notice::Kind::kSuspected: return "suspected";
    case Notice::Kind::kCleared: return "cleared";
    case Notice::Kind::kSetAside: return "set aside";
    case Notice::Kind::kConvicted: return "convicted";
    case Notice::Kind::kCircuitOpened: return "circuit opened";
    case Notice::Kind::kCircuitTrial: return "circuit trial";
    case Notice::Kind::kCircuitClosed: return "circuit closed";
    case Notice::Kind::kProbeStarted: return "probe started";
    case Notice::Kind::kProbeEnded: return "probe ended";
    case Notice::Kind::kStopped: return "stopped";
    case Notice::Kind::kDeadLettered: return "dead";
    case Notice::Kind::kProtocolError: return "protocol error";
    case Notice::Kind::kStuck: return "stuck";
    case Notice::Kind::kSettleFailed: return "settle failed";
  }
  return "";
}

}  // namespace

DispatcherOptions OneLane() {
  DispatcherOptions options;
  options.plugin = "search";
  options.components = {"indexer"};
  LaneOptions lane;
  lane.name = "stories/search.indexer";
  lane.route = "stories";
  lane.retry.jitter = 0;
  options.lanes = {lane};
  return options;
}

DispatcherOptions OneStage() {
  DispatcherOptions options = OneLane();
  options.components = {"filter", "indexer"};
  LaneOptions& stage = options.lanes[0];
  LaneOptions target = stage;
  stage.role = Role::kStage;
  stage.next = 1;
  target.id = 1;
  target.component = 1;
  target.first = false;
  options.lanes.push_back(target);
  return options;
}

DispatcherOptions OneOrderedLane() {
  DispatcherOptions options = OneLane();
  options.lanes[0].order_by = "key";
  return options;
}

SessionUp Session(SessionId id) {
  SessionUp session;
  session.session = id;
  session.instance = static_cast<uint32_t>(id);
  session.version = "v1";
  return session;
}

SessionUp WorkerSession(SessionId id) {
  SessionUp session = Session(id);
  session.component = 1;
  return session;
}

SessionUp InOrderSession(SessionId id) {
  SessionUp session = Session(id);
  session.in_order = true;
  return session;
}

SessionUp QuarantineSession(SessionId id) {
  SessionUp session = Session(id);
  session.quarantine = true;
  return session;
}

DispatcherHarness::DispatcherHarness(DispatcherOptions options, uint64_t seed,
                                     std::vector<KnownSuspect> known)
    : dispatcher_(options, seed, known), known_(std::move(known)) {
  for (const LaneOptions& lane : options.lanes) {
    if (lane.next) before_[*lane.next] = lane.id;
  }
}

// ---- The bus
// -------------------------------------------------------------------------------------

void DispatcherHarness::Deliver(int count, const What& what) {
  DeliveriesArrived in;
  for (int i = 0; i < count; ++i) {
    const std::string id = absl::StrCat("e", ++last_event_);
    event_of_[{what.lane, ++last_tag_}] = id;
    in.deliveries.push_back(
        {what.lane, last_tag_, MakeEvent(id, what), what.attempts, false, now_});
    if (credit_[what.lane] > 0) --credit_[what.lane];
  }
  Give(std::move(in));
}

void DispatcherHarness::DeliverAgain(const std::string& id, const What& what) {
  DeliveriesArrived in;
  event_of_[{what.lane, ++last_tag_}] = id;
  in.deliveries.push_back({what.lane, last_tag_, MakeEvent(id, what), what.attempts, true, now_});
  if (credit_[what.lane] > 0) --credit_[what.lane];
  Give(std::move(in));
}

void DispatcherHarness::SettleHeld(const absl::Status& status) {
  SettlesArrived in;
  for (bus::Settlement& settlement : std::exchange(unsettled_, {})) {
    bus::Settled settled{settlement.lane, settlement.cookie, status, nullptr};
    if (!status.ok()) settled.failed = std::make_unique<bus::Settlement>(std::move(settlement));
    in.settled.push_back(std::move(settled));
  }
  if (status.ok()) hold_settles_ = false;
  Give(std::move(in));
}

// ---- Plugins
// -------------------------------------------------------------------------------------

void DispatcherHarness::Window(SessionId session, uint32_t window) {
  AnswersArrived in;
  in.session = session;
  in.window = window;
  Give(std::move(in));
}

void DispatcherHarness::AnswerIds(const std::vector<std::string>& events,
                                  std::vector<uint64_t> AnswersArrived::*ids) {
  std::map<SessionId, AnswersArrived> frames;
  for (const std::string& event : events) {
    const Flight& flight = flights_.at(event);
    frames[flight.session].session = flight.session;
    (frames[flight.session].*ids).push_back(flight.delivery_id);
  }
  for (auto& [session, frame] : frames) Give(std::move(frame));
}

void DispatcherHarness::SayOfAll(const std::vector<std::string>& events, Verdict verdict) {
  std::map<SessionId, AnswersArrived> frames;
  for (const std::string& event : events) {
    const Flight& flight = flights_.at(event);
    frames[flight.session].session = flight.session;
    Answer& answer = frames[flight.session].verdicts.emplace_back();
    answer.delivery_id = flight.delivery_id;
    answer.verdict = verdict;
  }
  for (auto& [session, frame] : frames) Give(std::move(frame));
}

void DispatcherHarness::RetryAfter(const std::string& event, Duration after,
                                   const std::string& reason) {
  Answer answer;
  answer.verdict = Verdict::kRetry;
  answer.retry_after = after;
  answer.failure = std::make_unique<Failure>(Failure{reason, "", ""});
  Say(event, std::move(answer));
}

void DispatcherHarness::Reject(const std::string& event, const std::string& reason) {
  Say(event, Verdict::kReject, reason);
}

void DispatcherHarness::DoneWith(const std::string& event, std::vector<std::string> emits) {
  Answer answer;
  answer.verdict = Verdict::kDone;
  answer.emits = std::move(emits);
  Say(event, std::move(answer));
}

void DispatcherHarness::Say(const std::string& event, Verdict verdict, const std::string& reason) {
  Answer answer;
  answer.verdict = verdict;
  if (!reason.empty()) {
    answer.failure = std::make_unique<Failure>(Failure{reason, "message", "detail"});
  }
  Say(event, std::move(answer));
}

void DispatcherHarness::Say(const std::string& event, Answer answer) {
  const Flight& flight = flights_.at(event);
  AnswersArrived in;
  in.session = flight.session;
  answer.delivery_id = flight.delivery_id;
  in.verdicts.push_back(std::move(answer));
  Give(std::move(in));
}

// ---- Time and all the rest
// -----------------------------------------------------------------------

void DispatcherHarness::Advance(Duration d) {
  const Time end = now_ + d;
  for (int fired = 0; effects_.wake_at <= end; ++fired) {
    ASSERT_LT(fired, 10'000) << "the dispatcher wants to be woken without end";
    now_ = std::max(now_, effects_.wake_at);
    Give(TimerFired{});
  }
  now_ = end;
}

void DispatcherHarness::Give(Input input) {
  Step(std::move(input));
  while (CarryOn()) {
  }
}

bool DispatcherHarness::CarryOn() {
  if (!between_.empty()) {
    Input input = std::move(between_.front());
    between_.pop_front();
    Step(std::move(input));
    return true;
  }
  if (hold_settles_ || unsettled_.empty()) return false;
  SettlesArrived in;
  for (const bus::Settlement& settlement : std::exchange(unsettled_, {})) {
    in.settled.push_back({settlement.lane, settlement.cookie, absl::OkStatus(), nullptr});
  }
  Step(std::move(in));
  return true;
}

void DispatcherHarness::Step(Input input) {
  effects_.Clear();
  dispatcher_.Step(std::move(input), now_, &effects_);
  for (SendFrame& frame : effects_.frames) Record(frame);
  for (bus::Settlement& settlement : effects_.settlements) {
    const auto before = before_.find(settlement.lane);
    if (before == before_.end()) {
      Record(settlement);
      continue;
    }
    SettlesArrived settled;
    settled.settled.push_back({settlement.lane, settlement.cookie, absl::OkStatus(), nullptr});
    NextEnded ended;
    settlement.lane = before->second;
    ended.settlements.push_back(std::move(settlement));
    between_.emplace_back(std::move(ended));
    between_.emplace_back(std::move(settled));
  }
  for (bus::Delivery& forward : effects_.forwards) {
    DeliveriesArrived in;
    event_of_[{forward.lane, forward.tag}] = std::string(forward.event.id());
    in.deliveries.push_back(std::move(forward));
    between_.emplace_back(std::move(in));
  }
  for (const FirstStopped& stop : effects_.stops) {
    for (const auto& [hop, before] : before_) {
      if (before == stop.lane) between_.emplace_front(FirstStopped{hop, stop.stopped});
    }
  }
  if (effects_.known) known_ = *effects_.known;
  for (const Notice& notice : effects_.notices) Record(notice);
  for (const lane::Record& record : effects_.records) Record(record);
  for (const SetCredit& credit : effects_.credits) {
    credit_[credit.lane] = credit.more;
    const auto before = before_.find(credit.lane);
    if (before != before_.end()) between_.emplace_back(NextCredit{before->second, credit.more});
  }
  cancels_.insert(cancels_.end(), effects_.cancels.begin(), effects_.cancels.end());
  closes_.insert(closes_.end(), effects_.closes.begin(), effects_.closes.end());
  replaces_.insert(replaces_.end(), effects_.replaces.begin(), effects_.replaces.end());
}

void DispatcherHarness::Record(SendFrame& frame) {
  std::string text = absl::StrCat(frame.session, ":");
  uint64_t id = frame.first_id;
  for (FrameItem& item : frame.items) {
    const std::string event(item.event.id());
    absl::StrAppend(&text, " ", event);
    flights_[event] = {frame.session, id++, std::move(item)};
  }
  sent_.push_back(std::move(text));
}

void DispatcherHarness::Record(bus::Settlement& settlement) {
  const std::string event = event_of_.at({settlement.lane, settlement.tag});
  std::string text = event;
  switch (settlement.end) {
    case bus::End::kDone: text += " done"; break;
    case bus::End::kDropped: text += " dropped"; break;
    case bus::End::kDead: absl::StrAppend(&text, " dead ", settlement.dead->reason); break;
    case bus::End::kRetry:
      absl::StrAppend(&text, " retry in ", (settlement.due - now_) / milliseconds(1), " ms");
      break;
    case bus::End::kReturned: text += " returned"; break;
  }
  settlements_.push_back(std::move(text));
  ended_[event] = Copy(settlement);
  unsettled_.push_back(std::move(settlement));
}

void DispatcherHarness::Record(const Notice& notice) {
  std::string text = KindName(notice.kind);
  if (notice.kind == Notice::Kind::kSuspected) {
    absl::StrAppend(&text, " ", notice.count);
  } else if (!notice.event_id.empty()) {
    absl::StrAppend(&text, " ", notice.event_id);
  }
  notices_.push_back(std::move(text));
}

void DispatcherHarness::Record(const lane::Record& record) {
  std::string text = absl::StrCat(record.event.id(), ":");
  for (const bus::Attempt& turn : record.turns) {
    absl::StrAppend(&text, &turn == &record.turns.front() ? " " : ", ", turn.component, " ",
                    turn.outcome, turn.reason.empty() ? "" : " ", turn.reason);
  }
  constexpr const char* kEnds[] = {"done", "dropped", "dead", "retry", "returned"};
  if (record.end) absl::StrAppend(&text, "; ", kEnds[static_cast<int>(*record.end)]);
  if (!record.reason.empty()) absl::StrAppend(&text, " ", record.reason);
  for (const Event& emit : record.emits) absl::StrAppend(&text, " > ", emit.type());
  records_.push_back(std::move(text));
  last_record_ = record;
}

std::optional<Duration> DispatcherHarness::WakesIn() const {
  if (effects_.wake_at == kNever) return std::nullopt;
  return effects_.wake_at - now_;
}

std::vector<std::string> DispatcherHarness::Suspects() const {
  std::vector<std::string> out;
  for (const SuspectView& view : dispatcher_.suspects()) {
    out.push_back(
        absl::StrCat(view.event_id, ": ", view.ends, " ends", view.set_aside ? ", set aside" : ""));
  }
  return out;
}

void DispatcherHarness::ForgetOutput() {
  sent_.clear();
  settlements_.clear();
  notices_.clear();
  records_.clear();
  cancels_.clear();
  closes_.clear();
  replaces_.clear();
}

void Suspect(DispatcherHarness& h, int count, const What& what) {
  h.Up(Session(1));
  h.Deliver(count, what);
  h.Crash(1);
}

void EndOne(DispatcherHarness& h, SessionId session) {
  h.Up(QuarantineSession(session));
  h.Crash(session);
}

}  // namespace outboard::lane

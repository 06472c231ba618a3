#include <algorithm>
#include <variant>

#include "tests/simulation/oracle.h"

// What the oracle learns from inputs.
namespace outboard::simulation {

using lane::DownCause;
using lane::Verdict;

namespace {

std::string BuildOf(const std::string& version, uint64_t generation) {
  return version + "#" + std::to_string(generation);
}

}  // namespace

void Oracle::OnInput(const lane::Input& input, Time now) {
  ++step_;
  timer_ = step_success_ = step_trial_done_ = step_loss_ = step_down_ = false;
  facts_.clear();
  maybe_done_.clear();
  for (LaneState& lane : lanes_) {
    lane.step_fails.clear();
    lane.step_answered = lane.step_released = false;
  }
  if (const auto* in = std::get_if<lane::DeliveriesArrived>(&input)) {
    coverage_->Saw(Cover::kDeliveries);
    for (const bus::Delivery& delivery : in->deliveries) Deliver(delivery, now);
  } else if (const auto* in = std::get_if<lane::AnswersArrived>(&input)) {
    Answers(*in, now);
  } else if (const auto* in = std::get_if<lane::SessionUp>(&input)) {
    coverage_->Saw(in->quarantine ? Cover::kQuarantineUp : Cover::kSessionUp);
    if (sessions_.empty()) first_session_ = in->session;
    lane::SessionUp& up = sessions_.emplace_back().up;
    up = *in;
    up.version = BuildOf(in->version, in->generation);
    for (LaneState& lane : lanes_) {
      for (uint32_t index : lane.out) {
        Item& item = lane.items[index];
        if (!item.suspect || item.version == up.version) continue;
        item.may_reset = true;
        if (item.aside) coverage_->Saw(Cover::kNewVersion);
      }
    }
  } else if (const auto* in = std::get_if<lane::SessionDraining>(&input)) {
    coverage_->Saw(Cover::kSessionDraining);
    SessionOf(in->session)->draining = true;
  } else if (const auto* in = std::get_if<lane::SessionDown>(&input)) {
    Down(*in, now);
  } else if (const auto* in = std::get_if<lane::InstanceEnded>(&input)) {
    coverage_->Saw(Cover::kInstanceEnded);
    Ended(in->life);
  } else if (const auto* in = std::get_if<lane::InstanceFailed>(&input)) {
    coverage_->Saw(Cover::kInstanceFailed);
    Loss(now, !in->quarantine);
  } else if (const auto* in = std::get_if<lane::SettlesArrived>(&input)) {
    coverage_->Saw(Cover::kSettles);
    Settles(*in, now);
  } else if (const auto* in = std::get_if<lane::PauseLane>(&input)) {
    LaneState& lane = lanes_[bus_.LaneOf(in->lane)];
    coverage_->Saw(in->paused ? Cover::kPause : Cover::kResume);
    for (uint32_t index : lane.out) {
      if (in->paused && lane.items[index].suspect) coverage_->Saw(Cover::kPauseWithSuspects);
    }
    if (in->paused && circuit_ != lane::CircuitState::kClosed)
      coverage_->Saw(Cover::kPauseWhileOpen);
    lane.paused = in->paused;
  } else if (const auto* in = std::get_if<lane::StopLane>(&input)) {
    LaneState& lane = lanes_[bus_.LaneOf(in->lane)];
    coverage_->Saw(Cover::kStopLane);
    lane.stopped = true;
    ++lane.stops;
  } else if (const auto* in = std::get_if<lane::GoOn>(&input)) {
    LaneState& lane = lanes_[bus_.LaneOf(in->lane)];
    coverage_->Saw(in->stops == lane.stops ? Cover::kGoOn : Cover::kGoOnTooLate);
    if (in->stops == lane.stops) lane.stopped = false;
  } else if (std::get_if<lane::TimerFired>(&input)) {
    coverage_->Saw(Cover::kTimer);
    timer_ = true;
  } else if (const auto* in = std::get_if<lane::StartDrain>(&input)) {
    coverage_->Saw(Cover::kStartDrain);
    if (suspect_count_ > 0) coverage_->Saw(Cover::kDrainWithSuspects);
    if (circuit_ != lane::CircuitState::kClosed) coverage_->Saw(Cover::kDrainWhileOpen);
    for (const LaneState& lane : lanes_) {
      for (uint32_t index : lane.out) {
        if (lane.items[index].aside) coverage_->Saw(Cover::kDrainWithAside);
        if (lane.items[index].convicting) coverage_->Saw(Cover::kDrainWithConviction);
      }
    }
    draining_ = true;
    drain_deadline_ = in->deadline;
  }
}

void Oracle::Deliver(const bus::Delivery& delivery, Time now) {
  const uint32_t number = bus_.LaneOf(delivery.lane);
  SyncPublished(number);
  LaneState& lane = lanes_[number];
  if (tags_.size() < delivery.tag) tags_.resize(delivery.tag, {~0u, 0});
  const uint32_t index =
      static_cast<uint32_t>(std::stoul(std::string(delivery.event.id().substr(1))));
  tags_[delivery.tag - 1] = {number, index};
  Item item;
  item.where = Where::kHeld;
  item.lane = number;
  item.index = index;
  item.key = lane.items[index].key;
  item.tag = delivery.tag;
  item.charged = {delivery.attempts, delivery.attempts};
  item.ready_from = item.not_before = now;
  lane.items[index] = std::move(item);
  Recall(&lane.items[index]);
  lane.out.push_back(index);
  lane.bytes += delivery.event.size();
  --lane.credit;
  ++lane.received;
}

// What ended processes in a life before is tried alone at once, or when its turn comes in its key.
void Oracle::Recall(Item* item) {
  const lane::LaneOptions& lane = *LaneOf(*item).options;
  item->name = lane::KnownSuspect::NameOf(lane.name, options_.components[lane.component],
                                          bus_.events(item->lane)[item->index].event);
  const auto found = known_.find(item->name);
  if (found == known_.end() || Rests(LaneOf(*item))) return;
  item->ends = {found->second.ends, found->second.ends};
  item->version = BuildOf(found->second.version, found->second.generation);
  item->reprievable = found->second.ends >= options_.crash_limit;
  coverage_->Saw(item->reprievable ? Cover::kRecalledFull : Cover::kRecalled);
  if (Keyed(*item)) {
    item->recalled_step = step_;
  } else {
    item->suspect = true;
    ++suspect_count_;
  }
}

// ---- Answers
// ------------------------------------------------------------------------------------------

std::optional<std::vector<uint64_t>> Oracle::BeforeLie(const Session& session,
                                                       const lane::AnswersArrived& frame) {
  const auto unknown = [&session](uint64_t id) { return id == 0 || id > session.sent.size(); };
  std::vector<uint64_t> taken;
  for (uint64_t id : frame.progress_ids) {
    if (unknown(id)) return taken;
  }
  for (uint64_t id : frame.done_ids) {
    if (unknown(id)) return taken;
    taken.push_back(id);
  }
  for (const lane::Answer& answer : frame.verdicts) {
    if (unknown(answer.delivery_id) || answer.verdict == Verdict::kInvalid) return taken;
    taken.push_back(answer.delivery_id);
  }
  return std::nullopt;
}

void Oracle::BreakRule(Session* session, const lane::AnswersArrived& frame,
                       const std::vector<uint64_t>& before) {
  session->broken = true;
  ++protocol_errors_;
  if (suspect_count_ > 0) coverage_->Saw(Cover::kProtocolWithSuspects);
  if (!session->open.empty()) coverage_->Saw(Cover::kLieMakesSuspects);
  for (uint64_t id : frame.done_ids) {
    if (id == 0 || id > session->sent.size()) continue;
    Sent& sent = session->sent[id - 1];
    if (sent.state == Sent::State::kOpen) {
      maybe_done_.push_back(&At(sent));
    } else {
      ++late_hi_;
    }
  }
  // An answer that was owed frees its key, whatever comes behind it.
  for (uint64_t id : before) {
    Sent& sent = session->sent[id - 1];
    if (sent.state != Sent::State::kExpired) continue;
    sent.state = Sent::State::kAnswered;
    std::erase(session->open, static_cast<uint32_t>(id - 1));
    if (Key* key = KeyOf(At(sent))) --key->owed;
  }
}

void Oracle::Answers(const lane::AnswersArrived& frame, Time now) {
  coverage_->Saw(Cover::kAnswers);
  Session& session = *SessionOf(frame.session);
  if (session.broken) {
    coverage_->Saw(Cover::kAnswerIgnored);
    return;
  }
  if (const auto before = BeforeLie(session, frame)) return BreakRule(&session, frame, *before);
  lane::Answer bare;
  bare.verdict = Verdict::kDone;
  for (uint64_t id : frame.done_ids) {
    coverage_->Saw(Cover::kAnswerDoneId);
    bare.delivery_id = id;
    TakeAnswer(&session, bare, now);
  }
  for (const lane::Answer& answer : frame.verdicts) TakeAnswer(&session, answer, now);
  for (uint64_t id : frame.progress_ids) TakeProgress(&session, id, now);
  if (frame.window) {
    coverage_->Saw(Cover::kAnswerWindow);
    session.window = frame.window;
  }
  TurnTo(&session, now);
}

// The answer frees its credit. True if it is the answer that counts.
bool Oracle::TakeCredit(Session* session, uint64_t id, Time now) {
  Sent& sent = session->sent[id - 1];
  if (sent.state == Sent::State::kAnswered) {
    coverage_->Saw(Cover::kAnswerDuplicate);
    ++late_lo_;
    ++late_hi_;
    session->perhaps_activity = now;
    return false;
  }
  const bool counts = sent.state == Sent::State::kOpen;
  session->open.erase(
      std::find(session->open.begin(), session->open.end(), static_cast<uint32_t>(id - 1)));
  session->open_bytes -= sent.bytes;
  session->answers.push_back(now);
  session->activity = session->perhaps_activity = now;
  if (counts) {
    if (--session->frames[sent.frame] == 0) --session->open_frames;
  } else {
    coverage_->Saw(sent.gone ? Cover::kAnswerToEnded : Cover::kAnswerLate);
    ++late_lo_;
    ++late_hi_;
    if (Key* key = KeyOf(At(sent))) {
      coverage_->Saw(Cover::kKeyedLate);
      --key->owed;
    }
  }
  sent.state = Sent::State::kAnswered;
  return counts;
}

void Oracle::Land(Item* item) {
  item->where = Where::kHeld;
  item->session = 0;
}

void Oracle::TakeAnswer(Session* session, const lane::Answer& answer, Time now) {
  if (!TakeCredit(session, answer.delivery_id, now)) return;
  Item& item = At(session->sent[answer.delivery_id - 1]);
  LaneState& lane = LaneOf(item);
  if (item.suspect) {
    Clear(&item);
  } else {
    item.ForgetEnds();
  }
  Land(&item);
  item.retry_after = answer.retry_after;
  item.reason = answer.failure == nullptr || answer.failure->reason.empty()
                    ? "UNSPECIFIED"
                    : answer.failure->reason;
  item.emits = answer.emits;
  facts_.push_back(&item);
  switch (answer.verdict) {
    case Verdict::kDone:
      coverage_->Saw(Cover::kAnswerDone);
      if (!answer.emits.empty()) coverage_->Saw(Cover::kAnswerEmits);
      item.fact = Fact::kDone;
      lane.step_answered = true;
      // An emit that is refused makes it a REJECT.
      if (EmitsFit(item, nullptr)) Success(item, session->up.version);
      break;
    case Verdict::kReject:
      coverage_->Saw(Cover::kAnswerReject);
      item.fact = Fact::kReject;
      lane.step_answered = true;
      FailKey(session, item, answer.delivery_id, false);
      break;
    case Verdict::kRelease: TakeRelease(session, &item, answer.delivery_id, now); break;
    default:
      coverage_->Saw(answer.retry_after ? Cover::kAnswerRetryAfter : Cover::kAnswerRetry);
      if (draining_) coverage_->Saw(Cover::kDrainRetry);
      item.fact = Fact::kRetry;
      lane.step_fails.push_back(item.index);
      lane.last_failure = now;
      FailKey(session, item, answer.delivery_id, true);
      break;
  }
}

void Oracle::FailKey(Session* session, const Item& item, uint64_t id, bool certain) {
  if (!session->up.in_order || !Keyed(item)) return;
  session->failed_keys.push_back({item.lane, item.key, id, session->sent.size(), certain});
}

void Oracle::TakeRelease(Session* session, Item* item, uint64_t id, Time now) {
  coverage_->Saw(Cover::kAnswerRelease);
  LaneOf(*item).step_released = true;
  item->fact = Fact::kRelease;
  item->counted_release = item->must_count = false;
  bool may_be_free = false, free = false;
  for (const Session::FailedKey& failed : session->failed_keys) {
    if (failed.lane != item->lane || failed.key != item->key || id <= failed.id) continue;
    may_be_free = true;
    if (failed.certain && id <= failed.last_sent) free = true;
  }
  FailKey(session, *item, id, false);
  if (Rests(LaneOf(*item))) return;
  if (free) {
    coverage_->Saw(Cover::kReleaseFree);
    item->not_before = item->ready_from = now;
    return;
  }
  if (!may_be_free) ++item->releases.lo;
  ++item->releases.hi;
  item->not_before = may_be_free ? now : now + options_.release_delay;
  item->counted_release = item->releases.hi >= options_.max_releases;
  item->must_count = item->releases.lo >= options_.max_releases;
  if (!item->counted_release) return;
  coverage_->Saw(Cover::kReleaseCounted);
  item->reason = "RELEASED";
  item->releases.lo = 0;  // Whether the next one counts again is left open.
  LaneOf(*item).step_fails.push_back(item->index);
}

void Oracle::TakeProgress(Session* session, uint64_t id, Time now) {
  coverage_->Saw(Cover::kAnswerProgress);
  if (id == 0 || id > session->sent.size()) return;
  Sent& sent = session->sent[id - 1];
  session->perhaps_activity = now;
  if (sent.state != Sent::State::kOpen) return;
  sent.progress = now;
  session->activity = now;
}

void Oracle::Success(const Item& item, const std::string& version) {
  last_success_ = step_;
  step_success_ = true;
  if (trial_item_ == std::make_pair(item.lane, item.index)) step_trial_done_ = true;
  losses_.clear();
  asides_ = 0;
  for (LaneState& lane : lanes_) {
    for (uint32_t index : lane.out) {
      // What another version did proves nothing.
      lane.items[index].may_reset |=
          lane.items[index].suspect && lane.items[index].version != version;
    }
  }
  for (auto& [name, step] : successes_) {
    if (name != version) continue;
    step = step_;
    return;
  }
  successes_.emplace_back(version, step_);
}

void Oracle::Clear(Item* item) {
  if (item->bad_deploy) coverage_->Saw(Cover::kReprieveCleared);
  item->suspect = item->tried_in_trial = item->may_reset = false;
  item->ForgetEnds();
  --suspect_count_;
}

// A delivery's turn comes when it is among the oldest `concurrency` unanswered ones, or heads of
// keys.
void Oracle::TurnTo(Session* session, Time now) {
  const uint32_t most = session->up.concurrency == 0 ? ~0u : session->up.concurrency;
  uint32_t n = 0;
  std::vector<std::pair<uint32_t, int>> seen;
  for (uint32_t at : session->open) {
    Sent& sent = session->sent[at];
    const Item& item = At(sent);
    if (session->up.in_order && Keyed(item)) {
      const std::pair<uint32_t, int> key(sent.lane, item.key);
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
      seen.push_back(key);
    }
    if (n++ == most) return;
    if (sent.turn == kNever) sent.turn = now;
  }
}

// ---- Ends of sessions, settles
// ------------------------------------------------------------------------

void Oracle::Loss(Time now, bool certain) {
  step_loss_ = true;
  losses_.emplace_back(now, certain);
  while (!losses_.empty() && now - losses_.front().first > options_.circuit.within)
    losses_.pop_front();
}

void Oracle::Down(const lane::SessionDown& down, Time now) {
  static constexpr Cover kCauses[] = {Cover::kDownDrained, Cover::kDownCrashed,
                                      Cover::kDownProtocol, Cover::kDownStream};
  coverage_->Saw(kCauses[static_cast<size_t>(down.cause)]);
  Session& session = *SessionOf(down.session);
  const DownCause cause = session.broken ? DownCause::kProtocolError : down.cause;
  session.down = true;

  if (draining_ && cause != DownCause::kDrained) coverage_->Saw(Cover::kCrashInDrain);
  step_down_ = true;
  bool trial = false;
  for (uint32_t at : session.open) {
    Sent& sent = session.sent[at];
    Item& item = At(sent);
    if (sent.state == Sent::State::kExpired) {
      coverage_->Saw(Cover::kLossWithExpired);
      if (Key* key = KeyOf(item)) --key->owed;
    } else {
      trial |= item.suspect;
      DownItem(&session, &item, cause, now);
    }
  }
  session.open.clear();
  if (cause != DownCause::kDrained && !session.up.quarantine) Loss(now, !trial);
}

void Oracle::DownItem(Session* session, Item* item, DownCause cause, Time now) {
  Land(item);
  item->not_before = now;
  if (cause == DownCause::kDrained) {
    coverage_->Saw(item->suspect ? Cover::kQuarantineDrained : Cover::kDrainedUnanswered);
  } else if (item->suspect) {
    EndOf(item, *session, options_.remote && cause == DownCause::kStreamFailed);
  } else {
    item->suspect = true;
    if (item->ends.hi == 0) item->version = session->up.version;
    ++suspect_count_;
  }
}

void Oracle::Ended(uint64_t life) {
  for (LaneState& lane : lanes_) {
    for (uint32_t index : lane.out) {
      Item& item = lane.items[index];
      if (!item.suspect || item.aside || std::erase(item.vague_lives, life) == 0) continue;
      ++item.proven;
      step_down_ = true;  // May be set aside, and so open the circuit.
      item.judged_later |= item.where == Where::kFlying;
    }
  }
}

void Oracle::EndOf(Item* item, const Session& session, bool vague) {
  const bool another = item->version != session.up.version;
  item->version = session.up.version;
  item->may_reset = false;
  if (another) item->ForgetEnds();
  item->judged_later = false;
  const bool in_trial = item->tried_in_trial && circuit_ == lane::CircuitState::kTrial;
  // An end in a trial of the circuit does not count: the item stays what it was.
  if (vague && !in_trial) item->vague_lives.push_back(session.up.life);
  if (!vague && !in_trial) ++item->proven;
  item->ended_here = true;
  item->success_before_end = LastSuccess(item->version);
  ++item->ends.hi;
  if (!item->tried_in_trial) ++item->ends.lo;
  if (in_trial) --item->ends.hi;
}

void Oracle::Settles(const lane::SettlesArrived& settles, Time now) {
  for (const bus::Settled& settled : settles.settled) {
    LaneState& lane = lanes_[bus_.LaneOf(settled.lane)];
    const auto it = std::find_if(lane.out.begin(), lane.out.end(), [&](uint32_t index) {
      return lane.items[index].where == Where::kSettling &&
             lane.items[index].cookie == settled.cookie;
    });
    if (it == lane.out.end())
      return Fail("one settle",
                  "a settlement's cookie belongs to no delivery that is being settled");
    Item& item = lane.items[*it];
    if (settled.status.ok()) {
      item.where = Where::kBus;
      item.convicting = false;
      lane.bytes -= BytesOf(item);
      *it = lane.out.back();
      lane.out.pop_back();
      continue;
    }
    item.where = Where::kFailed;
    item.refused = item.end == bus::End::kDone && !absl::IsUnavailable(settled.status) &&
                   !absl::IsResourceExhausted(settled.status);
    item.settle_not_before = item.refused ? now : now + options_.settle_retry;
    if (draining_) coverage_->Saw(Cover::kDrainSettleFails);
    if (item.end == bus::End::kDead) coverage_->Saw(Cover::kSettleFailsDead);
    if (item.end == bus::End::kReturned) coverage_->Saw(Cover::kSettleFailsReturned);
    if (item.end == bus::End::kRetry) coverage_->Saw(Cover::kSettleFailsRetry);
  }
}

}  // namespace outboard::simulation

#include <algorithm>

#include "tests/simulation/oracle.h"
#include "tests/simulation/samples.h"

// What frames must keep to: order per key, limits, quarantine, trials, probing.
namespace outboard::simulation {

using lane::CircuitState;

namespace {
constexpr size_t kLargestEvent = 3'100;  // Of the samples.
}

void Oracle::Frame(const lane::SendFrame& frame, Time now) {
  coverage_->Saw(Cover::kFrame);
  Session* session = SessionOf(frame.session);
  if (session == nullptr || session->down || session->draining || session->broken ||
      session->replaced || session->closed) {
    return Fail("sessions", "frame to a session that gets nothing more");
  }
  if (draining_) return Fail("drain", "frame in a drain");
  if (frame.first_id != session->sent.size() + 1)
    return Fail("sessions", "delivery ids do not count 1, 2, 3");
  if (frame.items.empty() || frame.items.size() > options_.frame_deliveries)
    return Fail("frames", "frame of " + std::to_string(frame.items.size()));
  while (!session->answers.empty() &&
         session->answers.front() + std::chrono::milliseconds(50) < now)
    session->answers.pop_front();
  if (!FrameMayLeave(*session, frame, now))
    return Fail("frames", "third frame that is neither full nor old enough");
  session->frames.push_back(0);
  ++session->open_frames;
  for (const lane::FrameItem& item : frame.items) {
    Send(session, item, static_cast<uint32_t>(session->frames.size() - 1), now);
    if (failed()) return;
  }
  TurnTo(session, now);
  CheckLimits(*session);
}

bool Oracle::FrameMayLeave(const Session& session, const lane::SendFrame& frame, Time now) {
  size_t bytes = 0;
  bool waited = false;
  for (const lane::FrameItem& sent : frame.items) {
    bytes += sent.event.size();
  }
  const size_t most = std::min(options_.frame_bytes, session.up.max_message_bytes);
  if (frame.items.size() > 1 && bytes > most)
    Fail("frames", "frame of " + std::to_string(bytes) + " bytes");
  size_t room = options_.session_bytes;
  if (session.up.max_in_flight_bytes > 0) room = std::min(room, session.up.max_in_flight_bytes);
  const bool full = frame.items.size() == options_.frame_deliveries ||
                    bytes + kLargestEvent > most ||
                    session.open_bytes + bytes + kLargestEvent > room;
  if (full) coverage_->Saw(Cover::kFrameFull);
  const bool trial = circuit_ != CircuitState::kClosed;  // One event, which need not wait.
  if (session.open_frames < 2 || full || trial) return true;
  // The oldest that waits for a session of this component, though another lane may have its turn.
  for (const LaneState& lane : lanes_) {
    if (lane.options->component != session.up.component) continue;
    // One may have waited, and gone back since.
    waited |= lane.gone_at + options_.linger >= now && lane.gone_from + options_.linger <= now;
    for (uint32_t index : lane.out) {
      const Item& item = lane.items[index];
      if (item.where != Where::kHeld || item.suspect || item.ready_from + options_.linger > now)
        continue;
      waited |= !Blocked(item);
    }
  }
  if (waited) coverage_->Saw(Cover::kFrameLinger);
  return waited;
}

void Oracle::Send(Session* session, const lane::FrameItem& sent, uint32_t frame, Time now) {
  const uint32_t number = bus_.LaneOf(sent.lane);
  const int64_t index = SampleIndex(sent.event.id());
  Item* item =
      number < lanes_.size() && index >= 0 ? ItemAt(number, static_cast<uint32_t>(index)) : nullptr;
  if (item == nullptr || item->where != Where::kHeld) {
    return Fail("frames", "sends " + (item == nullptr ? "an unknown event" : Name(*item)) +
                              ", which is not held");
  }
  if (sent.event.bytes() != bus_.events(number)[item->index].event.bytes())
    return Fail("frames", "changed bytes of " + Name(*item));
  LaneState& lane = lanes_[number];
  if (lane.paused) return Fail("pause", Name(*item) + " goes out, though its lane is paused");
  if (lane.stopped)
    return Fail("stop", Name(*item) + " goes out, though a dead letter stopped its lane");
  if (lane.options->component != session->up.component)
    return Fail("sessions", Name(*item) + " goes to another component");
  if (item->fact == Fact::kDone || item->fact == Fact::kReject)
    return Fail("cause", Name(*item) + " goes again, though answered");
  if (now < item->not_before) return Fail("delay", Name(*item) + " goes again too early");
  if (sent.event.size() > session->up.max_message_bytes)
    return Fail("limits", Name(*item) + " is above the plugin's max_message_bytes");
  if (sent.attempt == 0) return Fail("attempts", "attempt 0");
  Narrow(item, sent.attempt - 1, "frame");
  if (sent.attempt > lane.options->retry.max_attempts && !lane.probing)
    return Fail("attempts", Name(*item) + " goes again after its last attempt");
  const std::string key = session->up.in_order && Keyed(*item) ? SampleKey(item->key) : "";
  if (sent.order_key != key)
    return Fail("order", "order key '" + sent.order_key + "' with " + Name(*item));
  CheckOrder(*item, *session);
  if (item->suspect) {
    CheckSuspectSend(item, *session);
  } else {
    CheckNormalSend(item, *session, now);
  }
  Sent record;
  record.lane = number;
  record.index = item->index;
  record.frame = frame;
  record.bytes = sent.event.size();
  session->sent.push_back(record);
  session->open.push_back(static_cast<uint32_t>(session->sent.size() - 1));
  session->open_bytes += record.bytes;
  ++session->frames[frame];
  item->where = Where::kFlying;
  item->fact = Fact::kNone;
  item->session = session->up.session;
  item->id = session->sent.size();
  item->sent_step = step_;
}

// True if its key is held by an older event or by an answer that is owed.
bool Oracle::Blocked(const Item& item) {
  const Key* key = KeyOf(item);
  if (key == nullptr) return false;
  if (key->owed > 0) return true;
  for (uint32_t index : key->items) {
    if (index == item.index) return false;
    if (!Finished(LaneOf(item).items[index])) return true;
  }
  return false;
}

// First handlings of a key in bus order, one at a time, or for a component that minds the order a
// run on one session.
void Oracle::CheckOrder(const Item& item, const Session& session) {
  Key* key = KeyOf(item);
  if (key == nullptr) return;
  const LaneState& lane = LaneOf(item);
  if (key->owed > 0)
    return Fail("order", Name(item) + " goes while a session owes an answer for its key");
  while (key->finished < key->items.size() && Finished(lane.items[key->items[key->finished]]))
    ++key->finished;
  for (size_t at = key->finished; at < key->items.size(); ++at) {
    const Item& other = lane.items[key->items[at]];
    if (other.index == item.index || Finished(other)) continue;
    const bool flying = other.where == Where::kFlying;
    if (other.index > item.index) {
      if (flying) return Fail("order", Name(item) + " goes behind " + Name(other));
      continue;
    }
    if (!flying) return Fail("order", Name(item) + " overtakes " + Name(other));
    if (!session.up.in_order) return Fail("order", Name(item) + " goes beside " + Name(other));
    if (other.session != session.up.session)
      return Fail("order", Name(item) + " goes to another session than " + Name(other));
    coverage_->Saw(Cover::kRunOfKey);
  }
}

void Oracle::CheckSuspectSend(Item* item, const Session& session) {
  if (!session.up.quarantine && !options_.remote)
    return Fail("quarantine", "suspect " + Name(*item) + " goes to a normal session");
  if (!session.up.quarantine) coverage_->Saw(Cover::kRemoteTrial);
  if (!session.open.empty())
    return Fail("quarantine", "suspect " + Name(*item) + " goes to a session that is not empty");
  for (const Session& other : sessions_) {
    if (!other.down && other.up.quarantine && !other.open.empty())
      return Fail("quarantine", "two at once in quarantine");
  }
  item->tried_in_trial = circuit_ == CircuitState::kTrial;
  if (circuit_ == CircuitState::kOpen)
    return Fail("circuit", "suspect " + Name(*item) + " is tried with the circuit open");
  if (item->tried_in_trial) return coverage_->Saw(Cover::kTrialSuspect);
  if (item->aside && !(item->reprievable && last_success_ > item->aside_step))
    return Fail("quarantine", Name(*item) + " is set aside and tried again");
  for (const LaneState& lane : lanes_) {
    for (uint32_t index : lane.out) {
      const Item& other = lane.items[index];
      if (!other.suspect || &other == item) continue;
      if (other.where == Where::kFlying) return Fail("quarantine", "two suspects in flight");
      if (other.aside || item->aside || other.tag > item->tag ||
          lane.options->component != session.up.component)
        continue;
      if (!Blocked(other))
        return Fail("quarantine",
                    Name(*item) + " is tried before " + Name(other) + ", which is older");
    }
  }
}

void Oracle::CheckNormalSend(Item* item, const Session& session, Time now) {
  if (session.up.quarantine)
    return Fail("quarantine", Name(*item) + " is no suspect and goes to quarantine");
  for (uint32_t at : session.open) {
    if (session.sent[at].state == Sent::State::kOpen && At(session.sent[at]).suspect)
      return Fail("quarantine", Name(*item) + " goes beside a suspect");
  }
  if (circuit_ == CircuitState::kOpen)
    return Fail("circuit", Name(*item) + " goes with the circuit open");
  if (circuit_ == CircuitState::kTrial) {
    coverage_->Saw(Cover::kTrialEvent);
    trial_item_ = {item->lane, item->index};
    if (++trial_sent_ > 1) return Fail("circuit", "a second event goes in a trial");
  }
  const LaneState& lane = LaneOf(*item);
  if (!lane.probing || !lane.probing_now || circuit_ == CircuitState::kTrial) return;
  if (suspect_count_ > 0) coverage_->Saw(Cover::kProbeWithSuspects);
  for (uint32_t index : lane.out) {
    const Item& other = lane.items[index];
    if (other.where == Where::kFlying && !other.suspect && other.sent_step > lane.probing_step)
      return Fail("probing", "two probes at once");
  }
  if (now < lane.last_failure + options_.probe_initial)
    return Fail("probing", "the next probe goes without backoff");
}

// ---- Limits
// -------------------------------------------------------------------------------------------

uint64_t Oracle::Adaptive(const Session& session) const {
  const uint64_t least = session.up.concurrency == 0 ? 16 : 2ull * session.up.concurrency;
  return std::max<uint64_t>(least, 2 * session.answers.size());
}

uint64_t Oracle::Window(const Session& session) const {
  uint64_t window = options_.session_deliveries;
  if (session.up.max_in_flight > 0) window = std::min<uint64_t>(window, session.up.max_in_flight);
  if (session.window) window = std::min<uint64_t>(window, *session.window);
  return std::min(window, Adaptive(session));
}

void Oracle::CheckLimits(const Session& session) {
  const uint64_t window = Window(session);
  if (session.open.size() > window)
    return Fail("limits", std::to_string(session.open.size()) + " unanswered with a window of " +
                              std::to_string(window));
  size_t bytes = options_.session_bytes;
  if (session.up.max_in_flight_bytes > 0) bytes = std::min(bytes, session.up.max_in_flight_bytes);
  if (session.open_bytes <= bytes) return;
  if (session.open.size() > 1)
    return Fail("limits", std::to_string(session.open_bytes) + " bytes unanswered");
  coverage_->Saw(Cover::kBigAlone);
}

}  // namespace outboard::simulation

#include <algorithm>
#include <memory>
#include <utility>

#include "tests/simulation/fake_plugins.h"
#include "tests/simulation/samples.h"

// What the components of FakePlugins do with their deliveries.
namespace outboard::simulation {

using lane::Verdict;

bool FakePlugins::Kills(const Held& held) const {
  if (mended_) return held.killer && !scenario_.killers_mended;
  return held.killer || phase_->die_on_all;
}

void FakePlugins::OnFrame(const lane::SendFrame& frame, Time now) {
  Session& session = Get(frame.session);
  uint64_t id = frame.first_id;
  if (session.dead) coverage_->Saw(Cover::kFrameToDead);
  for (const lane::FrameItem& item : frame.items) {
    Held held;
    held.id = id++;
    held.call = item.call;
    if (held.call != nullptr) {
      session.held.push_back(held);
      continue;
    }
    held.event = item.event;
    held.lane = bus_.LaneOf(item.lane);
    held.index = static_cast<uint32_t>(SampleIndex(item.event.id()));
    const BusEvent& event = bus_.events(held.lane)[held.index];
    held.key = event.key;
    // At one of the hops that it goes through; with stages in front these are several.
    const uint32_t hop = (item.lane - 10) % 7;
    held.killer = event.killer && hop == held.index % (scenario_.killer_hops);
    session.held.push_back(held);
  }
  session.received = id - 1;
  PlanTick(&session, now);
}

void FakePlugins::PlanTick(Session* session, Time now) {
  if (session->ticking || session->dead) return;
  session->ticking = true;
  agenda_->Add(now + random_->SpreadMicros(phase_->pace_from, phase_->pace_to), Act::kTick,
               session->id);
}

void FakePlugins::OnCancel(const lane::CancelDeliveries& cancel, Time now) {
  Session& session = Get(cancel.session);
  for (uint64_t id : cancel.ids) {
    for (Held& held : session.held) {
      if (held.id != id) continue;
      held.hung = !random_->Chance(0.5);
      if (held.hung && random_->Chance(0.6)) {
        agenda_->Add(
            now + random_->SpreadMicros(
                      100, static_cast<uint64_t>(scenario_.options.time_limit.count()) * 2),
            Act::kLateAnswer, session.id);
      }
    }
  }
  PlanTick(&session, now);
}

void FakePlugins::LateAnswer(uint64_t id, Time now, Inputs*) {
  Session& session = Get(id);
  if (session.dead) return;
  for (Held& held : session.held) {
    if (!held.hung) continue;
    held.hung = false;
    break;
  }
  PlanTick(&session, now);
}

// Positions of what the component works on: the first `concurrency`, of a key only the first if it
// minds the order.
std::vector<size_t> FakePlugins::Workable(const Session& session) const {
  const ComponentTraits& traits = scenario_.components[session.component];
  const size_t most = traits.concurrency == 0 ? session.held.size() : traits.concurrency;
  std::vector<size_t> result;
  for (size_t i = 0; i < session.held.size() && result.size() < most; ++i) {
    bool behind = false;
    for (size_t j = 0; traits.in_order && j < i && !behind; ++j) {
      behind = session.held[i].key >= 0 && session.held[j].key == session.held[i].key &&
               session.held[j].lane == session.held[i].lane;
    }
    if (!behind) result.push_back(i);
  }
  return result;
}

void FakePlugins::Tick(uint64_t id, Time now, Inputs* out) {
  Session& session = Get(id);
  session.ticking = false;
  if (session.dead || session.down) return;
  if (!session.lied && random_->Chance(phase_->lie)) return Lie(&session, now, out);
  lane::AnswersArrived frame;
  frame.session = id;
  const bool lose = random_->Chance(0.5);
  Work(&session, now, &frame);
  if (session.dead && lose) return;  // It died with its answers.
  Decorate(&session, &frame);
  if (!frame.done_ids.empty() || !frame.verdicts.empty() || !frame.progress_ids.empty() ||
      frame.window)
    out->push_back(std::move(frame));
  if (session.dead) return;
  const bool idle =
      std::all_of(session.held.begin(), session.held.end(), [](const Held& h) { return h.hung; });
  if (!idle || session.window < 4 || (!session.held.empty() && phase_->progress > 0))
    PlanTick(&session, now);
  MaybeLeft(&session, now);
}

void FakePlugins::Work(Session* session, Time now, lane::AnswersArrived* frame) {
  std::vector<size_t> workable = Workable(*session);
  uint64_t n = workable.empty() ? 0 : random_->Between(1, workable.size());
  std::vector<size_t> gone;
  while (n-- > 0) {
    const size_t pick = random_->Below(workable.size());
    const size_t at = workable[pick];
    workable.erase(workable.begin() + static_cast<std::ptrdiff_t>(pick));
    Held& held = session->held[at];
    if (held.hung) continue;
    if (Kills(held)) {
      Kill(session->slot, now);
      session->dead = true;
      break;
    }
    if (random_->Chance(phase_->hang)) {
      held.hung = true;
      continue;
    }
    const Held copy = held;
    held.id = 0;
    Say(session, copy, frame);
  }
  std::erase_if(session->held, [](const Held& h) { return h.id == 0; });
}

void FakePlugins::Say(Session* session, const Held& held, lane::AnswersArrived* frame) {
  session->answered = held.id;
  lane::Answer answer;
  answer.delivery_id = held.id;
  double roll = static_cast<double>(random_->Below(1'000'000)) / 1e6;
  const auto falls = [&roll](double share) {
    roll -= share;
    return roll < 0;
  };
  if (falls(phase_->retry)) {
    answer.verdict = Verdict::kRetry;
    if (random_->Chance(phase_->retry_after))
      answer.retry_after = Duration(random_->Chance(0.2) ? 0 : random_->Spread(100, 20'000'000));
    if (random_->Chance(0.7))
      answer.failure = std::make_unique<lane::Failure>(lane::Failure{"DB_DOWN", "no database", ""});
  } else if (falls(phase_->reject)) {
    answer.verdict = Verdict::kReject;
    if (random_->Chance(0.7))
      answer.failure =
          std::make_unique<lane::Failure>(lane::Failure{"BAD_DATA", "cannot read it", "line 3"});
  } else if (falls(phase_->release)) {
    answer.verdict = Verdict::kRelease;
  } else {
    SayWell(*session, held, &answer);
    const bool plain = answer.verdict == Verdict::kDone && answer.emits.empty() &&
                       !answer.changed && answer.changed_call == nullptr;
    if (plain && random_->Chance(0.7)) {
      frame->done_ids.push_back(held.id);
      return;
    }
  }
  const bool failed = answer.verdict == Verdict::kRetry;
  frame->verdicts.push_back(std::move(answer));
  if (failed && scenario_.components[session->component].in_order && held.key >= 0)
    ReleaseFollowers(session, held, frame);
}

void FakePlugins::SayWell(const Session& session, const Held& held, lane::Answer* answer) {
  answer->verdict = Verdict::kDone;
  if (scenario_.components[session.component].role == lane::Role::kStage) {
    if (random_->Chance(phase_->halt)) {
      answer->verdict = Verdict::kHalt;
      if (held.call != nullptr && random_->Chance(0.8)) answer->answer = AnswerTo(*held.call);
    } else if (random_->Chance(phase_->change)) {
      if (held.call != nullptr) {
        answer->changed_call = ChangedCall(*held.call, random_->Chance(0.05));
      } else {
        // Now and then another event altogether.
        const uint32_t index = held.index + (random_->Chance(0.05) ? 1 : 0);
        const auto size = static_cast<uint32_t>(random_->Between(41, 44));
        answer->changed = std::string(SampleEvent(index, held.key, size).bytes());
      }
    }
    return;
  }
  const uint64_t emits = random_->Chance(phase_->emit) ? random_->Between(1, 2) : 0;
  for (uint64_t i = 0; i < emits; ++i) {
    static constexpr EmitKind kKinds[] = {EmitKind::kNamed, EmitKind::kUndeclared,
                                          EmitKind::kBroken};
    answer->emits.push_back(
        EmitBytes(random_->Chance(0.8) ? EmitKind::kPlain : random_->Pick(kKinds), held.index));
  }
}

void FakePlugins::ReleaseFollowers(Session* session, const Held& failed,
                                   lane::AnswersArrived* frame) {
  if (random_->Chance(0.1)) return;
  for (Held& held : session->held) {
    if (held.id == 0 || held.key != failed.key || held.lane != failed.lane || held.hung) continue;
    lane::Answer answer;
    answer.delivery_id = held.id;
    answer.verdict = Verdict::kRelease;
    frame->verdicts.push_back(std::move(answer));
    held.id = 0;
  }
}

// What a frame carries beside first answers.
void FakePlugins::Decorate(Session* session, lane::AnswersArrived* frame) {
  if (session->answered != 0 && random_->Chance(phase_->duplicate))
    frame->done_ids.push_back(session->answered);
  if (random_->Chance(phase_->progress)) {
    for (size_t at : Workable(*session)) frame->progress_ids.push_back(session->held[at].id);
  }
  if (mended_ ? session->window < 1'000
              : random_->Chance(session->window < 4 ? 0.5 : phase_->window)) {
    session->window =
        mended_ || random_->Chance(0.3)
            ? 1'000
            : static_cast<uint32_t>(random_->Chance(0.3) ? 0 : random_->Between(1, 12));
    frame->window = session->window;
  }
}

void FakePlugins::Lie(Session* session, Time now, Inputs* out) {
  lane::AnswersArrived frame;
  frame.session = session->id;
  session->lied = true;
  // Only bare DONEs go with a lie: whether they count is the host's choice.
  const std::vector<size_t> workable = Workable(*session);
  if (!workable.empty() && random_->Chance(0.3)) {
    const size_t at = workable[random_->Below(workable.size())];
    if (!Kills(session->held[at])) {
      frame.done_ids.push_back(session->held[at].id);
      session->held.erase(session->held.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  const uint64_t kind = random_->Below(5);
  lane::Answer answer;
  answer.verdict = Verdict::kDone;
  if (kind == 0) {
    answer.delivery_id = 0;
  } else if (kind == 1 && !session->held.empty()) {
    answer.delivery_id = session->held.front().id;
    answer.verdict = Verdict::kInvalid;
  } else if (kind == 2) {
    frame.done_ids.push_back(session->received + random_->Between(1, 3));
  } else if (kind == 3) {
    frame.progress_ids.push_back(session->received + 1);
  } else {
    answer.delivery_id = session->received + random_->Between(1, 3);
  }
  if (kind != 2 && kind != 3) frame.verdicts.push_back(std::move(answer));
  out->push_back(std::move(frame));
  PlanTick(session, now);
}

}  // namespace outboard::simulation

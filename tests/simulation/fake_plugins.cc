#include "tests/simulation/fake_plugins.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/samples.h"

namespace outboard::simulation {

using lane::DownCause;
using std::chrono::milliseconds;

namespace {

uint64_t LifeOf(uint64_t slot, uint64_t generation) { return slot << 32 | generation; }

}  // namespace

FakePlugins::FakePlugins(const Scenario& scenario, const FakeBus& bus, Random* random,
                         Agenda* agenda, Coverage* coverage)
    : scenario_(scenario), bus_(bus), random_(random), agenda_(agenda), coverage_(coverage) {
  slots_.resize(scenario.instances + (scenario.options.remote ? 0 : 1));
  if (!scenario.options.remote) {
    slots_.back().quarantine = true;
    slots_.back().wanted = false;
  }
}

void FakePlugins::Start(Time now) {
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) PlanLaunch(slot, now);
}

void FakePlugins::Mend(Time now) {
  mended_ = true;
  for (Session& session : sessions_) {
    if (!session.dead) PlanTick(&session, now);
  }
}

void FakePlugins::LoseHost(Time now) {
  for (Session& session : sessions_) {
    session.dead = session.down = true;
    session.held.clear();
  }
  for (Slot& slot : slots_) {
    slot.state = SlotState::kDown;
    ++slot.generation;
    if (slot.quarantine) slot.wanted = false;
  }
  Start(now);
}

// ---- Supervision
// ------------------------------------------------------------------------------------

void FakePlugins::PlanLaunch(uint32_t number, Time now) {
  Slot& slot = slots_[number];
  if (slot.state != SlotState::kDown || !slot.wanted) return;
  slot.state = SlotState::kStarting;
  agenda_->Add(now + random_->SpreadMicros(500, 200'000), Act::kLaunch, number, ++slot.generation);
}

void FakePlugins::Launch(uint64_t number, uint64_t generation, Time now, Inputs* out) {
  Slot& slot = slots_[number];
  if (slot.generation != generation || slot.state != SlotState::kStarting) return;
  if (random_->Chance(phase_->launch_fails)) {
    slot.state = SlotState::kDown;
    PlanLaunch(static_cast<uint32_t>(number), now);
    out->push_back(
        lane::InstanceFailed{slot.quarantine, "exited with 1 before its session was open"});
    return;
  }
  slot.state = SlotState::kUp;
  slot.version = version_;
  for (uint32_t component = 0; component < scenario_.components.size(); ++component) {
    agenda_->Add(now + random_->SpreadMicros(1, 5'000), Act::kSessionUp, number,
                 generation << 8 | component);
  }
}

void FakePlugins::OpenSession(uint64_t number, uint64_t extra, Time now, Inputs* out) {
  const Slot& slot = slots_[number];
  if (slot.generation != extra >> 8 || slot.state != SlotState::kUp) return;
  const uint32_t component = extra & 0xff;
  const ComponentTraits& traits = scenario_.components[component];
  Session session;
  session.id = sessions_.size() + 1;
  session.component = component;
  session.slot = static_cast<uint32_t>(number);
  session.generation = slot.generation;
  sessions_.push_back(session);
  lane::SessionUp up;
  up.session = session.id;
  up.component = component;
  up.instance = session.slot;
  up.life = LifeOf(number, slot.generation);
  up.quarantine = slot.quarantine;
  // Every other build has the version of the one before.
  up.version = "v" + std::to_string(slot.version / 2);
  up.generation = slot.version;
  up.concurrency = traits.concurrency;
  up.in_order = traits.in_order;
  up.max_in_flight = traits.max_in_flight;
  up.max_in_flight_bytes = traits.max_in_flight_bytes;
  up.max_message_bytes = traits.max_message_bytes;
  up.emits.push_back(kDeclaredEmit);
  up.event_types = traits.event_types;
  up.operations = traits.operations;
  out->push_back(std::move(up));
}

void FakePlugins::PlanEnd(Session* session, DownCause cause, Duration within, Time now) {
  if (session->down) return;
  session->dead = true;
  session->cause = cause;
  agenda_->Add(now + Duration(random_->Below(static_cast<uint64_t>(within.count()) + 1)),
               Act::kSessionDown, session->id);
}

void FakePlugins::EndSession(uint64_t id, Time now, Inputs* out) {
  Session& session = Get(id);
  if (session.down) return;
  session.down = session.dead = true;
  session.held.clear();
  out->push_back(lane::SessionDown{id, session.cause, "exited by signal 11"});
  const Slot& slot = slots_[session.slot];
  if (slot.generation != session.generation) return;
  if (slot.state == SlotState::kStopping) SlotMaybeDown(session.slot, now);
  // The process lives on: the host opens the session anew.
  if (slot.state == SlotState::kUp) {
    agenda_->Add(now + random_->SpreadMicros(500, 100'000), Act::kSessionUp, session.slot,
                 slot.generation << 8 | session.component);
  }
}

void FakePlugins::Kill(uint32_t number, Time now) {
  Slot& slot = slots_[number];
  if (slot.state != SlotState::kUp && slot.state != SlotState::kStopping) return;
  const bool stream = scenario_.streams_fail > 0 && random_->Chance(scenario_.streams_fail);
  const DownCause cause = stream ? DownCause::kStreamFailed : DownCause::kCrashed;
  for (Session& session : sessions_) {
    if (session.slot != number || session.generation != slot.generation || session.dead) continue;
    PlanEnd(&session, cause, milliseconds(random_->Chance(0.5) ? 0 : 3), now);
  }
  // After the ends of all its sessions, or never.
  if (stream && random_->Chance(0.8)) {
    agenda_->Add(now + milliseconds(40) + random_->SpreadMicros(1, 3'000'000), Act::kInstanceEnded,
                 number, slot.generation);
  }
  ++slot.generation;
  slot.state = SlotState::kDown;
  PlanLaunch(number, now);
}

void FakePlugins::Leave(uint32_t number, Duration grace, Time now, Inputs* out) {
  Slot& slot = slots_[number];
  if (slot.state != SlotState::kUp) return;
  slot.state = SlotState::kStopping;
  for (Session& session : sessions_) {
    if (session.slot != number || session.generation != slot.generation || session.dead ||
        session.leaving)
      continue;
    session.leaving = true;
    out->push_back(lane::SessionDraining{session.id});
    MaybeLeft(&session, now);
  }
  agenda_->Add(now + grace, Act::kStopSlot, number, slot.generation);
  SlotMaybeDown(number, now);
}

void FakePlugins::MaybeLeft(Session* session, Time now) {
  if (session->leaving && !session->dead && session->held.empty())
    PlanEnd(session, DownCause::kDrained, milliseconds(1), now);
}

void FakePlugins::SlotMaybeDown(uint32_t number, Time now) {
  Slot& slot = slots_[number];
  for (const Session& session : sessions_) {
    if (session.slot == number && session.generation == slot.generation && !session.down) return;
  }
  ++slot.generation;
  slot.state = SlotState::kDown;
  PlanLaunch(number, now);
}

void FakePlugins::StopSlot(uint64_t number, uint64_t generation, Time now, Inputs*) {
  Slot& slot = slots_[number];
  if (slot.generation != generation || slot.state != SlotState::kStopping) return;
  for (Session& session : sessions_) {
    if (session.slot == number && session.generation == generation && !session.dead) {
      PlanEnd(&session, DownCause::kDrained, milliseconds(1), now);
    }
  }
}

void FakePlugins::TellEnded(uint64_t number, uint64_t generation, Inputs* out) {
  lane::InstanceEnded ended;
  ended.life = LifeOf(number, generation);
  out->emplace_back(std::in_place_type<lane::InstanceEnded>, ended);
}

void FakePlugins::OnWantsQuarantine(bool wants, Time now) {
  if (slots_.empty() || !slots_.back().quarantine) return;
  slots_.back().wanted = wants;
  if (wants) PlanLaunch(static_cast<uint32_t>(slots_.size() - 1), now);
}

void FakePlugins::OnReplace(const lane::ReplaceInstance& replace, Time now, Inputs* out) {
  const Session session = Get(replace.session);
  if (slots_[session.slot].generation != session.generation) return;
  if (replace.at_once) {
    Kill(session.slot, now);
  } else {
    Leave(session.slot, random_->SpreadMicros(10'000, 3'000'000), now, out);
  }
}

void FakePlugins::OnClose(const lane::CloseSession& close, Time now) {
  Session& session = Get(close.session);
  if (session.dead) return;
  if (close.cause == lane::CloseCause::kDrain) {
    session.leaving = true;
    MaybeLeft(&session, now);
    // An instance for suspects that is closed makes room for a fresh one.
    Slot& slot = slots_[session.slot];
    if (slot.quarantine && slot.state == SlotState::kUp && slot.generation == session.generation) {
      slot.state = SlotState::kStopping;
      agenda_->Add(now + milliseconds(200), Act::kStopSlot, session.slot, slot.generation);
    }
    return;
  }
  static constexpr DownCause kCauses[] = {DownCause::kProtocolError, DownCause::kProtocolError,
                                          DownCause::kCrashed, DownCause::kStreamFailed,
                                          DownCause::kDrained};
  session.lied = true;
  PlanEnd(&session, random_->Pick(kCauses), milliseconds(30), now);
  session.dead = false;  // It goes on to answer until the host has it closed.
  PlanTick(&session, now);
}

// ---- Chaos
// --------------------------------------------------------------------------------------------

void FakePlugins::KillSomeInstance(Time now) {
  Kill(static_cast<uint32_t>(random_->Below(scenario_.instances)), now);
}

void FakePlugins::KillQuarantine(Time now) { Kill(static_cast<uint32_t>(slots_.size() - 1), now); }

void FakePlugins::GoAway(Time now, Inputs* out) {
  Leave(static_cast<uint32_t>(random_->Below(slots_.size())),
        random_->SpreadMicros(1'000, 2'000'000), now, out);
}

void FakePlugins::BreakSomeStream(Time now) {
  std::vector<Session*> up;
  for (Session& session : sessions_) {
    if (!session.dead && !(scenario_.fair && slots_[session.slot].quarantine))
      up.push_back(&session);
  }
  if (!up.empty())
    PlanEnd(up[random_->Below(up.size())], DownCause::kStreamFailed, milliseconds(2), now);
}

void FakePlugins::Deploy(Time now, Inputs* out) {
  ++version_;
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot].version != 0) Leave(slot, random_->SpreadMicros(1'000, 500'000), now, out);
  }
}

}  // namespace outboard::simulation

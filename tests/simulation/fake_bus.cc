#include "tests/simulation/fake_bus.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "tests/simulation/samples.h"

namespace outboard::simulation {

using bus::End;
using State = BusEvent::State;

FakeBus::FakeBus(const Scenario& scenario, Random* random, Agenda* agenda, Coverage* coverage)
    : scenario_(scenario),
      random_(random),
      agenda_(agenda),
      coverage_(coverage),
      lanes_(scenario.lanes.size()) {}

void FakeBus::Add(uint32_t lane, bool control) {
  static constexpr uint32_t kSizes[] = {0, 40, 40, 400};
  const LaneTraits& traits = scenario_.lanes[lane];
  BusEvent event;
  if (traits.keys > 0 && !random_->Chance(traits.keyless))
    event.key = static_cast<int>(random_->Below(traits.keys));
  uint32_t size = random_->Pick(kSizes);
  if (!control) {
    if (random_->Chance(traits.big)) size = 3000;
    event.killer = random_->Chance(traits.killers);
  } else {
    event.key = kNoKey;  // Nothing may stand before it.
  }
  event.event = SampleEvent(static_cast<uint32_t>(lanes_[lane].events.size()), event.key, size);
  lanes_[lane].events.push_back(std::move(event));
}

void FakeBus::Publish(uint32_t lane, Time now) {
  const LaneTraits& traits = scenario_.lanes[lane];
  const uint64_t left =
      traits.events - std::min<uint64_t>(traits.events, lanes_[lane].events.size());
  const uint64_t batch = std::min(left, random_->Spread(1, 40));
  for (uint64_t i = 0; i < batch; ++i) Add(lane, false);
  if (batch < left)
    agenda_->Add(now + random_->SpreadMicros(100, traits.arrive_to + 200), Act::kPublish, lane);
  Plan(lane, now);
}

void FakeBus::PublishControl(uint32_t lane, Time now) {
  Add(lane, true);
  Plan(lane, now);
}

void FakeBus::Plan(uint32_t lane, Time now) {
  Lane& l = lanes_[lane];
  if (l.handing_out || l.credit == 0) return;
  Time at = kNever;
  if (!l.retries.empty()) at = std::max(now, l.retries.front().first);
  if (!l.returned.empty() || l.fresh < l.events.size()) at = now;
  if (at == kNever) return;
  l.handing_out = true;
  agenda_->Add(at + Duration(random_->Chance(0.3) ? 0 : random_->Spread(1, 400)), Act::kHandOut,
               lane);
}

void FakeBus::HandOut(uint32_t lane, Time now, std::vector<bus::Delivery>* out) {
  Lane& l = lanes_[lane];
  l.handing_out = false;
  uint64_t n = l.credit == 0 ? 0 : random_->Between(1, l.credit);
  for (; n > 0; --n) {
    uint32_t index;
    if (!l.retries.empty() && l.retries.front().first <= now) {
      std::pop_heap(l.retries.begin(), l.retries.end(), std::greater<>());
      index = l.retries.back().second;
      l.retries.pop_back();
    } else if (!l.returned.empty()) {
      std::pop_heap(l.returned.begin(), l.returned.end(), std::greater<>());
      index = l.returned.back();
      l.returned.pop_back();
    } else if (l.fresh < l.events.size()) {
      index = l.fresh++;
    } else {
      break;
    }
    if (Park(&l, index)) continue;
    BusEvent& event = l.events[index];
    tags_.push_back({lane, index});
    event.state = State::kOut;
    event.tag = tags_.size();
    --l.credit;
    bus::Delivery delivery;
    delivery.lane = scenario_.options.lanes[lane].id;
    delivery.tag = event.tag;
    delivery.event = event.event;
    delivery.attempts = event.attempts;
    delivery.redelivered = event.redelivered;
    delivery.accepted_at = now;
    out->push_back(std::move(delivery));
  }
  Plan(lane, now);
}

void FakeBus::SetCredit(uint32_t lane, uint32_t more, Time now) {
  lanes_[lane].credit = more;
  Plan(lane, now);
}

BusEvent* FakeBus::Find(const bus::Settlement& settlement) {
  if (settlement.tag == 0 || settlement.tag > tags_.size()) return nullptr;
  const Out& out = tags_[settlement.tag - 1];
  BusEvent& event = lanes_[out.lane].events[out.index];
  const bool match = LaneOf(settlement.lane) == out.lane && event.state == State::kOut &&
                     event.tag == settlement.tag;
  return match ? &event : nullptr;
}

void FakeBus::Settle(bus::Settlement settlement, Time now) {
  BusEvent* event = Find(settlement);
  if (event == nullptr)
    complaint_ = "settlement of tag " + std::to_string(settlement.tag) + ", which is not out";
  const uint32_t lane = LaneOf(settlement.lane);
  if (event != nullptr && settlement.end == End::kDead && event->key >= 0 && !event->holds &&
      scenario_.options.lanes[lane].parks) {
    event->holds = true;
    lanes_[lane].letters.Hold(std::to_string(event->key),
                              static_cast<uint64_t>(event - lanes_[lane].events.data()));
  }
  settling_.push_back(std::move(settlement));
  if (reporting_) return;
  reporting_ = true;
  agenda_->Add(now + random_->SpreadMicros(1, 20'000), Act::kReport);
}

void FakeBus::Make(const bus::Settlement& settlement, Time now) {
  BusEvent* event = Find(settlement);
  if (event == nullptr) {
    complaint_ = "second end of tag " + std::to_string(settlement.tag);
    return;
  }
  const uint32_t lane = LaneOf(settlement.lane);
  const uint32_t index = static_cast<uint32_t>(event - lanes_[lane].events.data());
  switch (settlement.end) {
    case End::kDone:
    case End::kDropped: event->state = State::kDone; break;
    case End::kDead: event->state = State::kDead; break;
    case End::kRetry:
      event->state = State::kRetry;
      event->attempts = settlement.attempts;
      event->due = settlement.due;
      lanes_[lane].retries.emplace_back(settlement.due, index);
      std::push_heap(lanes_[lane].retries.begin(), lanes_[lane].retries.end(), std::greater<>());
      break;
    case End::kReturned: GiveBack(lane, index); break;
  }
  Plan(lane, now);
}

bool FakeBus::Park(Lane* lane, uint32_t index) {
  BusEvent& event = lane->events[index];
  if (event.key < 0 || !lane->letters.Waits(std::to_string(event.key), index)) return false;
  event.state = State::kParked;
  coverage_->Saw(Cover::kParked);
  return true;
}

void FakeBus::Free(Lane* lane, uint32_t index) {
  BusEvent& event = lane->events[index];
  event.holds = false;
  lane->letters.Free(std::to_string(event.key), index);
}

bool FakeBus::HasLetters(uint32_t lane) const {
  return std::any_of(lanes_[lane].events.begin(), lanes_[lane].events.end(),
                     [](const BusEvent& e) { return e.holds && e.state == State::kDead; });
}

void FakeBus::SeeToLetters(uint32_t lane, bool purge_all, Time now) {
  Lane& l = lanes_[lane];
  for (uint32_t i = 0; i < l.events.size(); ++i) {
    BusEvent& event = l.events[i];
    if (!event.holds || event.state != State::kDead) continue;
    const bool replay = !purge_all && random_->Chance(0.5);
    if (!purge_all && !replay && random_->Chance(0.4)) continue;
    Free(&l, i);
    coverage_->Saw(replay ? Cover::kReplayed : Cover::kPurged);
    event.purged = !replay;
    if (!replay) continue;
    event.attempts = 0;
    GiveBack(lane, i);
  }
  Unpark(lane);
  Plan(lane, now);
}

void FakeBus::Unpark(uint32_t lane) {
  const Lane& l = lanes_[lane];
  for (uint32_t i = 0; i < l.events.size(); ++i) {
    const BusEvent& event = l.events[i];
    if (event.state == State::kParked && !l.letters.Waits(std::to_string(event.key), i))
      GiveBack(lane, i);
  }
}

void FakeBus::GiveBack(uint32_t lane, uint32_t index) {
  Lane& l = lanes_[lane];
  l.events[index].state = State::kPending;
  l.events[index].redelivered = true;
  l.returned.push_back(index);
  std::push_heap(l.returned.begin(), l.returned.end(), std::greater<>());
}

void FakeBus::Report(const Phase& phase, Time now, std::vector<bus::Settled>* out) {
  reporting_ = false;
  if (settling_.empty()) return;
  uint64_t n = random_->Chance(0.5) ? settling_.size() : random_->Between(1, settling_.size());
  bool down = false;  // Once the disk is full, the rest of the batch mostly fails too.
  for (; n > 0; --n) {
    bus::Settlement settlement = std::move(settling_.front());
    settling_.pop_front();
    bus::Settled settled;
    settled.lane = settlement.lane;
    settled.cookie = settlement.cookie;
    if (!settlement.emits.empty() && random_->Chance(phase.settle_refused)) {
      settled.status = random_->Chance(0.5) ? absl::InvalidArgumentError("emit refused")
                                            : absl::PermissionDeniedError("emit refused");
    } else if (random_->Chance(down ? 0.8 : phase.settle_fails)) {
      down = true;
      settled.status = random_->Chance(0.5) ? absl::UnavailableError("no bus")
                                            : absl::ResourceExhaustedError("disk full");
    }
    if (settled.status.ok()) {
      Make(settlement, now);
    } else {
      settled.failed = std::make_unique<bus::Settlement>(std::move(settlement));
    }
    out->push_back(std::move(settled));
  }
  if (!settling_.empty()) {
    reporting_ = true;
    agenda_->Add(now + random_->SpreadMicros(1, 20'000), Act::kReport);
  }
}

void FakeBus::LoseHost(bool orderly, Time now) {
  uint64_t made = orderly ? settling_.size() : random_->Below(settling_.size() + 1);
  for (const bus::Settlement& settlement : settling_) {
    if (made-- == 0) break;
    Make(settlement, now);
  }
  settling_.clear();
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    lanes_[lane].credit = 0;
    for (uint32_t i = 0; i < lanes_[lane].events.size(); ++i) {
      if (lanes_[lane].events[i].state != State::kOut) continue;
      if (lanes_[lane].events[i].holds) Free(&lanes_[lane], i);
      GiveBack(lane, i);
    }
    Unpark(lane);  // Behind letters that were on their way.
  }
}

bool FakeBus::AllEnded() const {
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    if (lanes_[lane].events.size() < scenario_.lanes[lane].events) return false;
    for (const BusEvent& event : lanes_[lane].events) {
      if (event.state != State::kDone && event.state != State::kDead) return false;
    }
  }
  return true;
}

size_t FakeBus::retrying() const {
  size_t n = 0;
  for (const Lane& lane : lanes_) n += lane.retries.size();
  return n;
}

std::string FakeBus::Describe() const {
  std::string text;
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    int counts[6] = {};
    std::string open;
    for (const BusEvent& event : lanes_[lane].events) {
      ++counts[static_cast<int>(event.state)];
      if (event.state < State::kDone && open.size() < 60)
        open += " " + std::string(event.event.id());
    }
    text += "lane " + std::to_string(lane) + ": pending " + std::to_string(counts[0]) + " out " +
            std::to_string(counts[1]) + " retry " + std::to_string(counts[2]) + " parked " +
            std::to_string(counts[3]) + " done " + std::to_string(counts[4]) + " dead " +
            std::to_string(counts[5]) + " credit " + std::to_string(lanes_[lane].credit) +
            (open.empty() ? "; " : " (open:" + open + "); ");
  }
  return text;
}

}  // namespace outboard::simulation

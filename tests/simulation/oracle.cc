#include "tests/simulation/oracle.h"

#include <algorithm>

namespace outboard::simulation {

Oracle::Oracle(const Scenario& scenario, const FakeBus& bus, Coverage* coverage)
    : scenario_(scenario), options_(scenario.options), bus_(bus), coverage_(coverage) {
  lanes_.resize(scenario.lanes.size());
  for (uint32_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i].options = &options_.lanes[i];
    lanes_[i].keys.resize(scenario.lanes[i].keys);
  }
}

void Oracle::NewHost() {
  for (LaneState& lane : lanes_) {
    for (uint32_t index : lane.out) {
      Item fresh;
      fresh.lane = lane.items[index].lane;
      fresh.index = index;
      fresh.key = lane.items[index].key;
      lane.items[index] = std::move(fresh);
    }
    for (Key& key : lane.keys) key.finished = key.owed = 0;
    LaneState fresh;
    fresh.options = lane.options;
    fresh.stopped = lane.options->stops;
    fresh.stops = fresh.stopped ? 1 : 0;
    fresh.items = std::move(lane.items);
    fresh.keys = std::move(lane.keys);
    lane = std::move(fresh);
  }
  first_session_ += sessions_.size();
  sessions_.clear();
  suspect_count_ = 0;
  draining_ = false;
  circuit_ = lane::CircuitState::kClosed;
  losses_.clear();
  successes_.clear();
  last_success_ = asides_ = trial_sent_ = 0;
  late_lo_ = late_hi_ = protocol_errors_ = 0;
}

void Oracle::Fail(const char* invariant, std::string message) {
  if (failed()) return;
  invariant_ = invariant;
  message_ = std::move(message);
}

void Oracle::SyncPublished(uint32_t number) {
  LaneState& lane = lanes_[number];
  const std::vector<BusEvent>& events = bus_.events(number);
  while (lane.items.size() < events.size()) {
    Item item;
    item.lane = number;
    item.index = static_cast<uint32_t>(lane.items.size());
    item.key = events[item.index].key;
    if (item.key >= 0) lane.keys[static_cast<size_t>(item.key)].items.push_back(item.index);
    lane.items.push_back(std::move(item));
  }
}

Oracle::Item* Oracle::Find(bus::LaneId lane, bus::Tag tag) {
  if (tag == 0 || tag > tags_.size()) return nullptr;
  const auto [number, index] = tags_[tag - 1];
  if (number >= lanes_.size() || lanes_[number].options->id != lane) return nullptr;
  Item& item = lanes_[number].items[index];
  return item.tag == tag && item.where != Where::kBus ? &item : nullptr;
}

Oracle::Session* Oracle::SessionOf(lane::SessionId id) {
  const uint64_t at = id - first_session_;
  return at < sessions_.size() ? &sessions_[at] : nullptr;
}

Oracle::Key* Oracle::KeyOf(const Item& item) {
  return Keyed(item) ? &lanes_[item.lane].keys[static_cast<size_t>(item.key)] : nullptr;
}

Oracle::Item* Oracle::ItemAt(uint32_t lane, uint32_t index) {
  return index < lanes_[lane].items.size() ? &lanes_[lane].items[index] : nullptr;
}

bool Oracle::Finished(const Item& item) const {
  // What others wait for as a dead letter is over once it was purged.
  const bool holds = Keyed(item) && lanes_[item.lane].options->parks;
  if (item.where == Where::kSettling || item.where == Where::kFailed)
    return item.end == bus::End::kDone || (item.end == bus::End::kDead && !holds);
  const BusEvent& event = bus_.events(item.lane)[item.index];
  if (event.state == BusEvent::State::kDead && holds && !event.purged) return false;
  return item.where == Where::kBus && event.state >= BusEvent::State::kDone;
}

bool Oracle::Usable(const Session& session) const {
  return !session.down && !session.draining && !session.broken && !session.replaced &&
         !session.closed && !session.up.quarantine && session.window.value_or(1) > 0;
}

std::string Oracle::Name(const Item& item) const {
  return "e" + std::to_string(item.index) + " of lane " + std::to_string(item.lane) +
         (item.key >= 0 ? ", key k" + std::to_string(item.key) : "");
}

uint64_t Oracle::LastSuccess(const std::string& version) const {
  for (const auto& [name, step] : successes_) {
    if (name == version) return step;
  }
  return 0;
}

size_t Oracle::outstanding() const {
  size_t n = 0;
  for (const LaneState& lane : lanes_) n += lane.out.size();
  return n;
}

bool Oracle::NamedAmongSuspects(uint32_t lane, uint32_t index) const {
  return index < lanes_[lane].items.size() && lanes_[lane].items[index].suspect;
}

void Oracle::OnUncleanEnd(const FakeBus& bus, const lane::Dispatcher& dispatcher) {
  coverage_->Saw(Cover::kUncleanEnd);
  if (suspect_count_ > 0) coverage_->Saw(Cover::kUncleanWithSuspects);
  if (bus.settling() > 0) coverage_->Saw(Cover::kUncleanSettling);
  if (bus.retrying() > 0) coverage_->Saw(Cover::kUncleanWithRetries);
  if (dispatcher.circuit() != lane::CircuitState::kClosed) coverage_->Saw(Cover::kUncleanWhileOpen);
}

}  // namespace outboard::simulation

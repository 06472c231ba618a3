#include "tests/chaos/bus/bus_history.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <sstream>

namespace outboard::bus {
namespace {

const char* const kLanes[] = {"a/x", "b/x"};

std::string IdOf(const Event& event) { return {event.id().data(), event.id().size()}; }

std::string NameOf(End end) {
  switch (end) {
    case End::kDone: return "done";
    case End::kDropped: return "dropped";
    case End::kDead: return "dead";
    case End::kRetry: return "retry";
    case End::kReturned: return "returned";
  }
  return "";
}

// All that waits, by lane: what comes before an event that is published now.
std::vector<std::vector<Delivery>> TakeAll(Bus& bus, const Clock& clock) {
  std::vector<std::vector<Delivery>> came(2);
  auto consumer = bus.NewConsumer();
  for (LaneId lane = 0; lane < 2; ++lane) {
    if (!consumer->Open(lane, kLanes[lane]).ok()) return came;
    consumer->SetCredit(lane, 1'000'000);
  }
  if (!PublishOne(bus, MakeEvent("last", "story.last")).status.ok()) return came;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (int last = 0; last < 2 && std::chrono::steady_clock::now() < end;) {
    Arrivals arrivals;
    consumer->Poll(clock.Now(), &arrivals);
    for (Delivery& delivery : arrivals.deliveries) {
      if (delivery.event.id() == "last") {
        ++last;
      } else {
        came[delivery.lane].push_back(std::move(delivery));
      }
    }
    pollfd fd{consumer->fd(), POLLIN, 0};
    poll(&fd, 1, consumer->NextDue() <= clock.Now() ? 0 : 100);
  }
  return came;
}

}  // namespace

std::vector<LaneSpec> WorkloadLanes() { return {MakeLane("a/x", "story.#"), MakeLane("b/x", "#")}; }

Workload::Workload(Bus& bus, TestClock& clock, uint64_t seed, std::string prefix, Recorder record)
    : bus_(bus),
      clock_(clock),
      random_(seed),
      prefix_(std::move(prefix)),
      record_(std::move(record)),
      consumer_(bus.NewConsumer()) {
  for (LaneId lane = 0; lane < 2; ++lane) EXPECT_TRUE(consumer_->Open(lane, kLanes[lane]).ok());
}

Workload::~Workload() {
  consumer_.reset();
  MutexLock lock(mu_);
  while (publishing_ > 0) cv_.Wait(mu_);
}

void Workload::PublishSome() {
  const size_t n = random_() % 8;
  if (n == 0) return;
  std::vector<Event> events;
  std::vector<std::string> ids;
  for (size_t i = 0; i < n; ++i) {
    ids.push_back(prefix_ + std::to_string(next_id_++));
    events.push_back(MakeEvent(ids.back(), random_() % 3 == 0 ? "task.put" : "story.post", "s",
                               std::string(random_() % 2000, 'x')));
  }
  {
    MutexLock lock(mu_);
    while (publishing_ >= 4) cv_.Wait(mu_);
    ++publishing_;
  }
  bus_.Publish(std::move(events), [this, ids](std::vector<PublishResult> results) {
    for (size_t i = 0; i < ids.size(); ++i) {
      if (results[i].status.ok()) record_("confirmed " + ids[i]);
    }
    MutexLock lock(mu_);
    --publishing_;
    cv_.NotifyAll();
  });
}

void Workload::SettleOne(Delivery delivery) {
  Settlement settlement;
  settlement.lane = delivery.lane;
  settlement.tag = delivery.tag;
  settlement.cookie = next_cookie_++;
  settlement.attempts = delivery.attempts;
  std::string emits;
  const uint64_t choice = random_() % 100;
  if (calm_ > 0) {
    settlement.end = End::kDone;
  } else if (choice < 75) {
    settlement.end = random_() % 10 == 0 ? End::kDropped : End::kDone;
    if (delivery.lane == 0 && settlement.end == End::kDone && random_() % 5 == 0) {
      for (uint64_t i = 0, n = 1 + random_() % 2; i < n; ++i) {
        // The attempt makes the emits of two tries differ, so that both would show.
        const std::string id = IdOf(delivery.event) + "." + std::to_string(delivery.attempts) +
                               "." + std::to_string(settlement.cookie) + "." + std::to_string(i);
        settlement.emits.push_back(MakeEvent(id, "emitted"));
        emits += " " + id;
      }
    }
  } else if (choice < 87) {
    settlement.end = End::kRetry;
    settlement.attempts = delivery.attempts + 1;
    settlement.due = clock_.Now() + std::chrono::seconds(random_() % 5);
  } else if (choice < 92) {
    settlement.end = End::kDead;
    settlement.dead = std::make_unique<DeadReason>(DeadReason{"REJECTED", "by chance", ""});
  } else {
    settlement.end = End::kReturned;
  }
  const std::string what = std::string(kLanes[delivery.lane]) + " " + IdOf(delivery.event) + " " +
                           NameOf(settlement.end) + " " + std::to_string(settlement.attempts) +
                           emits;
  under_way_[settlement.cookie] = what;
  record_("over " + what);
  consumer_->Settle(std::move(settlement));
}

void Workload::Step() {
  if (calm_ > 0) {
    --calm_;
  } else {
    PublishSome();
    if (random_() % 8 == 0) calm_ = 1 + static_cast<int>(random_() % 8);
  }
  clock_.Advance(std::chrono::milliseconds(500));
  for (LaneId lane = 0; lane < 2; ++lane) {
    consumer_->SetCredit(lane, static_cast<uint32_t>(random_() % 32));
  }
  Poll();
  std::vector<Held> later;
  for (Held& held : held_) {
    if (held.rounds-- > 0) {
      later.push_back(std::move(held));
    } else {
      SettleOne(std::move(held.delivery));
    }
  }
  held_ = std::move(later);
  if (calm_ > 0) AwaitAnswers();
}

void Workload::Poll() {
  Arrivals arrivals;
  consumer_->Poll(clock_.Now(), &arrivals);
  for (const Settled& settled : arrivals.settled) {
    record_((settled.status.ok() ? "made " : "failed ") + under_way_[settled.cookie]);
    under_way_.erase(settled.cookie);
  }
  for (Delivery& delivery : arrivals.deliveries) {
    held_.push_back({std::move(delivery), static_cast<int>(random_() % 8)});
  }
}

// So that the ends of the next round are a transaction without anything else.
void Workload::AwaitAnswers() {
  for (LaneId lane = 0; lane < 2; ++lane) consumer_->SetCredit(lane, 0);
  while (!under_way_.empty()) {
    Poll();
    pollfd fd{consumer_->fd(), POLLIN, 0};
    if (!under_way_.empty()) poll(&fd, 1, 1000);
  }
}

void History::Add(const std::string& line) {
  std::istringstream in(line);
  std::string kind, lane, id;
  in >> kind;
  ++lines_;
  if (kind == "confirmed") {
    in >> id;
    confirmed_.insert(id);
    return;
  }
  Ending ending;
  in >> lane >> id >> ending.end >> ending.attempts;
  for (std::string emit; in >> emit;) ending.emits.push_back(emit);
  State& state = states_[{lane, id}];
  if (kind == "over") {
    HandedOver(lane + " " + id, ending, &state);
  } else if (kind == "made") {
    Made(ending, &state);
  } else if (kind == "failed") {
    state.pending = {};
  }
}

void History::NextRun() {
  for (auto& [key, state] : states_) state.cut = true;
}

void History::Made(const Ending& ending, State* state) {
  ++made_;
  if (ending.plain()) {
    state->before = state->now;
    state->made_at = lines_;
  } else if (ending.end != "returned") {
    // It was synced, and with it all that was made before it was handed over.
    synced_to_ = std::max(synced_to_, state->over_at);
  }
  state->now = ending;
  state->pending = {};
  for (const std::string& emit : ending.emits) confirmed_.insert(emit);
}

// It was delivered, so what was not answered before was not made, or was a retry.
void History::HandedOver(const std::string& what, const Ending& ending, State* state) {
  if (!state->pending.end.empty() && !state->cut) {
    wrong_.push_back(what + " came again before the answer to " + state->pending.end);
  }
  const std::string& last = state->now.end;
  if (last == "done" || last == "dropped" || last == "dead") {
    wrong_.push_back(what + " came again after it was " + last);
  }
  const uint32_t attempts = ending.attempts - (ending.end == "retry" ? 1 : 0);
  if (state->pending.end == "retry" && attempts == state->pending.attempts) {
    state->now = state->pending;
  } else if (attempts != state->now.attempts) {
    wrong_.push_back(what + " came with attempts " + std::to_string(attempts) + " after " +
                     std::to_string(state->now.attempts));
  }
  for (const std::string& emit : state->pending.emits) void_.insert(emit);
  state->pending = ending;
  state->cut = false;
  state->over_at = lines_;
}

bool History::Fits(const Ending& ending, const Ending& before, const std::string& id,
                   const Found& found) {
  const auto delivered = found.delivered.find(id);
  const size_t deliveries = delivered == found.delivered.end() ? 0 : delivered->second.size();
  const auto dead = found.dead.find(id);
  const int letters = dead == found.dead.end() ? 0 : dead->second;
  if (ending.end == "done" || ending.end == "dropped") return deliveries == 0 && letters == 0;
  if (ending.end == "dead") return deliveries == 0 && letters == 1;
  if (deliveries != 1 || letters != 0) return false;
  const uint32_t attempts = delivered->second.front();
  if (ending.end == "retry") return attempts == ending.attempts;
  return attempts == (before.end == "retry" || before.end == "returned" ? before.attempts : 0);
}

std::string History::CheckOne(const std::string& lane, const std::string& id, const Found& found,
                              size_t* undone) const {
  State state;
  if (const auto it = states_.find({lane, id}); it != states_.end()) state = it->second;
  const bool now_fits = Fits(state.now, state.now, id, found);
  const bool pending_fits = !state.pending.end.empty() && Fits(state.pending, state.now, id, found);
  if (now_fits || pending_fits) return "";
  if (undone != nullptr && state.now.plain() && state.made_at >= synced_to_ &&
      Fits(state.before, state.before, id, found)) {
    ++*undone;
    return "";
  }
  std::ostringstream out;
  const auto delivered = found.delivered.find(id);
  out << lane << " " << id << ": made '" << state.now.end << "' " << state.now.attempts
      << ", pending '" << state.pending.end << "' " << state.pending.attempts << ", came "
      << (delivered == found.delivered.end() ? 0 : delivered->second.size()) << " times";
  if (delivered != found.delivered.end()) out << " with attempts " << delivered->second.front();
  out << ", letters " << (found.dead.contains(id) ? found.dead.at(id) : 0);
  return out.str();
}

std::vector<std::string> History::Check(Bus& bus, TestClock& clock, size_t* undone) const {
  std::vector<std::string> wrong = wrong_;
  clock.Advance(std::chrono::hours(1));
  std::map<std::string, Found> found;
  std::vector<uint64_t> expected;
  const auto lanes = bus.Lanes();
  if (!lanes.ok()) return {lanes.status().ToString()};
  for (const char* lane : kLanes) {
    for (const LaneInfo& info : *lanes) {
      if (info.name == lane) expected.push_back(info.backlog);
    }
  }
  if (expected.size() != 2) return {"a lane is missing"};
  const std::vector<std::vector<Delivery>> came = TakeAll(bus, clock);
  for (LaneId lane = 0; lane < 2; ++lane) {
    for (const Delivery& delivery : came[lane]) {
      found[kLanes[lane]].delivered[IdOf(delivery.event)].push_back(delivery.attempts);
    }
    if (came[lane].size() != expected[lane]) {
      wrong.push_back(std::string(kLanes[lane]) + ": " + std::to_string(came[lane].size()) +
                      " deliveries came, the backlog said " + std::to_string(expected[lane]));
    }
  }
  uint64_t total = 0;
  const auto letters = bus.ListDead({}, 0, 1'000'000, &total);
  if (!letters.ok()) return {letters.status().ToString()};
  for (const DeadLetter& letter : *letters) ++found[letter.lane].dead[IdOf(letter.event)];

  std::set<std::pair<std::string, std::string>> known;
  for (const auto& [key, state] : states_) known.insert(key);
  for (const std::string& id : confirmed_) known.emplace("b/x", id);
  for (const auto& [lane, id] : known) {
    std::string problem = CheckOne(lane, id, found[lane], undone);
    if (!problem.empty()) wrong.push_back(std::move(problem));
  }
  for (const std::string& emit : void_) {
    if (states_.contains({"b/x", emit}) || found["b/x"].delivered.contains(emit)) {
      wrong.push_back("emit " + emit + " is there though its event came again");
    }
  }
  // A settlement without an answer was made whole or not at all.
  for (const auto& [key, state] : states_) {
    if (state.pending.emits.empty()) continue;
    const bool came_again = found[key.first].delivered.contains(key.second);
    for (const std::string& emit : state.pending.emits) {
      if (states_.contains({"b/x", emit})) continue;  // It was even handled.
      if (came_again == found["b/x"].delivered.contains(emit)) {
        wrong.push_back(key.second + " and its emit " + emit + (came_again ? " both" : " neither"));
      }
    }
  }
  return wrong;
}

}  // namespace outboard::bus

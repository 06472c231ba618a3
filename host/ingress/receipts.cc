#include "host/ingress/receipts.h"

#include <map>
#include <set>
#include <string>
#include <utility>

#include "host/base/mutex.h"

namespace outboard::ingress {

struct Receipts::State {
  explicit State(size_t limit) : most(limit) {}

  const size_t most;
  Mutex mu;
  CondVar told;
  size_t events OUTBOARD_GUARDED_BY(mu) = 0;  // Of all that were begun and are not over.
  std::set<std::pair<Time, Waiting*>> due OUTBOARD_GUARDED_BY(mu);
  Time wake_at OUTBOARD_GUARDED_BY(mu) = kNever;  // Watch will come then.
  size_t in_done OUTBOARD_GUARDED_BY(mu) = 0;     // Answers that are being told.
  bool stopped OUTBOARD_GUARDED_BY(mu) = false;

  // The bus has answered. True: there is nothing to wait for.
  bool Answered(const std::shared_ptr<Waiting>& waiting, std::vector<Result> results, Time until,
                Done done) OUTBOARD_REQUIRES(mu);
  // It is over; who takes it tells its publisher.
  std::shared_ptr<Waiting> Take(Waiting* waiting) OUTBOARD_REQUIRES(mu);
  void Tell(const std::shared_ptr<Waiting>& waiting) OUTBOARD_EXCLUDES(mu);
};

class Receipts::Waiting final : public Receipts::Wait,
                                public std::enable_shared_from_this<Receipts::Waiting> {
 public:
  Waiting(std::shared_ptr<State> state, size_t events)
      : state_(std::move(state)), events_(events), told_(events) {}
  ~Waiting() override {
    MutexLock lock(state_->mu);
    state_->events -= events_;
  }

  void OnlyThese(std::vector<size_t> places) override {
    MutexLock lock(state_->mu);
    places_ = std::move(places);
  }

  void OnReceipt(size_t event, bus::Receipt receipt) override {
    {
      MutexLock lock(state_->mu);
      if (over_ || event >= (places_.empty() ? events_ : places_.size())) return;
      const size_t place = places_.empty() ? event : places_[event];
      const std::string lane = receipt.lane;
      const bool is_new = told_[place].insert_or_assign(lane, std::move(receipt)).second;
      if (!answered_) return;
      // One more than the bus counted is of a lane that it did not.
      if (is_new && results_[place].confirmed() && told_[place].size() <= results_[place].reporting)
        --missing_;
      if (missing_ > 0) return;
      state_->Take(this);
    }
    state_->Tell(shared_from_this());
  }

  // After Take.
  void Tell() OUTBOARD_EXCLUDES(state_->mu) {
    for (size_t i = 0; i < results_.size(); ++i) {
      results_[i].asked = true;
      for (auto& [lane, receipt] : told_[i]) results_[i].receipts.push_back(std::move(receipt));
    }
    std::exchange(done_, nullptr)(std::move(results_));
  }

  void GiveUp() override {
    {
      MutexLock lock(state_->mu);
      given_up_ = true;
      if (over_ || !answered_) return;
      state_->Take(this);
    }
    state_->Tell(shared_from_this());
  }

 private:
  friend struct State;

  const std::shared_ptr<State> state_;
  const size_t events_;
  // Guarded by the state's mutex until it is over, and then its who took it.
  std::vector<size_t> places_;
  std::vector<std::map<std::string, bus::Receipt>> told_;  // By lane.
  std::vector<Result> results_;
  size_t missing_ = 0;  // Receipts; once the bus has answered.
  Time until_{};
  Done done_;
  bool answered_ = false;  // By the bus.
  bool given_up_ = false;
  bool over_ = false;
  std::shared_ptr<Waiting> itself_;  // While it waits.
};

bool Receipts::State::Answered(const std::shared_ptr<Waiting>& waiting, std::vector<Result> results,
                               Time until, Done done) {
  waiting->results_ = std::move(results);
  waiting->done_ = std::move(done);
  waiting->until_ = until;
  waiting->answered_ = true;
  for (size_t i = 0; i < waiting->results_.size(); ++i) {
    const Result& result = waiting->results_[i];
    const size_t told = waiting->told_[i].size();
    if (result.confirmed() && told < result.reporting) waiting->missing_ += result.reporting - told;
  }
  if (!stopped && !waiting->given_up_ && waiting->missing_ > 0) {
    due.emplace(until, waiting.get());
    waiting->itself_ = waiting;
    return false;
  }
  Take(waiting.get());
  return true;
}

std::shared_ptr<Receipts::Waiting> Receipts::State::Take(Waiting* waiting) {
  waiting->over_ = true;
  due.erase({waiting->until_, waiting});
  ++in_done;
  return std::move(waiting->itself_);
}

void Receipts::State::Tell(const std::shared_ptr<Waiting>& waiting) {
  waiting->Tell();
  MutexLock lock(mu);
  --in_done;
  told.NotifyAll();
}

Receipts::Receipts(const Clock* clock, TaskThread* thread, size_t most)
    : state_(std::make_shared<State>(most)), clock_(clock), thread_(thread) {}

std::shared_ptr<Receipts::Wait> Receipts::Begin(size_t events) {
  {
    MutexLock lock(state_->mu);
    if (state_->events > 0 && state_->events + events > state_->most) return nullptr;
    state_->events += events;
  }
  return std::make_shared<Waiting>(state_, events);
}

void Receipts::Await(const std::shared_ptr<Wait>& wait, std::vector<Result> results, Time until,
                     Done done) {
  const auto waiting = std::static_pointer_cast<Waiting>(wait);
  bool over = false;
  bool sooner = false;
  {
    MutexLock lock(state_->mu);
    over = state_->Answered(waiting, std::move(results), until, std::move(done));
    sooner = !over && until < state_->wake_at;
    if (sooner) state_->wake_at = until;
  }
  if (over) return state_->Tell(waiting);
  if (sooner) thread_->Post([this, until] { thread_->At(until, [this] { Watch(); }); });
}

void Receipts::Watch() {
  std::vector<std::shared_ptr<Waiting>> late;
  Time next = kNever;
  {
    MutexLock lock(state_->mu);
    const Time now = clock_->Now();
    if (now < state_->wake_at) return;  // Another came before it, and will again.
    while (!state_->due.empty() && state_->due.begin()->first <= now)
      late.push_back(state_->Take(state_->due.begin()->second));
    if (!state_->due.empty()) next = state_->due.begin()->first;
    state_->wake_at = next;
  }
  for (const std::shared_ptr<Waiting>& waiting : late) state_->Tell(waiting);
  if (next != kNever) thread_->At(next, [this] { Watch(); });
}

void Receipts::Stop() {
  std::vector<std::shared_ptr<Waiting>> rest;
  {
    MutexLock lock(state_->mu);
    state_->stopped = true;
    while (!state_->due.empty()) rest.push_back(state_->Take(state_->due.begin()->second));
  }
  for (const std::shared_ptr<Waiting>& waiting : rest) state_->Tell(waiting);
  MutexLock lock(state_->mu);
  while (state_->in_done > 0) state_->told.Wait(state_->mu);
}

}  // namespace outboard::ingress

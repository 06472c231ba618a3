#include "host/ingress/ingress.h"

#include <array>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/mutex.h"

namespace outboard::ingress {
namespace {

constexpr char kClosed[] =
    "the host is shutting down: publish to another one, or again once it is back";
constexpr char kLate[] =
    "the bus has not confirmed in time, and may have the events or not: publish them again with "
    "the same ids";
constexpr char kUnseen[] =
    "the stages before the bus did not let the events in in time, and none was published: publish "
    "them again";

// One request that has no answer.
struct Call {
  Protocol protocol;
  size_t events;
  Time came;
  Time due;                                  // kNever: it waits for the bus.
  bool screened = false;                     // It still is.
  std::shared_ptr<Receipts::Wait> receipts;  // Null: not asked for.
  Room room;
  Ingress::Done done;
};

std::vector<Result> All(size_t count, const char* why) {
  std::vector<Result> results(count);
  for (Result& result : results) result.status = absl::UnavailableError(why);
  return results;
}

size_t BytesOf(const std::vector<Event>& events) {
  size_t bytes = 0;
  for (const Event& event : events) bytes += event.size();
  return bytes;
}

ProtocolCounters* Of(Counters* counters, Protocol protocol) {
  return protocol == Protocol::kGrpc ? &counters->grpc : &counters->http;
}

void Count(const std::vector<Result>& results, Protocol protocol, Counters* counters) {
  ProtocolCounters* of = Of(counters, protocol);
  for (const Result& result : results) {
    if (result.confirmed()) {
      ++of->confirmed;
      if (result.matched == 0) ++counters->unmatched;
    } else if (result.dropped()) {
      ++of->dropped;
    } else {
      ++(result.rejected() ? of->refused : of->failed);
    }
  }
}

}  // namespace

struct Ingress::State : std::enable_shared_from_this<State> {
  State(bus::Bus* to, const Clock* by) : bus(to), clock(by) {}

  bus::Bus* const bus;
  const Clock* const clock;
  mutable Mutex mu;
  CondVar answered;
  std::map<uint64_t, std::shared_ptr<Call>> open OUTBOARD_GUARDED_BY(mu);  // By number.
  std::multimap<Time, uint64_t> due OUTBOARD_GUARDED_BY(mu);
  uint64_t next OUTBOARD_GUARDED_BY(mu) = 1;
  bool watching OUTBOARD_GUARDED_BY(mu) = false;  // Watch will come.
  size_t in_done OUTBOARD_GUARDED_BY(mu) = 0;     // Answers that are being told.
  std::array<bool, 2> closed OUTBOARD_GUARDED_BY(mu) = {};
  Counters counters OUTBOARD_GUARDED_BY(mu);

  // The call if it was not answered before; who gets it tells the answer.
  std::shared_ptr<Call> Take(uint64_t number, const std::vector<Result>& results)
      OUTBOARD_REQUIRES(mu) {
    const auto found = open.find(number);
    if (found == open.end()) return nullptr;
    std::shared_ptr<Call> call = std::move(found->second);
    open.erase(found);
    for (auto [at, end] = due.equal_range(call->due); at != end; ++at) {
      if (at->second != number) continue;
      due.erase(at);
      break;
    }
    Count(results, call->protocol, &counters);
    ++in_done;
    return call;
  }

  void Tell(const std::shared_ptr<Call>& call, std::vector<Result> results) OUTBOARD_EXCLUDES(mu) {
    std::exchange(call->done, nullptr)(std::move(results));
    MutexLock lock(mu);
    --in_done;
    answered.NotifyAll();
  }

  void GiveUp(uint64_t number, size_t events, const char* why) OUTBOARD_EXCLUDES(mu) {
    std::vector<Result> results;
    std::shared_ptr<Call> call;
    {
      MutexLock lock(mu);
      const auto found = open.find(number);
      if (found == open.end()) return;
      results = All(events, found->second->screened && why == kLate ? kUnseen : why);
      call = Take(number, results);
    }
    Tell(call, std::move(results));
  }

  // It leaves the screen. False: it was given up meanwhile, and nothing of it is to be published.
  bool LeaveScreen(uint64_t number) OUTBOARD_EXCLUDES(mu) {
    MutexLock lock(mu);
    const auto found = open.find(number);
    if (found == open.end()) return false;
    found->second->screened = false;
    return true;
  }

  void Answer(uint64_t number, const std::shared_ptr<Call>& call, std::vector<Result> results)
      OUTBOARD_EXCLUDES(mu) {
    std::shared_ptr<Call> mine;
    {
      MutexLock lock(mu);
      mine = Take(number, results);
    }
    call->room.GiveBack();
    if (mine) Tell(mine, std::move(results));
  }

  // To the bus as they are.
  void Send(uint64_t number, std::shared_ptr<Call> call, std::vector<Event> events)
      OUTBOARD_EXCLUDES(mu) {
    const std::weak_ptr<bus::ReceiptSink> sink = call->receipts;
    bus->PublishWithReceipts(std::move(events), sink,
                             [state = shared_from_this(), number,
                              call = std::move(call)](std::vector<bus::PublishResult> published) {
                               std::vector<Result> results;
                               results.reserve(published.size());
                               for (bus::PublishResult& result : published)
                                 results.emplace_back(std::move(result));
                               state->NoteConfirm(*call);
                               state->Answer(number, call, std::move(results));
                             });
  }

  // To the bus what was let in.
  void SendScreened(uint64_t number, std::shared_ptr<Call> call, std::vector<Screened> screened)
      OUTBOARD_EXCLUDES(mu) {
    if (!LeaveScreen(number)) return call->room.GiveBack();
    std::vector<Result> results(screened.size());
    std::vector<Event> events;
    std::vector<size_t> places;
    for (size_t i = 0; i < screened.size(); ++i) {
      if (screened[i].result) {
        results[i] = *std::move(screened[i].result);
        continue;
      }
      events.push_back(std::move(screened[i].event));
      places.push_back(i);
    }
    if (events.empty()) return Answer(number, call, std::move(results));
    if (call->receipts) call->receipts->OnlyThese(places);
    const std::weak_ptr<bus::ReceiptSink> sink = call->receipts;
    bus->PublishWithReceipts(
        std::move(events), sink,
        [state = shared_from_this(), number, call = std::move(call), places = std::move(places),
         results = std::move(results)](std::vector<bus::PublishResult> published) mutable {
          for (size_t i = 0; i < places.size(); ++i)
            results[places[i]] = Result(std::move(published[i]));
          state->NoteConfirm(*call);
          state->Answer(number, call, std::move(results));
        });
  }

  // First to the screen; then to the bus, in the order's turn.
  void LetScreen(Screen* screen, uint64_t number, std::shared_ptr<Call> call,
                 std::vector<Event> events, const std::shared_ptr<Order>& order)
      OUTBOARD_EXCLUDES(mu) {
    const uint64_t place = order ? order->Enter() : 0;
    const auto go = [order, place](std::function<void()> send) {
      order ? order->Go(place, std::move(send)) : send();
    };
    const bool looks =
        screen->Look(events, call->due,
                     [go, number, call, state = shared_from_this(),
                      before = BytesOf(events)](std::vector<Screened> screened) {
                       size_t bytes = 0;
                       for (const Screened& one : screened) bytes += one.event.size();
                       // What stages add is in memory now.
                       if (bytes > before) call->room.TakeAnyway({bytes - before, 0});
                       go([number, call, state, screened = std::move(screened)]() mutable {
                         state->SendScreened(number, call, std::move(screened));
                       });
                     });
    if (looks) return;
    go([number, call = std::move(call), state = shared_from_this(),
        events = std::move(events)]() mutable {
      if (!state->LeaveScreen(number)) return call->room.GiveBack();
      state->Send(number, std::move(call), std::move(events));
    });
  }

  void NoteConfirm(const Call& call) OUTBOARD_EXCLUDES(mu) {
    MutexLock lock(mu);
    counters.confirm.Add(clock->Now() - call.came);
  }
};

Ingress::Ingress(bus::Bus* bus, const Clock* clock, Load most, Screen* screen)
    : bound_(std::make_shared<Bound>(most)),
      state_(std::make_shared<State>(bus, clock)),
      clock_(clock),
      screen_(screen),
      receipts_(clock, &thread_),
      thread_(clock) {}

const char Ingress::kTooManyWait[] =
    "too many publishers wait for receipts already: ask for them a little later, or for fewer";

std::string Ingress::PushBackText() const {
  const Load now = bound_->under_way();
  return absl::StrCat("too much is under way to the bus already: ", now.events, " events of ",
                      now.bytes, " bytes, of at most ", bound_->most().events, " and ",
                      bound_->most().bytes, ": publish again a little later, and less at a time");
}

void Ingress::Publish(Protocol protocol, std::vector<Event> events, Room room, Duration within,
                      Done done, const std::shared_ptr<Order>& order, Asked asked) {
  const Time now = clock_->Now();
  auto call = std::make_shared<Call>();
  if (asked.wait) {
    call->receipts = asked.wait;
    done = [this, wait = std::move(asked.wait), until = now + asked.within,
            done = std::move(done)](std::vector<Result> results) mutable {
      receipts_.Await(wait, std::move(results), until, std::move(done));
    };
  }
  call->protocol = protocol;
  call->events = events.size();
  call->came = now;
  call->due = within == Duration::zero() ? kNever : now + within;
  call->screened = screen_ != nullptr;
  call->room = std::move(room);
  call->done = std::move(done);
  uint64_t number = 0;
  bool watch = false;
  {
    MutexLock lock(state_->mu);
    if (!state_->closed[static_cast<size_t>(protocol)]) {
      number = state_->next++;
      state_->open.emplace(number, call);
      if (call->due != kNever) {
        state_->due.emplace(call->due, number);
        watch = !std::exchange(state_->watching, true);
      }
    } else {
      Of(&state_->counters, protocol)->failed += call->events;
    }
  }
  if (number == 0) return call->done(All(call->events, kClosed));
  if (watch) thread_.Post([this] { Watch(); });
  if (screen_ == nullptr) return state_->Send(number, std::move(call), std::move(events));
  state_->LetScreen(screen_, number, std::move(call), std::move(events), order);
}

void Ingress::Watch() {
  std::vector<std::pair<uint64_t, size_t>> late;
  {
    MutexLock lock(state_->mu);
    const Time now = clock_->Now();
    for (const auto& [when, number] : state_->due) {
      if (when > now) break;
      late.emplace_back(number, state_->open.at(number)->events);
    }
  }
  for (const auto& [number, events] : late) state_->GiveUp(number, events, kLate);
  Time next;
  {
    MutexLock lock(state_->mu);
    state_->watching = !state_->due.empty();
    if (!state_->watching) return;
    next = state_->due.begin()->first;
  }
  thread_.At(next, [this] { Watch(); });
}

void Ingress::CountRefused(Protocol protocol, uint64_t events) {
  MutexLock lock(state_->mu);
  Of(&state_->counters, protocol)->refused += events;
}

void Ingress::CountPushedBack(Protocol protocol, uint64_t events) {
  MutexLock lock(state_->mu);
  Of(&state_->counters, protocol)->pushed_back += events;
}

Counters Ingress::counters() const {
  const Load load = bound_->under_way();
  MutexLock lock(state_->mu);
  Counters counters = state_->counters;
  counters.events_under_way = load.events;
  counters.bytes_under_way = load.bytes;
  return counters;
}

void Ingress::Close(Protocol protocol) {
  MutexLock lock(state_->mu);
  state_->closed[static_cast<size_t>(protocol)] = true;
}

bool Ingress::IsClosed(Protocol protocol) const {
  MutexLock lock(state_->mu);
  return state_->closed[static_cast<size_t>(protocol)];
}

void Ingress::Stop(Duration grace) {
  Close(Protocol::kGrpc);
  Close(Protocol::kHttp);
  const Time end = clock_->Now() + grace;
  std::vector<std::pair<uint64_t, size_t>> rest;
  {
    MutexLock lock(state_->mu);
    for (Duration left = grace; !state_->open.empty() && left > Duration::zero();
         left = end - clock_->Now()) {
      state_->answered.WaitFor(state_->mu, left);
    }
    for (const auto& [number, call] : state_->open) rest.emplace_back(number, call->events);
  }
  for (const auto& [number, events] : rest) state_->GiveUp(number, events, kClosed);
  bound_->StopWaiting();
  {
    MutexLock lock(state_->mu);
    while (state_->in_done > 0) state_->answered.Wait(state_->mu);
  }
  receipts_.Stop();
}

}  // namespace outboard::ingress

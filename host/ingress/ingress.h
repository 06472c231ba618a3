#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/base/clock.h"
#include "host/base/task_thread.h"
#include "host/bus/bus.h"
#include "host/event/event.h"
#include "host/ingress/bound.h"
#include "host/ingress/counters.h"
#include "host/ingress/order.h"
#include "host/ingress/receipts.h"
#include "host/ingress/screen.h"

namespace outboard::ingress {

// Where all publishers' events go through to the bus, whatever protocol they come over: bounds what
// is under way, answers once the bus has confirmed, counts. Any thread.
class Ingress {
 public:
  using Done = std::function<void(std::vector<Result>)>;
  static constexpr Load kMost = {size_t{64} << 20, 65'536};

  // `bus` outlives it, and `clock` the bus. `screen`, if there is one, sees all events first; it
  // outlives it too.
  Ingress(bus::Bus* bus, const Clock* clock, Load most = kMost, Screen* screen = nullptr);
  ~Ingress() { Stop(Duration::zero()); }

  // For a request that begins to come in.
  Room NewRoom() { return Room(bound_); }
  Bound& bound() { return *bound_; }
  // What to tell who found the bound reached.
  std::string PushBackText() const;

  // Publishes checked events in order; `room` is theirs. `done` gets one result each, exactly once,
  // on any thread, where it must not block. `within`: without an answer by then it gets
  // UNAVAILABLE, and the bus may have the events all the same; zero: it waits for the bus. Requests
  // of one `order` get to the bus as they came here; null: whichever is screened first.
  // `asked`: `done` comes only once each lane has told how it ended each event, or after so long.
  struct Asked {
    std::shared_ptr<Receipts::Wait> wait;  // Of AskForReceipts; null: nobody asked.
    Duration within{};
  };
  void Publish(Protocol protocol, std::vector<Event> events, Room room, Duration within, Done done,
               const std::shared_ptr<Order>& order = nullptr,
               Asked asked = {nullptr, Duration::zero()});
  // For a request of at most so many events; null: too many are waited for already, and its
  // publisher is to be told kTooManyWait.
  std::shared_ptr<Receipts::Wait> AskForReceipts(size_t events) { return receipts_.Begin(events); }
  static const char kTooManyWait[];
  // From now on who asked for receipts is answered with those that came.
  void StopReceipts() { receipts_.Stop(); }

  // Events that never came to Publish.
  void CountRefused(Protocol protocol, uint64_t events);
  void CountPushedBack(Protocol protocol, uint64_t events);
  Counters counters() const;

  // From now on Publish answers UNAVAILABLE for this protocol; what is under way goes on.
  void Close(Protocol protocol);
  bool IsClosed(Protocol protocol) const;
  // Closes it for all; what the bus has not answered after `grace` is answered UNAVAILABLE, and who
  // waits for receipts with those that came. When it returns no `done` is outstanding.
  void Stop(Duration grace);

 private:
  struct State;
  // Gives up what is late, and comes again for the next. On the thread.
  void Watch();

  const std::shared_ptr<Bound> bound_;
  const std::shared_ptr<State> state_;  // Shared with bus and screen: they may answer after Stop.
  const Clock* const clock_;
  Screen* const screen_;
  Receipts receipts_;
  TaskThread thread_;  // Ends first: it has timers of all.
};

}  // namespace outboard::ingress

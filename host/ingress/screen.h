#pragma once

#include <functional>
#include <vector>

#include "host/base/clock.h"
#include "host/event/event.h"
#include "host/ingress/result.h"

namespace outboard::ingress {

// One event that was screened.
struct Screened {
  Event event;                   // Where it is let in: as it goes to the bus.
  std::optional<Result> result;  // Where it is not: what its publisher is told.
};

// Looks at publishers' events before they get to the bus. Any thread.
class Screen {
 public:
  using Done = std::function<void(std::vector<Screened>)>;

  virtual ~Screen() = default;

  // False: none of these events concerns it, and `done` is not kept. Otherwise `done` gets one for
  // each event, in order, at most once, on any thread, where it must not block; it may come before
  // this returns. After `deadline` nobody waits for it. A host that stops may never call it.
  virtual bool Look(const std::vector<Event>& events, Time deadline, Done done) = 0;
};

}  // namespace outboard::ingress

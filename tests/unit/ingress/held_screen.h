#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "host/ingress/screen.h"

namespace outboard::ingress {

// A screen for events whose id does not begin with "free", which keeps requests to itself until the
// test says what becomes of them. One thread.
class HeldScreen final : public Screen {
 public:
  bool Look(const std::vector<Event>& events, Time deadline, Done done) override {
    bool any = false;
    for (const Event& event : events) any = any || event.id().substr(0, 4) != "free";
    if (!any) return false;
    held_.push_back({events, deadline, std::move(done)});
    return true;
  }

  size_t held() const { return held_.size(); }
  Time deadline(size_t at) const { return held_[at].deadline; }

  // Lets the events of a request in, but for those that `results` has something for.
  void Answer(size_t at, std::vector<std::optional<Result>> results = {}) {
    Held held = Take(at);
    std::vector<Screened> out;
    for (size_t i = 0; i < held.events.size(); ++i) {
      Screened& one = out.emplace_back();
      if (i < results.size()) one.result = results[i];
      if (!one.result) one.event = held.events[i];
    }
    held.done(std::move(out));
  }
  // Lets this in, in place of the request's only event.
  void Change(size_t at, Event event) {
    std::vector<Screened> out(1);
    out[0].event = std::move(event);
    Take(at).done(std::move(out));
  }
  // Never answers it.
  void Forget(size_t at) { Take(at); }

 private:
  struct Held {
    std::vector<Event> events;
    Time deadline;
    Done done;
  };

  Held Take(size_t at) {
    Held held = std::move(held_[at]);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
    return held;
  }

  std::deque<Held> held_;
};

inline Result DroppedBy(const std::string& stage) {
  Result result;
  result.stage = stage;
  return result;
}

inline Result FailedBy(const std::string& stage, absl::Status status) {
  Result result = DroppedBy(stage);
  result.status = std::move(status);
  return result;
}

}  // namespace outboard::ingress

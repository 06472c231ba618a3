#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "outboard/call.h"
#include "outboard/event.h"

namespace outboard {

// A place in another system, in that system's own type.
struct Bytes {
  std::string value;
};
using Offset = std::variant<int64_t, double, std::string, Bytes>;

// What a component says of one event or call. A worker's is made by Done, a stage's by Continue or
// Halt, a producer's by Accepted; Retry, Reject and Release are for all.
class Verdict {
 public:
  // kDone: it went well, whatever the role calls that.
  enum class Kind { kDone, kRetry, kReject, kRelease, kHalt };

  explicit Verdict(Kind kind) : kind_(kind) {}
  Verdict(const Verdict& other);
  Verdict(Verdict&& other) = default;
  Verdict& operator=(Verdict other) {
    kind_ = other.kind_;
    more_ = std::move(other.more_);
    return *this;
  }

  // More about a RETRY or REJECT: a stack trace or the like, kept with the dead letter only; and
  // facts for people.
  Verdict& Detail(std::string detail) &;
  Verdict&& Detail(std::string detail) && { return std::move(Detail(std::move(detail))); }
  Verdict& Metadata(std::string key, std::string value) &;
  Verdict&& Metadata(std::string key, std::string value) && {
    return std::move(Metadata(std::move(key), std::move(value)));
  }

  Kind kind() const { return kind_; }
  // Empty where there is none.
  const std::string& reason() const { return more().reason; }
  const std::string& message() const { return more().message; }
  const std::string& detail() const { return more().detail; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const {
    return more().metadata;
  }
  const std::optional<std::chrono::nanoseconds>& retry_after() const { return more().retry_after; }
  const std::vector<NewEvent>& emits() const { return more().emits; }
  // Stage, CONTINUE: the event to go on with; nothing: as it was.
  const std::optional<NewEvent>& changed() const { return more().changed; }
  // The same of a call.
  const std::optional<NewCall>& changed_call() const { return more().changed_call; }
  // Stage, HALT of a call: the answer; nothing: none.
  const std::optional<Payload>& answer() const { return more().answer; }
  // Producer, ACCEPTED.
  const std::optional<Offset>& offset() const { return more().offset; }
  const std::optional<Timestamp>& accepted_at() const { return more().accepted_at; }
  // It went well and that is all: the host is told the id and nothing more.
  bool plain() const { return kind_ == Kind::kDone && !more_; }

 private:
  struct More {
    std::string reason, message, detail;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::optional<std::chrono::nanoseconds> retry_after;
    std::vector<NewEvent> emits;
    std::optional<NewEvent> changed;
    std::optional<NewCall> changed_call;
    std::optional<Payload> answer;
    std::optional<Offset> offset;
    std::optional<Timestamp> accepted_at;
  };
  friend Verdict Done(std::vector<NewEvent> emits);
  friend Verdict Continue(NewEvent changed);
  friend Verdict Continue(NewCall changed);
  friend Verdict Halt(Payload answer);
  friend Verdict Accepted(Offset offset, std::optional<Timestamp> at);
  friend Verdict Reject(std::string reason, std::string message);
  friend Verdict Retry(std::chrono::nanoseconds after, std::string reason, std::string message);

  const More& more() const;
  More& mutable_more();

  Kind kind_;
  std::unique_ptr<More> more_;
};

// Handled.
inline Verdict Done() { return Verdict(Verdict::Kind::kDone); }
// Handled; the host publishes these before it settles the event. Their types must match
// WorkerOptions::emits.
Verdict Done(std::vector<NewEvent> emits);
inline Verdict Done(NewEvent emit) { return Done(std::vector<NewEvent>{std::move(emit)}); }

// Stage: pass it on as it is.
inline Verdict Continue() { return Verdict(Verdict::Kind::kDone); }
// Stage: pass it on as `changed`, which has the same id and source (NewEvent::From).
Verdict Continue(NewEvent changed);
// Stage: pass the call on with other arguments or another context; pipeline and operation stay
// (NewCall::From).
Verdict Continue(NewCall changed);
// Stage: the walk ends here. An event is dropped; a call has no answer.
inline Verdict Halt() { return Verdict(Verdict::Kind::kHalt); }
// Stage: the walk of a call ends here with this answer. Json("null") is one too.
Verdict Halt(Payload answer);

// Producer: the other system has it.
inline Verdict Accepted() { return Verdict(Verdict::Kind::kDone); }
// The same, at this place, and when by that system's clock.
Verdict Accepted(Offset offset, std::optional<Timestamp> at = std::nullopt);

// Failed for now: delivered again, counted as an attempt, when the lane's policy says or not before
// `after`. `reason` is stable UPPER_SNAKE_CASE of few values: failures are grouped by it. `message`
// is for people.
Verdict Retry(std::string reason = "RETRY", std::string message = "");
Verdict Retry(std::chrono::nanoseconds after, std::string reason = "RETRY",
              std::string message = "");

// Failed for good: becomes a dead letter with this reason.
Verdict Reject(std::string reason, std::string message = "");

// Not started: another gets it, not counted. Only for work that was not begun: the third one counts
// as RETRY.
inline Verdict Release() { return Verdict(Verdict::Kind::kRelease); }

}  // namespace outboard

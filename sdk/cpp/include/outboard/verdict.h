#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "outboard/event.h"

namespace outboard {

// What a worker says of one event. Made by Done, Retry, Reject and Release.
class Verdict {
 public:
  enum class Kind { kDone, kRetry, kReject, kRelease };

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
  // DONE without emits: the host is told the id and nothing more.
  bool plain() const { return kind_ == Kind::kDone && !more_; }

 private:
  struct More {
    std::string reason, message, detail;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::optional<std::chrono::nanoseconds> retry_after;
    std::vector<NewEvent> emits;
  };
  friend Verdict Done(std::vector<NewEvent> emits);
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

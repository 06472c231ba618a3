#include "outboard/verdict.h"

namespace outboard {

Verdict::Verdict(const Verdict& other)
    : kind_(other.kind_), more_(other.more_ ? std::make_unique<More>(*other.more_) : nullptr) {}

Verdict& Verdict::Detail(std::string detail) & {
  mutable_more().detail = std::move(detail);
  return *this;
}

Verdict& Verdict::Metadata(std::string key, std::string value) & {
  mutable_more().metadata.emplace_back(std::move(key), std::move(value));
  return *this;
}

const Verdict::More& Verdict::more() const {
  static const More* const none = new More();
  return more_ ? *more_ : *none;
}

Verdict::More& Verdict::mutable_more() {
  if (!more_) more_ = std::make_unique<More>();
  return *more_;
}

Verdict Done(std::vector<NewEvent> emits) {
  Verdict verdict(Verdict::Kind::kDone);
  if (!emits.empty()) verdict.mutable_more().emits = std::move(emits);
  return verdict;
}

Verdict Continue(NewEvent changed) {
  Verdict verdict(Verdict::Kind::kDone);
  verdict.mutable_more().changed = std::move(changed);
  return verdict;
}

Verdict Continue(NewCall changed) {
  Verdict verdict(Verdict::Kind::kDone);
  verdict.mutable_more().changed_call = std::move(changed);
  return verdict;
}

Verdict Halt(Payload answer) {
  Verdict verdict(Verdict::Kind::kHalt);
  verdict.mutable_more().answer = std::move(answer);
  return verdict;
}

Verdict Accepted(Offset offset, std::optional<Timestamp> at) {
  Verdict verdict(Verdict::Kind::kDone);
  verdict.mutable_more().offset = std::move(offset);
  verdict.mutable_more().accepted_at = at;
  return verdict;
}

Verdict Retry(std::chrono::nanoseconds after, std::string reason, std::string message) {
  Verdict verdict(Verdict::Kind::kRetry);
  verdict.mutable_more().reason = std::move(reason);
  verdict.mutable_more().message = std::move(message);
  if (after.count() > 0) verdict.mutable_more().retry_after = after;
  return verdict;
}

Verdict Retry(std::string reason, std::string message) {
  return Retry(std::chrono::nanoseconds(0), std::move(reason), std::move(message));
}

Verdict Reject(std::string reason, std::string message) {
  Verdict verdict(Verdict::Kind::kReject);
  verdict.mutable_more().reason = std::move(reason);
  verdict.mutable_more().message = std::move(message);
  return verdict;
}

}  // namespace outboard

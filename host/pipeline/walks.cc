#include "host/pipeline/walks.h"

#include "host/base/status.h"

namespace outboard::pipeline {

absl::StatusCode CodeOf(const std::string& reason) {
  // What says that the caller itself gave up or that all went well is no failure of a stage.
  constexpr absl::StatusCode kCodes[] = {
      absl::StatusCode::kInvalidArgument,    absl::StatusCode::kDeadlineExceeded,
      absl::StatusCode::kNotFound,           absl::StatusCode::kAlreadyExists,
      absl::StatusCode::kPermissionDenied,   absl::StatusCode::kResourceExhausted,
      absl::StatusCode::kFailedPrecondition, absl::StatusCode::kAborted,
      absl::StatusCode::kOutOfRange,         absl::StatusCode::kUnimplemented,
      absl::StatusCode::kInternal,           absl::StatusCode::kUnavailable,
      absl::StatusCode::kDataLoss,           absl::StatusCode::kUnauthenticated};
  for (const absl::StatusCode code : kCodes) {
    if (absl::StatusCodeToString(code) == reason) return code;
  }
  if (reason == "TOO_LARGE") return absl::StatusCode::kResourceExhausted;
  return absl::StatusCode::kUnknown;
}

namespace {

// What the caller of a stage that failed gets.
absl::StatusCode CodeFor(const lane::CallEnd& end, bool event) {
  using Kind = lane::CallEnd::Kind;
  switch (end.kind) {
    case Kind::kUnavailable: return absl::StatusCode::kUnavailable;
    case Kind::kDeadline:
      return event ? absl::StatusCode::kUnavailable : absl::StatusCode::kDeadlineExceeded;
    case Kind::kRefused:
      if (end.failure.reason == "CHANGE_REFUSED") return absl::StatusCode::kInternal;
      [[fallthrough]];
    default: return event ? absl::StatusCode::kInvalidArgument : CodeOf(end.failure.reason);
  }
}

}  // namespace

Walks::Walks(std::vector<Pipeline> pipelines)
    : pipelines_(std::move(pipelines)), stats_(pipelines_.size()) {}

void Walks::Add(Pipeline pipeline) {
  pipelines_.push_back(std::move(pipeline));
  stats_.emplace_back();
}

void Walks::Start(Id id, size_t pipeline, std::shared_ptr<const lane::Call> call, Time deadline,
                  Time now, Effects* effects) {
  const auto [walk, is_new] = walks_.try_emplace(id);
  OUTBOARD_CHECK(is_new);
  walk->second = {pipeline, 0, std::move(call), deadline, now, false};
  ++stats_[pipeline].under_way;
  if (deadline != kNever) deadlines_.emplace(deadline, id);
  Go(walk, now, effects);
}

void Walks::Go(WalkMap::iterator walk, Time now, Effects* effects) {
  const Walk& w = walk->second;
  const Pipeline& pipeline = pipelines_[w.pipeline];
  if (w.at < pipeline.stages.size()) {
    effects->calls.push_back({pipeline.stages[w.at].lane, walk->first, w.call, w.deadline});
    return;
  }
  if (w.hooked || w.call->is_event()) {
    Answer passed;
    passed.event = w.call->event;
    return End(walk, std::move(passed), now, effects);
  }
  Answer none;
  none.code = absl::StatusCode::kUnimplemented;
  none.failure.reason = "NO_STAGE";
  none.failure.message =
      "no stage of pipeline " + pipeline.name + " hooks operation " + w.call->operation;
  End(walk, std::move(none), now, effects);
}

void Walks::Take(lane::CallEnd end, Time now, Effects* effects) {
  const auto walk = walks_.find(end.call);
  if (walk == walks_.end()) return;
  Walk& w = walk->second;
  using Kind = lane::CallEnd::Kind;
  switch (end.kind) {
    case Kind::kContinue:
      // An event's change was checked where the limits are known.
      if (end.changed && (end.changed->pipeline != w.call->pipeline ||
                          end.changed->operation != w.call->operation)) {
        end.kind = Kind::kRefused;
        end.failure = {"CHANGE_REFUSED",
                       "the changed call: pipeline and operation must stay what they were", ""};
        return Fail(walk, std::move(end), now, effects);
      }
      w.hooked = true;
      if (end.changed) w.call = std::move(end.changed);
      break;
    case Kind::kPassed: break;
    case Kind::kHalt: {
      Answer answer;
      answer.stage = pipelines_[w.pipeline].stages[w.at].name;
      answer.payload = std::move(end.answer);
      return End(walk, std::move(answer), now, effects);
    }
    case Kind::kFailed: return Fail(walk, std::move(end), now, effects);
    case Kind::kRefused:
    case Kind::kUnavailable:
    case Kind::kDeadline: {
      const bool passes = fails_open_ && pipelines_[w.pipeline].stages[w.at].fail_open;
      if (!passes) return Fail(walk, std::move(end), now, effects);
      break;
    }
  }
  ++w.at;
  Go(walk, now, effects);
}

void Walks::Cancel(Id id, Time now, Effects* effects) {
  const auto walk = walks_.find(id);
  if (walk == walks_.end()) return;
  effects->cancels.emplace_back(pipelines_[walk->second.pipeline].stages[walk->second.at].lane, id);
  ++Forget(walk, now).failed[absl::StatusCode::kCancelled];
}

void Walks::FireTimers(Time now, Effects* effects) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto walk = walks_.find(deadlines_.begin()->second);
    effects->cancels.emplace_back(pipelines_[walk->second.pipeline].stages[walk->second.at].lane,
                                  walk->first);
    lane::CallEnd late;
    late.kind = lane::CallEnd::Kind::kDeadline;
    late.failure = {"DEADLINE", "the caller's deadline has passed", ""};
    Fail(walk, std::move(late), now, effects);
  }
}

void Walks::Fail(WalkMap::iterator walk, lane::CallEnd end, Time now, Effects* effects) {
  Answer answer;
  answer.code = CodeFor(end, walk->second.call->is_event());
  answer.stage = pipelines_[walk->second.pipeline].stages[walk->second.at].name;
  answer.failure = std::move(end.failure);
  if (answer.failure.reason.empty()) answer.failure.reason = "UNSPECIFIED";
  answer.retry_after = end.retry_after;
  End(walk, std::move(answer), now, effects);
}

void Walks::End(WalkMap::iterator walk, Answer answer, Time now, Effects* effects) {
  const Id id = walk->first;
  Stats& stats = Forget(walk, now);
  if (answer.code != absl::StatusCode::kOk) {
    ++stats.failed[answer.code];
  } else if (answer.stage.empty()) {
    ++stats.unanswered;
  } else {
    ++stats.answered;
  }
  effects->answers.emplace_back(id, std::move(answer));
}

Stats& Walks::Forget(WalkMap::iterator walk, Time now) {
  Stats& stats = stats_[walk->second.pipeline];
  --stats.under_way;
  stats.took.Add(now - walk->second.since);
  if (walk->second.deadline != kNever) deadlines_.erase({walk->second.deadline, walk->first});
  walks_.erase(walk);
  return stats;
}

}  // namespace outboard::pipeline

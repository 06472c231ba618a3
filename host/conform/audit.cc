#include "host/conform/audit.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/text.h"
#include "host/event/wire.h"
#include "host/route/filter.h"
#include "nlohmann/json.hpp"

namespace outboard::conform {
namespace {

constexpr size_t kMaxBreaches = 20;  // One is enough for a verdict; a flood teaches nobody.
constexpr double kLongestRetry = 8784.0 * 3600;

constexpr size_t kMaxOffset = 4 << 10;

bool IsTime(const google::protobuf::Timestamp& time) {
  using Util = google::protobuf::util::TimeUtil;
  return time.seconds() >= Util::kTimestampMinSeconds &&
         time.seconds() <= Util::kTimestampMaxSeconds && time.nanos() >= 0 &&
         time.nanos() <= 999'999'999;
}

bool IsReason(absl::string_view reason) {
  const auto good = [](char c) {
    return absl::ascii_isupper(c) || absl::ascii_isdigit(c) || c == '_';
  };
  return !reason.empty() && reason.size() <= 64 && absl::ascii_isupper(reason[0]) &&
         std::all_of(reason.begin(), reason.end(), good);
}

bool IsJson(const v1::Payload& payload) {
  return payload.content_type().empty() || payload.content_type() == "application/json";
}

// What is wrong with the one value, or nothing.
std::string PayloadFault(const v1::Payload& payload) {
  if (IsJson(payload) && !nlohmann::json::accept(payload.data())) {
    return absl::StrCat("data \"", EscapeForPeople(Truncate(payload.data(), 40)),
                        "\", which is no JSON");
  }
  return "";
}

}  // namespace

void Audit::Break(absl::string_view rule, std::string came) {
  if (breaches_.size() < kMaxBreaches) breaches_.push_back({std::string(rule), std::move(came)});
}

void Audit::Sent(const HostFrame& frame) {
  for (const v1::Delivery& delivery : frame.deliveries()) {
    Sending& sending = deliveries_.emplace_back();
    ++unanswered_;
    sending.is_call = delivery.has_call();
    if (settings_.component.role() == v1::ROLE_STAGE) {
      sending.event_id = delivery.event().id();
      sending.event_source = delivery.event().source();
      sending.pipeline = delivery.call().pipeline();
      sending.operation = delivery.call().operation();
    }
    if (!settings_.component.in_order() || delivery.order_key().empty()) continue;
    sending.order_key = delivery.order_key();
    keys_[sending.order_key].push_back(deliveries_.size());
  }
}

std::vector<uint64_t> Audit::Unanswered() const {
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < deliveries_.size(); ++i) {
    if (deliveries_[i].outcome == kOpen) ids.push_back(i + 1);
  }
  return ids;
}

int Audit::outcome(uint64_t id) const {
  return id == 0 || id > deliveries_.size() ? kOpen : deliveries_[id - 1].outcome;
}

void Audit::CameUnreadable(size_t bytes, absl::string_view why) {
  if (bytes > settings_.max_frame_bytes) {
    return Break("frame.size",
                 absl::StrCat("a frame of ", bytes, " bytes, above the host's limit of ",
                              settings_.max_frame_bytes));
  }
  Break("frame.readable", std::string(why));
}

void Audit::EndedUnasked(absl::string_view status) {
  if (!opened_) return;  // That is a refusal, and legal.
  Break("session.kept", absl::StrCat("the plugin ended the stream by itself with ", status, ", ",
                                     unanswered_, " deliveries unanswered"));
}

void Audit::Came(const PluginFrame& frame) {
  if (frame.bytes > settings_.max_frame_bytes) {
    Break("frame.size",
          absl::StrCat("a frame of ", frame.bytes, " bytes, above the host's limit of ",
                       settings_.max_frame_bytes));
  }
  CheckOpened(frame);
  if (frame.window) window_ = frame.window;
  for (const uint64_t id : frame.progress_ids) {
    if (id == 0 || id > deliveries_.size()) {
      Break("answer.known-id",
            absl::StrCat("progress of id ", id, "; sent were 1 to ", deliveries_.size()));
    }
  }
  std::vector<uint64_t> ids;
  for (const uint64_t id : frame.bare_ids) {
    if (Settle(id, kGood, "a bare id")) ids.push_back(id);
  }
  bare_ += frame.bare_ids.size();
  for (const Answer& answer : frame.verdicts) {
    const std::string name = OutcomeName(settings_.component.role(), answer.outcome);
    if (Settle(answer.id, answer.outcome, absl::StrCat("a verdict ", name))) {
      ids.push_back(answer.id);
      CheckVerdict(answer);
    }
  }
  if (!frame.bare_ids.empty() || !frame.verdicts.empty()) ++frames_;
  if (settings_.component.in_order()) CheckOrder(ids);
}

void Audit::CheckOpened(const PluginFrame& frame) {
  if (!frame.opened) {
    if (!opened_) {
      Break("opened.first", "a first frame without opened");
      opened_ = true;  // Told once.
    }
    return;
  }
  if (opened_) Break("opened.once", "a second opened");
  opened_ = true;
  instance_id_ = *frame.opened;
}

bool Audit::Settle(uint64_t id, int outcome, absl::string_view as) {
  if (id == 0 || id > deliveries_.size()) {
    Break("answer.known-id",
          absl::StrCat("answer to id ", id, " (", as, "); sent were 1 to ", deliveries_.size()));
    return false;
  }
  Sending& sending = deliveries_[id - 1];
  if (sending.outcome != kOpen) {
    Break("answer.once", absl::StrCat("a second answer to id ", id, ": ", as));
    return false;
  }
  sending.outcome = outcome;
  --unanswered_;
  return true;
}

void Audit::CheckVerdict(const Answer& answer) {
  const v1::Role role = settings_.component.role();
  const std::string name = OutcomeName(role, answer.outcome);
  if (!IsOutcome(role, answer.outcome)) {
    Break("answer.outcome",
          absl::StrCat("verdict of id ", answer.id, " with outcome ", answer.outcome, " (", name,
                       "), which is none of a ", RoleName(role)));
    return;
  }
  CheckFailure(answer);
  if (answer.retry_after && (*answer.retry_after < 0 || *answer.retry_after > kLongestRetry)) {
    Break("answer.retry-after", absl::StrCat("verdict of id ", answer.id, " with retry_after ",
                                             *answer.retry_after, " s"));
  }
  if (role == v1::ROLE_WORKER) CheckEmits(answer);
  if (role == v1::ROLE_STAGE) CheckStage(answer);
  if (role == v1::ROLE_PRODUCER) CheckProducer(answer);
  const bool bare = !answer.failure && !answer.retry_after && answer.events.empty() &&
                    !answer.call && !answer.payload && !answer.offset && !answer.accepted_at;
  if (answer.outcome == kGood && bare) ++plain_;
}

void Audit::CheckProducer(const Answer& answer) {
  const auto broken = [&](absl::string_view what) {
    Break("producer.offset", absl::StrCat("verdict of id ", answer.id, " with ", what));
  };
  if ((answer.offset || answer.accepted_at) && answer.outcome != kGood)
    broken("an offset or a time; only ACCEPTED has one");
  if (answer.offset && answer.offset->value_case() == v1::Offset::VALUE_NOT_SET)
    broken("an offset that has no value");
  if (answer.offset && answer.offset->has_double_value() &&
      !std::isfinite(answer.offset->double_value())) {
    broken("an offset that is no finite number");
  }
  if (answer.offset && answer.offset->ByteSizeLong() > kMaxOffset)
    broken(absl::StrCat("an offset of ", answer.offset->ByteSizeLong(), " bytes"));
  if (answer.accepted_at && !IsTime(*answer.accepted_at))
    broken("an accepted_at that is no time from the year 1 to 9999");
}

void Audit::CheckFailure(const Answer& answer) {
  if (answer.outcome != kRetry && answer.outcome != kReject) return;
  const std::string verdict = absl::StrCat(
      "verdict ", OutcomeName(settings_.component.role(), answer.outcome), " of id ", answer.id);
  if (!answer.failure) return Break("answer.failure", verdict + " without a failure");
  if (!IsReason(answer.failure->reason())) {
    Break("answer.failure",
          absl::StrCat(verdict, " with the reason \"",
                       EscapeForPeople(Truncate(answer.failure->reason(), 80)), "\""));
  }
}

void Audit::CheckEmits(const Answer& answer) {
  if (answer.events.empty()) return;
  if (answer.outcome != kGood) {
    return Break("answer.emits",
                 absl::StrCat("verdict ", OutcomeName(v1::ROLE_WORKER, answer.outcome), " of id ",
                              answer.id, " with emits; only DONE has them"));
  }
  for (const event::v1::Event& emit : answer.events) {
    const auto& allowed = settings_.component.emits();
    const bool declared = std::any_of(allowed.begin(), allowed.end(), [&](const std::string& p) {
      return route::TopicMatches(p, emit.type());
    });
    if (!declared) {
      Break("answer.emits",
            absl::StrCat("an emit of type \"", EscapeForPeople(emit.type()),
                         "\" with the verdict of id ", answer.id, "; Component.emits has [",
                         absl::StrJoin(allowed, ", "), "]"));
    }
  }
}

void Audit::CheckStage(const Answer& answer) {
  const Sending& sending = deliveries_[answer.id - 1];
  const std::string verdict =
      absl::StrCat("verdict ", OutcomeName(v1::ROLE_STAGE, answer.outcome), " of id ", answer.id);
  if ((!answer.events.empty() || answer.call) && answer.outcome != kGood) {
    Break("stage.change", verdict + " with a changed event or call; only CONTINUE has one");
  }
  for (const event::v1::Event& changed : answer.events) {
    if (sending.is_call) {
      Break("stage.change", verdict + " answers a call with an event");
    } else if (changed.id() != sending.event_id || changed.source() != sending.event_source) {
      Break("stage.change",
            absl::StrCat(verdict, " with id \"", EscapeForPeople(changed.id()), "\" and source \"",
                         EscapeForPeople(changed.source()), "\"; sent were \"", sending.event_id,
                         "\" and \"", sending.event_source, "\""));
    } else if (const auto checked =
                   CheckEvent(changed.SerializeAsString(), {.max_bytes = 16 << 20});
               !checked.ok()) {
      Break("stage.change", absl::StrCat(verdict, " with an event that the host refuses: ",
                                         checked.status().message()));
    }
  }
  if (answer.call && !sending.is_call) {
    Break("stage.change", verdict + " answers an event with a call");
  } else if (answer.call && (answer.call->pipeline() != sending.pipeline ||
                             answer.call->operation() != sending.operation)) {
    Break("stage.change",
          absl::StrCat(verdict, " with operation ", EscapeForPeople(answer.call->pipeline()), "/",
                       EscapeForPeople(answer.call->operation()), "; sent was ", sending.pipeline,
                       "/", sending.operation));
  }
  if (!answer.payload) return;
  if (answer.outcome != kHalt || !sending.is_call) {
    Break("stage.answer", verdict + " with an answer; only the HALT of a call has one");
  } else if (const std::string fault = PayloadFault(*answer.payload); !fault.empty()) {
    Break("stage.answer", absl::StrCat(verdict, " with an answer of ", fault));
  }
}

void Audit::CheckOrder(const std::vector<uint64_t>& ids) {
  std::vector<uint64_t> sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  for (const uint64_t id : sorted) {
    const Sending& sending = deliveries_[id - 1];
    if (sending.order_key.empty()) continue;
    for (const uint64_t before : keys_[sending.order_key]) {
      if (before >= id) break;
      if (deliveries_[before - 1].outcome != kOpen) continue;
      Break("order.key", absl::StrCat("answer to id ", id, " before the one to id ", before,
                                      ", both of key ", sending.order_key));
      break;
    }
    const auto failed = failed_keys_.find(sending.order_key);
    const bool after_failure = failed != failed_keys_.end() && id <= failed->second;
    if (after_failure && sending.outcome != kRelease) {
      Break("order.release",
            absl::StrCat("answer ", OutcomeName(settings_.component.role(), sending.outcome),
                         " to id ", id, " after an earlier delivery of key ", sending.order_key,
                         " had not succeeded"));
    }
    if (sending.outcome == kRetry || sending.outcome == kReject) {
      failed_keys_[sending.order_key] = deliveries_.size();
    }
  }
}

}  // namespace outboard::conform

#include "host/plugin/codec.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "outboard/plugin/v1/worker.pb.h"

namespace outboard::plugin {
namespace {

using outboard::plugin::v1::WorkerVerdict;

// A failure's texts are kept with the dead letter: enough for a stack trace, not for a dump.
constexpr size_t kMaxReason = 64;
constexpr size_t kMaxMessage = 4 << 10;
constexpr size_t kMaxDetail = 64 << 10;

lane::Verdict ToVerdict(int outcome) {
  switch (outcome) {
    case WorkerVerdict::OUTCOME_DONE: return lane::Verdict::kDone;
    case WorkerVerdict::OUTCOME_RETRY: return lane::Verdict::kRetry;
    case WorkerVerdict::OUTCOME_REJECT: return lane::Verdict::kReject;
    case WorkerVerdict::OUTCOME_RELEASE: return lane::Verdict::kRelease;
    default: return lane::Verdict::kInvalid;
  }
}

std::unique_ptr<lane::Failure> ToFailure(const outboard::plugin::v1::Failure& in) {
  auto failure = std::make_unique<lane::Failure>();
  failure->reason = in.reason().substr(0, kMaxReason);
  failure->message = in.message().substr(0, kMaxMessage);
  failure->detail = in.detail().substr(0, kMaxDetail);
  for (const auto& [key, value] : in.metadata()) {
    if (failure->detail.size() >= kMaxDetail) break;
    absl::StrAppend(&failure->detail, failure->detail.empty() ? "" : "\n", key, ": ", value);
  }
  return failure;
}

}  // namespace

void AppendDeliveries(lane::SendFrame frame, const RouteNames& routes, wire::Request* request) {
  request->mutable_deliveries()->Reserve(request->deliveries_size() +
                                         static_cast<int>(frame.items.size()));
  uint64_t id = frame.first_id;
  for (lane::FrameItem& item : frame.items) {
    wire::Delivery* delivery = request->add_deliveries();
    delivery->set_delivery_id(id++);
    delivery->set_event(item.event.bytes().data(), item.event.size());
    delivery->set_attempt(item.attempt);
    if (!item.order_key.empty()) delivery->set_order_key(std::move(item.order_key));
    if (item.lane < routes.size()) delivery->set_route(routes[item.lane]);
  }
}

absl::StatusOr<lane::AnswersArrived> ToAnswers(lane::SessionId session, wire::Response* response) {
  if (response->has_opened()) {
    return absl::InvalidArgumentError("opened came a second time: send it in the first frame only");
  }
  lane::AnswersArrived answers;
  answers.session = session;
  answers.done_ids.assign(response->done_ids().begin(), response->done_ids().end());
  answers.progress_ids.assign(response->progress_ids().begin(), response->progress_ids().end());
  if (response->has_window()) answers.window = response->window();
  answers.verdicts.reserve(static_cast<size_t>(response->verdicts_size()));
  for (wire::Verdict& in : *response->mutable_verdicts()) {
    lane::Answer& answer = answers.verdicts.emplace_back();
    answer.delivery_id = in.delivery_id();
    answer.verdict = ToVerdict(in.outcome());
    if (in.has_retry_after()) {
      if (in.retry_after().seconds() < 0 || in.retry_after().nanos() < 0 ||
          in.retry_after().seconds() > int64_t{3600} * 24 * 366) {
        return absl::InvalidArgumentError(
            absl::StrCat("retry_after of delivery ", in.delivery_id(),
                         " is negative or above a year: give 0s to 8784h"));
      }
      answer.retry_after = std::chrono::seconds(in.retry_after().seconds()) +
                           std::chrono::microseconds(in.retry_after().nanos() / 1000);
    }
    if (in.has_failure()) answer.failure = ToFailure(in.failure());
    if (in.emits_size() > 0 && answer.verdict != lane::Verdict::kDone) {
      return absl::InvalidArgumentError(absl::StrCat("emits came with a verdict on delivery ",
                                                     in.delivery_id(),
                                                     " that is not DONE: only DONE emits"));
    }
    for (std::string& emit : *in.mutable_emits()) answer.emits.push_back(std::move(emit));
  }
  return answers;
}

size_t EmitBytes(const lane::AnswersArrived& answers) {
  size_t bytes = 0;
  for (const lane::Answer& answer : answers.verdicts) {
    for (const std::string& emit : answer.emits) bytes += emit.size();
  }
  return bytes;
}

}  // namespace outboard::plugin

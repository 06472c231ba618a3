#include "host/plugin/codec.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/event/wire_writer.h"
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

// A plugin may repeat its config: a secret goes no further than here, so it is in no dead letter,
// metric or log. Cut afterwards, since half a secret is not recognized.
std::string Shown(const std::string& text, size_t most) {
  std::string clean = RedactSecrets(text);
  if (clean.size() > most) clean.resize(most);
  return clean;
}

std::unique_ptr<lane::Failure> ToFailure(const outboard::plugin::v1::Failure& in) {
  auto failure = std::make_unique<lane::Failure>();
  failure->reason = Shown(in.reason(), kMaxReason);
  failure->message = Shown(in.message(), kMaxMessage);
  failure->detail = in.detail();
  for (const auto& [key, value] : in.metadata()) {
    if (failure->detail.size() >= kMaxDetail) break;
    absl::StrAppend(&failure->detail, failure->detail.empty() ? "" : "\n", key, ": ", value);
  }
  failure->detail = Shown(failure->detail, kMaxDetail);
  return failure;
}

// ---- Deliveries: tags and sizes as in wire.proto, which codec_test holds to it

using event_wire::AppendField;
using event_wire::AppendVarint;
using event_wire::AppendVarintField;

constexpr uint8_t kDeliveries = 2 << 3 | 2;  // Of Request; these of Delivery:
constexpr uint8_t kDeliveryId = 1 << 3;
constexpr uint8_t kEvent = 2 << 3 | 2;
constexpr uint8_t kAttempt = 4 << 3;
constexpr uint8_t kOrderKey = 6 << 3 | 2;
constexpr uint8_t kRoute = 7 << 3 | 2;

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

// Of a field of that many bytes, its tag and length included.
size_t FieldSize(size_t bytes) { return 1 + VarintSize(bytes) + bytes; }

absl::string_view RouteOf(const lane::FrameItem& item, const RouteNames& routes) {
  return item.lane < routes.size() ? absl::string_view(routes[item.lane]) : "";
}

size_t DeliverySize(uint64_t id, const lane::FrameItem& item, absl::string_view route) {
  size_t size = 1 + VarintSize(id) + FieldSize(item.event.size()) + 1 + VarintSize(item.attempt);
  if (!item.order_key.empty()) size += FieldSize(item.order_key.size());
  if (!route.empty()) size += FieldSize(route.size());
  return size;
}

void AppendDelivery(uint64_t id, const lane::FrameItem& item, absl::string_view route,
                    std::string* out) {
  AppendVarintField(kDeliveryId, id, out);
  AppendField(kEvent, item.event.bytes(), out);
  AppendVarintField(kAttempt, item.attempt, out);
  if (!item.order_key.empty()) AppendField(kOrderKey, item.order_key, out);
  if (!route.empty()) AppendField(kRoute, route, out);
}

}  // namespace

std::string EncodeDeliveries(const lane::SendFrame& frame, const RouteNames& routes) {
  std::vector<size_t> sizes;
  sizes.reserve(frame.items.size());
  size_t total = 0;
  uint64_t id = frame.first_id;
  for (const lane::FrameItem& item : frame.items) {
    sizes.push_back(DeliverySize(id++, item, RouteOf(item, routes)));
    total += FieldSize(sizes.back());
  }
  std::string out;
  out.reserve(total);
  id = frame.first_id;
  for (size_t i = 0; i < frame.items.size(); ++i) {
    out.push_back(kDeliveries);
    AppendVarint(sizes[i], &out);
    AppendDelivery(id++, frame.items[i], RouteOf(frame.items[i], routes), &out);
  }
  return out;
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

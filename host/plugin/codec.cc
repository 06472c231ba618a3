#include "host/plugin/codec.h"

#include <google/protobuf/util/time_util.h>

#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/event/wire_writer.h"
#include "outboard/plugin/v1/producer.pb.h"
#include "outboard/plugin/v1/stage.pb.h"

namespace outboard::plugin {
namespace {

using google::protobuf::util::TimeUtil;
using outboard::plugin::v1::StageVerdict;

// A failure's texts are kept with the dead letter: enough for a stack trace, not for a dump.
constexpr size_t kMaxReason = 64;
constexpr size_t kMaxMessage = 4 << 10;
constexpr size_t kMaxDetail = 64 << 10;
constexpr size_t kMaxOffset = 4 << 10;

// The roles number their outcomes alike; only stages halt.
lane::Verdict ToVerdict(lane::Role role, int outcome) {
  switch (outcome) {
    case StageVerdict::OUTCOME_CONTINUE: return lane::Verdict::kDone;
    case StageVerdict::OUTCOME_RETRY: return lane::Verdict::kRetry;
    case StageVerdict::OUTCOME_REJECT: return lane::Verdict::kReject;
    case StageVerdict::OUTCOME_RELEASE: return lane::Verdict::kRelease;
    case StageVerdict::OUTCOME_HALT:
      return role == lane::Role::kStage ? lane::Verdict::kHalt : lane::Verdict::kInvalid;
    default: return lane::Verdict::kInvalid;
  }
}

bus::Offset ToOffset(outboard::plugin::v1::Offset in) {
  using In = outboard::plugin::v1::Offset;
  switch (in.value_case()) {
    case In::kIntValue: return in.int_value();
    case In::kDoubleValue: return in.double_value();
    case In::kStringValue: return std::move(*in.mutable_string_value());
    case In::kBytesValue: return bus::Bytes{std::move(*in.mutable_bytes_value())};
    case In::VALUE_NOT_SET: break;
  }
  return {};
}

absl::Status NotOfThisVerdict(absl::string_view what, const wire::Verdict& in,
                              absl::string_view verdict) {
  return absl::InvalidArgumentError(absl::StrCat(what, " came with a verdict on delivery ",
                                                 in.delivery_id(), " that is not ", verdict));
}

// What the answers to a call carry goes on to other stages and to the caller: it has to be what the
// contract says.
absl::Status TakeCall(wire::Verdict* in, lane::Answer* answer) {
  if (in->has_call()) {
    if (answer->verdict != lane::Verdict::kDone)
      return NotOfThisVerdict("a call", *in, "CONTINUE: only CONTINUE changes the call");
    outboard::plugin::v1::Call call;
    if (!call.ParseFromString(in->call())) {
      return absl::InvalidArgumentError(
          absl::StrCat("the changed call of delivery ", in->delivery_id(),
                       " is no valid Call: is a text field no UTF-8?"));
    }
    answer->changed_call = std::make_shared<lane::Call>(
        lane::Call{std::move(*in->mutable_call()), call.pipeline(), call.operation()});
  }
  if (in->has_answer()) {
    if (answer->verdict != lane::Verdict::kHalt)
      return NotOfThisVerdict("an answer", *in, "HALT: only HALT answers a call");
    outboard::plugin::v1::Payload payload;
    if (!payload.ParseFromString(in->answer())) {
      return absl::InvalidArgumentError(absl::StrCat("the answer to delivery ", in->delivery_id(),
                                                     " is no valid Payload: is its content_type "
                                                     "no UTF-8?"));
    }
    answer->answer = std::move(*in->mutable_answer());
  }
  return absl::OkStatus();
}

// Where a producer put the event: it is kept, and told to who published it.
absl::Status TakePlaced(wire::Verdict* in, lane::Answer* answer) {
  if (answer->verdict != lane::Verdict::kDone)
    return NotOfThisVerdict("an offset", *in, "ACCEPTED: only what was accepted has one");
  auto placed = std::make_unique<bus::Placed>();
  if (in->payloads_size() > 0) {
    // A field that comes again is merged with what came before.
    std::string bytes;
    for (const std::string& part : in->payloads()) bytes += part;
    if (bytes.size() > kMaxOffset) {
      return absl::InvalidArgumentError(absl::StrCat("the offset of delivery ", in->delivery_id(),
                                                     " has ", bytes.size(), " bytes: at most ",
                                                     kMaxOffset, " name a place"));
    }
    outboard::plugin::v1::Offset offset;
    const bool parsed = offset.ParseFromString(bytes);
    if (!parsed || offset.value_case() == outboard::plugin::v1::Offset::VALUE_NOT_SET) {
      return absl::InvalidArgumentError(
          absl::StrCat("the offset of delivery ", in->delivery_id(),
                       parsed ? " has no value: set exactly one, or leave the offset out"
                              : " is no valid Offset: is its string_value no UTF-8?"));
    }
    if (offset.has_double_value() && !std::isfinite(offset.double_value())) {
      return absl::InvalidArgumentError(
          absl::StrCat("the offset of delivery ", in->delivery_id(),
                       " is no finite number: leave it out where there is none"));
    }
    placed->offset = ToOffset(std::move(offset));
  }
  if (in->has_call()) {
    google::protobuf::Timestamp at;
    if (!at.ParseFromString(in->call()) || at.seconds() < TimeUtil::kTimestampMinSeconds ||
        at.seconds() > TimeUtil::kTimestampMaxSeconds || at.nanos() < 0 ||
        at.nanos() > 999'999'999) {
      return absl::InvalidArgumentError(
          absl::StrCat("accepted_at of delivery ", in->delivery_id(),
                       " is no time from the year 1 to 9999: set it right, or leave it out"));
    }
    placed->at =
        Time(std::chrono::seconds(at.seconds()) + std::chrono::microseconds(at.nanos() / 1000));
  }
  answer->placed = std::move(placed);
  return absl::OkStatus();
}

// What comes with the good verdict of a role.
absl::Status TakePayloads(lane::Role role, wire::Verdict* in, lane::Answer* answer) {
  if (role == lane::Role::kStage) OUTBOARD_RETURN_IF_ERROR(TakeCall(in, answer));
  if (role == lane::Role::kProducer)
    return in->payloads_size() > 0 || in->has_call() ? TakePlaced(in, answer) : absl::OkStatus();
  if (in->payloads_size() == 0) return absl::OkStatus();
  const bool good = answer->verdict == lane::Verdict::kDone;
  switch (role) {
    case lane::Role::kWorker:
      if (!good) return NotOfThisVerdict("emits", *in, "DONE: only DONE emits");
      for (std::string& emit : *in->mutable_payloads()) answer->emits.push_back(std::move(emit));
      return absl::OkStatus();
    case lane::Role::kStage:
      if (!good)
        return NotOfThisVerdict("an event", *in, "CONTINUE: only CONTINUE changes the event");
      answer->changed = std::move(*in->mutable_payloads(in->payloads_size() - 1));
      return absl::OkStatus();
    case lane::Role::kProducer: break;  // Above.
  }
  return absl::OkStatus();
}

// A plugin may repeat its config: a secret goes no further than here, so it is in no dead letter,
// metric or log. Cut afterwards, since half a secret is not recognized.
std::string Shown(const std::string& text, size_t most) {
  std::string clean = RedactSecrets(text);
  if (clean.size() <= most) return clean;
  // Callers get these texts as strings of protobuf: no half characters.
  while (most > 0 && (static_cast<unsigned char>(clean[most]) & 0xC0) == 0x80) --most;
  clean.resize(most);
  return clean;
}

std::unique_ptr<lane::Failure> ToFailure(const outboard::plugin::v1::Failure& in) {
  auto failure = std::make_unique<lane::Failure>();
  failure->reason = Shown(in.reason(), kMaxReason);
  failure->message = Shown(in.message(), kMaxMessage);
  failure->detail = Shown(in.detail(), kMaxDetail);
  size_t bytes = failure->detail.size();
  // In one order, whatever the map's is.
  for (const auto& [key, value] : std::map(in.metadata().begin(), in.metadata().end())) {
    if (bytes >= kMaxDetail) break;
    failure->metadata.emplace_back(Shown(key, kMaxReason), Shown(value, kMaxDetail - bytes));
    bytes += key.size() + failure->metadata.back().second.size();
  }
  return failure;
}

// ---- Deliveries: tags and sizes as in wire.proto, which codec_test holds to it

using event_wire::AppendField;
using event_wire::AppendVarint;
using event_wire::AppendVarintField;

constexpr uint8_t kDeliveries = 2 << 3 | 2;  // Of Request; these of Delivery:
constexpr uint8_t kDeliveryId = 1 << 3;
constexpr uint8_t kEvent = 2 << 3 | 2;
constexpr uint8_t kCall = 3 << 3 | 2;
constexpr uint8_t kAttempt = 4 << 3;
constexpr uint8_t kTimeLeft = 5 << 3 | 2;
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
  if (item.call != nullptr) return "";
  return item.lane < routes.size() ? absl::string_view(routes[item.lane]) : "";
}

// google.protobuf.Duration, not negative.
constexpr uint8_t kSeconds = 1 << 3;
constexpr uint8_t kNanos = 2 << 3;

uint64_t SecondsOf(Duration d) { return static_cast<uint64_t>(d / std::chrono::seconds(1)); }
uint64_t NanosOf(Duration d) {
  return static_cast<uint64_t>((d % std::chrono::seconds(1)) / std::chrono::microseconds(1)) * 1000;
}

size_t DurationSize(Duration d) {
  return 1 + VarintSize(SecondsOf(d)) + 1 + VarintSize(NanosOf(d));
}

void AppendDuration(Duration d, std::string* out) {
  out->push_back(kTimeLeft);
  AppendVarint(DurationSize(d), out);
  AppendVarintField(kSeconds, SecondsOf(d), out);
  AppendVarintField(kNanos, NanosOf(d), out);
}

size_t DeliverySize(uint64_t id, const lane::FrameItem& item, absl::string_view route) {
  const size_t what = item.call != nullptr ? item.call->bytes.size() : item.event.size();
  size_t size = 1 + VarintSize(id) + FieldSize(what) + 1 + VarintSize(item.attempt);
  if (item.time_left) size += FieldSize(DurationSize(*item.time_left));
  if (!item.order_key.empty()) size += FieldSize(item.order_key.size());
  if (!route.empty()) size += FieldSize(route.size());
  return size;
}

void AppendDelivery(uint64_t id, const lane::FrameItem& item, absl::string_view route,
                    std::string* out) {
  AppendVarintField(kDeliveryId, id, out);
  if (item.call != nullptr) {
    AppendField(kCall, item.call->bytes, out);
  } else {
    AppendField(kEvent, item.event.bytes(), out);
  }
  AppendVarintField(kAttempt, item.attempt, out);
  if (item.time_left) AppendDuration(*item.time_left, out);
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

absl::StatusOr<lane::AnswersArrived> ToAnswers(lane::SessionId session, lane::Role role,
                                               wire::Response* response) {
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
    answer.verdict = ToVerdict(role, in.outcome());
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
    OUTBOARD_RETURN_IF_ERROR(TakePayloads(role, &in, &answer));
  }
  return answers;
}

size_t EmitBytes(const lane::AnswersArrived& answers) {
  size_t bytes = 0;
  for (const lane::Answer& answer : answers.verdicts) {
    for (const std::string& emit : answer.emits) bytes += emit.size();
    if (answer.changed) bytes += answer.changed->size();
  }
  return bytes;
}

}  // namespace outboard::plugin

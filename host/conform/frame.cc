#include "host/conform/frame.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace outboard::conform {
namespace {

void ReadGood(const v1::WorkerVerdict& from, Answer* answer) {
  answer->events.assign(from.emits().begin(), from.emits().end());
}

void ReadGood(const v1::StageVerdict& from, Answer* answer) {
  if (from.has_event()) answer->events.push_back(from.event());
  if (from.has_call()) answer->call = from.call();
  if (from.has_answer()) answer->payload = from.answer();
}

void ReadGood(const v1::ProducerVerdict& from, Answer* answer) {
  if (from.has_offset()) answer->offset = from.offset();
  if (from.has_accepted_at()) answer->accepted_at = from.accepted_at();
}

template <typename Verdict>
Answer ReadVerdict(const Verdict& from) {
  Answer answer;
  answer.id = from.delivery_id();
  answer.outcome = from.outcome();
  if (from.has_failure()) answer.failure = from.failure();
  if (from.has_retry_after()) {
    answer.retry_after =
        static_cast<double>(from.retry_after().seconds()) + from.retry_after().nanos() / 1e9;
  }
  ReadGood(from, &answer);
  return answer;
}

const google::protobuf::RepeatedField<uint64_t>& BareIds(const v1::HandleResponse& frame) {
  return frame.done_ids();
}
const google::protobuf::RepeatedField<uint64_t>& BareIds(const v1::ProcessResponse& frame) {
  return frame.continue_ids();
}
const google::protobuf::RepeatedField<uint64_t>& BareIds(const v1::ProduceResponse& frame) {
  return frame.accepted_ids();
}

template <typename Response>
absl::StatusOr<PluginFrame> ReadAs(const std::string& bytes) {
  Response response;
  if (!response.ParseFromString(bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame of ", bytes.size(), " bytes that is no ",
                     Response::descriptor()->name(), ", or has a text that is not UTF-8"));
  }
  PluginFrame frame;
  frame.bytes = bytes.size();
  if (response.has_opened()) frame.opened = response.opened().instance_id();
  frame.bare_ids.assign(BareIds(response).begin(), BareIds(response).end());
  frame.progress_ids.assign(response.progress_ids().begin(), response.progress_ids().end());
  for (const auto& verdict : response.verdicts()) frame.verdicts.push_back(ReadVerdict(verdict));
  if (response.has_window()) frame.window = response.window();
  return frame;
}

const google::protobuf::EnumDescriptor* Outcomes(v1::Role role) {
  if (role == v1::ROLE_STAGE) return v1::StageVerdict::Outcome_descriptor();
  if (role == v1::ROLE_PRODUCER) return v1::ProducerVerdict::Outcome_descriptor();
  return v1::WorkerVerdict::Outcome_descriptor();
}

}  // namespace

absl::StatusOr<PluginFrame> ReadFrame(v1::Role role, const std::string& bytes) {
  if (role == v1::ROLE_STAGE) return ReadAs<v1::ProcessResponse>(bytes);
  if (role == v1::ROLE_PRODUCER) return ReadAs<v1::ProduceResponse>(bytes);
  return ReadAs<v1::HandleResponse>(bytes);
}

std::string OutcomeName(v1::Role role, int outcome) {
  const auto* value = Outcomes(role)->FindValueByNumber(outcome);
  if (value == nullptr) return absl::StrCat(outcome);
  return std::string(absl::StripPrefix(value->name(), "OUTCOME_"));
}

bool IsOutcome(v1::Role role, int outcome) {
  return outcome != 0 && Outcomes(role)->FindValueByNumber(outcome) != nullptr;
}

std::string RoleName(v1::Role role) {
  if (role == v1::ROLE_STAGE) return "stage";
  if (role == v1::ROLE_PRODUCER) return "producer";
  return "worker";
}

}  // namespace outboard::conform

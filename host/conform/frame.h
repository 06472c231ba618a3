#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "outboard/event/v1/event.pb.h"
#include "outboard/plugin/v1/plugin.pb.h"
#include "outboard/plugin/v1/producer.pb.h"
#include "outboard/plugin/v1/session.pb.h"
#include "outboard/plugin/v1/stage.pb.h"
#include "outboard/plugin/v1/worker.pb.h"

namespace outboard::conform {

namespace v1 = outboard::plugin::v1;

// Frames of the host have the same shape in every role.
using HostFrame = v1::HandleRequest;

// What RETRY, REJECT and RELEASE are in every role, and the good answer: DONE, CONTINUE, ACCEPTED.
enum Outcome : int { kGood = 1, kRetry = 2, kReject = 3, kRelease = 4, kHalt = 5 };

// One verdict, whatever the role.
struct Answer {
  uint64_t id = 0;
  int outcome = 0;
  std::optional<v1::Failure> failure;
  std::optional<double> retry_after;     // Seconds.
  std::vector<event::v1::Event> events;  // Worker: emits. Stage: the changed event.
  std::optional<v1::Call> call;          // Stage: the changed call.
  std::optional<v1::Payload> payload;    // Stage: the answer to a call.
  std::optional<v1::Offset> offset;      // Producer.
  std::optional<google::protobuf::Timestamp> accepted_at;  // Producer.
};

// A frame of a plugin, whatever the role.
struct PluginFrame {
  size_t bytes = 0;
  std::optional<std::string> opened;  // Its instance_id.
  std::vector<uint64_t> bare_ids;     // done_ids, continue_ids, accepted_ids.
  std::vector<Answer> verdicts;
  std::vector<uint64_t> progress_ids;
  std::optional<uint32_t> window;
};

// INVALID_ARGUMENT: the bytes are no frame of that role, or a text in it is not UTF-8.
absl::StatusOr<PluginFrame> ReadFrame(v1::Role role, const std::string& bytes);

// "DONE", "HALT"; "7" for a number that is no outcome of that role.
std::string OutcomeName(v1::Role role, int outcome);
bool IsOutcome(v1::Role role, int outcome);

// "worker", "stage", "producer".
std::string RoleName(v1::Role role);

}  // namespace outboard::conform

#include "host/app/cli/lane_table.h"

#include <map>

#include "absl/strings/str_cat.h"

namespace outboard::app {
namespace {

Colour LaneColour(const std::string& state) {
  if (state == "running") return Colour::kGreen;
  if (state == "circuit" || state == "no session" || state == "paused too long" ||
      state == "dead letter")
    return Colour::kRed;
  return Colour::kYellow;
}

// What the bus told a while ago stands with its age, and what it did not tell as "?".
Table::Cell Count(const host::v1::LaneStatus& lane, uint64_t count) {
  constexpr int64_t kNow = 10;  // Seconds.
  if (lane.uncounted()) return "?";
  const int64_t ago = lane.counted_ago().seconds();
  if (ago < kNow) return count;
  return absl::StrCat(count, " (", FormatAge(Duration(std::chrono::seconds(ago))), " ago)");
}

// Counts by code of those that failed: "2 NOT_FOUND, 1 UNAVAILABLE".
std::string Failures(const host::v1::PipelineStatus& pipeline) {
  std::string text;
  for (const auto& [code, count] : std::map(pipeline.failed().begin(), pipeline.failed().end()))
    absl::StrAppend(&text, text.empty() ? "" : ", ", count, " ", code);
  return text.empty() ? "-" : text;
}

}  // namespace

Table LaneTable(const google::protobuf::RepeatedPtrField<host::v1::LaneStatus>& lanes) {
  Table table(
      {"LANE", "STATE", "BACKLOG", "IN FLIGHT", "RETRYING", "DEAD", "LAG", "DONE", "REDELIVERED"});
  for (const host::v1::LaneStatus& lane : lanes) {
    const Duration lag(lane.lag().seconds() * 1'000'000 + lane.lag().nanos() / 1000);
    table.Add({lane.name(),
               {lane.state(), LaneColour(lane.state())},
               Count(lane, lane.backlog()),
               lane.in_flight(),
               Count(lane, lane.retrying()),
               Count(lane, lane.dead()),
               lane.backlog() == 0 ? "-" : FormatAge(lag),
               lane.done(),
               lane.redelivered()});
    for (const host::v1::StageStatus& stage : lane.stages()) {
      table.Add({absl::StrCat(stage.observes() ? "  seen by " : "  through ", stage.name()),
                 {stage.state(), LaneColour(stage.state())},
                 "-",
                 stage.in_flight(),
                 "-",
                 "-",
                 "-",
                 stage.passed(),
                 "-"});
    }
  }
  return table;
}

Table PipelineTable(const google::protobuf::RepeatedPtrField<host::v1::PipelineStatus>& pipelines) {
  Table table({"PIPELINE", "STATE", "UNDER WAY", "ANSWERED", "NO ANSWER", "PASSED ON", "FAILED"});
  for (const host::v1::PipelineStatus& pipeline : pipelines) {
    table.Add({pipeline.name(), "", pipeline.under_way(), pipeline.answered(),
               pipeline.unanswered(), "-", Failures(pipeline)});
    for (const host::v1::StageStatus& stage : pipeline.stages()) {
      table.Add({absl::StrCat("  through ", stage.name()),
                 {stage.state(), LaneColour(stage.state())},
                 stage.in_flight(),
                 stage.halted(),
                 "-",
                 stage.passed(),
                 "-"});
    }
  }
  return table;
}

Table IngressTable(const google::protobuf::RepeatedPtrField<host::v1::PipelineStatus>& entries) {
  Table table({"INGRESS", "STATE", "UNDER WAY", "DROPPED", "PASSED ON", "FAILED"});
  for (const host::v1::PipelineStatus& entry : entries) {
    table.Add({entry.name(), "", entry.under_way(), entry.answered(), entry.unanswered(),
               Failures(entry)});
    for (const host::v1::StageStatus& stage : entry.stages()) {
      table.Add({absl::StrCat("  through ", stage.name()),
                 {stage.state(), LaneColour(stage.state())},
                 stage.in_flight(),
                 stage.halted(),
                 stage.passed(),
                 "-"});
    }
  }
  return table;
}

}  // namespace outboard::app

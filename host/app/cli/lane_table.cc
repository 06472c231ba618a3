#include "host/app/cli/lane_table.h"

namespace outboard::app {
namespace {

Colour LaneColour(const std::string& state) {
  if (state == "running") return Colour::kGreen;
  if (state == "circuit" || state == "no session" || state == "paused too long")
    return Colour::kRed;
  return Colour::kYellow;
}

}  // namespace

Table LaneTable(const google::protobuf::RepeatedPtrField<host::v1::LaneStatus>& lanes) {
  Table table(
      {"LANE", "STATE", "BACKLOG", "IN FLIGHT", "RETRYING", "DEAD", "LAG", "DONE", "REDELIVERED"});
  for (const host::v1::LaneStatus& lane : lanes) {
    const Duration lag(lane.lag().seconds() * 1'000'000 + lane.lag().nanos() / 1000);
    table.Add({lane.name(),
               {lane.state(), LaneColour(lane.state())},
               lane.backlog(),
               lane.in_flight(),
               lane.retrying(),
               lane.dead(),
               lane.backlog() == 0 ? "-" : FormatAge(lag),
               lane.done(),
               lane.redelivered()});
  }
  return table;
}

}  // namespace outboard::app

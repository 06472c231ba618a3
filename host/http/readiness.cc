#include "host/http/readiness.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/log.h"
#include "host/base/text.h"

namespace outboard::http {
namespace {

bool IsBroken(const std::string& lane_state) {
  return lane_state == "circuit" || lane_state == "no session" ||
         lane_state == admin::kPausedTooLong;
}

std::string PluginProblem(const admin::PluginSnapshot& plugin) {
  if (!plugin.fleet.problem.empty()) return plugin.fleet.problem;
  if (!plugin.shard.problem.empty()) return plugin.shard.problem;
  if (plugin.shard.circuit == lane::CircuitState::kClosed) return "";
  return absl::StrCat("circuit open: ", plugin.shard.circuit_reason);
}

// One line of text, whatever it holds.
std::string Line(const std::string& text) {
  return absl::StrCat(EscapeForPeople(RedactSecrets(text)), "\n");
}

}  // namespace

Readiness Judge(const admin::Snapshot& snapshot, bool strict) {
  std::vector<std::string> reasons;
  std::string lines;
  const bool bus = snapshot.bus.connected && snapshot.bus_problem.empty();
  if (!bus) reasons.push_back("bus not connected");
  std::string why = snapshot.bus_problem;
  if (!bus && why.empty() && !snapshot.bus.warnings.empty()) why = snapshot.bus.warnings.front();
  absl::StrAppend(&lines, Line(absl::StrCat("bus ", snapshot.bus.kind, ": ",
                                            bus ? "connected" : "not connected",
                                            why.empty() ? "" : ": ", why)));
  if (snapshot.starting) reasons.push_back("starting");
  if (snapshot.draining) reasons.push_back("draining");
  for (const admin::LaneSnapshot& lane : snapshot.lanes) {
    const std::string& state = lane.lane.state;
    absl::StrAppend(&lines, Line(absl::StrCat("lane ", lane.lane.name, ": ", state)));
    if (strict && IsBroken(state))
      reasons.push_back(absl::StrCat("lane ", lane.lane.name, ": ", state));
  }
  for (const admin::PluginSnapshot& plugin : snapshot.plugins) {
    const std::string problem = PluginProblem(plugin);
    if (problem.empty()) continue;
    absl::StrAppend(&lines, Line(absl::StrCat("plugin ", plugin.name, ": ", problem)));
    if (strict) reasons.push_back(absl::StrCat("plugin ", plugin.name));
  }
  Readiness out;
  out.ready = reasons.empty();
  out.text = absl::StrCat(
      Line(out.ready ? "ready" : absl::StrCat("not ready: ", absl::StrJoin(reasons, "; "))), lines);
  return out;
}

}  // namespace outboard::http

#include "host/bus/rabbitmq/check_names.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/rabbitmq/names.h"
#include "host/dialect/message.h"

namespace outboard::bus::rabbitmq {
namespace {

using dialect::kMaxShortText;

absl::Status CheckLength(const LaneSpec& lane, absl::string_view what, const std::string& name,
                         absl::string_view fix) {
  if (name.size() <= kMaxShortText) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("lane '", lane.name, "': ", what, " would have ",
                                                 name.size(), " bytes on the broker, but ",
                                                 kMaxShortText, " is the most: ", fix));
}

}  // namespace

absl::Status CheckNames(const std::string& host, const std::string& replica, const Sources& sources,
                        const std::vector<LaneSpec>& lanes) {
  std::map<std::string, std::string> dead;  // The lane of a queue of dead letters.
  for (const LaneSpec& lane : lanes) dead[DeadQueue(host, lane.name)] = lane.name;
  for (const LaneSpec& lane : lanes) {
    for (const route::Filter& filter : lane.filters) {
      if (const absl::Status status = sources.CheckService(filter.service); !status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("lane '", lane.name, "': ", status.message()));
      }
    }
    for (const auto& [exchange, key] : sources.BindingsOf(lane.filters)) {
      OUTBOARD_RETURN_IF_ERROR(CheckLength(lane, "the exchange of its source", exchange,
                                           "give it a shorter name in bus.sources"));
      OUTBOARD_RETURN_IF_ERROR(
          CheckLength(lane, "a type of its events", key, "no event can have it, take it out"));
    }
    const std::string queue = LaneQueue(host, replica, lane);
    const bool singleton = lane.mode == Mode::kSingleton;
    OUTBOARD_RETURN_IF_ERROR(CheckLength(
        lane, "the name of its queue", queue,
        singleton ? "shorten the name of its source" : "shorten those of host, route or target"));
    OUTBOARD_RETURN_IF_ERROR(CheckLength(lane, "the name of its queue of dead letters",
                                         DeadQueue(host, lane.name),
                                         "shorten those of host, route or target"));
    if (const auto same = dead.find(queue); same != dead.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("lane '", lane.name, "': its queue would be the dead letters' of lane '",
                       same->second, "': put its target into a route of another name"));
    }
  }
  return absl::OkStatus();
}

}  // namespace outboard::bus::rabbitmq

#include "host/bus/lane_groups.h"

#include <set>

#include "absl/strings/str_cat.h"

namespace outboard::bus {

absl::Status CheckLanes(const std::vector<LaneSpec>& lanes) {
  std::set<std::string> names;
  for (const LaneSpec& lane : lanes) {
    if (lane.name.empty()) return absl::InvalidArgumentError("a lane has no name");
    if (!names.insert(lane.name).second) {
      return absl::AlreadyExistsError(absl::StrCat("two lanes are called '", lane.name,
                                                   "': give their routes different names"));
    }
    for (const route::Filter& filter : lane.filters) {
      for (const std::string& pattern : filter.types) {
        if (absl::Status status = route::ValidatePattern(pattern); !status.ok()) {
          return absl::Status(status.code(),
                              absl::StrCat("lane '", lane.name, "': ", status.message()));
        }
      }
    }
  }
  return absl::OkStatus();
}

std::vector<size_t> GroupLanes(const std::vector<LaneSpec>& lanes) {
  std::vector<size_t> leader(lanes.size());
  for (size_t i = 0; i < lanes.size(); ++i) {
    leader[i] = i;
    if (lanes[i].mode != Mode::kSingleton) continue;
    for (size_t j = 0; j < i; ++j) {
      if (lanes[j].mode == Mode::kSingleton && lanes[j].reliable == lanes[i].reliable &&
          lanes[j].filters == lanes[i].filters) {
        leader[i] = j;
        break;
      }
    }
  }
  return leader;
}

bool AnyMatches(const std::vector<route::Filter>& filters, absl::string_view source,
                absl::string_view type) {
  for (const route::Filter& filter : filters) {
    if (route::Matches(filter, source, type)) return true;
  }
  return false;
}

}  // namespace outboard::bus

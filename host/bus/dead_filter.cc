#include "host/bus/dead_filter.h"

#include <algorithm>
#include <optional>
#include <string>

#include "host/bus/dead_group.h"
#include "host/route/filter.h"

namespace outboard::bus {

absl::string_view RouteOf(absl::string_view lane) { return lane.substr(0, lane.find('/')); }

absl::string_view TargetOf(absl::string_view lane) {
  const size_t slash = lane.find('/');
  return slash == absl::string_view::npos ? "" : lane.substr(slash + 1);
}

bool AsksForEvent(const DeadFilter& filter) {
  return !filter.type.empty() || !filter.attributes.empty();
}

bool TakesLetter(const DeadFilter& filter, const DeadLetter& letter) {
  const auto is = [](const std::string& wanted, absl::string_view value) {
    return wanted.empty() || wanted == value;
  };
  if (!is(filter.lane, letter.lane) || !is(filter.route, RouteOf(letter.lane)) ||
      !is(filter.target, TargetOf(letter.lane)) || !is(filter.reason, letter.why.reason) ||
      !is(filter.version, letter.why.version)) {
    return false;
  }
  if (letter.id <= filter.after) return false;
  if (filter.up_to != 0 && letter.id > filter.up_to) return false;
  if (filter.died_after && letter.died_at < *filter.died_after) return false;
  if (filter.died_before && letter.died_at >= *filter.died_before) return false;
  if (!filter.ids.empty() &&
      std::find(filter.ids.begin(), filter.ids.end(), letter.id) == filter.ids.end()) {
    return false;
  }
  return filter.group.empty() || filter.group == GroupKey(letter);
}

bool TakesEvent(const DeadFilter& filter, const Event& event) {
  if (!AsksForEvent(filter)) return true;
  if (event.empty()) return false;
  if (!filter.type.empty() && !route::TopicMatches(filter.type, event.type())) return false;
  return std::all_of(filter.attributes.begin(), filter.attributes.end(), [&](const auto& wanted) {
    return event.attribute(wanted.first) == std::optional<std::string>(wanted.second);
  });
}

}  // namespace outboard::bus

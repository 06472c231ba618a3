#include "host/app/cli/dead_filter.h"

#include "absl/strings/str_cat.h"

namespace outboard::app {

host::v1::DeadFilter MakeFilter(const DeadOptions& options) {
  host::v1::DeadFilter filter;
  filter.set_lane(options.lane);
  filter.set_reason(options.reason);
  for (const uint64_t id : options.ids) filter.add_dead_ids(id);
  return filter;
}

bool SaysWhich(const DeadOptions& options, Client* client) {
  const bool some = !options.ids.empty() || !options.lane.empty() || !options.reason.empty();
  if (some != options.all) return true;
  client->Fail(kUsage, some ? "--all contradicts ids, --lane and --reason; leave one out"
                            : "which dead letters? Give their ids, --lane, --reason, or --all");
  return false;
}

std::string CountOfDead(uint64_t n) {
  return absl::StrCat(n, n == 1 ? " dead letter" : " dead letters");
}

}  // namespace outboard::app

#pragma once

#include "host/config/config.h"
#include "host/config/value.h"

namespace outboard::config {

// The lists in the file that those of a Config came from, item by item.
struct Lists {
  const std::vector<Value>&plugins, &routes, &pipelines, &ingress;
};

// Reports what only the whole shows: duplicate names, targets that are no plugin, the same target
// twice in a route, singleton lanes that share a queue with different policies. Warns of plugins
// that nothing uses, and of entries of the ingress that no event gets to.
void CheckReferences(const Config& config, const Lists& lists);

}  // namespace outboard::config

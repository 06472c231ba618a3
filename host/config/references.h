#pragma once

#include "host/config/config.h"
#include "host/config/value.h"

namespace outboard::config {

// Reports what only the whole shows: duplicate names, targets that are no plugin, the same target
// twice in a route, singleton lanes that share a queue with different policies. Warns of plugins
// that no route uses. `plugins` and `routes` are the lists in the file that config.plugins and
// config.routes came from, item by item.
void CheckReferences(const Config& config, const std::vector<Value>& plugins,
                     const std::vector<Value>& routes);

}  // namespace outboard::config

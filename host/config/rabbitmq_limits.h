#pragma once

#include "host/config/config.h"
#include "host/config/value.h"

namespace outboard::config {

// Reports what bus.kind rabbitmq cannot do, or not for as long as asked: a broker takes back what
// is unacknowledged for 30 minutes, so a host holds nothing for longer than 10. `plugins` and
// `routes` as for CheckReferences.
void CheckRabbitmqLimits(const Config& config, const std::vector<Value>& plugins,
                         const std::vector<Value>& routes);

}  // namespace outboard::config

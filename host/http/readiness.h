#pragma once

#include <string>

#include "host/admin/snapshot.h"

namespace outboard::http {

struct Readiness {
  bool ready = false;
  std::string text;  // "ready" or "not ready: why", then a line for the bus, each lane and each
                     // plugin with a problem.
};

// Ready: the bus is connected, the config is applied (a snapshot exists), no drain has begun. One
// broken plugin must not take the ingress of all others away, so lanes and plugins are only listed.
// `strict`: lanes with an open circuit, without a session or paused too long, and plugins with a
// problem, count too.
Readiness Judge(const admin::Snapshot& snapshot, bool strict);

}  // namespace outboard::http

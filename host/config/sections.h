#pragma once

#include "host/config/config.h"
#include "host/config/value.h"

namespace outboard::config {

// One reader per struct. Each sets what it could read and reports the rest.
void ReadHost(const Value& value, Host* host);
void ReadBus(const Value& value, Bus* bus);
void ReadPlugin(const Value& value, Plugin* plugin);
void ReadRoute(const Value& value, Route* route);

}  // namespace outboard::config

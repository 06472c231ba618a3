#pragma once

#include <string>
#include <vector>

#include "host/config/config.h"

namespace outboard::config {

// One thing of a configuration that another one has not, or has otherwise.
struct Change {
  enum class Kind { kAdded, kChanged, kRemoved };
  Kind kind = Kind::kChanged;
  std::string section;  // "host", "bus", "plugin", "route", "pipeline" or "ingress".
  std::string name;     // Empty for host and bus.
  // kChanged: what is another value, as "instances: 1 -> 2", without secrets.
  std::vector<std::string> details;

  friend bool operator==(const Change&, const Change&) = default;
};

// From `before` to `after`, in the order of the file; what was removed comes last in its section.
// Things are the same by their name.
std::vector<Change> Diff(const Config& before, const Config& after);

// "changed plugin notifier".
std::string ToText(const Change& change);

}  // namespace outboard::config

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace outboard::access {

// What a token is good for. kOperate includes the others, which do not include each other.
enum class Role : uint8_t {
  kRead,     // Look: status, lanes, dead letters, events as they come, metrics.
  kPublish,  // Put work in: publish events, call pipelines.
  kOperate,  // All there is.
};

const char* RoleName(Role role);

// Who a token belongs to.
struct Caller {
  std::string name;  // For people: "grafana", "plugin notifier".
  Role role = Role::kRead;
  std::vector<std::string> types;  // Patterns of what they may publish; empty: all types.
  std::string granted_by;          // Where people change this: "its line in /etc/outboard/tokens".
};

// Both: PERMISSION_DENIED says who, what, and the fix. `what` is the name of a call.
absl::Status CheckRole(const Caller& caller, Role needed, absl::string_view what);
absl::Status CheckType(const Caller& caller, absl::string_view type);

}  // namespace outboard::access

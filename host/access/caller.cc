#include "host/access/caller.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/text.h"
#include "host/route/filter.h"

namespace outboard::access {
namespace {

constexpr size_t kShownType = 100;

}  // namespace

const char* RoleName(Role role) {
  switch (role) {
    case Role::kRead: return "read";
    case Role::kPublish: return "publish";
    case Role::kOperate: return "operate";
  }
  return "";
}

absl::Status CheckRole(const Caller& caller, Role needed, absl::string_view what) {
  if (caller.role == needed || caller.role == Role::kOperate) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(caller.name, " may ", RoleName(caller.role), ", and ", what, " needs ",
                   RoleName(needed), ": use a token of that role, or change ", caller.granted_by));
}

absl::Status CheckType(const Caller& caller, absl::string_view type) {
  const bool may = caller.types.empty() || std::any_of(caller.types.begin(), caller.types.end(),
                                                       [type](const std::string& pattern) {
                                                         return route::TopicMatches(pattern, type);
                                                       });
  if (may) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(
      caller.name, " may not publish ", Truncate(EscapeForPeople(type), kShownType), ", only ",
      absl::StrJoin(caller.types, ", "), ": add the type to ", caller.granted_by));
}

}  // namespace outboard::access

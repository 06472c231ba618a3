#include "host/plugin/description.h"

#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/route/filter.h"

namespace outboard::plugin {
namespace {

using outboard::plugin::v1::Component;
using outboard::plugin::v1::DescribeResponse;

absl::Status Refuse(absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat("its Describe ", what));
}

absl::Status CheckPatterns(const Component& component, absl::string_view field,
                           const google::protobuf::RepeatedPtrField<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    const absl::Status status = route::ValidatePattern(pattern);
    if (!status.ok()) {
      return Refuse(absl::StrCat("has a bad pattern in ", field, " of component ", component.name(),
                                 ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDescription(const DescribeResponse& description) {
  if (description.config_errors_size() > 0) {
    std::string all;
    for (const auto& error : description.config_errors()) {
      absl::StrAppend(&all, all.empty() ? "" : "; ", error.path().empty() ? "/" : error.path(),
                      ": ", error.message());
    }
    return absl::InvalidArgumentError(absl::StrCat("refuses its config: ", all));
  }
  if (description.components_size() == 0) return Refuse("names no component: name at least one");
  std::set<std::pair<std::string, int>> seen;
  for (const Component& component : description.components()) {
    if (component.name().empty())
      return Refuse("has a component without a name: set Component.name");
    const bool known = component.role() == v1::ROLE_WORKER || component.role() == v1::ROLE_STAGE ||
                       component.role() == v1::ROLE_PRODUCER;
    if (!known) {
      return Refuse(absl::StrCat(
          "gives component ", component.name(),
          " no role that this host knows: set ROLE_WORKER, ROLE_STAGE or ROLE_PRODUCER"));
    }
    if (!seen.emplace(component.name(), component.role()).second) {
      return Refuse(absl::StrCat("names component ", component.name(),
                                 " twice: names are unique within a role"));
    }
    OUTBOARD_RETURN_IF_ERROR(CheckPatterns(component, "event_types", component.event_types()));
    OUTBOARD_RETURN_IF_ERROR(CheckPatterns(component, "emits", component.emits()));
  }
  return absl::OkStatus();
}

absl::StatusOr<Component> FindComponent(absl::string_view plugin, absl::string_view component,
                                        Use use, const DescribeResponse& description) {
  std::vector<std::string> candidates;
  std::vector<const Component*> found;
  for (const Component& c : description.components()) {
    if ((c.role() == v1::ROLE_STAGE) != (use == Use::kStage)) continue;
    candidates.push_back(c.name());
    if (component.empty() || absl::string_view(c.name()) == component) found.push_back(&c);
  }
  if (found.size() == 1) return *found.front();
  const std::string list = candidates.empty() ? "none" : absl::StrJoin(candidates, ", ");
  const std::string kind = use == Use::kStage ? "stage" : "worker or producer";
  const std::string kinds = use == Use::kStage ? "stages" : "workers and producers";
  if (found.empty() && !component.empty()) {
    const std::string near = Nearest(component, candidates);
    return absl::FailedPreconditionError(absl::StrCat(
        "has no ", kind, " ", component,
        near.empty() ? "" : absl::StrCat("; did you mean ", near, "?"), " (it has: ", list, ")"));
  }
  if (found.empty()) return absl::FailedPreconditionError(absl::StrCat("has no ", kind));
  return absl::FailedPreconditionError(absl::StrCat("has several ", kinds, " (", list, "): write ",
                                                    plugin, ".NAME as the ",
                                                    use == Use::kStage ? "stage" : "target"));
}

}  // namespace outboard::plugin

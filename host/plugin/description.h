#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "outboard/plugin/v1/plugin.pb.h"

namespace outboard::plugin {

// Refuses what a plugin says of itself where the host could not work with it: no component, a
// component without name or role, two of one name and role, an invalid topic pattern.
// FAILED_PRECONDITION names the field and the fix. Config errors of the plugin come as
// INVALID_ARGUMENT, all of them, each with its JSON Pointer. The texts are for after the plugin's
// name.
absl::Status CheckDescription(const outboard::plugin::v1::DescribeResponse& description);

// Where a config names a component: as a target (a worker or a producer), or as a stage.
enum class Use { kTarget, kStage };

// The component that `plugin.component` (or `plugin`, with `component` empty) means there.
// FAILED_PRECONDITION lists the candidates; its text is for after the plugin's name.
absl::StatusOr<outboard::plugin::v1::Component> FindComponent(
    absl::string_view plugin, absl::string_view component, Use use,
    const outboard::plugin::v1::DescribeResponse& description);

}  // namespace outboard::plugin

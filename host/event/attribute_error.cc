#include "host/event/attribute_error.h"

#include "absl/strings/cord.h"

namespace outboard {
namespace {

constexpr char kPayload[] = "outboard/attribute";

}  // namespace

absl::Status AboutAttribute(absl::string_view name, absl::Status status) {
  status.SetPayload(kPayload, absl::Cord(name));
  return status;
}

std::string AttributeOf(const absl::Status& status) {
  const auto name = status.GetPayload(kPayload);
  return name ? std::string(*name) : "";
}

}  // namespace outboard

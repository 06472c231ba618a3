#include "host/dialect/media_type.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace outboard::dialect {
namespace {

absl::string_view EssenceOf(absl::string_view type) {
  return absl::StripAsciiWhitespace(type.substr(0, type.find(';')));
}

}  // namespace

bool IsMediaType(absl::string_view type, absl::string_view essence) {
  return type == essence || absl::EqualsIgnoreCase(EssenceOf(type), essence);
}

bool IsJsonMediaType(absl::string_view type) {
  const absl::string_view essence = EssenceOf(type);
  return absl::EndsWithIgnoreCase(essence, "/json") || absl::EndsWithIgnoreCase(essence, "+json");
}

bool IsCloudEventsMediaType(absl::string_view type) {
  return absl::StartsWithIgnoreCase(EssenceOf(type), "application/cloudevents");
}

}  // namespace outboard::dialect

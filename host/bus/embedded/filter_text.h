#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/route/filter.h"

// How the file writes down filters and sets of offsets, readable by people.
namespace outboard::bus {

// [{"service":"storyboard","types":["story.#"]}]
std::string FiltersToText(const std::vector<route::Filter>& filters);
// DATA_LOSS if `text` is not that.
absl::StatusOr<std::vector<route::Filter>> FiltersFromText(absl::string_view text);

// Ascending offsets as "12,15-19".
std::string OffsetsToText(const std::vector<uint64_t>& offsets);
// DATA_LOSS if `text` is not that.
absl::StatusOr<std::vector<uint64_t>> OffsetsFromText(absl::string_view text);

}  // namespace outboard::bus

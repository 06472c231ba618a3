#include "host/bus/embedded/filter_text.h"

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace outboard::bus {
namespace {

// No set of a queue is larger: it bounds how much of the log its ledger covers.
constexpr uint64_t kMaxOffsets = 10'000'000;

absl::Status Damaged(absl::string_view what, absl::string_view text) {
  return absl::DataLossError(
      absl::StrCat("the file of the bus is damaged: bad ", what, " '", text.substr(0, 100), "'"));
}

}  // namespace

std::string FiltersToText(const std::vector<route::Filter>& filters) {
  nlohmann::json array = nlohmann::json::array();
  for (const route::Filter& filter : filters) {
    array.push_back({{"service", filter.service}, {"types", filter.types}});
  }
  return array.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<std::vector<route::Filter>> FiltersFromText(absl::string_view text) {
  const nlohmann::json array =
      nlohmann::json::parse(text.data(), text.data() + text.size(), nullptr, false);
  if (!array.is_array()) return Damaged("filters", text);
  std::vector<route::Filter> filters;
  for (const nlohmann::json& item : array) {
    if (!item.is_object() || !item.contains("service") || !item["service"].is_string() ||
        !item.contains("types") || !item["types"].is_array()) {
      return Damaged("filters", text);
    }
    route::Filter filter;
    filter.service = item["service"].get<std::string>();
    for (const nlohmann::json& type : item["types"]) {
      if (!type.is_string() || !route::ValidatePattern(type.get_ref<const std::string&>()).ok()) {
        return Damaged("filters", text);
      }
      filter.types.push_back(type.get<std::string>());
    }
    filters.push_back(std::move(filter));
  }
  return filters;
}

std::string OffsetsToText(const std::vector<uint64_t>& offsets) {
  std::string text;
  for (size_t i = 0; i < offsets.size();) {
    size_t end = i + 1;
    while (end < offsets.size() && offsets[end] == offsets[end - 1] + 1) ++end;
    absl::StrAppend(&text, text.empty() ? "" : ",", offsets[i]);
    if (end > i + 1) absl::StrAppend(&text, "-", offsets[end - 1]);
    i = end;
  }
  return text;
}

absl::StatusOr<std::vector<uint64_t>> OffsetsFromText(absl::string_view text) {
  std::vector<uint64_t> offsets;
  if (text.empty()) return offsets;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(part, absl::MaxSplits('-', 1));
    uint64_t first = 0, last = 0;
    if (!absl::SimpleAtoi(ends.first, &first)) return Damaged("offsets", text);
    last = first;
    if (!ends.second.empty() && !absl::SimpleAtoi(ends.second, &last))
      return Damaged("offsets", text);
    if (last < first || last - first + offsets.size() > kMaxOffsets ||
        (!offsets.empty() && first <= offsets.back())) {
      return Damaged("offsets", text);
    }
    for (uint64_t more = 0; more <= last - first; ++more) offsets.push_back(first + more);
  }
  return offsets;
}

}  // namespace outboard::bus

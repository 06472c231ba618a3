#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/bus/settlement.h"

// The history of an event as buses keep it: lines of JSON in ASCII, the newest last. Pure.
namespace outboard::bus {

// The newest that fit are kept. A header table on a broker has room for so much beside a report.
inline constexpr size_t kMaxHistory = 3000;

// The lines of these attempts; long texts are cut. Of null: none.
std::string ToHistory(const std::vector<Attempt>* tried);
// Adds lines, and takes whole old ones away so that at most kMaxHistory bytes are left.
std::string AddHistory(std::string history, absl::string_view lines);
// What is no such line is left out.
std::vector<Attempt> FromHistory(absl::string_view history);

}  // namespace outboard::bus

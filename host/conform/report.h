#pragma once

#include <string>

#include "host/conform/judge.h"
#include "nlohmann/json.hpp"

namespace outboard::conform {

// For programs: plugin, version, sdk, grade, counts, and the results with the rules' texts.
nlohmann::ordered_json ToJson(const Report& report);
// The rules themselves: id, grade, applies_to, text, fix.
nlohmann::ordered_json RulesToJson();
// One test case for each rule and component, as CI systems read it.
std::string ToJunit(const Report& report);
// "passed", "failed", "skipped".
std::string KindName(Finding::Kind kind);
// "plugin", "worker, stage, producer", "stage".
std::string ScopeName(const Rule& rule);
// The rule's fix, unless the finding knows a better one.
std::string FixOf(const Result& result);

}  // namespace outboard::conform

#pragma once

#include <optional>
#include <string>

#include "host/config/value.h"

namespace outboard::config {

// Whether what ${...} brings is kept out of logs. File secrets always are.
enum class Secrecy { kOpen, kSecret };

// `text` of the scalar `at` with ${NAME}, ${NAME:-default} and ${file:PATH} replaced; $${ is a
// plain ${. Reports at `at` what cannot be replaced and then gives nothing. The values are never in
// a problem.
std::optional<std::string> Expand(const Value& at, Secrecy secrecy);

// True if the scalar holds something to replace.
bool HasExpansion(const Value& at);

}  // namespace outboard::config

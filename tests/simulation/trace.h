#pragma once

#include <cstdio>

#include "host/lane/io.h"

namespace outboard::simulation {

// Prints a history for people: one line per input, one per effect below it.
void Trace(std::FILE* out, uint64_t step, const lane::Input& input, Time now);
void Trace(std::FILE* out, const lane::Effects& effects, Time now);

}  // namespace outboard::simulation

#pragma once

#include <functional>

#include "host/app/cli/terminal.h"
#include "host/app/commands.h"

namespace outboard::app {

// Runs the verb that the arguments name and gives its ExitCode. serve and check are given from
// outside: they are the host itself, which clients do without.
int RunCommandLine(int argc, const char* const* argv, const Terminal& terminal,
                   const std::function<int(const ServeOptions&)>& serve,
                   const std::function<int(const CheckOptions&)>& check);

}  // namespace outboard::app

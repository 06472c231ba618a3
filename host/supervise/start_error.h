#pragma once

#include <string>

#include "host/supervise/launcher_protocol.h"
#include "host/supervise/program.h"

namespace outboard::supervise {

// For people: why the launcher could not start `spec`, as its kNotStarted says, and the fix. Pure.
std::string StartError(const ProgramSpec& spec, const ReportPacket& report);

}  // namespace outboard::supervise

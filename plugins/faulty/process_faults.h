#pragma once

#include "plugins/faulty/options.h"

namespace outboard::faulty {

// Does a fault of the whole process (die, block, eat memory, fork, print). False: the fault is not
// of that kind and nothing was done. May never return.
bool RunProcessFault(const Fault& fault);

// argv of the child that "fork" starts: main() hands over to RunSurvivor() when it sees it.
inline constexpr char kSurvivorFlag[] = "--survive";

// Sleeps for ten minutes, ignoring every signal that can be ignored, then ends: no machine is
// littered for ever.
int RunSurvivor();

}  // namespace outboard::faulty

#pragma once

#include "host/app/cli/verbs.h"

namespace outboard::app {

// The filter that ids, --lane and --reason make.
host::v1::DeadFilter MakeFilter(const DeadOptions& options);

// False after telling that neither ids nor --lane, --reason or --all say which.
bool SaysWhich(const DeadOptions& options, Client* client);

// "3 dead letters", "1 dead letter".
std::string CountOfDead(uint64_t n);

}  // namespace outboard::app

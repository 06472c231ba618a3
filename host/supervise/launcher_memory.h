#pragma once

#include <stdint.h>

namespace outboard::supervise {

// The resident memory of all processes below this one, in bytes, whatever group they are in; each
// page counts for each process that has it. Libc only; false: this kernel does not tell.
bool MemoryOfDescendants(uint64_t* bytes);

}  // namespace outboard::supervise

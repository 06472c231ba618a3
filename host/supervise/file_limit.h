#pragma once

#include <sys/resource.h>

#include <optional>

// How many files, connections among them, this process may have open.
namespace outboard::supervise {

// Raises the soft limit to the hard one: strangers' connections use it up sooner than anybody
// thinks of it, and gRPC gives a listener up that found none left. Plugins start with the former
// one: some programs count on a low one.
void RaiseFileLimit();
// What plugins start with; nothing: as this process.
std::optional<rlimit> FormerFileLimit();

}  // namespace outboard::supervise

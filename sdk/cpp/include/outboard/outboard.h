#pragma once

// The one include for the author of a plugin:
//
//   int main() {
//     outboard::Plugin plugin("audit", "1.0");
//     plugin.Worker("audit", [](const outboard::Event& event, outboard::Context& context) {
//       std::cout << event.id() << '\n';
//       return outboard::Done();
//     });
//     return outboard::Serve(plugin);
//   }

#include "outboard/call.h"       // IWYU pragma: export
#include "outboard/event.h"      // IWYU pragma: export
#include "outboard/plugin.h"     // IWYU pragma: export
#include "outboard/publisher.h"  // IWYU pragma: export
#include "outboard/verdict.h"    // IWYU pragma: export

namespace outboard {

// Serves the plugin at $OUTBOARD_LISTEN (unix:/path or host:port) until the host or a person ends
// it, and returns main's exit code: 0 after an orderly end, 1 where it cannot listen, 2 where
// OUTBOARD_LISTEN is missing or the plugin has no component. Faults are said on stderr with their
// fix.
//
// What ends it: SIGTERM or SIGINT (graceful: the host drains the sessions; at most 20 s; a second
// one ends it at once), and the end of stdin where that is a pipe and the address is unix:, for
// then the host is gone. Call it once, from main, before the program handles these signals itself.
// A handler that still runs when the time is over is cut off by the end of the process: its event
// is delivered again.
int Serve(const Plugin& plugin);

}  // namespace outboard

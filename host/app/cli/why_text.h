#pragma once

#include <cstdint>
#include <string>

#include "host/app/cli/terminal.h"
#include "outboard/host/v1/admin.pb.h"

// What became of an event, for people.
namespace outboard::app {

// All of it.
void Print(const host::v1::EventStory& story, const Terminal& terminal);

// One lane's part in a few words: "done, straight through", "dead letter 12, CRASHED".
std::string StateText(const host::v1::LaneStory& lane);

// How many events it emitted of which the host has kept nothing.
uint64_t NotKept(const host::v1::LaneStory& lane);

// What it waits for: "behind event e1, which has its key story/12".
std::string WaitText(const host::v1::EventWait& wait, const std::string& lane);

// Where an event that was not found was looked for, how far back, and what to try.
std::string NotFoundText(const std::string& id, const std::string& source,
                         const host::v1::WhySearch& searched);

}  // namespace outboard::app

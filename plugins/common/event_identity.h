#pragma once

#include <array>
#include <string>

#include "outboard/event.h"

namespace outboard::common {

// 16 bytes that stand for source and id, which name an event: the same for each delivery of it,
// different for any two events.
using EventIdentity = std::array<unsigned char, 16>;
EventIdentity IdentityOf(const Event& event);

std::string Hex(const EventIdentity& identity);

}  // namespace outboard::common

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "host/bus/bus.h"
#include "host/dialect/message.h"

// What the rabbitmq bus writes beside a message that it publishes again: pure.
namespace outboard::bus::rabbitmq {

// What travels with a message from one attempt to the next, or with a dead letter.
struct Travel {
  std::string exchange;     // Where it was published first,
  std::string routing_key;  // and with what key.
  Time accepted_at{};       // When it was first received.
  uint32_t attempts = 0;    // Counted so far.
  std::optional<Time> due;  // A retry: not before.
  uint64_t serial = 0;      // A replay: of which dead letter; 0: is none.
  // A dead letter:
  uint64_t dead_id = 0;  // Rising; 0: is none.
  std::string lane;      // That gave it up.
  Time died_at{};
  DeadReason why;
};

// What it says; exchange, key and headers as they were at first go back into the message. Nothing
// if it has not been published again yet.
std::optional<Travel> TakeTravel(dialect::Message* message);

// When the host that published it accepted it; nothing if that was no host.
std::optional<Time> AcceptedAt(const dialect::Message& message);
// Notes that on a message that is published for the first time.
void PutAcceptedAt(Time accepted_at, dialect::Message* message);

// Writes it into the headers, in place of what is there. Texts are cut, so that a header table
// stays under 16 kB. What the broker notes of dead-lettering (x-death and the like) is taken out,
// since it would take the message for one that goes round in circles.
void PutTravel(const Travel& travel, dialect::Message* message);

}  // namespace outboard::bus::rabbitmq

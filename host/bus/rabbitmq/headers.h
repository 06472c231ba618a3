#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "host/bus/bus.h"
#include "host/bus/rabbitmq/receipt_message.h"
#include "host/dialect/message.h"
#include "host/dialect/message_view.h"

// What the rabbitmq bus writes beside a message that it publishes again: pure.
namespace outboard::bus::rabbitmq {

// Ids of dead letters rise with time, and are short enough for every JSON reader.
inline constexpr int64_t kDeadIdsSince = 1'577'836'800;  // 2020, in seconds since 1970.
inline constexpr uint64_t kDeadIdsASecond = 6'400'000;

// Of a message's header; empty, nothing: it is not there, or of another type.
std::string HeaderText(const dialect::MessageView& message, absl::string_view name);
std::optional<int64_t> HeaderNumber(const dialect::MessageView& message, absl::string_view name);

// What travels with a message from one attempt to the next, or with a dead letter.
struct Travel {
  std::string exchange;     // Where it was published first,
  std::string routing_key;  // and with what key.
  Time accepted_at{};       // When it was first received.
  uint32_t attempts = 0;    // Counted so far.
  std::optional<Time> due;  // A retry: not before.
  uint64_t serial = 0;      // A replay: of which dead letter; 0: is none.
  // A retry: where its receipts go.
  std::optional<ReceiptAddress> receipt = {};
  std::string history = {};  // As in attempts.h.
  // Of who published it first; the broker refuses it from another.
  std::optional<std::string> user_id = {};
  // A dead letter:
  uint64_t dead_id = 0;  // Rising; 0: is none.
  std::string lane;      // That gave it up.
  Time died_at{};
  DeadReason why;
};

// What it says; nothing if it has not been published again yet.
std::optional<Travel> ReadTravel(const dialect::MessageView& message);
// The same; exchange, key and headers as they were at first go back into the message.
std::optional<Travel> TakeTravel(dialect::Message* message);

// The broker's own headers of a message that came back or was given up: they change with every
// look.
bool IsBrokersNote(absl::string_view name);

// All of it that stays the same when the broker gives it out again: for Probation.
std::string LastingBytes(const dialect::MessageView& message);

// When the host that published it accepted it; nothing if that was no host.
std::optional<Time> AcceptedAt(const dialect::MessageView& message);
// Notes that on a message that is published for the first time.
void PutAcceptedAt(Time accepted_at, dialect::Message* message);

// Writes it into the headers, in place of what is there. Texts are cut, so that a header table
// stays under 16 kB. What the broker notes of dead-lettering (x-death and the like) is taken out,
// since it would take the message for one that goes round in circles.
void PutTravel(const Travel& travel, dialect::Message* message);

// Addresses it straight to a queue (by the default exchange), where it stays until it is taken.
void SendStraightTo(const std::string& queue, dialect::Message* message);

}  // namespace outboard::bus::rabbitmq

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "host/bus/settlement.h"
#include "host/dialect/message.h"
#include "host/dialect/message_view.h"

// How a publisher on one host hears what became of its event on another: pure.
namespace outboard::bus::rabbitmq {

// Where receipts of one event go, as headers of its message.
struct ReceiptAddress {
  std::string queue;
  int64_t number = 0;  // The publisher's.

  friend bool operator==(const ReceiptAddress&, const ReceiptAddress&) = default;
};

void PutReceiptAddress(const ReceiptAddress& address, dialect::Message* message);
// Nothing: nobody asked for any.
std::optional<ReceiptAddress> ReadReceiptAddress(const dialect::MessageView& message);

// A message for that queue.
dialect::Message ToMessage(const Receipt& receipt, const ReceiptAddress& address);
// With the publisher's number; nothing if it is none.
std::optional<std::pair<int64_t, Receipt>> ReadReceipt(const dialect::MessageView& message);

}  // namespace outboard::bus::rabbitmq

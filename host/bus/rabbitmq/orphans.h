#pragma once

#include <string>

#include "host/bus/rabbitmq/headers.h"
#include "host/dialect/message.h"

// What a message says that came to the queue of orphans: pure.
namespace outboard::bus::rabbitmq {

struct Orphan {
  std::string queue;  // That it was for.
  // With `dead_id` and `why`, and without `lane`. The id is made of what the message says, as
  // nobody gave it one: the same whenever it is looked at; two messages have the same one by
  // chance.
  Travel travel;
};

// Exchange, key and headers as they were at first go back into the message.
Orphan TakeOrphan(dialect::Message* message);

}  // namespace outboard::bus::rabbitmq

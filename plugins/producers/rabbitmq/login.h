#pragma once

#include <amqp.h>

#include <memory>
#include <string>
#include <type_traits>

#include "plugins/producers/rabbitmq/config.h"

namespace outboard::rabbitmq {

struct DestroyState {
  void operator()(amqp_connection_state_t state) const { amqp_destroy_connection(state); }
};
using State = std::unique_ptr<std::remove_pointer_t<amqp_connection_state_t>, DestroyState>;

inline constexpr amqp_channel_t kChannel = 1;

// Connects, logs in, and opens a channel that confirms. Nothing where it went wrong; `fault` says
// what.
State LogIn(const Config& config, const Address& address, std::string* fault);

// What the last call of the library failed with; empty: it did not.
std::string FaultOf(const amqp_rpc_reply_t& reply);

amqp_bytes_t Bytes(std::string_view text);
std::string_view View(amqp_bytes_t bytes);

}  // namespace outboard::rabbitmq

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "host/lane/io.h"
#include "host/plugin/wire.pb.h"

namespace outboard::plugin {

// Names of routes by lane, for Delivery.route.
using RouteNames = std::vector<std::string>;

// The wire bytes of a request (wire.proto) with the frame's deliveries: each event is copied once,
// and nothing else is allocated. `routes` is indexed by LaneId.
std::string EncodeDeliveries(const lane::SendFrame& frame, const RouteNames& routes);

// A frame of a session as the dispatcher wants it, by the component's role; empties `response`.
// INVALID_ARGUMENT: it breaks the contract in a way that shows without knowing what was sent; the
// message names the rule and the fix.
absl::StatusOr<lane::AnswersArrived> ToAnswers(lane::SessionId session, lane::Role role,
                                               wire::Response* response);

// Bytes of emits in it, which are held until they are published.
size_t EmitBytes(const lane::AnswersArrived& answers);

}  // namespace outboard::plugin

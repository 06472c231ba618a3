#pragma once

#include "host/event/event.h"
#include "outboard/event/v1/event.pb.h"

namespace outboard::admin {

inline void SetEvent(const Event& event, event::v1::Event* out) {
  // Our own bytes, checked when they came in.
  out->ParseFromArray(event.bytes().data(), static_cast<int>(event.size()));
}

}  // namespace outboard::admin

#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <cstdint>

#include "host/base/clock.h"

namespace outboard::admin {

inline void SetTime(Time time, google::protobuf::Timestamp* out) {
  // Rounded down, before 1970 too.
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  out->set_seconds(seconds.count());
  out->set_nanos(static_cast<int32_t>((since - seconds).count()) * 1000);
}

inline Time GetTime(const google::protobuf::Timestamp& in) {
  return Time(std::chrono::seconds(in.seconds()) + Duration(in.nanos() / 1000));
}

}  // namespace outboard::admin

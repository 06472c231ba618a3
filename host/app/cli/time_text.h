#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <string>

#include "host/base/clock.h"

namespace outboard::app {

// "2026-01-31 12:00:01.000 UTC"; empty where it is unset.
std::string TimeText(const google::protobuf::Timestamp& time);

// How long ago that was.
Duration AgeOf(const google::protobuf::Timestamp& time);

}  // namespace outboard::app

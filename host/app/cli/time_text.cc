#include "host/app/cli/time_text.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace outboard::app {

std::string TimeText(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S UTC",
                          absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos()),
                          absl::UTCTimeZone());
}

Duration AgeOf(const google::protobuf::Timestamp& time) {
  return Duration(absl::ToUnixMicros(absl::Now()) - time.seconds() * 1'000'000);
}

}  // namespace outboard::app

#include "host/bus/rabbitmq/ladder.h"

namespace outboard::bus::rabbitmq {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::vector<Duration> DefaultRungs() {
  return {milliseconds(100), milliseconds(500), seconds(1), seconds(2), seconds(5),
          seconds(15),       seconds(30),       minutes(1), minutes(2), minutes(5)};
}

Duration RungFor(Duration delay, const std::vector<Duration>& rungs) {
  for (const Duration rung : rungs) {
    if (rung >= delay) return rung;
  }
  return rungs.back();
}

}  // namespace outboard::bus::rabbitmq

#include "host/plugin/heartbeat.h"

namespace outboard::plugin {

void Heartbeat::OnFrame(Time now) { due_ = now + kEvery; }

bool Heartbeat::OnTime(Time now, bool idle) {
  if (now < due_) return false;
  due_ = idle ? kNever : now + kEvery;
  return idle;
}

bool Heartbeat::OnAnswer(Time now, const absl::Status& health, bool idle) {
  const bool awaited = due_ == kNever;  // No frame came since it was asked.
  due_ = now + kEvery;
  return health.ok() || !awaited || !idle;
}

}  // namespace outboard::plugin

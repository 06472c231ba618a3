#include "plugins/faulty/plan.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace outboard::faulty {

Fault Plan::For(const plugin::v1::Delivery& delivery) {
  Fault by_mode = FromMode();
  const auto& attributes = delivery.event().attributes();
  const auto named = attributes.find("faulty");
  if (named == attributes.end()) return by_mode;
  Fault fault = ParseFault(named->second.ce_string());
  if (!IsKnownFault(fault.name)) {
    std::fprintf(stderr, "outboard-faulty: event %s asks for '%s', which is no fault\n",
                 delivery.event().id().c_str(), fault.name.c_str());
    return {};
  }
  return fault;
}

Fault Plan::FromMode() {
  if (options_.mode.name == "done") return {};
  const uint64_t number = seen_.fetch_add(1) + 1;
  if (number <= options_.after || (number - options_.after) % options_.every != 0) return {};
  if (options_.times > 0 && done_.fetch_add(1) >= options_.times) return {};
  return options_.mode;
}

bool Plan::Permit() {
  if (options_.once.empty()) return true;
  const int fd = open(options_.once.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  close(fd);
  return true;
}

}  // namespace outboard::faulty

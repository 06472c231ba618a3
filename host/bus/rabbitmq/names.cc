#include "host/bus/rabbitmq/names.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace outboard::bus::rabbitmq {
namespace {

// FNV-1a: the same on every machine and in every version, as it is part of a name.
uint64_t Fingerprint(const std::vector<route::Filter>& filters) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](absl::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    hash = (hash ^ 0xff) * 0x100000001b3;  // The end of a text; no byte of UTF-8.
  };
  for (const route::Filter& filter : filters) {
    add(filter.service);
    for (const std::string& type : filter.types) add(type);
    add("");
  }
  return hash;
}

}  // namespace

std::string LaneQueue(const std::string& host, const std::string& replica, const LaneSpec& spec) {
  switch (spec.mode) {
    case Mode::kPool: break;
    case Mode::kSingleton: {
      const std::string service = spec.filters.empty() ? "" : spec.filters.front().service;
      return absl::StrCat("outboard.singleton.", service.empty() ? "any" : service, ".",
                          absl::StrFormat("%016x", Fingerprint(spec.filters)),
                          spec.reliable ? "" : ".unreliable");
    }
    case Mode::kBroadcast: return absl::StrCat("outboard.", host, ".", spec.name, ".at.", replica);
  }
  return absl::StrCat("outboard.", host, ".", spec.name);
}

std::string DeadQueue(const std::string& host, const std::string& lane) {
  return absl::StrCat("outboard.", host, ".", lane, ".dead");
}

std::string RungName(Duration wait) {
  return absl::StrCat("outboard.wait.", wait / std::chrono::milliseconds(1), "ms");
}

}  // namespace outboard::bus::rabbitmq

#include "host/bus/rabbitmq/names.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host/base/stable_hash.h"

namespace outboard::bus::rabbitmq {
namespace {

constexpr char kRungs[] = "outboard.wait.";

uint64_t Fingerprint(const std::vector<route::Filter>& filters) {
  StableHash hash;
  for (const route::Filter& filter : filters) {
    hash.Add(filter.service);
    for (const std::string& type : filter.types) hash.Add(type);
    hash.Add("");
  }
  return hash.value();
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

std::string ReceiptQueues(const std::string& host, const std::string& replica) {
  return absl::StrCat("outboard.", host, ".receipts.", replica);
}

// No lane's queue: those have a '/'.
bool IsReceiptQueue(const std::string& queue) {
  return absl::StartsWith(queue, "outboard.") && absl::StrContains(queue, ".receipts.") &&
         !absl::StrContains(queue, "/");
}

std::string DeadQueue(const std::string& host, const std::string& lane) {
  return absl::StrCat("outboard.", host, ".", lane, ".dead");
}

// No lane's queue: those have a '/'.
std::string EditsQueue(const std::string& host) {
  return absl::StrCat("outboard.", host, ".edits");
}

// '@' is in no name of a route or target.
std::string FormerName(const std::string& lane, const std::string& queue) {
  return absl::StrCat(lane, "@", queue);
}

std::string LaneOf(const std::string& name) { return name.substr(0, name.find('@')); }

std::string LaneOfQueue(const std::string& host, const std::string& queue) {
  const std::string prefix = absl::StrCat("outboard.", host, ".");
  return absl::StartsWith(queue, prefix) ? queue.substr(prefix.size()) : "";
}

bool IsReserved(const std::string& exchange) {
  return absl::StartsWith(exchange, "outboard.") || absl::StartsWith(exchange, "amq.");
}

// A host may be called "wait"; the queues of its lanes have a '/'.
bool IsRung(const std::string& queue) {
  return absl::StartsWith(queue, kRungs) && !absl::StrContains(queue, '/');
}

std::string RungName(Duration wait) {
  return absl::StrCat(kRungs, wait / std::chrono::milliseconds(1), "ms");
}

}  // namespace outboard::bus::rabbitmq

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "host/config/scalar.h"
#include "host/config/section.h"
#include "host/config/sections.h"
#include "host/config/units.h"

namespace outboard::config {
namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kMaxEventBytes = 512 * kMiB;  // SQLite keeps a row below 1 GB.
constexpr uint64_t kMaxBusBytes = uint64_t{1} << 60;

void ReadKind(const Value& value, std::string* out) {
  if (value.node().IsScalar() && value.node().Scalar() == "rabbitmq") {
    value.Problem("not built yet: this version has no RabbitMQ bus", "use embedded");
    return;
  }
  ReadChoice<std::string>(value, {{"embedded", "embedded"}, {"memory", "memory"}}, out);
}

void ReadRetain(const Value& value, Bus* bus) {
  const Section section(value, {"time", "bytes"});
  section.With("time", ReadDuration, Duration(0), &bus->retain_for);
  section.With("bytes", ReadSize, uint64_t{0}, kMaxBusBytes, &bus->retain_bytes);
}

void ReadSynchronous(const Value& value, Synchronous* out) {
  ReadChoice<Synchronous>(
      value,
      {{"full", Synchronous::kFull}, {"normal", Synchronous::kNormal}, {"off", Synchronous::kOff}},
      out);
  if (*out == Synchronous::kOff) {
    value.Warning("with off a power cut loses confirmed events and may break the file",
                  "use full, or normal where losing the last moments is allowed");
  }
}

void CheckSizes(const Section& section, Bus* bus_in) {
  const Value& value = section.value();
  if (!section.Has("retain"))
    bus_in->retain_bytes = std::min(bus_in->retain_bytes, bus_in->max_bytes);
  const Bus& bus = *bus_in;
  if (bus.max_event_bytes > bus.max_bytes) {
    section.Get("max_bytes")
        .value_or(value)
        .Problem(absl::StrCat("max_bytes (", FormatSize(bus.max_bytes),
                              ") is less than one event may have (",
                              FormatSize(bus.max_event_bytes), ")"),
                 "raise max_bytes or lower max_event_bytes");
  }
  if (bus.retain_bytes > bus.max_bytes) {
    section.Get("max_bytes")
        .value_or(value)
        .Problem(absl::StrCat("max_bytes (", FormatSize(bus.max_bytes),
                              ") is less than retain.bytes (", FormatSize(bus.retain_bytes), ")"),
                 "raise max_bytes or lower retain.bytes");
  }
}

}  // namespace

void ReadBus(const Value& value, Bus* bus) {
  const Section section(value,
                        {"kind", "path", "synchronous", "retain", "max_bytes", "max_event_bytes"},
                        {{"url", "RabbitMQ bus"},
                         {"tls", "RabbitMQ bus"},
                         {"exchange", "RabbitMQ bus"},
                         {"queue_type", "RabbitMQ bus"},
                         {"prefetch", "RabbitMQ bus"},
                         {"dialect", "dialects"},
                         {"dialects", "dialects"}});
  section.With("kind", ReadKind, &bus->kind);
  section.With("path", ReadPath, &bus->path);
  section.With("synchronous", ReadSynchronous, &bus->synchronous);
  section.With("retain", ReadRetain, bus);
  section.With("max_bytes", ReadSize, kMiB, kMaxBusBytes, &bus->max_bytes);
  section.With("max_event_bytes", ReadSize, kKiB, kMaxEventBytes, &bus->max_event_bytes);
  CheckSizes(section, bus);
}

}  // namespace outboard::config

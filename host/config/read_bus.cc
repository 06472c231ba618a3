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
  ReadChoice<std::string>(
      value, {{"embedded", "embedded"}, {"memory", "memory"}, {"rabbitmq", "rabbitmq"}}, out);
}

void ReadUrl(const Value& value, std::string* out) {
  std::string url;
  ReadText(value, Secrecy::kOpen, &url);
  if (url.rfind("amqp://", 0) != 0 && url.rfind("amqps://", 0) != 0) {
    value.Problem("is no URL of a broker",
                  "write amqp://user:${PASSWORD}@host:port/vhost, or amqps");
  } else {
    *out = url;
  }
}

void ReadExchanges(const Value& value, std::map<std::string, std::string>* out) {
  for (const auto& [source, name] : ReadEntries(value))
    ReadText(name, Secrecy::kOpen, &(*out)[source]);
}

void ReadTls(const Value& value, Rabbitmq::Tls* tls) {
  const Section section(value, {"ca_file", "cert_file", "key_file", "server_name", "verify"});
  section.With("ca_file", ReadPath, &tls->ca_file);
  section.With("cert_file", ReadPath, &tls->cert_file);
  section.With("key_file", ReadPath, &tls->key_file);
  section.With("server_name", ReadText, Secrecy::kOpen, &tls->server_name);
  section.With("verify", ReadBool, &tls->verify);
  if (tls->cert_file.empty() != tls->key_file.empty())
    value.Problem("has one of cert_file and key_file", "give both, or neither");
  if (!tls->verify) {
    value.Warning("verify: false lets anybody stand in for the broker",
                  "give the broker's CA by ca_file");
  }
}

void ReadDialect(const Value& value, Rabbitmq* rabbitmq) {
  const Section section(value, {"form"}, {{"kind", "other dialects than CloudEvents"}});
  section.With("form", ReadChoice<std::string>,
               std::vector<std::pair<std::string, std::string>>{
                   {"binary", "binary"}, {"json", "json"}, {"protobuf", "protobuf"}},
               &rabbitmq->form);
}

void ReadRabbitmq(const Section& section, Rabbitmq* rabbitmq) {
  section.With("url", ReadUrl, &rabbitmq->url);
  section.With("queue_type", ReadChoice<bool>,
               std::vector<std::pair<std::string, bool>>{{"quorum", true}, {"classic", false}},
               &rabbitmq->quorum);
  section.With("declare", ReadChoice<bool>,
               std::vector<std::pair<std::string, bool>>{{"active", true}, {"passive", false}},
               &rabbitmq->declare);
  section.With("exchanges", ReadExchanges, &rabbitmq->exchanges);
  section.With("prefetch", ReadCount, 1u, 65'535u, &rabbitmq->prefetch);
  section.With("heartbeat", ReadDuration, Duration(std::chrono::seconds(1)), &rabbitmq->heartbeat);
  section.With("tls", ReadTls, &rabbitmq->tls);
  section.With("dialect", ReadDialect, rabbitmq);
  if (!section.Has("url")) {
    section.value().Problem("kind rabbitmq needs a url",
                            "give url: amqp://user:${PASSWORD}@host/vhost");
  }
}

// Keys that only another kind has.
void RefuseKeys(const Section& section, const std::vector<std::string>& keys,
                const std::string& kind) {
  for (const std::string& key : keys) {
    if (const std::optional<Value> value = section.Get(key))
      value->Problem(absl::StrCat("is not for kind ", kind), "remove it");
  }
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
  const Section section(
      value, {"kind", "path", "synchronous", "retain", "max_bytes", "max_event_bytes", "url",
              "queue_type", "declare", "exchanges", "prefetch", "heartbeat", "tls", "dialect"});
  section.With("kind", ReadKind, &bus->kind);
  if (bus->kind == "rabbitmq") {
    RefuseKeys(section, {"path", "synchronous", "retain", "max_bytes"}, bus->kind);
    section.With("max_event_bytes", ReadSize, kKiB, kMaxEventBytes, &bus->max_event_bytes);
    return ReadRabbitmq(section, &bus->rabbitmq);
  }
  RefuseKeys(
      section,
      {"url", "queue_type", "declare", "exchanges", "prefetch", "heartbeat", "tls", "dialect"},
      bus->kind);
  section.With("path", ReadPath, &bus->path);
  section.With("synchronous", ReadSynchronous, &bus->synchronous);
  section.With("retain", ReadRetain, bus);
  section.With("max_bytes", ReadSize, kMiB, kMaxBusBytes, &bus->max_bytes);
  section.With("max_event_bytes", ReadSize, kKiB, kMaxEventBytes, &bus->max_event_bytes);
  CheckSizes(section, bus);
}

}  // namespace outboard::config

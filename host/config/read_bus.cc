#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "host/config/scalar.h"
#include "host/config/section.h"
#include "host/config/sections.h"
#include "host/config/units.h"
#include "host/route/filter.h"

namespace outboard::config {
namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kMaxEventBytes = 512 * kMiB;  // SQLite keeps a row below 1 GB.
constexpr uint64_t kMaxBusBytes = uint64_t{1} << 60;
constexpr uint64_t kMaxPrefetchBytes = uint64_t{1} << 30;

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

void ReadDeclare(const Value& value, bool* out) {
  ReadChoice<bool>(value, {{"active", true}, {"passive", false}}, out);
}

void ReadExchange(const Value& value, std::string* out) {
  ReadText(value, Secrecy::kOpen, out);
  if (out->empty()) value.Problem("is empty", "name one, or remove the key");
  if (out->rfind("outboard.", 0) == 0)
    value.Problem("begins with outboard., as what hosts make for themselves does", "name another");
}

void ReadRoutingKeys(const Value& value, std::vector<std::string>* out) {
  out->clear();
  const std::vector<Value> items = ReadItems(value);
  if (items.empty()) value.Problem("is an empty list", "remove it to take all messages");
  for (const Value& item : items) {
    std::string& key = out->emplace_back();
    ReadText(item, Secrecy::kOpen, &key);
    const absl::Status valid = route::ValidatePattern(key);
    if (!valid.ok()) item.Problem(std::string(valid.message()));
  }
}

void ReadNamedSource(const Value& value, Source* source) {
  const Section section(value, {"exchange", "declare", "routing_keys", "dialect"});
  section.With("exchange", ReadExchange, &source->exchange);
  section.With("declare", ReadDeclare, &source->declare);
  section.With("routing_keys", ReadRoutingKeys, &source->routing_keys);
  if (const std::optional<Value> dialect = section.Get("dialect")) {
    source->dialect = {};  // Not mixed with the bus's.
    ReadDialect(*dialect, &source->dialect);
  }
}

// What is known of a message is its exchange.
void CheckShared(const Value& value, const Source& source, const Rabbitmq& rabbitmq) {
  for (const auto& [other, known] : rabbitmq.sources) {
    if (known.exchange != source.exchange) continue;
    if (known.declare == source.declare && known.routing_keys == source.routing_keys &&
        known.dialect == source.dialect)
      continue;
    value.Problem(absl::StrCat("has the exchange ", source.exchange, " of source ", other,
                               " on line ", known.line, ", and not the same of the rest"),
                  "give both the same declare, routing_keys and dialect, or keep one of them");
    return;
  }
}

void ReadSources(const Value& value, Rabbitmq* rabbitmq) {
  for (const auto& [name, child] : ReadEntries(value)) {
    Source source{.exchange = name,
                  .declare = rabbitmq->declare,
                  .dialect = rabbitmq->dialect,
                  .line = child.line()};
    ReadNamedSource(child, &source);
    CheckShared(child, source, *rabbitmq);
    rabbitmq->sources.emplace(name, std::move(source));
  }
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

// Why an argument may not be given; null: it may.
const char* RefusedArgument(const std::string& name) {
  if (name.rfind("x-", 0) != 0 || name.size() > 255) return "is no argument of a queue";
  for (const char* own :
       {"x-queue-type", "x-dead-letter-exchange", "x-dead-letter-routing-key",
        "x-dead-letter-strategy", "x-single-active-consumer", "x-delivery-limit"}) {
    if (name == own) return "is set by the host itself";
  }
  for (const char* lossy : {"x-expires", "x-message-ttl"}) {
    if (name == lossy) return "would lose events that nobody has taken yet";
  }
  return nullptr;
}

void ReadQueueArguments(const Value& value, dialect::Table* arguments) {
  for (const auto& [name, child] : ReadEntries(value)) {
    if (const char* refused = RefusedArgument(name)) {
      child.Problem(refused, "remove it; others are given as in x-quorum-initial-group-size: 5");
      continue;
    }
    if (!child.node().IsScalar()) {
      child.Problem("is " + child.Shown(), "give a text, a whole number, true or false");
      continue;
    }
    const std::string text = child.node().Scalar();
    const bool quoted = child.node().Tag() == "!";
    int64_t number = 0;
    dialect::Field field = dialect::Field::Text(text);
    if (!quoted && absl::SimpleAtoi(text, &number)) field = dialect::Field::Number(number);
    if (!quoted && (text == "true" || text == "false"))
      field = dialect::Field::Bool(text == "true");
    arguments->emplace_back(name, std::move(field));
  }
}

void ReadRabbitmq(const Section& section, Rabbitmq* rabbitmq) {
  section.With("url", ReadUrl, &rabbitmq->url);
  section.With("queue_type", ReadChoice<bool>,
               std::vector<std::pair<std::string, bool>>{{"quorum", true}, {"classic", false}},
               &rabbitmq->quorum);
  section.With("queue_arguments", ReadQueueArguments, &rabbitmq->queue_arguments);
  section.With("declare", ReadDeclare, &rabbitmq->declare);
  section.With("prefetch", ReadCount, 1u, 65'535u, &rabbitmq->prefetch);
  section.With("prefetch_bytes", ReadSize, kMiB, kMaxPrefetchBytes, &rabbitmq->prefetch_bytes);
  section.With("heartbeat", ReadDuration, Duration(std::chrono::seconds(1)), &rabbitmq->heartbeat);
  section.With("tls", ReadTls, &rabbitmq->tls);
  section.With("dialect", ReadDialect, &rabbitmq->dialect);
  section.With("sources", ReadSources, rabbitmq);  // They begin with declare and dialect above.
  if (section.Has("tls") && rabbitmq->url.rfind("amqp://", 0) == 0) {
    section.Get("tls")->Problem("nothing is encrypted with amqp://",
                                "write amqps:// in bus.url, or remove tls");
  }
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
              "queue_type", "queue_arguments", "declare", "dialect", "sources", "prefetch",
              "prefetch_bytes", "heartbeat", "tls"});
  section.With("kind", ReadKind, &bus->kind);
  if (bus->kind == "rabbitmq") {
    RefuseKeys(section, {"path", "synchronous", "retain", "max_bytes"}, bus->kind);
    section.With("max_event_bytes", ReadSize, kKiB, kMaxEventBytes, &bus->max_event_bytes);
    return ReadRabbitmq(section, &bus->rabbitmq);
  }
  RefuseKeys(section,
             {"url", "queue_type", "queue_arguments", "declare", "dialect", "sources", "prefetch",
              "prefetch_bytes", "heartbeat", "tls"},
             bus->kind);
  section.With("path", ReadPath, &bus->path);
  section.With("synchronous", ReadSynchronous, &bus->synchronous);
  section.With("retain", ReadRetain, bus);
  section.With("max_bytes", ReadSize, kMiB, kMaxBusBytes, &bus->max_bytes);
  section.With("max_event_bytes", ReadSize, kKiB, kMaxEventBytes, &bus->max_event_bytes);
  CheckSizes(section, bus);
}

}  // namespace outboard::config

#include "plugins/producers/rabbitmq/config.h"

#include "plugins/common/config_reader.h"

namespace outboard::rabbitmq {
namespace {

void ReadBrokers(common::ConfigReader* reader, Config* config) {
  const std::vector<std::string> urls = reader->Texts("url");
  for (const std::string& url : urls) {
    if (auto address = ParseUrl(url)) {
      config->brokers.push_back(std::move(*address));
    } else {  // Without the url: it has a password.
      reader->Fault("/url",
                    "must be as \"amqp://user:password@host:5672/vhost\" or amqps://, with "
                    "other characters as %XX (a slash in the vhost is %2F)");
    }
  }
  if (urls.empty()) {
    reader->Fault("/url",
                  "is missing: give the broker, such as "
                  "\"amqp://user:password@host:5672/vhost\"");
  }
}

Unroutable UnroutableOf(const std::string& name) {
  if (name == "reject") return Unroutable::kReject;
  return name == "accept" ? Unroutable::kAccept : Unroutable::kRetry;
}

Mode ModeOf(const std::string& name) {
  if (name == "structured") return Mode::kStructured;
  return name == "data" ? Mode::kData : Mode::kBinary;
}

}  // namespace

const char kConfigSchema[] = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "properties": {
    "url": {"type": ["string", "array"], "items": {"type": "string"},
            "description": "amqp[s]://user:password@host:port/vhost; several are tried in turn"},
    "exchange": {"type": "string", "description": "Empty: the default exchange"},
    "declare": {"enum": ["none", "topic", "direct", "fanout", "headers"],
                "description": "Make the exchange, durable, of this type"},
    "routing_key": {"type": "string", "description": "With {attribute}, such as {type}"},
    "mode": {"enum": ["binary", "structured", "data"]},
    "unroutable": {"enum": ["retry", "reject", "accept"],
                   "description": "What a message is that goes to no queue"},
    "timeout": {"type": "string", "description": "To connect and for a confirm, such as 10s"},
    "ca_file": {"type": "string", "description": "PEM of who signs the broker's certificate"},
    "cert_file": {"type": "string", "description": "PEM of the client's certificate"},
    "key_file": {"type": "string", "description": "PEM of its key"}
  },
  "required": ["url"],
  "additionalProperties": false
})";

std::vector<ConfigError> ReadConfig(std::string_view json, Config* config) {
  using std::chrono::milliseconds;
  common::ConfigReader reader(json);
  ReadBrokers(&reader, config);
  config->exchange = reader.Text("exchange");
  if (config->exchange.size() > 255) reader.Fault("/exchange", "has more than 255 bytes");
  config->declare = reader.Choice("declare", {"none", "topic", "direct", "fanout", "headers"});
  if (config->declare == "none") config->declare.clear();
  if (!config->declare.empty() && config->exchange.empty()) {
    reader.Fault("/declare", "needs exchange: the default exchange is there already");
  }
  config->routing_key = reader.Text("routing_key", "{type}");
  if (const std::string fault = FaultOf(config->routing_key); !fault.empty()) {
    reader.Fault("/routing_key", fault);
  }
  config->mode = ModeOf(reader.Choice("mode", {"binary", "structured", "data"}));
  config->unroutable = UnroutableOf(reader.Choice("unroutable", {"retry", "reject", "accept"}));
  config->timeout = reader.Duration("timeout", milliseconds(100), milliseconds(10'000));
  config->tls = reader.Tls();
  return reader.Finish();
}

}  // namespace outboard::rabbitmq

#include "plugins/producers/kafka/config.h"

#include "plugins/common/config_reader.h"
#include "plugins/producers/kafka/settings.h"

namespace outboard::kafka {

const char kConfigSchema[] = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "properties": {
    "servers": {"type": ["string", "array"], "items": {"type": "string"},
                "description": "Some brokers of the cluster, host:port"},
    "topic": {"type": "string", "minLength": 1},
    "mode": {"enum": ["binary", "structured", "data"],
             "description": "Mode of the CloudEvents Kafka binding, or the data alone"},
    "key": {"type": "string", "description": "Attribute that becomes the message's key"},
    "timeout": {"type": "string", "description": "How long a message may take, such as 20s"},
    "properties": {"type": "object", "description": "More properties of librdkafka"}
  },
  "required": ["servers", "topic"],
  "additionalProperties": false
})";

std::vector<ConfigError> ReadConfig(std::string_view json, Config* config) {
  using std::chrono::milliseconds;
  common::ConfigReader reader(json);
  config->servers = reader.Texts("servers");
  if (config->servers.empty()) {
    reader.Fault("/servers", "is missing: give some brokers, such as [\"kafka1:9092\"]");
  }
  config->topic = reader.RequiredText("topic", "the topic that events go to");
  const std::string mode = reader.Choice("mode", {"binary", "structured", "data"});
  config->mode = mode == "data"         ? Mode::kData
                 : mode == "structured" ? Mode::kStructured
                                        : Mode::kBinary;
  config->key = reader.Text("key", "partitionkey");
  const auto timeout = reader.Duration("timeout", milliseconds(1000), milliseconds(20'000));
  config->properties = reader.Map("properties");
  if (config->properties.count("bootstrap.servers") > 0) {
    reader.Fault("/properties/bootstrap.servers", "is given by servers: leave it out");
  }
  config->properties.emplace("message.timeout.ms", std::to_string(timeout.count()));
  for (auto& [name, fault] : FaultsOf(config->properties)) {
    reader.Fault("/properties/" + name, std::move(fault));
  }
  return reader.Finish();
}

}  // namespace outboard::kafka

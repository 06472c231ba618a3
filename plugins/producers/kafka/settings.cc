#include "plugins/producers/kafka/settings.h"

namespace outboard::kafka {

Settings MakeSettings(const std::map<std::string, std::string>& properties,
                      std::map<std::string, std::string>* faults) {
  std::map<std::string, std::string> all = {{"client.id", "outboard"},
                                            {"enable.idempotence", "true"},
                                            {"linger.ms", "1"},
                                            {"partitioner", "murmur2_random"}};
  for (const auto& [name, value] : properties) all[name] = value;
  Settings settings(rd_kafka_conf_new());
  for (const auto& [name, value] : all) {
    char fault[512];
    if (rd_kafka_conf_set(settings.get(), name.c_str(), value.c_str(), fault, sizeof fault) !=
        RD_KAFKA_CONF_OK) {
      (*faults)[name] = std::string("is refused by librdkafka: ") + fault;
    }
  }
  return settings;
}

std::map<std::string, std::string> FaultsOf(const std::map<std::string, std::string>& properties) {
  std::map<std::string, std::string> faults;
  MakeSettings(properties, &faults);
  return faults;
}

}  // namespace outboard::kafka

#pragma once

#include <librdkafka/rdkafka.h>

#include <map>
#include <memory>
#include <string>

namespace outboard::kafka {

struct FreeSettings {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
using Settings = std::unique_ptr<rd_kafka_conf_t, FreeSettings>;

// Properties of librdkafka over what this producer sets itself: idempotence, so that a message that
// librdkafka sends again is neither doubled nor out of order, and the partitioner of the Java
// clients. `faults` gets what librdkafka says against each.
Settings MakeSettings(const std::map<std::string, std::string>& properties,
                      std::map<std::string, std::string>* faults);

// What librdkafka says against each of these properties.
std::map<std::string, std::string> FaultsOf(const std::map<std::string, std::string>& properties);

}  // namespace outboard::kafka

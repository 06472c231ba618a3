// outboard-kafka-producer: sends events to a topic of Kafka.

#include "outboard/outboard.h"
#include "plugins/common/in_force.h"
#include "plugins/producers/kafka/config.h"
#include "plugins/producers/kafka/writer.h"

int main() {
  namespace kafka = outboard::kafka;
  outboard::common::InForce<kafka::Config, kafka::Writer> writer;
  outboard::Plugin plugin("kafka", OUTBOARD_VERSION);
  writer.Attach(&plugin, kafka::kConfigSchema, kafka::ReadConfig);
  outboard::ProducerOptions options;
  // Not in_order: a message that fails while a later one of its key succeeds would be out of order.
  options.max_batch = 1024;
  plugin.BatchProducer(
      "kafka", [&writer](std::span<outboard::BatchItem> batch) { writer.get()->Put(batch); },
      options);
  return outboard::Serve(plugin);
}

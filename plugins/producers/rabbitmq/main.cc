// outboard-rabbitmq-producer: publishes events to an exchange of RabbitMQ.

#include "outboard/outboard.h"
#include "plugins/common/in_force.h"
#include "plugins/producers/rabbitmq/config.h"
#include "plugins/producers/rabbitmq/publisher.h"

int main() {
  namespace rabbitmq = outboard::rabbitmq;
  outboard::common::InForce<rabbitmq::Config, rabbitmq::Publisher> publisher;
  outboard::Plugin plugin("rabbitmq", OUTBOARD_VERSION);
  publisher.Attach(&plugin, rabbitmq::kConfigSchema, rabbitmq::ReadConfig);
  outboard::ProducerOptions options;
  // Not in_order: a message that is refused while a later one of its key is confirmed would be out
  // of order.
  options.max_batch = 4096;
  plugin.BatchProducer(
      "rabbitmq",
      [&publisher](std::span<outboard::BatchItem> batch) { publisher.get()->Put(batch); }, options);
  return outboard::Serve(plugin);
}

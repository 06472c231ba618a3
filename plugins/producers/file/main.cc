// outboard-file-producer: appends events to a file, each as one line of JSON.

#include "outboard/outboard.h"
#include "plugins/common/in_force.h"
#include "plugins/producers/file/config.h"
#include "plugins/producers/file/sink.h"

int main() {
  namespace file = outboard::file;
  outboard::common::InForce<file::Config, file::Sink> sink;
  outboard::Plugin plugin("file", OUTBOARD_VERSION);
  sink.Attach(&plugin, file::kConfigSchema, file::ReadConfig);
  outboard::ProducerOptions options;
  options.in_order = true;
  options.max_batch = 1024;
  plugin.BatchProducer(
      "file", [&sink](std::span<outboard::BatchItem> batch) { sink.get()->Put(batch); }, options);
  return outboard::Serve(plugin);
}

// outboard-sqlite-producer: puts events into the table of Hermes's SQLite bus.

#include "outboard/outboard.h"
#include "plugins/common/in_force.h"
#include "plugins/producers/sqlite/config.h"
#include "plugins/producers/sqlite/store.h"

int main() {
  namespace sqlite = outboard::sqlite;
  outboard::common::InForce<sqlite::Config, sqlite::Store> store;
  outboard::Plugin plugin("sqlite", OUTBOARD_VERSION);
  store.Attach(&plugin, sqlite::kConfigSchema, sqlite::ReadConfig);
  outboard::ProducerOptions options;
  options.in_order = true;
  options.max_batch = 1024;
  plugin.BatchProducer(
      "sqlite", [&store](std::span<outboard::BatchItem> batch) { store.get()->Put(batch); },
      options);
  return outboard::Serve(plugin);
}

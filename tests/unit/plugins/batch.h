#pragma once

#include <string>
#include <utility>
#include <vector>

#include "outboard/testing.h"

namespace outboard::testing {

// Calls a batch handler with all events in one batch, each with that order key, as Serve would.
inline std::vector<Verdict> PutBatch(BatchHandler handler, const std::vector<NewEvent>& events,
                                     const std::string& key = "") {
  ProducerOptions options;
  options.in_order = true;
  options.max_batch = 65536;
  const Plugin plugin =
      Plugin("p", "1").BatchProducer("put", std::move(handler), std::move(options));
  FakeHost host(plugin);
  if (host.Open("put").code != 0) return {};
  Delivery delivery;
  delivery.order_key = key;
  const std::vector<uint64_t> ids = host.Deliver(events, delivery);
  std::vector<Verdict> verdicts;
  for (const uint64_t id : ids) verdicts.push_back(host.Wait(id).value());
  host.Close();
  return verdicts;
}

}  // namespace outboard::testing

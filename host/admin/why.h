#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "host/bus/bus.h"
#include "host/lineage/store.h"
#include "host/shard/status.h"
#include "outboard/host/v1/admin.pb.h"

// What became of an event, put together from what all who know of it say. Pure.
namespace outboard::admin {

struct WhyFacts {
  absl::flat_hash_set<std::string> ids;
  std::string source;    // Empty: any.
  bus::FoundEvents bus;  // The log, and how lanes stand to what is in it.
  bool keeps_lineage = false;
  lineage::Store::Found lineage;                   // What did not go straight through.
  std::vector<shard::LaneEvent> live;              // What is with a lane now.
  std::vector<bus::DeadLetter> letters;            // Of these ids.
  std::vector<bus::DeadLetter> raw_letters;        // Whose bytes are not decoded: of any id.
  std::map<std::string, std::string> lane_states;  // As in LaneStatus.state, by name.
  std::vector<std::string> problems;               // Who could not be asked.
};

host::v1::WhyResponse ToWhy(const WhyFacts& facts);

// Of "00-TRACE-SPAN-FLAGS"; empty: it is no traceparent.
std::string TraceIdOf(absl::string_view traceparent);

}  // namespace outboard::admin

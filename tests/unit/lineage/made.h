#pragma once

#include <string>

#include "host/base/status.h"
#include "host/event/wire.h"
#include "host/lane/record.h"
#include "tests/unit/event/wire_text.h"

// Events and records for tests.
namespace outboard::lineage {

inline Event MadeEvent(const std::string& id, const std::string& more = "") {
  auto event =
      CheckEvent(wire_text::Join({wire_text::Id(id), wire_text::Source("tracker"),
                                  wire_text::Version("1.0"), wire_text::Type("story.created")}) +
                 more);
  OUTBOARD_CHECK(event.ok());
  return *std::move(event);
}

inline lane::Record MadeRecord(const std::string& id, Time at) {
  lane::Record record;
  record.event = MadeEvent(id);
  record.at = at;
  return record;
}

}  // namespace outboard::lineage

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/base/clock.h"
#include "host/bus/settlement.h"
#include "host/lane/record.h"

// How the store writes records down: a line of JSON each, readable by people. Pure.
namespace outboard::lineage {

// An emitted event.
struct Child {
  std::string id, source, type;

  friend bool operator==(const Child&, const Child&) = default;
};

// A record as it is read again.
struct Row {
  std::string lane;
  std::string id, source, type, subject, traceparent;  // Of the event.
  Time accepted_at{};
  Time at{};
  std::vector<bus::Attempt> turns;
  std::optional<bus::End> end;
  uint32_t attempts = 0;
  Time due{};
  std::string reason, message;
  std::vector<Child> emits;  // The first lane::kMaxRecordedEmits.
  uint64_t emitted = 0;      // All of them.
  std::optional<bus::Placed> placed;
};

// Appends the line of a record, with its end of line.
void AppendLine(absl::string_view lane, const lane::Record& record, std::string* out);
// Nothing: it is no such line, perhaps since it was cut off.
std::optional<Row> ReadLine(absl::string_view line);
// An id as it stands in lines: a line without it is of no such event, and of no parent of it.
std::string IdInLine(absl::string_view id);

}  // namespace outboard::lineage

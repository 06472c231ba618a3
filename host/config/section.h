#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/config/value.h"

namespace outboard::config {

// A key that the design knows and this version does not: using it is an error that says so.
struct LaterKey {
  absl::string_view key;
  absl::string_view feature;  // What is missing: "stages in front of a target".
};

// A mapping: keys and values in the order of the file, merge keys (<<) resolved, duplicates
// reported and dropped. Reports a value that is no mapping and gives nothing for it. `null` counts
// as an empty mapping.
std::vector<std::pair<std::string, Value>> ReadEntries(const Value& value);

// A mapping whose keys are known. Making one reports all keys that are not.
class Section {
 public:
  Section(const Value& value, const std::vector<std::string>& keys,
          const std::vector<LaterKey>& later = {});

  // The value under `key` if there is one. A key without a value is reported and counts as absent.
  std::optional<Value> Get(const std::string& key) const;
  bool Has(const std::string& key) const { return values_.count(key) > 0; }

  // read(value, args...) if there is a value under `key`.
  template <typename F, typename... Args>
  void With(const std::string& key, F&& read, Args&&... args) const {
    if (const std::optional<Value> value = Get(key)) read(*value, std::forward<Args>(args)...);
  }

  const Value& value() const { return value_; }

 private:
  Value value_;
  std::map<std::string, Value> values_;
};

}  // namespace outboard::config

#include "host/config/section.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/text.h"

namespace outboard::config {
namespace {

constexpr int kMaxMergeDepth = 16;

using Entries = std::vector<std::pair<std::string, Value>>;

void Collect(const Value& value, int depth, std::set<std::string>* seen, Entries* out);

// The mapping or mappings behind a merge key. What is nearer wins, so that no duplicate is reported
// here.
void Merge(const Value& merged, int depth, std::set<std::string>* seen, Entries* out) {
  if (depth > kMaxMergeDepth) {
    merged.Problem("merges more than 16 mappings deep", "an anchor must not merge itself");
    return;
  }
  if (merged.node().IsMap()) {
    Collect(merged, depth, seen, out);
  } else if (merged.node().IsSequence()) {
    for (size_t i = 0; i < merged.node().size(); ++i) Merge(merged.At(i), depth + 1, seen, out);
  } else {
    merged.Problem(absl::StrCat("<< needs a mapping, not ", merged.Shown()),
                   "write `<<: *name`, with `&name` at the mapping to take over");
  }
}

void Collect(const Value& value, int depth, std::set<std::string>* seen, Entries* out) {
  std::map<std::string, int> here;
  std::vector<Value> merges;
  for (const auto& entry : value.node()) {
    if (!entry.first.IsScalar()) {
      Value(entry.first, value.path(), &value.reading())
          .Problem("a key must be plain text", "write it as `key: value`");
      continue;
    }
    const std::string key = entry.first.Scalar();
    if (key == "<<") {
      merges.push_back(Value(entry.second, value.path(), &value.reading()));
      continue;
    }
    const auto [before, first] = here.emplace(key, entry.first.Mark().line + 1);
    if (!first) {
      value.At(EscapeForPeople(key), entry.first)
          .Problem(absl::StrCat("duplicate key, first on line ", before->second),
                   "keep one of them");
    } else if (seen->insert(key).second) {
      out->emplace_back(key, value.At(EscapeForPeople(key), entry.second));
    }
  }
  for (const Value& merged : merges) Merge(merged, depth + 1, seen, out);
}

// The key's own place, for problems about the key itself.
Value KeyPlace(const Value& section, const std::string& key, const Value& value) {
  if (section.node().IsMap()) {
    for (const auto& entry : section.node()) {
      if (entry.first.IsScalar() && entry.first.Scalar() == key) {
        return Value(entry.first, value.path(), &section.reading());
      }
    }
  }
  return value;
}

void ReportUnknown(const Value& place, const std::string& key,
                   const std::vector<std::string>& keys) {
  const std::string near = Nearest(key, keys);
  place.Problem("unknown key", near.empty()
                                   ? absl::StrCat("known here: ", absl::StrJoin(keys, ", "))
                                   : absl::StrCat("did you mean ", near, "?"));
}

}  // namespace

Entries ReadEntries(const Value& value) {
  Entries out;
  if (value.node().IsNull()) return out;
  if (!value.node().IsMap()) {
    value.Problem(absl::StrCat("needs a mapping, not ", value.Shown()), "write `key: value` lines");
    return out;
  }
  std::set<std::string> seen;
  Collect(value, 0, &seen, &out);
  return out;
}

Section::Section(const Value& value, const std::vector<std::string>& keys,
                 const std::vector<LaterKey>& later)
    : value_(value) {
  for (auto& [key, child] : ReadEntries(value)) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
      values_.emplace(key, child);
      continue;
    }
    // Free at the top for what anchors are set at, as in Compose files.
    if (value.path().empty() && absl::StartsWith(key, "x-")) continue;
    const Value place = KeyPlace(value, key, child);
    const auto it = std::find_if(later.begin(), later.end(), [&k = key](const LaterKey& l) {
      return l.key == absl::string_view(k);
    });
    if (it == later.end()) {
      ReportUnknown(place, key, keys);
    } else {
      place.Problem(absl::StrCat("not built yet: this version has no ", it->feature),
                    "remove the key");
    }
  }
}

std::optional<Value> Section::Get(const std::string& key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::nullopt;
  if (it->second.node().IsNull()) {
    KeyPlace(value_, key, it->second).Problem("has no value", "give one, or remove the key");
    return std::nullopt;
  }
  return it->second;
}

}  // namespace outboard::config

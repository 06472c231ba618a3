#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/config/config.h"
#include "host/config/expand.h"
#include "host/config/value.h"

namespace outboard::config {

// The readers: set *out, or report at `value` and leave it.

void ReadText(const Value& value, Secrecy secrecy, std::string* out);
// Letters, digits, - and _ (and . where `dots`), at most 63, beginning with a letter or digit:
// names appear in metrics, file names and targets.
void ReadName(const Value& value, bool dots, std::string* out);
void ReadBool(const Value& value, bool* out);
void ReadCount(const Value& value, uint32_t min, uint32_t max, uint32_t* out);
void ReadDuration(const Value& value, Duration min, Duration* out);
void ReadSize(const Value& value, uint64_t min, uint64_t max, uint64_t* out);
// Absolute and normal; a relative one starts at the file's folder.
void ReadPath(const Value& value, std::string* out);
// `path` is `folder` or below it; both as ReadPath gives them.
bool LiesIn(absl::string_view folder, absl::string_view path);
// "host:port"; what calls it knows whether port 0 means any.
bool IsHostPort(absl::string_view text, bool port_zero);
// Of a "host:port": nobody but this machine reaches it.
bool IsLoopback(absl::string_view address);

// `read` without a new problem.
template <typename F>
bool Clean(const Value& value, F&& read) {
  const size_t before = value.reading().problems.size();
  read();
  return value.reading().problems.size() == before;
}

// The items of a list; one value that is no list is a list of one.
std::vector<Value> ReadItems(const Value& value);

// True if ReadName would take it.
bool IsName(absl::string_view text, bool dots);

// The position of the text in `choices`, or -1 after a report.
int ReadChoiceIndex(const Value& value, const std::vector<std::string>& choices);

template <typename T>
void ReadChoice(const Value& value, const std::vector<std::pair<std::string, T>>& choices, T* out) {
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.first);
  const int index = ReadChoiceIndex(value, names);
  if (index >= 0) *out = choices[static_cast<size_t>(index)].second;
}

}  // namespace outboard::config

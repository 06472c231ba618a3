#pragma once

#include <string.h>

namespace outboard::supervise {

// The KEY=VALUE words of the launcher's command line, between the program and "--". Libc only.
class LauncherOptions {
 public:
  // `words` up to a "--"; `end` becomes what is behind it, nullptr if there is none.
  LauncherOptions(char** words, char*** end) : begin_(words), end_(words) {
    while (*end_ != nullptr && strcmp(*end_, "--") != 0) ++end_;
    *end = *end_ != nullptr ? end_ + 1 : nullptr;
  }

  // The value of the first `key`; nullptr if there is none.
  const char* Get(const char* key) const {
    const char* value = nullptr;
    ForEach(key, [&](const char* v) { value = value != nullptr ? value : v; });
    return value;
  }

  bool Has(const char* key) const { return Get(key) != nullptr; }

  // visit(value) for every `key`, in their order.
  template <typename F>
  void ForEach(const char* key, F&& visit) const {
    const size_t length = strlen(key);
    for (char** word = begin_; word != end_; ++word) {
      if (strncmp(*word, key, length) == 0 && (*word)[length] == '=') visit(*word + length + 1);
    }
  }

 private:
  char** begin_;
  char** end_;
};

}  // namespace outboard::supervise

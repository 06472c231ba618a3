#include "host/config/words.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace outboard::config {
namespace {

bool IsShellWord(absl::string_view word) {
  for (const absl::string_view shell : {"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1"}) {
    if (word == shell) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitWords(absl::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  bool quoted = false;  // The word had a quote, so it may be empty or look like a shell's.
  char quote = 0;
  const auto finish = [&]() -> absl::Status {
    if (in_word && !quoted && IsShellWord(word)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", word, "\" is for a shell, and none runs this; write [sh, -c, \"...\"]"));
    }
    if (in_word) words.push_back(std::move(word));
    word.clear();
    in_word = quoted = false;
    return absl::OkStatus();
  };
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else if (c == '\\' && quote == '"' && i + 1 < line.size()) {
        word += line[++i];
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = quoted = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (absl::Status status = finish(); !status.ok()) return status;
    } else {
      in_word = true;
      word += c == '\\' && i + 1 < line.size() ? line[++i] : c;
    }
  }
  if (quote != 0) {
    return absl::InvalidArgumentError(absl::StrCat("a ", std::string(1, quote), " is not closed"));
  }
  if (absl::Status status = finish(); !status.ok()) return status;
  return words;
}

}  // namespace outboard::config

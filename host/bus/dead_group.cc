#include "host/bus/dead_group.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host/base/stable_hash.h"
#include "host/base/text.h"

namespace outboard::bus {
namespace {

constexpr size_t kMaxRead = 4096;  // Of a message.
constexpr size_t kMaxError = 200;

bool IsWord(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80) != 0;
}

// The end of what is quoted from `at` on; 0: nothing is. An apostrophe within a word quotes
// nothing.
size_t EndOfQuoted(absl::string_view text, size_t at) {
  const char quote = text[at];
  if (quote != '\'' && quote != '"' && quote != '`') return 0;
  if (at > 0 && IsWord(text[at - 1])) return 0;
  const size_t end = text.find(quote, at + 1);
  return end == absl::string_view::npos ? 0 : end + 1;
}

// One run of characters without blanks and quotes, as far as brackets and commas.
absl::string_view TokenAt(absl::string_view text, size_t at) {
  return text.substr(at, text.find_first_of(" \t\r\n'\"`()[]{}<>,;=", at) - at);
}

// A path, an address, or a name of something.
bool IsPath(absl::string_view token) {
  return token.find('/') != absl::string_view::npos || token.find('\\') != absl::string_view::npos;
}

// One word: with a digit in it, it is a number or an id.
bool HasDigit(absl::string_view word) {
  return std::any_of(word.begin(), word.end(),
                     [](unsigned char c) { return absl::ascii_isdigit(c); });
}

bool IsHex(absl::string_view word) {
  return word.size() >= 8 && std::all_of(word.begin(), word.end(),
                                         [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

// One word, or several with hyphens between them.
absl::string_view RunAt(absl::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && (IsWord(text[end]) || text[end] == '-')) ++end;
  return text.substr(at, end - at);
}

// A UUID, or a hash in parts.
bool IsLongId(absl::string_view run) {
  return run.size() >= 32 && std::all_of(run.begin(), run.end(), [](unsigned char c) {
           return absl::ascii_isxdigit(c) || c == '-';
         });
}

void Append(absl::string_view part, std::string* out) {
  // "17.5", "1-2" and an id of several words are one.
  if (part == "*" && !out->empty() && out->back() == '*') return;
  if (part == "*" && out->size() > 1 && (*out)[out->size() - 2] == '*' &&
      std::string("-.:+_").find(out->back()) != std::string::npos) {
    out->pop_back();
    return;
  }
  absl::StrAppend(out, part);
}

}  // namespace

std::string NormalError(absl::string_view message) {
  const absl::string_view text = message.substr(0, kMaxRead);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (absl::ascii_isspace(static_cast<unsigned char>(text[at]))) {
      if (!out.empty() && out.back() != ' ') out += ' ';
      ++at;
      continue;
    }
    if (const size_t end = EndOfQuoted(text, at); end != 0) {
      Append("*", &out);
      at = end;
      continue;
    }
    if (const absl::string_view token = TokenAt(text, at); IsPath(token)) {
      Append("*", &out);
      at += token.size();
      continue;
    }
    if (!IsWord(text[at])) {
      Append(text.substr(at++, 1), &out);
      continue;
    }
    if (const absl::string_view run = RunAt(text, at); IsLongId(run)) {
      Append("*", &out);
      at += run.size();
      continue;
    }
    size_t end = at;
    while (end < text.size() && IsWord(text[end])) ++end;
    const absl::string_view word = text.substr(at, end - at);
    Append(HasDigit(word) || IsHex(word) ? "*" : word, &out);
    at = end;
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return Truncate(out, kMaxError);
}

std::string GroupKey(const DeadLetter& letter) {
  StableHash hash;
  hash.Add(letter.lane);
  hash.Add(letter.why.reason);
  hash.Add(NormalError(letter.why.message));
  hash.Add(letter.why.version);
  return absl::StrFormat("%012x", hash.value() >> 16);
}

void DeadGroups::Add(const DeadLetter& letter) {
  const std::string key = GroupKey(letter);
  auto it = groups_.find(key);
  if (it == groups_.end()) {
    if (groups_.size() >= kMost) {
      ++left_out_;
      return;
    }
    it = groups_.emplace(key, DeadGroup()).first;
    DeadGroup& made = it->second;
    made = {key,
            letter.lane,
            letter.why.reason,
            NormalError(letter.why.message),
            letter.why.version,
            0,
            letter.died_at,
            letter.died_at,
            letter.id};
  }
  DeadGroup& group = it->second;
  ++group.count;
  group.first = std::min(group.first, letter.died_at);
  group.last = std::max(group.last, letter.died_at);
  group.example = std::max(group.example, letter.id);
}

std::vector<DeadGroup> DeadGroups::Take() {
  std::vector<DeadGroup> groups;
  for (auto& [key, group] : groups_) groups.push_back(std::move(group));
  groups_.clear();
  std::stable_sort(groups.begin(), groups.end(),
                   [](const DeadGroup& a, const DeadGroup& b) { return a.count > b.count; });
  return groups;
}

}  // namespace outboard::bus

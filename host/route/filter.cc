#include "host/route/filter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "host/base/text.h"
#include "host/route/topic_words.h"

namespace outboard::route {

bool TopicMatches(absl::string_view pattern, absl::string_view type) {
  // As a glob over words: after a mismatch the last # takes one word more, so the cost has a bound.
  TopicWords p(pattern), t(type);
  std::optional<TopicWords> after_hash, retry_from;
  while (!t.done()) {
    if (!p.done() && p.word() == "#") {
      p.Next();
      after_hash = p;
      retry_from = t;
    } else if (!p.done() && (p.word() == "*" || p.word() == t.word())) {
      p.Next();
      t.Next();
    } else if (after_hash) {
      retry_from->Next();
      t = *retry_from;
      p = *after_hash;
    } else {
      return false;
    }
  }
  while (!p.done() && p.word() == "#") p.Next();
  return p.done();
}

absl::Status ValidatePattern(absl::string_view pattern) {
  if (pattern.empty()) {
    return absl::InvalidArgumentError("topic pattern: is empty; write # to take all types");
  }
  for (TopicWords words(pattern); !words.done(); words.Next()) {
    if (words.word().size() > 1 && words.word().find_first_of("*#") != absl::string_view::npos) {
      const std::string word = Truncate(EscapeForPeople(words.word()), 80);
      return absl::InvalidArgumentError(absl::StrCat(
          "topic pattern \"", Truncate(EscapeForPeople(pattern), 120), "\": the word \"", word,
          "\" mixes a wildcard with other characters; * and # stand alone between dots, "
          "as in story.*"));
    }
  }
  return absl::OkStatus();
}

bool Matches(const Filter& filter, absl::string_view source, absl::string_view type) {
  if (!filter.service.empty() && filter.service != source) return false;
  if (filter.types.empty()) return true;
  return std::any_of(filter.types.begin(), filter.types.end(),
                     [type](const std::string& pattern) { return TopicMatches(pattern, type); });
}

}  // namespace outboard::route

#include "host/dialect/json_pointer.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "host/event/json_members.h"

namespace outboard::dialect {
namespace {

constexpr absl::string_view kBlanks = " \t\n\r";

// Walks the items of one array or object that is known to be well-formed.
class Items {
 public:
  explicit Items(absl::string_view container) : text_(container) {}

  // Steps to the next item. False: there is none.
  bool Next() {
    if (pos_ > 0 && text_[pos_] != ',') return false;
    ++pos_;  // The bracket, or the comma.
    SkipBlanks();
    return text_[pos_] != ']' && text_[pos_] != '}';
  }

  // Of a member of an object: its name with quotes; then comes its value.
  absl::string_view TakeName() {
    const absl::string_view name = Take();
    ++pos_;  // The colon.
    SkipBlanks();
    return name;
  }

  // The value under the cursor.
  absl::string_view Take() {
    const size_t begin = pos_;
    SkipValue();
    const absl::string_view value = text_.substr(begin, pos_ - begin);
    SkipBlanks();
    return value;
  }

 private:
  void SkipBlanks() { pos_ = std::min(text_.find_first_not_of(kBlanks, pos_), text_.size()); }

  void SkipString() {
    for (++pos_; text_[pos_] != '"';) pos_ += text_[pos_] == '\\' ? 2 : 1;
    ++pos_;
  }

  void SkipValue() {
    if (text_[pos_] == '"') return SkipString();
    if (text_[pos_] != '{' && text_[pos_] != '[') {
      pos_ = std::min(text_.find_first_of(",]} \t\n\r", pos_), text_.size());
      return;
    }
    size_t depth = 0;
    do {
      const char c = text_[pos_];
      if (c == '"') {
        SkipString();
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++pos_;
    } while (depth > 0);
  }

  const absl::string_view text_;
  size_t pos_ = 0;
};

std::optional<absl::string_view> FindMember(absl::string_view object, absl::string_view name) {
  std::optional<absl::string_view> found;
  Items items(object);
  while (items.Next()) {
    const absl::string_view quoted = items.TakeName();
    const absl::string_view value = items.Take();
    const bool escaped = quoted.find('\\') != absl::string_view::npos;
    if (escaped ? UnquoteJson(quoted) == name : quoted.substr(1, quoted.size() - 2) == name) {
      found = value;
    }
  }
  return found;
}

std::optional<absl::string_view> FindElement(absl::string_view array, absl::string_view index) {
  size_t wanted;
  const bool digits = index.find_first_not_of("0123456789") == absl::string_view::npos;
  if (!digits || (index.size() > 1 && index[0] == '0') || !absl::SimpleAtoi(index, &wanted)) {
    return std::nullopt;
  }
  Items items(array);
  for (size_t i = 0; items.Next(); ++i) {
    const absl::string_view value = items.Take();
    if (i == wanted) return value;
  }
  return std::nullopt;
}

absl::string_view Trim(absl::string_view json) {
  const size_t begin = json.find_first_not_of(kBlanks);
  return json.substr(begin, json.find_last_not_of(kBlanks) + 1 - begin);
}

}  // namespace

bool IsJsonPointer(absl::string_view text) {
  if (!text.empty() && text[0] != '/') return false;
  for (size_t at = text.find('~'); at != absl::string_view::npos; at = text.find('~', at + 1)) {
    const absl::string_view next = text.substr(at + 1, 1);
    if (next != "0" && next != "1") return false;
  }
  return true;
}

std::optional<absl::string_view> FindJson(absl::string_view json, absl::string_view pointer) {
  std::optional<absl::string_view> value = Trim(json);
  while (value && !pointer.empty()) {
    pointer.remove_prefix(1);
    const absl::string_view word = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(word.size());
    const std::string name = absl::StrReplaceAll(word, {{"~1", "/"}, {"~0", "~"}});
    if ((*value)[0] == '{') {
      value = FindMember(*value, name);
    } else if ((*value)[0] == '[') {
      value = FindElement(*value, name);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

}  // namespace outboard::dialect

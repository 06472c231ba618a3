#include "host/event/json_members.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "nlohmann/json.hpp"

namespace outboard {
namespace {

using nlohmann::json;

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";
// nlohmann::json takes a zero byte for the end of its input, and would not see what stands behind
// it.
constexpr char kEndForParser = '\0';

// Takes every event of the parser and keeps where it failed; builds nothing, so that depth costs no
// stack.
class Validator : public nlohmann::json_sax<json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    position_ = position;
    return false;
  }

  size_t position() const { return position_; }

 private:
  size_t position_ = 0;
};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks text that is known to be well-formed JSON.
class Scanner {
 public:
  explicit Scanner(absl::string_view text) : text_(text) {}

  void SkipBlanks() {
    while (pos_ < text_.size() && IsBlank(text_[pos_])) ++pos_;
  }

  // The character under the cursor.
  char Peek() const { return text_[pos_]; }
  void Skip() { ++pos_; }

  // The string under the cursor, quotes and all.
  absl::string_view TakeString() {
    const size_t begin = pos_++;
    while (text_[pos_] != '"') pos_ += text_[pos_] == '\\' ? 2 : 1;
    return text_.substr(begin, ++pos_ - begin);
  }

  // The value under the cursor, up to the comma, brace or bracket that ends it.
  absl::string_view TakeValue() {
    const size_t begin = pos_;
    for (size_t depth = 0; pos_ < text_.size();) {
      const char c = text_[pos_];
      if (c == '"') {
        TakeString();
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) break;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++pos_;
    }
    size_t end = pos_;
    while (IsBlank(text_[end - 1])) --end;
    return text_.substr(begin, end - begin);
  }

 private:
  const absl::string_view text_;
  size_t pos_ = 0;
};

absl::Status ParseError(absl::string_view text, size_t position) {
  const absl::string_view before =
      text.substr(0, std::min(position > 0 ? position - 1 : 0, text.size()));
  // Of a text of one line, such as one of many in a file, the number of the line would mislead.
  const std::string line =
      absl::StrContains(text, '\n')
          ? absl::StrCat("line ", 1 + std::count(before.begin(), before.end(), '\n'), ", ")
          : "";
  const size_t line_begin =
      before.rfind('\n') == absl::string_view::npos ? 0 : before.rfind('\n') + 1;
  return absl::InvalidArgumentError(absl::StrCat("JSON: no well-formed value in UTF-8 at ", line,
                                                 "column ", before.size() - line_begin + 1,
                                                 "; mend the text there"));
}

// Cuts a byte order mark off *text, which is one well-formed value then.
absl::Status CheckText(absl::string_view* text) {
  if (absl::StartsWith(*text, kByteOrderMark)) text->remove_prefix(kByteOrderMark.size());
  if (const size_t end = text->find(kEndForParser); end != absl::string_view::npos) {
    return ParseError(*text, end + 1);
  }
  Validator validator;
  if (absl::StartsWith(*text, kByteOrderMark) ||
      !json::sax_parse(text->begin(), text->end(), &validator)) {
    return ParseError(*text, validator.position());
  }
  return absl::OkStatus();
}

}  // namespace

bool IsJsonText(absl::string_view text) {
  if (absl::StartsWith(text, kByteOrderMark) || absl::StrContains(text, kEndForParser))
    return false;
  return json::accept(text.begin(), text.end());
}

std::string UnquoteJson(absl::string_view quoted) {
  const absl::string_view inner = quoted.substr(1, quoted.size() - 2);
  if (inner.find('\\') == absl::string_view::npos) return std::string(inner);
  return json::parse(quoted.begin(), quoted.end(), nullptr, false).get<std::string>();
}

absl::StatusOr<std::vector<JsonMember>> SplitJsonObject(absl::string_view text) {
  OUTBOARD_RETURN_IF_ERROR(CheckText(&text));
  Scanner scanner(text);
  scanner.SkipBlanks();
  if (scanner.Peek() != '{') {
    return absl::InvalidArgumentError("JSON: the event is no object; write {\"id\": ..., ...}");
  }
  std::vector<JsonMember> members;
  do {
    scanner.Skip();
    scanner.SkipBlanks();
    if (scanner.Peek() == '}') break;
    const absl::string_view name = scanner.TakeString();
    scanner.SkipBlanks();
    scanner.Skip();  // The colon.
    scanner.SkipBlanks();
    members.push_back({UnquoteJson(name), scanner.TakeValue()});
  } while (scanner.Peek() == ',');
  return members;
}

absl::StatusOr<std::vector<absl::string_view>> SplitJsonArray(absl::string_view text) {
  OUTBOARD_RETURN_IF_ERROR(CheckText(&text));
  Scanner scanner(text);
  scanner.SkipBlanks();
  if (scanner.Peek() != '[') {
    return absl::InvalidArgumentError(
        "JSON: the batch is no array; write [{\"id\": ..., ...}, ...]");
  }
  std::vector<absl::string_view> items;
  do {
    scanner.Skip();
    scanner.SkipBlanks();
    if (scanner.Peek() == ']') break;
    items.push_back(scanner.TakeValue());
  } while (scanner.Peek() == ',');
  return items;
}

}  // namespace outboard

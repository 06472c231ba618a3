#include "host/config/json.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "host/config/expand.h"
#include "host/config/section.h"
#include "nlohmann/json.hpp"

namespace outboard::config {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxBytes = 1 << 20;
constexpr absl::string_view kCore = "tag:yaml.org,2002:";

std::string Quoted(const std::string& text) { return nlohmann::json(text).dump(); }

bool IsOneOf(absl::string_view text, std::initializer_list<absl::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool AllIn(absl::string_view text, absl::string_view alphabet) {
  return !text.empty() && text.find_first_not_of(alphabet) == absl::string_view::npos;
}

// Digits without what JSON forbids in front.
std::string WithoutZeros(absl::string_view digits) {
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  return digits.empty() ? "0" : std::string(digits);
}

// The core schema's integers as JSON, digits kept; empty if it is none.
std::string Integer(absl::string_view text) {
  if (absl::StartsWith(text, "0x") || absl::StartsWith(text, "0o")) {
    const bool hex = text[1] == 'x';
    const absl::string_view digits = text.substr(2);
    if (!AllIn(digits, hex ? "0123456789abcdefABCDEF" : "01234567") || digits.size() > 16)
      return "";
    uint64_t value = 0;
    for (const char c : digits) {
      const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
      value = (hex ? value << 4 : value << 3) | static_cast<uint64_t>(digit);
    }
    return absl::StrCat(value);
  }
  const bool negative = absl::StartsWith(text, "-");
  if (negative || absl::StartsWith(text, "+")) text.remove_prefix(1);
  if (!AllIn(text, "0123456789")) return "";
  return absl::StrCat(negative ? "-" : "", WithoutZeros(text));
}

// The core schema's finite floats as JSON, digits kept; empty if it is none.
std::string Float(absl::string_view text) {
  const bool negative = absl::StartsWith(text, "-");
  if (negative || absl::StartsWith(text, "+")) text.remove_prefix(1);
  const size_t e = text.find_first_of("eE");
  absl::string_view mantissa = text.substr(0, e);
  absl::string_view exponent = e == absl::string_view::npos ? "" : text.substr(e + 1);
  const absl::string_view exponent_digits =
      absl::StartsWith(exponent, "-") || absl::StartsWith(exponent, "+") ? exponent.substr(1)
                                                                         : exponent;
  if (e != absl::string_view::npos && !AllIn(exponent_digits, "0123456789")) return "";
  const size_t point = mantissa.find('.');
  const absl::string_view whole = mantissa.substr(0, point);
  const absl::string_view part = point == absl::string_view::npos ? "" : mantissa.substr(point + 1);
  if (!AllIn(absl::StrCat(whole, part), "0123456789")) return "";
  std::string out = absl::StrCat(negative ? "-" : "", WithoutZeros(whole));
  if (point != absl::string_view::npos) absl::StrAppend(&out, ".", part.empty() ? "0" : part);
  if (e != absl::string_view::npos) absl::StrAppend(&out, "e", exponent);
  return out;
}

bool IsInfinite(absl::string_view text) {
  if (absl::StartsWith(text, "-") || absl::StartsWith(text, "+")) text.remove_prefix(1);
  return IsOneOf(text, {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"});
}

std::string Boolean(absl::string_view text) {
  if (IsOneOf(text, {"true", "True", "TRUE"})) return "true";
  if (IsOneOf(text, {"false", "False", "FALSE"})) return "false";
  return "";
}

class Converter {
 public:
  // False once anything was reported.
  bool Convert(const Value& value, int depth) {
    if (depth > kMaxDepth) return Fail(value, "is nested more than 64 deep", "flatten it");
    if (out_.size() > kMaxBytes)
      return Fail(value, "makes more than 1 MiB of config", "shorten it");
    if (value.node().IsMap()) return Object(value, depth);
    if (value.node().IsSequence()) return Array(value, depth);
    if (value.node().IsNull()) return Append("null");
    return Scalar(value);
  }

  std::string Take() { return std::move(out_); }

 private:
  bool Append(absl::string_view text) {
    absl::StrAppend(&out_, text);
    return true;
  }

  bool Fail(const Value& value, std::string message, std::string fix) {
    value.Problem(std::move(message), std::move(fix));
    return false;
  }

  bool Object(const Value& value, int depth) {
    const size_t before = value.reading().problems.size();
    bool ok = true;
    absl::string_view separator = "{";
    for (const auto& [key, child] : ReadEntries(value)) {
      absl::StrAppend(&out_, separator, Quoted(key), ":");
      separator = ",";
      ok = Convert(child, depth + 1) && ok;
      if (out_.size() > kMaxBytes && !ok) return false;
    }
    Append(separator == "{" ? "{}" : "}");
    return ok && value.reading().problems.size() == before;
  }

  bool Array(const Value& value, int depth) {
    bool ok = true;
    Append("[");
    for (size_t i = 0; i < value.node().size(); ++i) {
      if (i > 0) Append(",");
      ok = Convert(value.At(i), depth + 1) && ok;
      if (out_.size() > kMaxBytes && !ok) return false;
    }
    Append("]");
    return ok;
  }

  bool Scalar(const Value& value) {
    const std::optional<std::string> text = Expand(value, Secrecy::kSecret);
    if (!text.has_value()) return false;
    const std::string& tag = value.node().Tag();
    if (tag == "!" || tag == absl::StrCat(kCore, "str")) return Append(Quoted(*text));
    if (tag == "?" || tag.empty()) {
      return HasExpansion(value) ? Append(Quoted(*text)) : Plain(value, *text);
    }
    return Tagged(value, tag, *text);
  }

  // A plain scalar: the core schema decides.
  bool Plain(const Value& value, const std::string& text) {
    if (IsOneOf(text, {"", "~", "null", "Null", "NULL"})) return Append("null");
    if (IsInfinite(text)) {
      return Fail(value, absl::StrCat(text, " has no form in JSON"), "quote it, or give a number");
    }
    for (const auto form : {Boolean, Integer, Float}) {
      if (const std::string json = form(text); !json.empty()) return Append(json);
    }
    return Append(Quoted(text));
  }

  bool Tagged(const Value& value, const std::string& tag, const std::string& text) {
    std::string json;
    if (tag == absl::StrCat(kCore, "int")) {
      json = Integer(text);
    } else if (tag == absl::StrCat(kCore, "float")) {
      json = Float(text);
    } else if (tag == absl::StrCat(kCore, "bool")) {
      json = Boolean(text);
    } else if (tag == absl::StrCat(kCore, "null") && text.empty()) {
      json = "null";
    } else {
      return Fail(value, absl::StrCat("unknown tag ", tag), "use !!str, !!int, !!float or !!bool");
    }
    if (!json.empty()) return Append(json);
    return Fail(value, absl::StrCat(value.Shown(), " does not fit its tag ", tag),
                "mend one of them");
  }

  std::string out_;
};

}  // namespace

std::optional<std::string> ToJsonObject(const Value& value) {
  if (!value.node().IsMap()) {
    value.Problem(absl::StrCat("needs a mapping, not ", value.Shown()), "write `key: value` lines");
    return std::nullopt;
  }
  Converter converter;
  if (!converter.Convert(value, 0)) return std::nullopt;
  return converter.Take();
}

}  // namespace outboard::config

#include "host/config/value.h"

#include "absl/strings/str_cat.h"
#include "host/base/text.h"

namespace outboard::config {

Value Value::At(absl::string_view key, const YAML::Node& child) const {
  std::string path = path_.empty() ? std::string(key) : absl::StrCat(path_, ".", key);
  return Value(child, std::move(path), reading_);
}

Value Value::At(size_t index) const {
  return Value(node_[index], absl::StrCat(path_, "[", index, "]"), reading_);
}

Value Value::Child(absl::string_view key) const {
  if (node_.IsMap()) {
    for (const auto& entry : node_) {
      if (entry.first.IsScalar() && entry.first.Scalar() == key) return At(key, entry.second);
    }
  }
  return *this;
}

ConfigProblem Value::Make(std::string message, std::string fix) const {
  ConfigProblem problem{
      .file = reading_->file, .path = path_, .message = std::move(message), .fix = std::move(fix)};
  const YAML::Mark mark = node_.Mark();
  if (!mark.is_null()) {
    problem.line = mark.line + 1;
    problem.column = mark.column + 1;
  }
  return problem;
}

void Value::Problem(std::string message, std::string fix) const {
  reading_->problems.push_back(Make(std::move(message), std::move(fix)));
}

void Value::Warning(std::string message, std::string fix) const {
  reading_->warnings.push_back(Make(std::move(message), std::move(fix)));
}

std::string Value::Shown() const {
  if (node_.IsMap()) return "a mapping";
  if (node_.IsSequence()) return "a list";
  if (node_.IsNull()) return "nothing";
  return absl::StrCat("\"", EscapeForPeople(Truncate(node_.Scalar(), 60)), "\"");
}

}  // namespace outboard::config

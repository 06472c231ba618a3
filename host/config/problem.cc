#include "host/config/problem.h"

#include "absl/strings/str_cat.h"

namespace outboard::config {

std::string ConfigProblem::text() const {
  std::string out = file;
  if (line > 0) absl::StrAppend(&out, ":", line, ":", column);
  if (!path.empty()) absl::StrAppend(&out, ": ", path);
  absl::StrAppend(&out, ": ", message);
  if (!fix.empty()) absl::StrAppend(&out, "; ", fix);
  return out;
}

std::string ToText(const std::vector<ConfigProblem>& problems) {
  std::string out;
  for (const ConfigProblem& problem : problems) absl::StrAppend(&out, problem.text(), "\n");
  return out;
}

}  // namespace outboard::config

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "host/conform/rule.h"
#include "host/conform/stand.h"
#include "host/conform/transcript.h"

namespace outboard::conform {

// What is to be judged.
struct Task {
  Grade grade = Grade::kRobust;    // Rules up to this one.
  std::vector<std::string> rules;  // Only these; empty: all up to the grade.
  std::string component;           // Only this one; empty: all.
};

// What one rule came to with one component.
struct Result {
  const Rule* rule = nullptr;
  std::string component;  // "worker ledger"; empty: the plugin as a whole.
  Finding finding;
  std::vector<std::vector<Transcript::Line>> sessions;  // What was said, session by session.
};

struct Report {
  v1::DescribeResponse description;
  std::vector<Result> results;   // In the order of AllRules, component by component.
  std::optional<Grade> reached;  // All rules up to it passed; nothing: not even basic.

  size_t Count(Finding::Kind kind) const;
  bool passed() const { return Count(Finding::kFail) == 0; }
};

// Plays the rules. Rules that a wanted one needs are played too, and reported where they fail.
// INVALID_ARGUMENT: the task names what is not there; UNAVAILABLE: nobody listens at the address;
// other errors: the program cannot be started.
absl::StatusOr<Report> JudgePlugin(const Subject& subject, const Task& task);

}  // namespace outboard::conform

#pragma once

#include <string>
#include <vector>

#include "host/conform/frame.h"

namespace outboard::conform {

class Stand;

// What a plugin that passes all rules up to a grade may be called.
enum class Grade { kBasic, kRobust, kFast };
std::string GradeName(Grade grade);

// What playing a rule came to.
struct Finding {
  enum Kind { kPass, kFail, kSkip };
  Kind kind = kPass;
  std::string sent;  // Fail: what the host did.
  std::string came;  // Fail: what the plugin did. Skip: why. Pass: a figure, or nothing.
  std::string fix;   // Empty: the rule's.
};

// One rule of the contract, as data.
struct Rule {
  enum Scope { kPlugin, kWorkers = 1, kStages = 2, kProducers = 4, kComponents = 7 };
  std::string id;  // Stable: people and CI name it.
  Grade grade;
  int scope;  // kPlugin: judged once; else for each component of these roles.
  std::string text;
  std::string fix;
  std::vector<std::string> needs;  // Rules that must have passed before it can be played.
  Finding (*play)(Stand& stand);
};

// All, in the order in which they are played.
const std::vector<Rule>& AllRules();
// nullptr: there is none of that id.
const Rule* FindRule(const std::string& id);
bool AppliesTo(const Rule& rule, v1::Role role);

}  // namespace outboard::conform

#pragma once

#include <string>
#include <vector>

namespace outboard::config {

// One thing that is wrong with a configuration. Never holds a secret's value.
struct ConfigProblem {
  std::string file;
  int line = 0;         // From 1; 0: the file as a whole.
  int column = 0;       // From 1.
  std::string path;     // routes[0].delivery.mode; empty: the file as a whole.
  std::string message;  // What is wrong.
  std::string fix;      // What to do about it; may be empty.

  // file:line:column: path: message; fix
  std::string text() const;
};

// One line each, as text().
std::string ToText(const std::vector<ConfigProblem>& problems);

}  // namespace outboard::config

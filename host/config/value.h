#pragma once

#include <yaml-cpp/yaml.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/config/problem.h"
#include "host/config/reader.h"

namespace outboard::config {

// What all readers of one file share. One thread.
struct Reading {
  std::string file;       // As problems show it.
  std::string directory;  // Absolute; relative paths start here.
  Env env;
  std::vector<ConfigProblem> problems;
  std::vector<ConfigProblem> warnings;
};

// One place in the file: a node and the path that leads to it. A view: the Reading outlives it.
class Value {
 public:
  Value(const YAML::Node& node, std::string path, Reading* reading)
      : node_(node), path_(std::move(path)), reading_(reading) {}

  Value(const Value&) = default;
  // Assigning a YAML::Node changes the tree that it points into.
  Value& operator=(const Value&) = delete;

  const YAML::Node& node() const { return node_; }
  const std::string& path() const { return path_; }
  Reading& reading() const { return *reading_; }
  int line() const { return node_.Mark().line + 1; }

  // Values below this one; the caller knows that they are there.
  Value At(absl::string_view key, const YAML::Node& child) const;
  Value At(size_t index) const;
  // The one under `key` of a mapping that has it; this one otherwise.
  Value Child(absl::string_view key) const;

  void Problem(std::string message, std::string fix = "") const;
  void Warning(std::string message, std::string fix = "") const;

  // What the file says here, quoted and cut, before any secret is put in; "a list" or "a mapping"
  // if it is one.
  std::string Shown() const;

 private:
  ConfigProblem Make(std::string message, std::string fix) const;

  YAML::Node node_;
  std::string path_;
  Reading* reading_;
};

}  // namespace outboard::config

#pragma once

#include <functional>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "host/app/cli/message_json.h"
#include "host/app/cli/terminal.h"
#include "outboard/host/v1/admin.pb.h"

namespace outboard::app {

// Events with those that they were emitted from, and those that were emitted, as far as the host
// knows them.
class WhyTree {
 public:
  // Tells of these ids; false: it failed, and has told so.
  using Ask =
      std::function<bool(const std::vector<std::string>& ids, host::v1::WhyResponse* response)>;

  // Beyond so many events it is cut off.
  static constexpr size_t kMaxEvents = 1000;

  // Follows these stories up and down, asking for each generation once.
  bool Follow(const std::vector<host::v1::EventStory>& from, const Ask& ask);

  // Indented by generation; those that it began with are marked.
  void Print(const Terminal& terminal) const;
  // Each with "children", and what is told of it but for a child that nobody knows.
  Json ToJson() const;
  // Whether there are events that are not in it: too many, or such that the host has not kept.
  bool cut_off() const { return cut_off_ || not_kept_; }

 private:
  using Name = std::pair<std::string, std::string>;  // Source and id.
  struct Node {
    host::v1::EventStory story;
    bool known = false;  // Else only its name and type are.
    bool asked = false;
    std::vector<Name> children;
  };

  Node* Add(const host::v1::EventLink& link);
  void Learn(const host::v1::EventStory& story);
  std::vector<Name> Roots() const;
  void Print(const Terminal& terminal, const Name& name, int depth, std::set<Name>* above) const;
  Json ToJson(const Name& name, std::set<Name>* above) const;

  std::map<Name, Node> nodes_;
  std::set<std::string> wanted_;  // Ids to be asked for.
  bool cut_off_ = false;
  bool not_kept_ = false;
};

}  // namespace outboard::app

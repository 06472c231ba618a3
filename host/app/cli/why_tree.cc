#include "host/app/cli/why_tree.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "host/app/cli/why_text.h"
#include "host/base/text.h"

namespace outboard::app {

// Null: there are too many.
WhyTree::Node* WhyTree::Add(const host::v1::EventLink& link) {
  const Name name(link.source(), link.event_id());
  const auto known = nodes_.find(name);
  if (known != nodes_.end()) return &known->second;
  if (nodes_.size() >= kMaxEvents) {
    cut_off_ = true;
    return nullptr;
  }
  Node& node = nodes_[name];
  node.story.set_event_id(link.event_id());
  node.story.set_source(link.source());
  node.story.set_type(link.type());
  wanted_.insert(link.event_id());
  return &node;
}

void WhyTree::Learn(const host::v1::EventStory& story) {
  const Name name(story.source(), story.event_id());
  const auto link_children = [](Node* parent, const Name& child) {
    auto& children = parent->children;
    if (std::find(children.begin(), children.end(), child) == children.end())
      children.push_back(child);
  };
  Node& node = nodes_[name];
  node.story = story;
  node.known = true;
  for (const host::v1::LaneStory& lane : story.lanes()) {
    not_kept_ = not_kept_ || NotKept(lane) > 0;
    for (const host::v1::EventLink& child : lane.emitted()) {
      if (Add(child) != nullptr) link_children(&node, {child.source(), child.event_id()});
    }
  }
  for (const host::v1::EventLink& parent : story.parents()) {
    if (Node* above = Add(parent)) link_children(above, name);
  }
}

bool WhyTree::Follow(const std::vector<host::v1::EventStory>& from, const Ask& ask) {
  for (const host::v1::EventStory& story : from) {
    Learn(story);
    nodes_[{story.source(), story.event_id()}].asked = true;
  }
  while (!wanted_.empty()) {
    const std::vector<std::string> ids(wanted_.begin(), wanted_.end());
    wanted_.clear();
    host::v1::WhyResponse response;
    if (!ask(ids, &response)) return false;
    for (const host::v1::EventStory& story : response.events()) {
      // An id may be another source's too.
      const auto node = nodes_.find({story.source(), story.event_id()});
      if (node != nodes_.end() && !node->second.known) Learn(story);
    }
  }
  return true;
}

std::vector<WhyTree::Name> WhyTree::Roots() const {
  std::set<Name> children;
  for (const auto& [name, node] : nodes_)
    children.insert(node.children.begin(), node.children.end());
  std::vector<Name> roots;
  for (const auto& [name, node] : nodes_) {
    if (!children.contains(name)) roots.push_back(name);
  }
  // Events that come from each other.
  if (roots.empty() && !nodes_.empty()) roots.push_back(nodes_.begin()->first);
  return roots;
}

void WhyTree::Print(const Terminal& terminal, const Name& name, int depth,
                    std::set<Name>* above) const {
  const Node& node = nodes_.at(name);
  const std::string indent(static_cast<size_t>(depth) * 2, ' ');
  terminal.out << indent << (node.asked ? "> " : "- ") << EscapeForPeople(node.story.event_id())
               << "  " << Paint(terminal, Colour::kGreen, EscapeForPeople(node.story.type()));
  if (!node.known) terminal.out << "  not known to this host";
  for (const host::v1::LaneStory& lane : node.story.lanes())
    terminal.out << "  " << EscapeForPeople(lane.lane()) << ": " << StateText(lane);
  terminal.out << "\n";
  if (!above->insert(name).second) return;
  for (const Name& child : node.children) Print(terminal, child, depth + 1, above);
  uint64_t not_kept = 0;
  for (const host::v1::LaneStory& lane : node.story.lanes()) not_kept += NotKept(lane);
  if (not_kept > 0)
    terminal.out << indent << "  and " << not_kept << " more, of which nothing is kept\n";
  above->erase(name);
}

void WhyTree::Print(const Terminal& terminal) const {
  std::set<Name> above;
  for (const Name& root : Roots()) Print(terminal, root, 0, &above);
  if (cut_off_)
    terminal.out << "there are more than " << kMaxEvents << " events: the rest is left out\n";
}

Json WhyTree::ToJson(const Name& name, std::set<Name>* above) const {
  const Node& node = nodes_.at(name);
  Json out = app::ToJson(node.story);
  out["known"] = node.known;
  out["asked"] = node.asked;
  out["children"] = Json::array();
  if (!above->insert(name).second) return out;
  for (const Name& child : node.children) out["children"].push_back(ToJson(child, above));
  above->erase(name);
  return out;
}

Json WhyTree::ToJson() const {
  std::set<Name> above;
  Json out = Json::array();
  for (const Name& root : Roots()) out.push_back(ToJson(root, &above));
  return out;
}

}  // namespace outboard::app

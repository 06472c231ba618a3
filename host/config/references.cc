#include "host/config/references.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/text.h"
#include "host/config/scalar.h"

namespace outboard::config {
namespace {

// The place of `key` in a mapping that has it; the mapping itself otherwise.
Value Child(const Value& value, const char* key) {
  if (value.node().IsMap()) {
    for (const auto& entry : value.node()) {
      if (entry.first.IsScalar() && entry.first.Scalar() == key) return value.At(key, entry.second);
    }
  }
  return value;
}

template <typename Item>
void CheckNames(const std::vector<Item>& items, const std::vector<Value>& values,
                absl::string_view what) {
  std::map<std::string, int> lines;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].name.empty()) continue;  // Reported already.
    const auto [it, first] = lines.emplace(items[i].name, items[i].line);
    if (first) continue;
    Child(values[i], "name")
        .Problem(
            absl::StrCat("there is another ", what, " ", items[i].name, " on line ", it->second),
            "give each its own name");
  }
}

std::string Candidates(const std::string& name, const std::vector<std::string>& names) {
  if (names.empty()) return "add it to plugins";
  const std::string near = Nearest(name, names);
  const std::string list = absl::StrCat("plugins: ", absl::StrJoin(names, ", "));
  return near.empty() ? list : absl::StrCat("did you mean ", near, "? ", list);
}

void CheckTargets(const Route& route, const Value& value, const std::vector<std::string>& names) {
  const Value to = Child(value, "to");
  const std::vector<Value> items = ReadItems(to);
  std::set<std::string> seen;
  for (size_t i = 0; i < route.to.size(); ++i) {
    // With a bad item among them the positions differ; the list's place is good enough then.
    const Value& place = items.size() == route.to.size() ? items[i] : to;
    const Target& target = route.to[i];
    if (std::find(names.begin(), names.end(), target.plugin) == names.end()) {
      place.Problem(absl::StrCat("there is no plugin ", target.plugin),
                    Candidates(target.plugin, names));
    } else if (!seen.insert(target.text()).second) {
      place.Problem(absl::StrCat("lane ", route.name, "/", target.text(), " is there twice"),
                    "name each target once; use instances for more processes");
    }
  }
}

bool SamePolicy(const Route& a, const Route& b) {
  return a.reliable == b.reliable && a.order_by == b.order_by &&
         a.retry.max_attempts == b.retry.max_attempts && a.retry.initial == b.retry.initial &&
         a.retry.max == b.retry.max && a.retry.probe_limit == b.retry.probe_limit;
}

// All singleton lanes of one filter take from one queue, so their policies must agree.
void CheckSingletons(const Config& config, const std::vector<Value>& routes) {
  std::map<std::pair<std::string, std::vector<std::string>>, const Route*> first;
  for (size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    if (route.mode != DeliveryMode::kSingleton) continue;
    std::vector<std::string> events = route.events;
    std::sort(events.begin(), events.end());
    const auto [it, added] = first.emplace(std::make_pair(route.service, events), &route);
    if (added || SamePolicy(*it->second, route)) continue;
    routes[i].Problem(
        absl::StrCat("shares its queue with the singleton route ", it->second->name, " on line ",
                     it->second->line, " (same source), but not its policy"),
        "give both the same order_by, reliable and retry, or another source");
  }
}

void WarnOfUnused(const Config& config, const std::vector<Value>& plugins) {
  std::set<std::string> used;
  for (const Route& route : config.routes) {
    for (const Target& target : route.to) used.insert(target.plugin);
  }
  for (size_t i = 0; i < config.plugins.size(); ++i) {
    if (!config.plugins[i].name.empty() && used.count(config.plugins[i].name) == 0) {
      plugins[i].Warning(absl::StrCat("no route leads to plugin ", config.plugins[i].name),
                         "name it in a route's to:, or remove it");
    }
  }
}

}  // namespace

void CheckReferences(const Config& config, const std::vector<Value>& plugins,
                     const std::vector<Value>& routes) {
  CheckNames(config.plugins, plugins, "plugin");
  CheckNames(config.routes, routes, "route");
  std::vector<std::string> names;
  for (const Plugin& plugin : config.plugins) {
    if (!plugin.name.empty()) names.push_back(plugin.name);
  }
  for (size_t i = 0; i < config.routes.size(); ++i)
    CheckTargets(config.routes[i], routes[i], names);
  CheckSingletons(config, routes);
  WarnOfUnused(config, plugins);
}

}  // namespace outboard::config

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

template <typename Item>
void CheckNames(const std::vector<Item>& items, const std::vector<Value>& values,
                absl::string_view what) {
  std::map<std::string, int> lines;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].name.empty()) continue;  // Reported already.
    const auto [it, first] = lines.emplace(items[i].name, items[i].line);
    if (first) continue;
    values[i].Child("name").Problem(
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
  const Value to = value.Child("to");
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

// Of a route, a pipeline or an entry of the ingress.
void CheckStages(const std::vector<Stage>& stages, const Value& value,
                 const std::vector<std::string>& names) {
  const Value list = value.Child("stages");
  const std::vector<Value> items = ReadItems(list);
  std::set<std::string> seen;
  for (size_t i = 0; i < stages.size(); ++i) {
    const Value& place = items.size() == stages.size() ? items[i] : list;
    const Target& stage = stages[i].component;
    if (std::find(names.begin(), names.end(), stage.plugin) == names.end()) {
      place.Problem(absl::StrCat("there is no plugin ", stage.plugin),
                    Candidates(stage.plugin, names));
    } else if (!seen.insert(stage.text()).second) {
      place.Problem(absl::StrCat("stage ", stage.text(), " is there twice"), "name each once");
    }
  }
}

bool SamePolicy(const Route& a, const Route& b) {
  return a.reliable == b.reliable && a.order_by == b.order_by && a.stages == b.stages &&
         a.on_dead_letter == b.on_dead_letter && a.retry.max_attempts == b.retry.max_attempts &&
         a.retry.initial == b.retry.initial && a.retry.max == b.retry.max &&
         a.retry.probe_limit == b.retry.probe_limit;
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
        "give both the same order_by, reliable, stages, retry and on_dead_letter, or another "
        "source");
  }
}

// Events wait behind a dead letter of their key.
void CheckParking(const Config& config, const std::vector<Value>& routes) {
  for (size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    if (route.on_dead_letter != OnDeadLetter::kPark) continue;
    const Value place = routes[i].Child("on_dead_letter");
    if (config.bus.kind != "embedded") {
      place.Problem(absl::StrCat("a bus of kind ", config.bus.kind, " cannot park events"),
                    "use stop or continue, or the embedded bus");
    }
    if (route.order_by.empty()) {
      place.Problem("what waits behind a dead letter is known by its key, and the route has none",
                    "give delivery.order_by, or use stop");
    }
    if (route.mode == DeliveryMode::kSingleton) {
      place.Problem("lanes of singleton routes share a queue, of which none can wait alone",
                    "use delivery.mode: pool, which on the embedded bus is one handler too");
    }
    if (!route.reliable) {
      place.Problem("nothing is kept of a lane with delivery.reliable: false, so nothing can wait",
                    "remove reliable, or use stop or continue");
    }
  }
}

void WarnOfUnused(const Config& config, const std::vector<Value>& plugins) {
  std::set<std::string> used;
  for (const Route& route : config.routes) {
    for (const Target& target : route.to) used.insert(target.plugin);
    for (const Stage& stage : route.stages) used.insert(stage.component.plugin);
  }
  for (const Pipeline& pipeline : config.pipelines) {
    for (const Stage& stage : pipeline.stages) used.insert(stage.component.plugin);
  }
  for (const Ingress& ingress : config.ingress) {
    for (const Stage& stage : ingress.stages) used.insert(stage.component.plugin);
  }
  for (size_t i = 0; i < config.plugins.size(); ++i) {
    if (!config.plugins[i].name.empty() && used.count(config.plugins[i].name) == 0) {
      plugins[i].Warning(
          absl::StrCat("no route, pipeline or ingress leads to plugin ", config.plugins[i].name),
          "name it in to: or stages: of one of them, or remove it");
    }
  }
}

// Observers that share their process with what handles the events.
void WarnOfSharedObservers(const Config& config, const std::vector<Value>& routes) {
  for (size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    std::set<std::string> handling;
    for (const Target& target : route.to) handling.insert(target.plugin);
    for (const Stage& stage : route.stages) {
      if (!stage.observe) handling.insert(stage.component.plugin);
    }
    for (const Stage& stage : route.stages) {
      if (!stage.observe || !handling.contains(stage.component.plugin)) continue;
      routes[i].Child("stages").Warning(
          absl::StrCat("observer ", stage.component.text(), " of route ", route.name,
                       " is of a plugin that handles its events, too: when it dies or "
                       "hangs, it holds them up"),
          "give it a plugin entry of its own, with the same run:");
    }
  }
}

// An entry behind one that takes all that it would take.
void WarnOfUnreached(const Config& config, const std::vector<Value>& ingress) {
  for (size_t i = 0; i < config.ingress.size(); ++i) {
    const Ingress& entry = config.ingress[i];
    const auto takes_all = [&entry](const Ingress& before) {
      return (before.service.empty() || before.service == entry.service) &&
             (before.events.empty() || before.events == entry.events);
    };
    const auto end = config.ingress.begin() + static_cast<std::ptrdiff_t>(i);
    const auto before = std::find_if(config.ingress.begin(), end, takes_all);
    if (before == end) continue;
    ingress[i].Warning(absl::StrCat("no event gets to ingress ", entry.name, ": the first that ",
                                    "fits has it, and ", before->name, " on line ", before->line,
                                    " takes all of these"),
                       "put the narrower source first, or both lists of stages into one");
  }
}

}  // namespace

void CheckReferences(const Config& config, const Lists& lists) {
  const auto& [plugins, routes, pipelines, ingress] = lists;
  CheckNames(config.plugins, plugins, "plugin");
  CheckNames(config.routes, routes, "route");
  CheckNames(config.pipelines, pipelines, "pipeline");
  CheckNames(config.ingress, ingress, "ingress");
  std::vector<std::string> names;
  for (const Plugin& plugin : config.plugins) {
    if (!plugin.name.empty()) names.push_back(plugin.name);
  }
  for (size_t i = 0; i < config.routes.size(); ++i) {
    CheckTargets(config.routes[i], routes[i], names);
    if (!config.routes[i].stages.empty()) CheckStages(config.routes[i].stages, routes[i], names);
  }
  for (size_t i = 0; i < config.pipelines.size(); ++i) {
    if (!config.pipelines[i].stages.empty())
      CheckStages(config.pipelines[i].stages, pipelines[i], names);
  }
  for (size_t i = 0; i < config.ingress.size(); ++i) {
    if (!config.ingress[i].stages.empty()) CheckStages(config.ingress[i].stages, ingress[i], names);
  }
  CheckSingletons(config, routes);
  CheckParking(config, routes);
  WarnOfUnused(config, plugins);
  WarnOfUnreached(config, ingress);
  WarnOfSharedObservers(config, routes);
}

}  // namespace outboard::config

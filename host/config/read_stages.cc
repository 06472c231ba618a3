// The stages of routes, of pipelines, and in front of the bus.
#include "absl/strings/str_cat.h"
#include "host/config/scalar.h"
#include "host/config/section.h"
#include "host/config/sections.h"
#include "host/config/units.h"

namespace outboard::config {

void ReadTarget(const Value& value, std::vector<Target>* out) {
  std::string text;
  if (!Clean(value, [&] { ReadText(value, Secrecy::kOpen, &text); })) return;
  const size_t dot = text.find('.');
  Target target{.plugin = text.substr(0, dot), .component = "", .line = value.line()};
  if (dot != std::string::npos) target.component = text.substr(dot + 1);
  if (!IsName(target.plugin, false) ||
      (dot != std::string::npos && !IsName(target.component, true))) {
    value.Problem(absl::StrCat(value.Shown(), " is no target"), "write plugin or plugin.component");
    return;
  }
  out->push_back(std::move(target));
}

namespace {

// A name, or a mapping of these keys.
void ReadStage(const Value& value, const std::vector<std::string>& keys,
               const std::vector<LaterKey>& later, std::vector<Stage>* out) {
  std::vector<Target> read;
  Stage stage;
  if (value.node().IsMap()) {
    const Section section(value, keys, later);
    if (!section.Has("stage")) value.Problem("has no stage", "give stage: plugin");
    section.With("stage", ReadTarget, &read);
    section.With("fail", ReadChoice<bool>,
                 std::vector<std::pair<std::string, bool>>{{"closed", false}, {"open", true}},
                 &stage.fail_open);
    section.With("observe", ReadBool, &stage.observe);
    Duration limit{};
    section.With("time_limit", ReadDuration, kMillisecond, &limit);
    if (limit > Duration::zero()) stage.time_limit = limit;
    if (stage.observe && section.Has("fail"))
      value.Problem("has both observe and fail", "an observer's failures never count: remove fail");
  } else {
    ReadTarget(value, &read);
  }
  for (Target& target : read) {
    stage.component = std::move(target);
    out->push_back(stage);
  }
}

// `stages`, of which there has to be one.
void ReadSomeStages(const Value& value, const std::vector<std::string>& keys,
                    const std::vector<LaterKey>& later, std::vector<Stage>* out) {
  const std::vector<Value> items = ReadItems(value);
  if (items.empty()) value.Problem("is an empty list", "name at least one plugin");
  for (const Value& item : items) ReadStage(item, keys, later, out);
}

}  // namespace

void ReadStages(const Value& value, std::vector<Stage>* out) {
  for (const Value& item : ReadItems(value))
    ReadStage(item, {"stage", "fail", "observe", "time_limit"}, {}, out);
}

void ReadPipeline(const Value& value, Pipeline* pipeline) {
  const Section section(value, {"name", "stages"});
  if (!value.node().IsMap()) {
    if (value.node().IsNull()) value.Problem("is empty", "write {name: ..., stages: [...]}");
    return;
  }
  pipeline->line = value.line();
  if (!section.Has("name")) value.Problem("has no name", "give name:");
  if (!section.Has("stages")) value.Problem("has no stage", "give stages: [plugin]");
  section.With("name", ReadName, true, &pipeline->name);
  section.With("stages", [&](const Value& stages) {
    ReadSomeStages(stages, {"stage", "time_limit"}, {}, &pipeline->stages);
  });
}

void ReadIngress(const Value& value, Ingress* ingress) {
  const Section section(value, {"name", "source", "stages"});
  if (!value.node().IsMap()) {
    if (value.node().IsNull()) value.Problem("is empty", "write {name: ..., stages: [...]}");
    return;
  }
  ingress->line = value.line();
  if (!section.Has("name")) value.Problem("has no name", "give name:");
  if (!section.Has("stages")) value.Problem("has no stage", "give stages: [plugin]");
  section.With("name", ReadName, true, &ingress->name);
  section.With("source", ReadSource, &ingress->service, &ingress->events);
  section.With("stages", [&](const Value& stages) {
    ReadSomeStages(stages, {"stage", "fail", "time_limit"},
                   {{"observe", "observers in front of the bus (a route may have some)"}},
                   &ingress->stages);
  });
}

}  // namespace outboard::config

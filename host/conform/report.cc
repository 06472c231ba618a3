#include "host/conform/report.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "host/base/text.h"

namespace outboard::conform {
namespace {

using Json = nlohmann::ordered_json;

std::string Xml(const std::string& text) {
  return absl::StrReplaceAll(
      EscapeForPeople(text),
      {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"\t", " "}});
}

Json ToJson(const Result& result) {
  Json json = {{"rule", result.rule->id},
               {"grade", GradeName(result.rule->grade)},
               {"component", result.component},
               {"result", KindName(result.finding.kind)},
               {"text", result.rule->text}};
  if (result.finding.kind == Finding::kFail) {
    json["sent"] = EscapeForPeople(result.finding.sent);
    json["came"] = EscapeForPeople(result.finding.came);
    json["fix"] = FixOf(result);
  } else {
    json["note"] = EscapeForPeople(result.finding.came);
  }
  return json;
}

std::string JunitCase(const Report& report, const Result& result) {
  const std::string owner = result.component.empty()
                                ? report.description.name()
                                : absl::StrCat(report.description.name(), ".", result.component);
  std::string text =
      absl::StrCat("  <testcase classname=\"", Xml(owner), "\" name=\"", result.rule->id, "\"");
  if (result.finding.kind == Finding::kPass) return text + "/>\n";
  if (result.finding.kind == Finding::kSkip) {
    return absl::StrCat(text, "><skipped message=\"", Xml(result.finding.came),
                        "\"/></testcase>\n");
  }
  return absl::StrCat(text, "><failure message=\"", Xml(result.finding.came), "\">",
                      Xml(result.rule->text), "\nsent: ", Xml(result.finding.sent),
                      "\ncame: ", Xml(result.finding.came), "\nfix: ", Xml(FixOf(result)),
                      "</failure></testcase>\n");
}

}  // namespace

std::string KindName(Finding::Kind kind) {
  if (kind == Finding::kPass) return "passed";
  return kind == Finding::kFail ? "failed" : "skipped";
}

std::string ScopeName(const Rule& rule) {
  if (rule.scope == Rule::kPlugin) return "plugin";
  std::vector<std::string> roles;
  for (const v1::Role role : {v1::ROLE_WORKER, v1::ROLE_STAGE, v1::ROLE_PRODUCER}) {
    if (AppliesTo(rule, role)) roles.push_back(RoleName(role));
  }
  return absl::StrJoin(roles, ", ");
}

std::string FixOf(const Result& result) {
  return result.finding.fix.empty() ? result.rule->fix : result.finding.fix;
}

Json ToJson(const Report& report) {
  Json results = Json::array();
  for (const Result& result : report.results) results.push_back(ToJson(result));
  return {{"plugin", report.description.name()},
          {"version", report.description.version()},
          {"sdk", report.description.sdk()},
          {"grade", report.reached ? Json(GradeName(*report.reached)) : Json(nullptr)},
          {"passed", report.Count(Finding::kPass)},
          {"failed", report.Count(Finding::kFail)},
          {"skipped", report.Count(Finding::kSkip)},
          {"results", std::move(results)}};
}

Json RulesToJson() {
  Json rules = Json::array();
  for (const Rule& rule : AllRules()) {
    rules.push_back({{"rule", rule.id},
                     {"grade", GradeName(rule.grade)},
                     {"applies_to", ScopeName(rule)},
                     {"text", rule.text},
                     {"fix", rule.fix},
                     {"needs", rule.needs}});
  }
  return {{"rules", std::move(rules)}};
}

std::string ToJunit(const Report& report) {
  std::string text = absl::StrCat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"outboard conform\" tests=\"",
      report.results.size(), "\" failures=\"", report.Count(Finding::kFail), "\" skipped=\"",
      report.Count(Finding::kSkip), "\">\n");
  for (const Result& result : report.results) text += JunitCase(report, result);
  return text + "</testsuite>\n";
}

}  // namespace outboard::conform

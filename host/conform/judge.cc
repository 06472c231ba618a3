#include "host/conform/judge.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/status.h"
#include "host/base/text.h"

namespace outboard::conform {
namespace {

std::string NameOf(const v1::Component& component) {
  return absl::StrCat(RoleName(component.role()), " ", component.name());
}

class Judge {
 public:
  Judge(const Subject& subject, const Task& task) : stand_(subject), task_(task) {}

  absl::StatusOr<Report> Run();

 private:
  absl::Status Choose();
  void AddWithNeeds(const Rule& rule);
  absl::Status PlayAll(const std::vector<const Rule*>& rules, const std::string& component);
  absl::StatusOr<Finding> PlayOne(const Rule& rule, const std::string& component);
  // Which of its needs has not passed; empty: none.
  std::string Lacking(const Rule& rule, const std::string& component) const;
  void Collect(Result result);
  void NoteCrash(Result* result, std::vector<Breach>* breaches);
  // Records what a session showed of another rule than the one that was played.
  void Convict(const Breach& breach, const Rule& played, const std::string& component,
               const std::string& sent);
  Result* Find(const std::string& rule, const std::string& component);
  std::vector<v1::Component> Components() const;
  void Sum();

  Stand stand_;
  const Task& task_;
  std::set<std::string> asked_, chosen_;  // With and without the rules that others need.
  std::string last_sent_;                 // By the last session.
  bool gone_ = false;
  Report report_;
};

void Judge::AddWithNeeds(const Rule& rule) {
  chosen_.insert(rule.id);
  for (const std::string& need : rule.needs) AddWithNeeds(*FindRule(need));
}

absl::Status Judge::Choose() {
  std::vector<std::string> ids;
  for (const Rule& rule : AllRules()) {
    ids.push_back(rule.id);
    if (task_.rules.empty() && rule.grade <= task_.grade) asked_.insert(rule.id);
  }
  for (const std::string& id : task_.rules) {
    if (FindRule(id) == nullptr) {
      const std::string near = Nearest(id, ids);
      return absl::InvalidArgumentError(
          absl::StrCat("there is no rule ", id,
                       near.empty() ? "; --list shows all" : "; did you mean " + near + "?"));
    }
    asked_.insert(id);
  }
  for (const std::string& id : asked_) AddWithNeeds(*FindRule(id));
  return absl::OkStatus();
}

Result* Judge::Find(const std::string& rule, const std::string& component) {
  for (Result& result : report_.results) {
    if (result.rule->id == rule && (result.component == component || result.component.empty()))
      return &result;
  }
  return nullptr;
}

std::string Judge::Lacking(const Rule& rule, const std::string& component) const {
  for (const std::string& need : rule.needs) {
    const Result* result = const_cast<Judge*>(this)->Find(need, component);
    if (result == nullptr || result->finding.kind != Finding::kPass) return need;
  }
  return "";
}

absl::StatusOr<Finding> Judge::PlayOne(const Rule& rule, const std::string& component) {
  const std::string lacking = Lacking(rule, component);
  if (!lacking.empty()) return Skip(absl::StrCat("needs ", lacking, ", which did not pass"));
  if (gone_) return Skip("the plugin is gone: see process.alive");
  const absl::Status ready = stand_.Ready();
  if (ready.ok()) return rule.play(stand_);
  if (!absl::IsUnavailable(ready) || Find("describe.answers", "") == nullptr) return ready;
  // One at an address is not started anew.
  gone_ = true;
  Convict({"process.alive", std::string(ready.message())}, rule, component, last_sent_);
  return Skip("the plugin is gone: see process.alive");
}

void Judge::NoteCrash(Result* result, std::vector<Breach>* breaches) {
  Process* process = stand_.process();
  if (process == nullptr || absl::StartsWith(result->rule->id, "process.s")) return;
  const bool failed = result->finding.kind == Finding::kFail;
  // The stream ends a moment before the process is known to be gone.
  const bool suspicious = failed || !breaches->empty();
  const auto end = process->WaitEnd(suspicious ? std::chrono::milliseconds(300) : Duration(0));
  if (!end) return;
  const std::string words =
      absl::StrCat("the process ", end->Describe(),
                   "; its last words: ", end->stderr_tail.empty() ? "nothing" : end->stderr_tail);
  if (result->rule->scope == Rule::kPlugin && failed) {
    if (!absl::StrContains(result->finding.came, words)) {
      absl::StrAppend(&result->finding.came, "; ", words);
    }
    return;
  }
  // The stream that broke is no fault of its own.
  std::erase_if(*breaches, [](const Breach& b) { return b.rule == "session.kept"; });
  breaches->push_back({"process.alive", words});
}

void Judge::Convict(const Breach& breach, const Rule& played, const std::string& component,
                    const std::string& sent) {
  const Rule* rule = FindRule(breach.rule);
  Finding finding = Fail(sent, breach.came);
  if (rule->id != played.id) absl::StrAppend(&finding.came, " (seen in ", played.id, ")");
  Result* known = Find(rule->id, component);
  if (known == nullptr) {
    report_.results.push_back({rule, component, std::move(finding), {}});
  } else if (known->finding.kind != Finding::kFail) {
    known->finding = std::move(finding);
  }
}

void Judge::Collect(Result result) {
  const Rule& rule = *result.rule;
  std::vector<Breach> breaches;
  std::string sent;
  for (const std::unique_ptr<Session>& session : stand_.TakeSessions()) {
    for (Breach& breach : session->breaches()) breaches.push_back(std::move(breach));
    if (const std::string last = session->LastSent(); !last.empty()) sent = last;
    result.sessions.push_back(session->transcript());
  }
  NoteCrash(&result, &breaches);
  if (!sent.empty()) last_sent_ = sent;
  if (sent.empty()) sent = result.finding.sent;
  const bool failed = result.finding.kind == Finding::kFail;
  // What only this rule's play brought about is this rule's to tell.
  const bool own = failed && rule.id != "delivery.answered";
  if (own) std::erase_if(breaches, [](const Breach& b) { return b.rule == "session.kept"; });
  const bool spoilt = std::any_of(breaches.begin(), breaches.end(), [&](const Breach& b) {
    return b.rule != rule.id && !(own && b.rule == "process.alive");
  });
  if (failed && spoilt) result.finding = Skip("spoilt: see " + breaches.front().rule);
  const std::string component = result.component;
  // An earlier rule's session may have convicted this one already.
  Result* known = Find(rule.id, component);
  if (known == nullptr) {
    report_.results.push_back(std::move(result));
  } else {
    known->sessions = std::move(result.sessions);
  }
  for (const Breach& breach : breaches) Convict(breach, rule, component, sent);
  // What a broken session left behind is not the next rule's business.
  if (failed) stand_.Refresh();
}

absl::Status Judge::PlayAll(const std::vector<const Rule*>& rules, const std::string& component) {
  for (const Rule* rule : rules) {
    absl::StatusOr<Finding> finding = PlayOne(*rule, component);
    if (!finding.ok()) return finding.status();
    Collect({rule, component, *std::move(finding), {}});
  }
  return absl::OkStatus();
}

std::vector<v1::Component> Judge::Components() const {
  std::vector<v1::Component> components;
  for (const v1::Component& component : report_.description.components()) {
    const bool wanted = task_.component.empty() || task_.component == component.name();
    const bool valid = component.role() >= v1::ROLE_WORKER && component.role() <= v1::ROLE_PRODUCER;
    if (wanted && valid && !component.disabled()) components.push_back(component);
  }
  return components;
}

absl::StatusOr<Report> Judge::Run() {
  OUTBOARD_RETURN_IF_ERROR(Choose());
  std::vector<const Rule*> first, last;
  for (const Rule& rule : AllRules()) {
    if (rule.scope != Rule::kPlugin || !chosen_.contains(rule.id)) continue;
    (absl::StartsWith(rule.id, "process.") ? last : first).push_back(&rule);
  }
  if (first.empty()) first.push_back(FindRule("describe.answers"));
  OUTBOARD_RETURN_IF_ERROR(PlayAll(first, ""));
  report_.description = stand_.description();
  const std::vector<v1::Component> components = Components();
  const Result* described = Find("describe.answers", "");
  if (described->finding.kind == Finding::kPass && components.empty() && !task_.component.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the plugin has no component ", task_.component, " that is not disabled"));
  }
  for (const v1::Component& component : components) {
    stand_.Use(component);
    std::vector<const Rule*> rules;
    for (const Rule& rule : AllRules()) {
      if (AppliesTo(rule, component.role()) && chosen_.contains(rule.id)) rules.push_back(&rule);
    }
    OUTBOARD_RETURN_IF_ERROR(PlayAll(rules, NameOf(component)));
  }
  OUTBOARD_RETURN_IF_ERROR(PlayAll(last, ""));
  Sum();
  return std::move(report_);
}

void Judge::Sum() {
  std::erase_if(report_.results, [this](const Result& result) {
    return !asked_.contains(result.rule->id) && result.finding.kind != Finding::kFail;
  });
  std::stable_sort(report_.results.begin(), report_.results.end(),
                   [](const Result& a, const Result& b) {
                     if (a.component.empty() != b.component.empty()) return a.component.empty();
                     if (a.component != b.component) return a.component < b.component;
                     return a.rule < b.rule;
                   });
  if (!task_.rules.empty()) return;  // Some rules make no grade.
  for (const Grade grade : {Grade::kBasic, Grade::kRobust, Grade::kFast}) {
    if (grade > task_.grade) break;
    const bool good =
        std::none_of(report_.results.begin(), report_.results.end(), [&](const Result& result) {
          return result.rule->grade == grade && result.finding.kind == Finding::kFail;
        });
    if (!good) break;
    report_.reached = grade;
  }
}

}  // namespace

size_t Report::Count(Finding::Kind kind) const {
  return static_cast<size_t>(
      std::count_if(results.begin(), results.end(),
                    [kind](const Result& result) { return result.finding.kind == kind; }));
}

absl::StatusOr<Report> JudgePlugin(const Subject& subject, const Task& task) {
  return Judge(subject, task).Run();
}

}  // namespace outboard::conform

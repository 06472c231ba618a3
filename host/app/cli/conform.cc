#include <fstream>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "host/app/cli/plugin_subject.h"
#include "host/app/cli/table.h"
#include "host/app/cli/verbs.h"
#include "host/base/log.h"
#include "host/base/text.h"
#include "host/conform/judge.h"
#include "host/conform/report.h"

namespace outboard::app {
namespace {

using conform::Finding;
using conform::Result;

Colour ColourOf(Finding::Kind kind) {
  if (kind == Finding::kPass) return Colour::kGreen;
  return kind == Finding::kFail ? Colour::kRed : Colour::kDim;
}

int PrintList(bool json, const Terminal& terminal) {
  if (json) {
    terminal.out << ToLine(conform::RulesToJson()) << std::endl;
    return kOk;
  }
  for (const conform::Rule& rule : conform::AllRules()) {
    terminal.out << rule.id << " (" << GradeName(rule.grade) << "; " << ScopeName(rule) << ")\n  "
                 << rule.text << "\n  fix: " << rule.fix << "\n";
  }
  return kOk;
}

void PrintTranscript(const Result& result, const Terminal& terminal) {
  using conform::Transcript;
  for (const std::vector<Transcript::Line>& session : result.sessions) {
    terminal.out << "\n" << result.rule->id;
    if (!result.component.empty()) terminal.out << ", " << result.component;
    terminal.out << "\n";
    for (const Transcript::Line& line : session) {
      terminal.out << (line.who == Transcript::Who::kHost ? "  host    " : "  plugin      ")
                   << line.text << "\n";
    }
  }
}

// Texts of several lines stay below their label.
std::string Indented(const std::string& text) {
  return absl::StrReplaceAll(EscapeForPeople(text), {{"\\x0A", "\n        "}});
}

void PrintFailure(const Result& result, const Terminal& terminal) {
  terminal.out << "\n" << Paint(terminal, Colour::kRed, "FAILED") << " " << result.rule->id;
  if (!result.component.empty()) terminal.out << ", " << result.component;
  terminal.out << "\n  rule  " << result.rule->text << "\n  sent  " << Indented(result.finding.sent)
               << "\n  came  " << Indented(result.finding.came) << "\n  fix   "
               << Indented(FixOf(result)) << "\n";
}

void Print(const ConformOptions& options, const conform::Report& report, const Terminal& terminal) {
  if (options.transcript) {
    for (const Result& result : report.results) PrintTranscript(result, terminal);
    terminal.out << "\n";
  }
  Table table({"RULE", "GRADE", "OF", "RESULT", "NOTE"});
  for (const Result& result : report.results) {
    const Finding& finding = result.finding;
    table.Add({result.rule->id,
               GradeName(result.rule->grade),
               result.component,
               {KindName(finding.kind), ColourOf(finding.kind)},
               finding.kind == Finding::kFail ? "see below" : finding.came});
  }
  table.Print(terminal);
  for (const Result& result : report.results) {
    if (result.finding.kind == Finding::kFail) PrintFailure(result, terminal);
  }
  terminal.out << "\n"
               << EscapeForPeople(report.description.name()) << " "
               << EscapeForPeople(report.description.version()) << ": "
               << report.Count(Finding::kPass) << " passed, " << report.Count(Finding::kFail)
               << " failed, " << report.Count(Finding::kSkip) << " skipped";
  if (options.rules.empty()) {
    terminal.out << "; grade: " << (report.reached ? GradeName(*report.reached) : "none");
  }
  terminal.out << std::endl;
}

bool WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  return file.flush().good();
}

int ExitCodeOf(const absl::Status& status) {
  return absl::IsUnavailable(status) ? kUnreachable : kUsage;
}

}  // namespace

int RunConform(const ConformOptions& options, const Terminal& terminal) {
  if (options.list) return PrintList(options.json, terminal);
  InitLog(LogFormat::kText, LogLevel::kNone);  // What matters of it is in the report.
  const absl::StatusOr<conform::Subject> subject = SubjectFrom(options.plugin);
  if (!subject.ok()) {
    return TellError(terminal, options.json, kUsage,
                     absl::StrCat(subject.status().message(), "; see outboard conform --help"));
  }
  conform::Task task;
  task.rules = options.rules;
  task.component = options.plugin.component;
  if (options.grade == "basic") task.grade = conform::Grade::kBasic;
  if (options.grade == "fast") task.grade = conform::Grade::kFast;
  const absl::StatusOr<conform::Report> report = JudgePlugin(*subject, task);
  if (!report.ok()) {
    return TellError(terminal, options.json, ExitCodeOf(report.status()),
                     std::string(report.status().message()));
  }
  if (options.json) {
    terminal.out << ToLine(conform::ToJson(*report)) << std::endl;
  } else {
    Print(options, *report, terminal);
  }
  if (!options.junit.empty() && !WriteFile(options.junit, ToJunit(*report))) {
    return TellError(terminal, options.json, kFailed,
                     absl::StrCat("cannot write ", options.junit,
                                  ": give --junit a file that this user may write"));
  }
  return report->passed() ? kOk : kFailed;
}

}  // namespace outboard::app

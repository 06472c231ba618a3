#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/app/callers.h"
#include "host/app/commands.h"
#include "host/app/wiring.h"
#include "host/base/log.h"
#include "host/base/mutex.h"
#include "host/config/reader.h"
#include "host/plugin/description.h"

namespace outboard::app {
namespace {

// One thing that a plugin shows to be wrong, with the line of the configuration that says so.
struct PluginProblem {
  int line = 0;
  std::string message;
};

// What the dry handshake found out about one plugin.
struct Finding {
  std::string plugin;
  std::vector<PluginProblem> problems;
  std::vector<std::string> notes;
};

// Takes the first answer of each plugin; Wait gives neither description nor failure where none
// came.
class FirstAnswers final : public fleet::FleetListener {
 public:
  struct Answer {
    std::optional<outboard::plugin::v1::DescribeResponse> description;
    std::string failure;
  };

  explicit FirstAnswers(size_t plugins) : promises_(plugins), answered_(plugins, false) {}
  Answer Wait(fleet::PluginId plugin, std::chrono::milliseconds timeout) {
    std::future<Answer> future = promises_[plugin].get_future();
    if (future.wait_for(timeout) != std::future_status::ready) return {std::nullopt, ""};
    return future.get();
  }

  void OnReady(fleet::Instance instance) override {
    Set(instance.plugin, {std::move(instance.description), ""});
  }
  void OnFailed(fleet::PluginId plugin, bool, const std::string& report) override {
    Set(plugin, {std::nullopt, report});
  }
  void OnGoingAway(fleet::PluginId, fleet::InstanceUid) override {}
  void OnEnded(fleet::PluginId, fleet::InstanceUid) override {}
  void OnHealth(fleet::PluginId, fleet::InstanceUid, const absl::Status&) override {}
  void OnGone(fleet::PluginId, fleet::InstanceUid, bool, const std::string&) override {}

 private:
  void Set(fleet::PluginId plugin, Answer answer) {
    MutexLock lock(mu_);
    if (answered_[plugin]) return;
    answered_[plugin] = true;
    promises_[plugin].set_value(std::move(answer));
  }

  Mutex mu_;
  std::vector<std::promise<Answer>> promises_;
  std::vector<bool> answered_ OUTBOARD_GUARDED_BY(mu_);
};

void CheckComponents(const config::Config& config, const config::Plugin& plugin,
                     const outboard::plugin::v1::DescribeResponse& description, Finding* finding) {
  const auto check = [&](const std::string& by, const config::Target& named, plugin::Use use) {
    if (named.plugin != plugin.name) return;
    const auto component = plugin::FindComponent(plugin.name, named.component, use, description);
    if (!component.ok()) {
      finding->problems.push_back(
          {named.line, absl::StrCat(component.status().message(), "; ", by, " names it")});
    } else if (component->disabled()) {
      finding->notes.push_back(absl::StrCat("component ", component->name(),
                                            " is disabled: ", component->disabled_reason()));
    }
  };
  for (const config::Route& route : config.routes) {
    const std::string by = absl::StrCat("route ", route.name);
    for (const config::Stage& stage : route.stages) check(by, stage.component, plugin::Use::kStage);
    for (const config::Target& target : route.to) check(by, target, plugin::Use::kTarget);
  }
  for (const config::Pipeline& pipeline : config.pipelines) {
    const std::string by = absl::StrCat("pipeline ", pipeline.name);
    for (const config::Stage& stage : pipeline.stages)
      check(by, stage.component, plugin::Use::kStage);
  }
  for (const config::Ingress& ingress : config.ingress) {
    const std::string by = absl::StrCat("ingress ", ingress.name);
    for (const config::Stage& stage : ingress.stages)
      check(by, stage.component, plugin::Use::kStage);
  }
}

// Starts (or dials) each plugin once in a folder of its own, asks Describe, and stops it.
std::vector<Finding> Handshake(const config::Config& config) {
  std::vector<Finding> findings;
  if (config.plugins.empty()) return findings;
  InitLog(LogFormat::kText, LogLevel::kNone);  // What matters of it is in the findings.
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / absl::StrCat("outboard-check-", getpid());
  std::filesystem::create_directory(folder);
  fleet::FleetOptions options = FleetOptions(config);
  options.supervisor.data_dir = folder.string();
  for (fleet::PluginSpec& spec : options.plugins) spec.instances = 1;
  FirstAnswers answers(config.plugins.size());
  absl::StatusOr<std::unique_ptr<fleet::Fleet>> fleet =
      fleet::Fleet::Create(std::move(options), &answers);
  for (fleet::PluginId id = 0; id < config.plugins.size(); ++id) {
    const config::Plugin& plugin = config.plugins[id];
    Finding& finding = findings.emplace_back();
    finding.plugin = plugin.name;
    if (!fleet.ok()) {
      finding.problems.push_back({plugin.line, std::string(fleet.status().message())});
      continue;
    }
    const auto timeout =
        std::chrono::duration_cast<std::chrono::milliseconds>(plugin.start_timeout);
    FirstAnswers::Answer answer = answers.Wait(id, timeout + std::chrono::seconds(1));
    if (!answer.description) {
      // A remote one is dialled again and again; the fleet knows why the last time was in vain.
      if (answer.failure.empty()) answer.failure = (*fleet)->Status()[id].problem;
      if (answer.failure.empty()) answer.failure = "does not answer Describe within start_timeout";
      finding.problems.push_back({plugin.line, RedactSecrets(answer.failure)});
      continue;
    }
    finding.notes.push_back(
        absl::StrCat(answer.description->name(), " ", answer.description->version()));
    CheckComponents(config, plugin, *answer.description, &finding);
  }
  if (fleet.ok()) (*fleet)->Shutdown(std::chrono::seconds(5));
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return findings;
}

// What the broker, or its absence, showed.
struct BrokerFinding {
  bus::SettlementInfo plan;  // Of the broker at hand, else what the configuration alone says.
  bool asked = false;        // It answered.
  std::string problem;       // A host could not use it, or not with this configuration.
  std::string warning;       // It cannot be reached, which is no fault of the configuration.
};

BrokerFinding LookAtBroker(const config::Config& config, bool ask) {
  BrokerFinding finding;
  if (const absl::Status status = CheckRabbitmq(config); !status.ok()) {
    finding.problem = RedactSecrets(status.message());
  } else if (ask) {
    absl::StatusOr<bus::SettlementInfo> plan = AskBroker(config);
    if (plan.ok()) {
      finding.plan = *std::move(plan);
      finding.asked = true;
      return finding;
    }
    const std::string why = RedactSecrets(plan.status().message());
    (absl::IsUnavailable(plan.status()) ? finding.warning : finding.problem) = why;
  }
  finding.plan = PlanWithoutBroker(config);
  return finding;
}

std::string PlanBasis(const bus::SettlementInfo& plan, bool asked) {
  if (!asked) return absl::StrCat(plan.basis, ", from the configuration alone");
  return absl::StrCat(plan.basis, plan.run ? ", run" : ", from the documentation, not run");
}

void PrintPlan(const BrokerFinding& broker) {
  const bus::SettlementInfo& plan = broker.plan;
  std::cout << "settlement: " << PlanBasis(plan, broker.asked) << "\n";
  for (const bus::SettlementInfo::Row& row : plan.rows) {
    std::cout << "  " << row.end << (row.lanes.empty() ? "" : " (" + row.lanes + ")") << ": "
              << absl::StrJoin(row.operations, ", ") << "\n";
  }
  for (const bus::SettlementInfo::Queue& queue : plan.queues)
    std::cout << "  queue, " << queue.queue << ": " << queue.made_as << "\n";
  for (const std::string& note : plan.notes) std::cout << "  note: " << note << "\n";
}

nlohmann::json PlanJson(const bus::SettlementInfo& plan) {
  nlohmann::json rows = nlohmann::json::array();
  for (const bus::SettlementInfo::Row& row : plan.rows)
    rows.push_back({{"end", row.end}, {"lanes", row.lanes}, {"operations", row.operations}});
  nlohmann::json queues = nlohmann::json::array();
  for (const bus::SettlementInfo::Queue& queue : plan.queues)
    queues.push_back({{"queue", queue.queue}, {"made_as", queue.made_as}});
  return {{"basis", plan.basis},
          {"run", plan.run},
          {"rows", std::move(rows)},
          {"queues", std::move(queues)},
          {"notes", plan.notes}};
}

void PrintText(const std::string& path, const config::ReadResult& read,
               const std::vector<Finding>& findings, const std::optional<BrokerFinding>& broker,
               bool ok) {
  for (const config::ConfigProblem& problem : read.problems) std::cerr << problem.text() << "\n";
  for (const config::ConfigProblem& warning : read.warnings)
    std::cerr << "warning: " << warning.text() << "\n";
  for (const Finding& finding : findings) {
    for (const PluginProblem& problem : finding.problems) {
      std::cerr << path << ":" << problem.line << ": plugin " << finding.plugin << ": "
                << problem.message << "\n";
    }
    if (!finding.problems.empty()) continue;
    std::cout << "plugin " << finding.plugin << ": ok";
    for (const std::string& note : finding.notes) std::cout << ", " << note;
    std::cout << "\n";
  }
  if (broker) {
    if (!broker->problem.empty()) std::cerr << path << ": bus: " << broker->problem << "\n";
    if (!broker->warning.empty()) {
      std::cerr << "warning: " << path << ": bus: the broker was not asked: " << broker->warning
                << "\n";
    }
    PrintPlan(*broker);
  }
  if (ok) std::cout << path << ": ok\n";
}

void PrintJson(const std::string& path, const config::ReadResult& read,
               const std::vector<Finding>& findings, const std::optional<BrokerFinding>& broker,
               bool ok) {
  nlohmann::json out = {{"ok", ok},
                        {"config", path},
                        {"problems", nlohmann::json::array()},
                        {"warnings", nlohmann::json::array()},
                        {"plugins", nlohmann::json::array()}};
  const auto add = [](const config::ConfigProblem& p) {
    return nlohmann::json{{"file", p.file}, {"line", p.line},       {"column", p.column},
                          {"path", p.path}, {"message", p.message}, {"fix", p.fix}};
  };
  for (const config::ConfigProblem& problem : read.problems)
    out["problems"].push_back(add(problem));
  for (const config::ConfigProblem& warning : read.warnings)
    out["warnings"].push_back(add(warning));
  for (const Finding& finding : findings) {
    nlohmann::json problems = nlohmann::json::array();
    for (const PluginProblem& problem : finding.problems) {
      problems.push_back({{"line", problem.line}, {"message", problem.message}});
    }
    out["plugins"].push_back(
        {{"name", finding.plugin}, {"problems", problems}, {"notes", finding.notes}});
  }
  if (broker) {
    out["broker"] = {
        {"asked", broker->asked}, {"problem", broker->problem}, {"warning", broker->warning}};
    out["settlement"] = PlanJson(broker->plan);
  }
  std::cout << out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

}  // namespace

int RunCheck(const CheckOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string path = config::ResolveConfigPath(options.config);
  config::ReadResult read = config::ReadConfigFile(path);
  if (read.ok() && options.broker) {
    const absl::Status callers = CheckCallers(read.config);
    if (!callers.ok()) {
      read.problems.push_back(
          {.file = path, .path = "host", .message = std::string(callers.message()), .fix = ""});
    }
  }
  std::vector<Finding> findings;
  if (read.ok() && options.plugins) findings = Handshake(read.config);
  bool ok = read.ok();
  for (const Finding& finding : findings) ok = ok && finding.problems.empty();
  std::optional<BrokerFinding> broker;
  if (read.ok() && read.config.bus.kind == "rabbitmq") {
    broker = LookAtBroker(read.config, options.broker);
    ok = ok && broker->problem.empty();
  }
  if (options.json) {
    PrintJson(path, read, findings, broker, ok);
  } else {
    PrintText(path, read, findings, broker, ok);
  }
  return ok ? kOk : kUsage;
}

}  // namespace outboard::app

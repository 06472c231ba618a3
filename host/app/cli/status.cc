#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "host/app/cli/lane_table.h"
#include "host/app/cli/verbs.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

using host::v1::GetStatusResponse;
using host::v1::InstanceStatus;
using host::v1::PluginStatus;

Duration Since(const google::protobuf::Timestamp& time) {
  return Duration(absl::ToUnixMicros(absl::Now()) - time.seconds() * 1'000'000 -
                  time.nanos() / 1000);
}

// As short as it gets: `check` has it whole.
std::string SettlementLines(const host::v1::SettlementPlan& plan) {
  std::string lines =
      absl::StrCat("settlement: ", EscapeForPeople(plan.basis()),
                   plan.run() ? ", run" : ", from the documentation, not run", "\n  ");
  const char* between = "";
  for (const host::v1::SettlementRow& row : plan.rows()) {
    const std::string lanes = row.lanes().empty() ? "" : absl::StrCat(" (", row.lanes(), ")");
    absl::StrAppend(&lines, between, row.end(), lanes, ": ", absl::StrJoin(row.operations(), ", "));
    between = "; ";
  }
  return lines + "\n";
}

void PrintHost(const GetStatusResponse& status, const Terminal& terminal) {
  std::ostream& out = terminal.out;
  out << status.host() << ": outboard " << status.version() << ", pid " << status.pid() << ", up "
      << FormatAge(Since(status.started_at()));
  if (status.draining()) out << ", " << Paint(terminal, Colour::kYellow, "draining");
  out << "\n";
  if (const uint64_t left = status.probation().deliveries_left(); left > 0) {
    out << Paint(terminal, Colour::kYellow,
                 absl::StrCat("probation: the host before this one did not end by itself; ", left,
                              " deliveries are still read one at a time"))
        << "\n";
  }
  const host::v1::BusStatus& bus = status.bus();
  out << "bus: " << bus.kind() << ", " << EscapeForPeople(bus.location()) << ", "
      << (bus.connected() ? "connected" : Paint(terminal, Colour::kRed, "not connected"));
  if (bus.events() > 0) out << ", " << bus.events() << " events";
  if (bus.bytes() > 0) out << ", " << FormatBytes(bus.bytes());
  out << "\n";
  if (bus.has_settlement()) out << SettlementLines(bus.settlement());
  if (!status.http_address().empty())
    out << "metrics: http" << (status.tls() ? "s" : "") << "://" << status.http_address()
        << "/metrics\n";
  if (!status.grpc_address().empty()) {
    out << "grpc: " << status.grpc_address()
        << (status.tls() ? ", TLS, with a token\n" : ", with a token\n");
  }
  if (!status.config_path().empty())
    out << "config: " << EscapeForPeople(status.config_path()) << "\n";
}

Colour InstanceColour(const std::string& state) {
  if (state == "ready") return Colour::kGreen;
  return state == "backoff" || state == "stopped" ? Colour::kRed : Colour::kYellow;
}

void AddInstance(const PluginStatus& plugin, const InstanceStatus& instance, Table* table) {
  const std::string where = instance.pid() > 0 ? absl::StrCat(instance.pid()) : instance.address();
  table->Add({absl::StrCat(plugin.name(), "#", instance.quarantine() ? "q" : "", instance.number()),
              {instance.state(), InstanceColour(instance.state())},
              where.empty() ? "-" : where,
              instance.in_flight(),
              instance.restarts(),
              plugin.version().empty() ? "-" : plugin.version(),
              instance.last_end().empty() ? "-" : Truncate(instance.last_end(), 60)});
}

void PrintPlugins(const GetStatusResponse& status, const Terminal& terminal) {
  Table table({"PLUGIN", "STATE", "PID", "IN FLIGHT", "RESTARTS", "VERSION", "LAST END"});
  for (const PluginStatus& plugin : status.plugins()) {
    if (plugin.instances().empty()) {
      table.Add({plugin.name(),
                 {"no instance", Colour::kRed},
                 "-",
                 uint64_t{0},
                 plugin.restarts(),
                 "-",
                 "-"});
    }
    for (const InstanceStatus& instance : plugin.instances()) AddInstance(plugin, instance, &table);
  }
  if (table.empty()) return;
  terminal.out << "\n";
  table.Print(terminal);
}

// One that is set aside has a warning.
std::string SuspectLine(const PluginStatus& plugin, const host::v1::SuspectStatus& suspect) {
  const std::string event =
      absl::StrCat("suspect: event ", suspect.event_id(), " of lane ", suspect.lane());
  if (suspect.ends() == 0) {
    return absl::StrCat(event, " was in flight when a session of ", plugin.name(),
                        " was lost, and waits for its trial");
  }
  return absl::StrCat(event, " ended ", suspect.ends(),
                      suspect.ends() == 1 ? " process of " : " processes of ", plugin.name(),
                      " in its trials, and is tried again");
}

// What is not as it should be, one line each.
void PrintTrouble(const GetStatusResponse& status, const Terminal& terminal) {
  const auto line = [&](Colour colour, const std::string& text) {
    absl::string_view indent;  // A warning may end with what a process said last.
    for (const absl::string_view part : absl::StrSplit(text, '\n')) {
      terminal.out << indent << Paint(terminal, colour, EscapeForPeople(part)) << "\n";
      indent = "    ";
    }
  };
  for (const PluginStatus& plugin : status.plugins()) {
    for (const host::v1::ComponentStatus& component : plugin.components()) {
      if (component.disabled_reason().empty()) continue;
      line(Colour::kYellow, absl::StrCat(plugin.name(), ".", component.name(),
                                         " is disabled: ", component.disabled_reason()));
    }
    for (const host::v1::SuspectStatus& suspect : plugin.suspects()) {
      if (!suspect.set_aside()) line(Colour::kYellow, SuspectLine(plugin, suspect));
    }
  }
  for (const std::string& warning : status.warnings()) line(Colour::kYellow, "warning: " + warning);
}

}  // namespace

int RunStatus(const HostOptions& options, const Terminal& terminal) {
  Client client(options, terminal);
  if (!client.connected()) return client.exit_code();
  GetStatusResponse status;
  if (!client.Call(&host::v1::AdminService::Stub::GetStatus, host::v1::GetStatusRequest(),
                   &status)) {
    return client.exit_code();
  }
  if (client.json()) {
    terminal.out << ToLine(ToJson(status)) << std::endl;
    return kOk;
  }
  PrintHost(status, terminal);
  PrintPlugins(status, terminal);
  const Table lanes = LaneTable(status.lanes());
  if (!lanes.empty()) {
    terminal.out << "\n";
    lanes.Print(terminal);
  }
  for (const Table& table : {PipelineTable(status.pipelines()), IngressTable(status.ingress())}) {
    if (table.empty()) continue;
    terminal.out << "\n";
    table.Print(terminal);
  }
  PrintTrouble(status, terminal);
  return kOk;
}

}  // namespace outboard::app

#include <ostream>

#include "absl/strings/str_cat.h"
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

void PrintHost(const GetStatusResponse& status, const Terminal& terminal) {
  std::ostream& out = terminal.out;
  out << status.host() << ": outboard " << status.version() << ", pid " << status.pid() << ", up "
      << FormatAge(Since(status.started_at()));
  if (status.draining()) out << ", " << Paint(terminal, Colour::kYellow, "draining");
  out << "\n";
  const host::v1::BusStatus& bus = status.bus();
  out << "bus: " << bus.kind() << ", " << EscapeForPeople(bus.location()) << ", "
      << (bus.connected() ? "connected" : Paint(terminal, Colour::kRed, "not connected"));
  if (bus.events() > 0) out << ", " << bus.events() << " events";
  if (bus.bytes() > 0) out << ", " << FormatBytes(bus.bytes());
  out << "\n";
  if (!status.http_address().empty())
    out << "metrics: http://" << status.http_address() << "/metrics\n";
  if (!status.config_path().empty())
    out << "config: " << EscapeForPeople(status.config_path()) << "\n";
}

Colour InstanceColour(const std::string& state) {
  if (state == "ready") return Colour::kGreen;
  return state == "backoff" || state == "stopped" ? Colour::kRed : Colour::kYellow;
}

void AddInstance(const PluginStatus& plugin, const InstanceStatus& instance, Table* table) {
  const std::string where = instance.pid() > 0 ? absl::StrCat(instance.pid()) : instance.address();
  table->Add({absl::StrCat(plugin.name(), "#", instance.number()),
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

// What is not as it should be, one line each.
void PrintTrouble(const GetStatusResponse& status, const Terminal& terminal) {
  const auto line = [&](Colour colour, const std::string& text) {
    terminal.out << Paint(terminal, colour, EscapeForPeople(text)) << "\n";
  };
  for (const PluginStatus& plugin : status.plugins()) {
    if (!plugin.circuit().empty() && plugin.circuit() != "closed") {
      line(Colour::kRed, absl::StrCat("circuit of ", plugin.name(), " is ", plugin.circuit(), ": ",
                                      plugin.circuit_reason()));
    }
    for (const host::v1::ComponentStatus& component : plugin.components()) {
      if (component.disabled_reason().empty()) continue;
      line(Colour::kYellow, absl::StrCat(plugin.name(), ".", component.name(),
                                         " is disabled: ", component.disabled_reason()));
    }
    for (const host::v1::SuspectStatus& suspect : plugin.suspects()) {
      line(Colour::kYellow,
           absl::StrCat("suspect: event ", suspect.event_id(), " of lane ", suspect.lane(),
                        " ended ", suspect.ends(), " sessions of ", plugin.name(),
                        suspect.set_aside() ? ", set aside until another event succeeds" : ""));
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
  PrintTrouble(status, terminal);
  return kOk;
}

}  // namespace outboard::app

// A host for the tests of supervision to kill: keeps one instance of a plugin running until it is
// killed.
//   supervise_doomed_host DATA_DIR MARK COMMAND [ARG...]
// The environment variable PROCESSES limits the plugin's number of them.
// Prints "started LAUNCHER_PID" once the plugin runs.

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/supervise/procfs.h"
#include "host/supervise/supervisor.h"

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  outboard::supervise::SupervisorOptions options;
  options.data_dir = argv[1];
  const char* const processes = getenv("PROCESSES");
  options.use_cgroups = processes != nullptr;
  options.on_started = [](const outboard::supervise::Started& started) {
    const auto stat = outboard::supervise::ReadProcStat(started.pid);
    printf("started %d\n", stat.has_value() ? static_cast<int>(stat->parent) : 0);
    fflush(stdout);
  };
  auto supervisor = outboard::supervise::Supervisor::Create(options);
  if (!supervisor.ok()) {
    fprintf(stderr, "%s\n", std::string(supervisor.status().message()).c_str());
    return 1;
  }
  outboard::supervise::ProgramSpec spec;
  spec.name = "victim";
  spec.argv.assign(argv + 3, argv + argc);
  spec.directory = "/";
  if (processes != nullptr) spec.limits.processes = static_cast<uint32_t>(atoi(processes));
  spec.env["SUPERVISE_TEST_MARK"] = argv[2];
  if (!(*supervisor)->Start(spec, 0).ok()) return 1;
  for (;;) pause();
}

// outboard-faulty: a worker plugin that does wrong on purpose. Written to the bare contract,
// without the SDK.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <thread>

#include "outboard/plugin/v1/plugin.grpc.pb.h"
#include "plugins/faulty/process_faults.h"
#include "plugins/faulty/session.h"

namespace outboard::faulty {
namespace {

int stop_pipe[2];

void OnSignal(int) {
  const char byte = 's';
  if (write(stop_pipe[1], &byte, 1) != 1) _exit(0);
}

class PluginService : public plugin::v1::PluginService::CallbackService {
 public:
  explicit PluginService(Shared& shared) : shared_(shared) {}

  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context,
                                     const plugin::v1::DescribeRequest*,
                                     plugin::v1::DescribeResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const Fault& fault = shared_.options.at_describe;
    if (fault.name == "silent" || fault.name == "hang") return reactor;  // Never finished.
    if (fault.name == "blocked" && shared_.sessions > 0) return reactor;
    std::thread([this, reactor, response, fault] {
      if (fault.name == "end-error") {
        return reactor->Finish({grpc::StatusCode::INTERNAL, "refused on purpose"});
      }
      if (fault.name != "done" && shared_.plan.Permit()) RunProcessFault(fault);
      Fill(response);
      Lie(fault.name, response);
      reactor->Finish(grpc::Status::OK);
    }).detach();
    return reactor;
  }

 private:
  void Fill(plugin::v1::DescribeResponse* response) const {
    const Options& options = shared_.options;
    response->set_name(options.name);
    response->set_version(options.version);
    response->set_instance_id(shared_.instance_id);
    response->set_max_message_bytes(options.max_message_bytes);
    if (!options.config_error.empty()) {
      response->add_config_errors()->set_message(options.config_error);
    }
    for (const std::string& name : options.components) {
      plugin::v1::Component* component = response->add_components();
      component->set_name(name);
      component->set_role(plugin::v1::ROLE_WORKER);
      for (const std::string& type : options.event_types) component->add_event_types(type);
      for (const std::string& type : options.emits) component->add_emits(type);
      component->set_concurrency(options.concurrency);
      component->set_max_in_flight(options.max_in_flight);
      component->set_in_order(options.in_order);
    }
  }

  void Lie(const std::string& fault, plugin::v1::DescribeResponse* response) {
    if (fault == "twin") response->set_version(std::to_string(++described_));
    if (fault == "no-schema") response->set_config_schema_json("{type: object");
    if (fault == "boast") response->set_max_message_bytes(8 << 20);
    if (fault == "any-config") {
      response->set_config_schema_json(R"({"type": "object", "additionalProperties": false})");
    }
    if (fault != "no-role") return;
    for (auto& component : *response->mutable_components()) component.clear_role();
  }

  Shared& shared_;
  std::atomic<int> described_{0};
};

class WorkerService : public plugin::v1::WorkerService::CallbackService {
 public:
  explicit WorkerService(Shared& shared) : shared_(shared) {}

  grpc::ServerBidiReactor<plugin::v1::HandleRequest, plugin::v1::HandleResponse>* Handle(
      grpc::CallbackServerContext*) override {
    return Session::Start(shared_);
  }

 private:
  Shared& shared_;
};

bool IsDeaf(const Options& options) {
  return options.ignore_everything || options.at_start.name == "deaf";
}

void SetSignals(bool ignore_everything) {
  signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGTERM, SIGINT}) {
    signal(number, ignore_everything ? SIG_IGN : OnSignal);
  }
  if (!ignore_everything) return;
  for (const int number : {SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM}) signal(number, SIG_IGN);
}

bool HasHostOnStdin(const std::string& address) {
  struct stat info;
  return address.rfind("unix:", 0) == 0 && fstat(STDIN_FILENO, &info) == 0 &&
         (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
}

// Returns when the process shall stop.
void WaitForEnd(bool watch_stdin) {
  pollfd fds[2] = {{stop_pipe[0], POLLIN, 0}, {watch_stdin ? STDIN_FILENO : -1, POLLIN, 0}};
  while (true) {
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[0].revents != 0) return;
    char waste[4096];
    if (fds[1].revents != 0 && read(STDIN_FILENO, waste, sizeof waste) <= 0) return;
  }
}

std::string NewInstanceId() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return std::to_string(getpid()) + "-" + std::to_string(now.tv_sec) + "-" +
         std::to_string(now.tv_nsec);
}

int Serve(Shared& shared) {
  std::string address = shared.options.listen;
  if (const char* listen = std::getenv("OUTBOARD_LISTEN"); address.empty() && listen)
    address = listen;
  if (address.empty()) {
    std::fprintf(stderr,
                 "outboard-faulty: OUTBOARD_LISTEN is not set: the host sets it, or try "
                 "--listen unix:/tmp/faulty.sock\n");
    return 2;
  }
  grpc::EnableDefaultHealthCheckService(true);
  PluginService plugin_service(shared);
  WorkerService worker_service(shared);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  if (shared.options.max_message_bytes > 0) {
    builder.SetMaxReceiveMessageSize(static_cast<int>(shared.options.max_message_bytes));
  }
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(&plugin_service);
  builder.RegisterService(&worker_service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) {
    std::fprintf(stderr, "outboard-faulty: cannot listen at %s\n", address.c_str());
    return 1;
  }
  if (shared.options.at_describe.name == "not-serving") {
    server->GetHealthCheckService()->SetServingStatus(false);
  }
  const bool keep_on = IsDeaf(shared.options);
  WaitForEnd(!keep_on && HasHostOnStdin(address));
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::seconds(20));
    _exit(0);
  }).detach();
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(15));
  return 0;
}

int Main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], kSurvivorFlag) == 0) return RunSurvivor();
  // Detached handlers may use this until the process ends, so it is never destroyed.
  auto& shared = *new Shared(ParseOptionsOrExit(argc, argv));
  if (pipe2(stop_pipe, O_CLOEXEC) != 0) return 1;
  SetSignals(IsDeaf(shared.options));
  shared.instance_id = NewInstanceId();
  const Fault& fault = shared.options.at_start;
  if (fault.name != "done" && shared.plan.Permit()) RunProcessFault(fault);
  const int code = Serve(shared);
  std::fflush(nullptr);
  _exit(code);
}

}  // namespace
}  // namespace outboard::faulty

int main(int argc, char** argv) { return outboard::faulty::Main(argc, argv); }

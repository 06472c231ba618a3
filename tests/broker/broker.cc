#include "tests/broker/broker.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "host/base/status.h"

extern char** environ;

namespace outboard::tests {
namespace {

[[noreturn]] void Die(const std::string& what) {
  fprintf(stderr, "test broker: %s\n", what.c_str());
  abort();
}

// All that comes until the end.
std::string ReadAll(FILE* file) {
  std::string all;
  char chunk[4096];
  for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;) all.append(chunk, got);
  return all;
}

}  // namespace

Broker& Broker::Shared() {
  static const std::unique_ptr<Broker> broker = [] {
    const char* folder = getenv("OUTBOARD_TEST_BROKER");
    std::unique_ptr<Broker> made(new Broker(folder == nullptr ? "" : folder));
    made->Start();
    return made;
  }();
  return *broker;
}

std::unique_ptr<Broker> Broker::Make() { return std::unique_ptr<Broker>(new Broker("")); }

Broker::Broker(std::string folder) : folder_(std::move(folder)) {
  if (folder_.empty()) StartKeeper();
  Connect();
  OUTBOARD_CHECK(absl::SimpleAtoi(Ask("port"), &port_));
}

Broker::~Broker() {
  close(control_);
  if (keeper_ == 0) return;
  close(lifeline_);
  waitpid(keeper_, nullptr, 0);
}

void Broker::StartKeeper() {
  int in[2];
  int out[2];
  OUTBOARD_CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // Out of reach of a Ctrl-C, and of what kills this program's group: it tidies up.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::string python = OUTBOARD_TEST_PYTHON;
  std::string script = OUTBOARD_TEST_KEEPER;
  char* argv[] = {python.data(), script.data(), nullptr};
  const int error = posix_spawn(&keeper_, argv[0], &actions, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  if (error != 0) {
    Die(absl::StrCat("cannot run ", python, ": ", strerror(error), "; fix: deploy/setup test"));
  }
  lifeline_ = in[1];
  FILE* said = fdopen(out[0], "r");
  char line[4096] = "";
  if (fgets(line, sizeof line, said) == nullptr) Die("its keeper ended; see above");
  fclose(said);
  folder_.assign(line, strcspn(line, "\n"));
}

void Broker::Connect() {
  control_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const std::string path = folder_ + "/control";
  OUTBOARD_CHECK(control_ >= 0 && path.size() < sizeof to.sun_path);
  memcpy(to.sun_path, path.c_str(), path.size() + 1);
  if (connect(control_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    Die(absl::StrCat("nobody answers at ", path, ": ", strerror(errno),
                     "; fix: unset OUTBOARD_TEST_BROKER, or let it name a running one"));
  }
}

void Broker::ReadMore() {
  char chunk[4096];
  const ssize_t got = recv(control_, chunk, sizeof chunk, 0);
  if (got <= 0) Die("its keeper is gone");
  received_.append(chunk, static_cast<size_t>(got));
}

// One line there; "ok SIZE" or "error SIZE", a newline and SIZE bytes back.
std::string Broker::Ask(const std::string& request) {
  MutexLock lock(mu_);
  const std::string line = absl::StrReplaceAll(request, {{"\n", " "}}) + "\n";
  if (send(control_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    Die("its keeper is gone");
  }
  size_t end;
  while ((end = received_.find('\n')) == std::string::npos) ReadMore();
  const size_t space = received_.find(' ');
  size_t size = 0;
  OUTBOARD_CHECK(space < end &&
                 absl::SimpleAtoi(received_.substr(space + 1, end - space - 1), &size));
  while (received_.size() < end + 1 + size) ReadMore();
  const bool good = received_.compare(0, space, "ok") == 0;
  std::string text = received_.substr(end + 1, size);
  received_.erase(0, end + 1 + size);
  if (!good) Die(text);
  return text;
}

std::string Broker::NewVhost() { return Ask("vhost"); }

void Broker::DeleteVhost(const std::string& vhost) { Ask("delete-vhost " + vhost); }

std::string Broker::Url(const std::string& vhost) const {
  return absl::StrCat("amqp://guest:guest@127.0.0.1:", port_, "/", vhost);
}

void Broker::Start() { Ask("start"); }

void Broker::Stop() {
  if (keeper_ == 0) Die("it is shared: stop one that Broker::Make() made");
  Ask("stop");
}

void Broker::Kill() {
  if (keeper_ == 0) Die("it is shared: kill one that Broker::Make() made");
  Ask("kill");
}

void Broker::SetMemoryAlarm(bool on) { Ask(on ? "alarm on" : "alarm off"); }

std::string Broker::Ctl(const std::string& arguments) {
  const std::string command = absl::StrCat(folder_, "/rabbitmqctl ", arguments, " 2>&1");
  FILE* output = popen(command.c_str(), "re");
  OUTBOARD_CHECK(output != nullptr);
  std::string text = ReadAll(output);
  if (pclose(output) != 0) Die(absl::StrCat("rabbitmqctl ", arguments, ": ", text));
  return text;
}

std::string Broker::Eval(const std::string& expression) { return Ask("eval " + expression); }

}  // namespace outboard::tests

// A plugin process for the tests of limits and sandbox: tries one thing, as its arguments say, and
// exits with 0 if it succeeded, else with the errno. Libc only.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

int Outcome(bool success) { return success ? 0 : errno; }

void Touch(size_t mebibytes) {
  const size_t size = mebibytes << 20;
  volatile char* const memory = static_cast<char*>(malloc(size));
  for (size_t i = 0; memory != nullptr && i < size; i += 4096) memory[i] = 1;
}

// In steps, so that whoever only looks now and then sees it in time.
int Allocate(size_t mebibytes) {
  for (size_t i = 0; i < mebibytes; i += 8) {
    Touch(8);
    usleep(5000);
  }
  return 0;
}

// All in children, each of which is below the limit.
int AllocateInChildren(size_t mebibytes) {
  for (size_t i = 0; i < mebibytes; i += 16) {
    if (fork() == 0) {
      Touch(16);
      for (;;) pause();
    }
    usleep(10'000);
  }
  return 0;
}

// A child is killed for its memory, this process is not.
int OutliveAChild(size_t mebibytes) {
  const pid_t child = fork();
  if (child == 0) {
    Touch(mebibytes);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int Fork(int times) {
  for (int i = 0; i < times; ++i) {
    const pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) {
      for (;;) pause();
    }
  }
  return 0;
}

int OpenFiles(int times) {
  for (int i = 0; i < times; ++i) {
    if (open("/dev/null", O_RDONLY) < 0) return errno;
  }
  return 0;
}

int Write(const char* path) { return Outcome(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0); }

int Read(const char* path) {
  char byte;
  const int fd = open(path, O_RDONLY);
  return Outcome(fd >= 0 && read(fd, &byte, 1) >= 0);
}

int Connect(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  return Outcome(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
}

// As every plugin does: listens where it is told to, and answers one connection.
int Serve() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, getenv("OUTBOARD_LISTEN") + strlen("unix:"));
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return errno;
  if (listen(fd, 1) != 0) return errno;
  return Outcome(accept(fd, nullptr, nullptr) >= 0);
}

int Clone(int flags) {
  const long pid = syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid == 0) _exit(0);
  return Outcome(pid > 0);
}

int Call(const char* name) {
  char buffer[256] = {};
  const auto is = [&](const char* other) { return strcmp(name, other) == 0; };
  if (is("ptrace")) return Outcome(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0);
  if (is("mount")) return Outcome(mount("x", "/mnt", "tmpfs", 0, nullptr) == 0);
  if (is("bpf")) return Outcome(syscall(SYS_bpf, BPF_MAP_CREATE, buffer, sizeof(buffer)) >= 0);
  if (is("unshare")) return Outcome(unshare(CLONE_NEWUSER) == 0);
  if (is("clone")) return Clone(CLONE_NEWUSER);
  if (is("clone3")) return Outcome(syscall(SYS_clone3, buffer, 64) >= 0);
  if (is("keyctl")) return Outcome(syscall(SYS_keyctl, 0, -1, 0, 0, 0) >= 0);
  if (is("io_uring")) return Outcome(syscall(SYS_io_uring_setup, 1, buffer) >= 0);
  if (is("fork")) return Clone(0);
  return ENOSYS;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return EINVAL;
  const char* const what = argv[1];
  const char* const argument = argv[2];
  const int number = atoi(argument);
  const auto is = [&](const char* other) { return strcmp(what, other) == 0; };
  if (is("allocate")) return Allocate(static_cast<size_t>(number));
  if (is("allocate-in-children")) return AllocateInChildren(static_cast<size_t>(number));
  if (is("outlive-a-child")) return OutliveAChild(static_cast<size_t>(number));
  if (is("fork")) return Fork(number);
  if (is("open")) return OpenFiles(number);
  if (is("write")) return Write(argument);
  if (is("read")) return Read(argument);
  if (is("connect")) return Connect(number);
  if (is("signal")) return Outcome(kill(number, 0) == 0);
  if (is("serve")) return Serve();
  if (is("call")) return Call(argument);
  fprintf(stderr, "intruder: unknown attempt %s\n", what);
  return EINVAL;
}

// What a plugin with limits and in a sandbox tries, and does not get. Each test of what this
// machine cannot do is skipped with what the host itself says of it.

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/supervise/cgroups.h"
#include "host/supervise/fd.h"
#include "host/supervise/find_launcher.h"
#include "host/supervise/launch_record.h"
#include "tests/integration/supervise/fixture.h"

namespace outboard::supervise {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uid_t kOwnUser = 61999;
constexpr uid_t kPlainUser = 61998;
constexpr uint64_t kLimit = uint64_t{64} << 20;

std::string Text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class IsolationTest : public SupervisorTest {
 protected:
  IsolationTest() {
    chmod(data_dir().c_str(), 0755);  // of other users than this one, too
    // Where those can run it.
    fs::copy_file(Beside("supervise_intruder"), data_dir() + "/intruder");
  }

  ProgramSpec Intruder(const std::string& what, const std::string& argument) const {
    ProgramSpec spec = Spec({"./intruder", what, argument});
    spec.restart_initial = spec.restart_max = std::chrono::hours(1);
    return spec;
  }

  ProgramSpec Sandboxed(const std::string& what, const std::string& argument) const {
    ProgramSpec spec = Intruder(what, argument);
    spec.sandbox.on = true;
    spec.sandbox.own_user = kOwnUser;
    return spec;
  }

  ProcessEnd Run(ProgramSpec spec) {
    const size_t before = ended().size();
    if (!made_) {
      SupervisorOptions options = Options();
      options.use_cgroups = use_cgroups_;
      if (!launcher_.empty()) options.launcher = launcher_;
      MakeSupervisor(options);
      made_ = true;
    }
    const absl::Status started = supervisor().Start(std::move(spec), 0);
    EXPECT_TRUE(started.ok()) << started;
    if (!started.ok()) return {};
    ProcessEnd end = AwaitEnded(before + 1).end;
    EXPECT_EQ(end.start_error, "");
    return end;
  }

  // The errno with which the attempt failed; 0: it succeeded.
  int Attempt(ProgramSpec spec) {
    const ProcessEnd end = Run(std::move(spec));
    EXPECT_FALSE(end.signaled) << end.Describe();
    return end.code;
  }

  // What the last process was without.
  std::vector<std::string> Unapplied() {
    const std::vector<InstanceStatus> all = supervisor().Snapshot();
    return all.empty() ? std::vector<std::string>() : all[0].unapplied;
  }

  // Why a measure that `name` begins is not there; empty: it is.
  std::string Lacks(const std::string& name) {
    for (const std::string& text : Unapplied()) {
      if (absl::StartsWith(text, name)) return text;
    }
    return "";
  }

  // The launcher behind a command, such as one that makes it another user's.
  void WrapLauncher(const std::string& command) {
    const std::string path = data_dir() + "/launcher";
    const absl::StatusOr<std::string> launcher = FindLauncher("");
    ASSERT_TRUE(launcher.ok()) << launcher.status();
    std::ofstream(path) << "#!/bin/sh\nexec " << command << " '" << *launcher << "' \"$@\"\n";
    chmod(path.c_str(), 0755);
    launcher_ = path;
  }

  // This process becomes a host without privileges, until the end of the test.
  void DropPrivileges() {
    if (geteuid() != 0) return;
    fs::permissions(data_dir(), fs::perms::all);
    ASSERT_EQ(setgroups(0, nullptr), 0);
    ASSERT_EQ(setresgid(kPlainUser, kPlainUser, 0), 0);
    ASSERT_EQ(setresuid(kPlainUser, kPlainUser, 0), 0);
    prctl(PR_SET_DUMPABLE, 1);
  }

  ~IsolationTest() override {
    DropSupervisor();
    if (geteuid() != kPlainUser) return;
    EXPECT_EQ(setresuid(0, 0, 0), 0);
    EXPECT_EQ(setresgid(0, 0, 0), 0);
  }

  bool use_cgroups_ = true;
  std::string launcher_;

 private:
  bool made_ = false;
};

#define SKIP_WITHOUT(measure) \
  if (const std::string why = Lacks(measure); !why.empty()) GTEST_SKIP() << why

// ---- Limits

TEST_F(IsolationTest, WithoutAnyItHasNoCgroupAndNoSandbox) {
  const std::string all = Text("/proc/self/cgroup");
  ProgramSpec spec = Shell("cat /proc/self/cgroup > cgroups; exit 3");
  EXPECT_EQ(Attempt(spec), 3);
  EXPECT_EQ(Text(data_dir() + "/cgroups"), all);
  EXPECT_THAT(Unapplied(), IsEmpty());
}

TEST_F(IsolationTest, KernelKillsWhatIsOverItsMemory) {
  const Cgroups cgroups = OpenCgroups();
  if (cgroups.memory.folder.empty()) GTEST_SKIP() << cgroups.memory.problem;
  ProgramSpec spec = Intruder("allocate", "256");
  spec.limits.memory = kLimit;
  const ProcessEnd end = Run(spec);
  EXPECT_EQ(end.Describe(), "killed by SIGKILL: over its memory limit of 64 MiB, by the kernel");
  EXPECT_FALSE(end.requested);
  EXPECT_LE(end.max_rss_bytes, kLimit + (uint64_t{4} << 20));
}

TEST_F(IsolationTest, SaysThatTheKernelKilledAProcessThatThePluginOutlived) {
  const Cgroups cgroups = OpenCgroups();
  if (cgroups.memory.folder.empty()) GTEST_SKIP() << cgroups.memory.problem;
  if (cgroups.memory.version2) GTEST_SKIP() << "version 2 kills all processes of a cgroup at once";
  ProgramSpec spec = Intruder("outlive-a-child", "256");
  spec.limits.memory = kLimit;
  EXPECT_EQ(Run(spec).Describe(),
            "exited with 9; one of its processes was killed: over its memory limit of 64 MiB, by "
            "the kernel");
}

TEST_F(IsolationTest, WatchesTheMemoryWhereThereIsNoCgroup) {
  use_cgroups_ = false;
  ProgramSpec spec = Intruder("allocate", "4096");
  spec.limits.memory = kLimit;
  const ProcessEnd end = Run(spec);
  SKIP_WITHOUT("limits.memory");
  EXPECT_EQ(end.Describe(), "killed by SIGKILL: over its memory limit of 64 MiB, by the host");
}

TEST_F(IsolationTest, WatchesTheMemoryOfAllItsProcesses) {
  use_cgroups_ = false;
  ProgramSpec spec = Intruder("allocate-in-children", "1024");
  spec.limits.memory = kLimit;
  const ProcessEnd end = Run(spec);
  SKIP_WITHOUT("limits.memory");
  EXPECT_EQ(end.over_memory, OverMemory::kByHost) << end.Describe();
  EXPECT_TRUE(AwaitMarked(0));
}

TEST_F(IsolationTest, LeavesAloneWhoStaysBelowItsMemory) {
  for (const bool by_kernel : {true, false}) {
    use_cgroups_ = by_kernel;
    ProgramSpec spec = Intruder("allocate", "16");
    spec.limits.memory = kLimit;
    EXPECT_EQ(Run(spec).Describe(), "exited with 0");
  }
}

TEST_F(IsolationTest, BoundsAForkBomb) {
  ProgramSpec spec = Intruder("fork", "1000");
  spec.limits.processes = 20;
  const int error = Attempt(spec);
  SKIP_WITHOUT("limits.processes");
  EXPECT_EQ(error, EAGAIN);
  EXPECT_TRUE(AwaitMarked(0));
}

TEST_F(IsolationTest, BoundsOpenFiles) {
  ProgramSpec spec = Intruder("open", "1000");
  spec.limits.files = 64;
  EXPECT_EQ(Attempt(spec), EMFILE);
  EXPECT_THAT(Unapplied(), IsEmpty());
}

// What the kernel was told, and that the plugin is where it holds. What comes of it is the
// kernel's.
TEST_F(IsolationTest, BoundsItsCpuByItsCgroup) {
  ProgramSpec spec = Shell("echo $$ > pid; exec sleep 1000");
  spec.limits.cpu_millis = 1500;
  SupervisorOptions options = Options();
  options.use_cgroups = true;
  MakeSupervisor(options);
  ASSERT_TRUE(supervisor().Start(spec, 0).ok());
  const pid_t pid = AwaitStarted().pid;
  ASSERT_TRUE(Eventually([&] { return !supervisor().Snapshot().empty(); }));
  SKIP_WITHOUT("limits.cpu");
  const auto record = ParseLaunchRecord(Text(data_dir() + "/run/launched"));
  ASSERT_TRUE(record.ok()) << record.status();
  ASSERT_EQ(record->processes.at(0).cgroups.size(), 1u);
  const std::string cgroup = record->processes[0].cgroups[0];
  EXPECT_EQ(Text(cgroup + "/cgroup.procs"), absl::StrCat(pid, "\n"));
  EXPECT_THAT(
      (std::vector<std::string>{Text(cgroup + "/cpu.max"), Text(cgroup + "/cpu.cfs_quota_us")}),
      Contains(testing::AnyOf("150000 100000\n", "150000\n")));
  supervisor().Stop(Key());
  AwaitEnded();
  EXPECT_FALSE(fs::exists(cgroup));
}

TEST_F(IsolationTest, RemovesTheCgroupsOfALauncherThatDied) {
  ProgramSpec spec = Shell("exec sleep 1000");
  spec.limits.processes = 20;
  SupervisorOptions options = Options();
  options.use_cgroups = true;
  MakeSupervisor(options);
  ASSERT_TRUE(supervisor().Start(spec, 0).ok());
  AwaitStarted();
  const auto record = ParseLaunchRecord(Text(data_dir() + "/run/launched"));
  ASSERT_TRUE(record.ok()) << record.status();
  SKIP_WITHOUT("limits.processes");
  ASSERT_EQ(record->processes.at(0).cgroups.size(), 1u);
  ASSERT_TRUE(fs::exists(record->processes[0].cgroups[0]));
  kill(record->processes[0].launcher.pid, SIGKILL);
  AwaitEnded();
  EXPECT_TRUE(Eventually([&] { return !fs::exists(record->processes[0].cgroups[0]); }));
}

// ---- Sandbox

// Whether this host is root, and the sandbox whole.
class SandboxTest : public IsolationTest, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      if (geteuid() != 0) GTEST_SKIP() << "only root can give a plugin a user of its own";
    } else {
      DropPrivileges();
    }
  }
  bool root() const { return GetParam(); }

  ProgramSpec Sandboxed(const std::string& what, const std::string& argument) const {
    ProgramSpec spec = IsolationTest::Sandboxed(what, argument);
    if (!root()) spec.sandbox.own_user = 0;
    return spec;
  }
};

INSTANTIATE_TEST_SUITE_P(, SandboxTest, testing::Values(true, false),
                         [](const auto& info) { return info.param ? "AsRoot" : "WithoutRoot"; });

TEST_P(SandboxTest, RefusesToWriteOutside) {
  const std::string outside = data_dir() + "/outside";
  fs::create_directory(outside);
  chmod(outside.c_str(), 0777);
  EXPECT_EQ(Attempt(Intruder("write", outside + "/before")), 0);
  const int error = Attempt(Sandboxed("write", outside + "/x"));
  SKIP_WITHOUT("the read-only view");
  EXPECT_EQ(error, EROFS);
  EXPECT_FALSE(fs::exists(outside + "/x"));
}

TEST_P(SandboxTest, LetsItWriteWhereItMay) {
  const std::string state = data_dir() + "/state";
  fs::create_directory(state);
  chmod(state.c_str(), 0777);
  ProgramSpec spec = Sandboxed("write", state + "/x");
  spec.sandbox.write = {state};
  EXPECT_EQ(Attempt(spec), 0);
  EXPECT_TRUE(fs::exists(state + "/x"));
}

TEST_P(SandboxTest, GivesItATmpOfItsOwn) {
  const std::string name = absl::StrCat("/tmp/isolation_test.", getpid());
  EXPECT_EQ(Attempt(Sandboxed("write", name)), 0);
  SKIP_WITHOUT("the read-only view");
  EXPECT_FALSE(fs::exists(name));
}

TEST_P(SandboxTest, HidesWhatIsTheHosts) {
  const std::string file = data_dir() + "/config.yaml";
  const std::string folder = data_dir() + "/data";
  fs::create_directory(folder);
  std::ofstream(file) << "secret";
  std::ofstream(folder + "/bus.db") << "events";
  EXPECT_EQ(Attempt(Sandboxed("read", folder + "/bus.db")), 0);
  SKIP_WITHOUT("the read-only view");
  const std::string path = data_dir() + "/admin.sock";
  const Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ProgramSpec spec = Sandboxed("read", folder + "/bus.db");
  spec.sandbox.hide = {file, folder, path, data_dir() + "/run"};
  EXPECT_EQ(Attempt(spec), ENOENT);
  spec.argv = {"/bin/sh", "-c", "exec test -S admin.sock"};
  EXPECT_EQ(Attempt(spec), 1);
  spec.argv = {"/bin/sh", "-c", "exec test -s config.yaml"};
  EXPECT_EQ(Attempt(spec), 1);
}

// The kernel takes a cover off a file whose name gets another one, and leaves that of its folder.
TEST_P(SandboxTest, StillHidesAFileOfAHiddenFolderThatIsReplaced) {
  const std::string state = data_dir() + "/state";
  const std::string secrets = data_dir() + "/secrets";
  for (const std::string& folder : {state, secrets}) fs::create_directory(folder);
  chmod(state.c_str(), 0777);
  std::ofstream(secrets + "/token") << "secret";
  MakeSupervisor();
  size_t ends = 0;
  const auto reads = [&](const std::vector<std::string>& hide_more) {
    ProgramSpec spec = Sandboxed("", "");
    spec.argv = {"/bin/sh", "-c",
                 ": > state/begun; until test -e go; do sleep 0.02; done; test -s secrets/token"};
    spec.sandbox.write = {state};
    spec.sandbox.hide_more = hide_more;
    EXPECT_TRUE(supervisor().Start(spec, 0).ok());
    EXPECT_TRUE(Eventually([&] { return fs::exists(state + "/begun"); }));
    std::ofstream(secrets + "/new") << "another secret";
    fs::rename(secrets + "/new", secrets + "/token");
    std::ofstream(data_dir() + "/go") << "";
    const ProcessEnd end = AwaitEnded(++ends).end;
    fs::remove(data_dir() + "/go");
    fs::remove(state + "/begun");
    return end.Describe();
  };
  EXPECT_EQ(reads({}), "exited with 0");
  SKIP_WITHOUT("the read-only view");
  EXPECT_EQ(reads({secrets}), "exited with 1");
}

TEST_P(SandboxTest, SaysWhatItCannotHide) {
  ProgramSpec spec = Sandboxed("read", "/etc/passwd");
  spec.sandbox.hide = {data_dir()};
  EXPECT_EQ(Attempt(spec), 0);
  EXPECT_THAT(Unapplied(), Contains(AllOf(HasSubstr(data_dir() + " is not hidden by sandbox"),
                                          HasSubstr("fix:"))));
}

TEST_P(SandboxTest, KeepsItsSocketReachable) {
  ProgramSpec spec = Sandboxed("serve", "");
  // As in a host: the socket lies below what is hidden.
  spec.sandbox.hide = {data_dir() + "/run"};
  MakeSupervisor();
  ASSERT_TRUE(supervisor().Start(spec, 0).ok());
  const std::string path = AwaitStarted().address.substr(5);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.data(), path.size());
  EXPECT_TRUE(Eventually([&] {
    const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }));
  EXPECT_EQ(AwaitEnded().end.Describe(), "exited with 0");
  EXPECT_FALSE(fs::exists(path));
}

TEST_P(SandboxTest, RefusesTheNetworkUnlessItIsAllowed) {
  const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener.get(), 8), 0);
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string port = absl::StrCat(ntohs(address.sin_port));
  ProgramSpec spec = Sandboxed("connect", port);
  spec.sandbox.network = true;
  EXPECT_EQ(Attempt(spec), 0);
  const int error = Attempt(Sandboxed("connect", port));
  SKIP_WITHOUT("sandbox.network");
  EXPECT_THAT(error, testing::AnyOf(ECONNREFUSED, EAFNOSUPPORT));
}

TEST_P(SandboxTest, RefusesCallsThatNoPluginNeeds) {
  EXPECT_EQ(Attempt(Sandboxed("call", "fork")), 0);
  SKIP_WITHOUT("sandbox.filter_syscalls");
  for (const char* name : {"ptrace", "mount", "bpf", "unshare", "clone", "keyctl"}) {
    EXPECT_EQ(Attempt(Sandboxed("call", name)), EPERM) << name;
  }
  for (const char* name : {"clone3", "io_uring"}) {
    EXPECT_EQ(Attempt(Sandboxed("call", name)), ENOSYS) << name;
  }
  ProgramSpec spec = Sandboxed("call", "ptrace");
  spec.sandbox.filter_syscalls = false;
  EXPECT_EQ(Attempt(spec), 0);
}

TEST_P(SandboxTest, KeepsItFromOtherProcesses) {
  const int read = Attempt(Sandboxed("read", absl::StrCat("/proc/", getpid(), "/environ")));
  SKIP_WITHOUT("Landlock");
  EXPECT_THAT(read, testing::AnyOf(EACCES, EPERM));
  EXPECT_EQ(Attempt(Sandboxed("signal", absl::StrCat(getpid()))), EPERM);
}

TEST_P(SandboxTest, LeavesItNoCapability) {
  ProgramSpec spec = Sandboxed("", "");
  const std::string none = "0000000000000000";
  spec.argv = {
      "/bin/sh", "-c",
      absl::StrCat("grep -E 'Cap(Prm|Eff|Bnd|Inh|Amb)' /proc/self/status | grep -vc ", none)};
  const int found = Attempt(spec);
  SKIP_WITHOUT("the read-only view");  // Nor a user namespace: what it could have had stays listed.
  EXPECT_EQ(found, 1) << "grep found a capability";
}

TEST_F(IsolationTest, RunsAsAUserOfItsOwnThatCannotReadOthersFiles) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a plugin a user of its own";
  const std::string secret = data_dir() + "/secret";
  std::ofstream(secret) << "secret";
  chmod(secret.c_str(), 0600);
  EXPECT_EQ(Attempt(Sandboxed("read", secret)), EACCES);
  ProgramSpec spec = Sandboxed("", "");
  spec.argv = {"/bin/sh", "-c",
               absl::StrCat("exec test $(id -u):$(id -g):$(id -G) = ", kOwnUser, ":", kOwnUser, ":",
                            kOwnUser)};
  EXPECT_EQ(Attempt(spec), 0);
  spec.sandbox.user = "nobody";
  spec.argv = {"/bin/sh", "-c", "exec test $(id -un) = nobody"};
  EXPECT_EQ(Attempt(spec), 0);
}

TEST_F(IsolationTest, SaysWhichUserThereIsNot) {
  ProgramSpec spec = Sandboxed("call", "fork");
  spec.sandbox.user = "no-such-user-anywhere";
  MakeSupervisor();
  ASSERT_TRUE(supervisor().Start(spec, 0).ok());
  EXPECT_THAT(AwaitEnded().end.start_error,
              AllOf(HasSubstr("sandbox.user no-such-user-anywhere is no user"), HasSubstr("fix:")));
}

TEST_F(IsolationTest, SaysWhichFolderToWriteToIsNotThere) {
  ProgramSpec spec = Sandboxed("call", "fork");
  spec.sandbox.write = {data_dir() + "/gone"};
  MakeSupervisor();
  ASSERT_TRUE(supervisor().Start(spec, 0).ok());
  EXPECT_THAT(AwaitEnded().end.start_error,
              AllOf(HasSubstr("sandbox.write names "), HasSubstr("/gone"), HasSubstr("fix:")));
}

// ---- What cannot be had

// A machine that lets nobody make namespaces, nor become another user.
class PoorMachineTest : public IsolationTest {
 protected:
  void SetUp() override {
    if (system("unshare -U true 2>/dev/null") != 0) {
      GTEST_SKIP() << "needs user namespaces, to take them away in one: sysctl "
                      "user.max_user_namespaces";
    }
    use_cgroups_ = false;
    WrapLauncher(
        "unshare -U -r sh -c 'for n in user mnt net; do echo 0 > "
        "/proc/sys/user/max_${n}_namespaces; done; exec \"$@\"' sh");
  }
};

TEST_F(PoorMachineTest, StartsWithoutAndSaysSo) {
  ProgramSpec spec = Sandboxed("connect", "1");
  spec.limits.cpu_millis = 1000;
  spec.sandbox.own_user = 0;
  spec.sandbox.user = "61999:61999";
  // Sockets are refused by the filter instead.
  EXPECT_EQ(Attempt(spec), EAFNOSUPPORT);
  EXPECT_THAT(Unapplied(),
              ElementsAre(AllOf(HasSubstr("limits.cpu is not applied: "), HasSubstr("fix:")),
                          AllOf(HasSubstr("the read-only view of sandbox is not applied: "),
                                HasSubstr("fix:")),
                          AllOf(HasSubstr("sandbox.user is not applied: "), HasSubstr("fix:"))));
}

TEST_F(PoorMachineTest, StillWritesNowhereByLandlock) {
  const std::string outside = data_dir() + "/x";
  const int error = Attempt(Sandboxed("write", "/var/isolation_test"));
  SKIP_WITHOUT("Landlock");
  EXPECT_EQ(error, EACCES);
}

TEST_F(PoorMachineTest, RefusesToStartWhatRequiresIt) {
  SupervisorOptions options = Options();
  options.launcher = launcher_;
  MakeSupervisor(options);
  ProgramSpec spec = Sandboxed("call", "fork");
  spec.sandbox.require = true;
  const absl::Status view = supervisor().Start(spec, 0);
  EXPECT_EQ(view.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(view.message()),
              AllOf(HasSubstr("plugin victim: "), HasSubstr("the read-only view of sandbox"),
                    HasSubstr("fix:"), HasSubstr("require: false")));
  ProgramSpec limited = Intruder("call", "fork");
  limited.limits.processes = 10;
  limited.limits.require = true;
  const absl::Status processes = supervisor().Start(limited, 0);
  EXPECT_EQ(processes.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(processes.message()), HasSubstr("limits.processes"));
  EXPECT_THAT(supervisor().Snapshot(), IsEmpty());
  EXPECT_TRUE(started().empty());
}

TEST_F(IsolationTest, StartsWhatRequiresWhatIsThere) {
  ProgramSpec spec = Intruder("open", "1000");
  spec.limits.files = 64;
  spec.limits.require = true;
  EXPECT_EQ(Attempt(spec), EMFILE);
}

}  // namespace
}  // namespace outboard::supervise

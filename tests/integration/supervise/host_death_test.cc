// Hosts that are killed: nothing that they started is left, and the next host finds a clean house.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/supervise/fd.h"
#include "host/supervise/launch_record.h"
#include "host/supervise/procfs.h"
#include "tests/integration/supervise/fixture.h"

extern char** environ;

namespace outboard::supervise {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class HostDeathTest : public SupervisorTest {
 protected:
  ~HostDeathTest() override { KillHost(); }

  // Starts a host that keeps one victim running; returns once the victim and all that it forked are
  // there.
  // `wrapper`: a command that starts the host.
  void StartHost(const std::string& mode, size_t processes, std::vector<std::string> wrapper = {}) {
    int fds[2];
    ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
    output_.Reset(fds[0]);
    const Fd theirs(fds[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), 1);
    std::vector<std::string> words = std::move(wrapper);
    words.insert(words.end(), {Beside("supervise_doomed_host"), data_dir(), mark(),
                               Beside("supervise_victim"), mode});
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ASSERT_EQ(posix_spawn(&host_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    char line[64] = "";
    ASSERT_GT(read(output_.get(), line, sizeof(line) - 1), 0);
    ASSERT_EQ(sscanf(line, "started %d", &launcher_), 1);
    ASSERT_TRUE(AwaitVictim(processes));
  }

  void KillHost() {
    if (host_ == 0) return;
    kill(host_, SIGKILL);
    waitpid(host_, nullptr, 0);
    host_ = 0;
  }

  pid_t host_ = 0;
  pid_t launcher_ = 0;
  Fd output_;
};

TEST_F(HostDeathTest, LeavesNoProcessThoughAllIgnoreEverything) {
  StartHost("ignore-everything", 4);
  const auto killed = std::chrono::steady_clock::now();
  KillHost();
  EXPECT_TRUE(AwaitMarked(0));
  const auto took = std::chrono::steady_clock::now() - killed;
  RecordProperty(
      "milliseconds_to_the_last_end",
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
}

TEST_F(HostDeathTest, LetsAPluginThatSeesTheEndOfStdinGoByItself) {
  StartHost("end-with-stdin", 2);
  KillHost();
  EXPECT_TRUE(AwaitMarked(0));
}

TEST_F(HostDeathTest, NextHostRemovesTheSocketsOfADeadOne) {
  StartHost("ignore-everything", 4);
  EXPECT_EQ(SocketDirs().size(), 1u);
  KillHost();
  MakeSupervisor();
  EXPECT_THAT(Marked(), IsEmpty());
  EXPECT_THAT(SocketDirs(), IsEmpty());
}

TEST_F(HostDeathTest, NextHostEndsWhatSurvivedTheLauncherToo) {
  StartHost("ignore-everything", 4);
  // Still, so that it sees nothing of the launcher's death before its own.
  ASSERT_EQ(kill(host_, SIGSTOP), 0);
  int status = 0;
  ASSERT_EQ(waitpid(host_, &status, WUNTRACED), host_);  // All its threads stand still.
  ASSERT_TRUE(WIFSTOPPED(status));
  ASSERT_EQ(kill(launcher_, SIGKILL), 0);
  KillHost();
  ASSERT_TRUE(
      AwaitMarked(2));  // the forked child and the one that fled: the plugin died with its parent
  MakeSupervisor();
  EXPECT_TRUE(AwaitMarked(0));
}

// Cgroups with this test's victim in them: "0::/x" and the like of its /proc/PID/cgroup.
std::vector<std::string> CgroupsOf(const std::string& data_dir) {
  std::ifstream file(data_dir + "/run/launched", std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  const auto record = ParseLaunchRecord(text.str());
  EXPECT_TRUE(record.ok()) << record.status();
  if (!record.ok() || record->processes.empty()) return {};
  return record->processes[0].cgroups;
}

TEST_F(HostDeathTest, NextHostRemovesTheCgroupsOfADeadOneAndItsLauncher) {
  StartHost("ignore-everything", 4, {"/usr/bin/env", "PROCESSES=100"});
  const std::vector<std::string> cgroups = CgroupsOf(data_dir());
  if (cgroups.empty()) GTEST_SKIP() << "no cgroup with the controller pids can be made here";
  ASSERT_EQ(cgroups.size(), 1u);
  ASSERT_TRUE(std::filesystem::exists(cgroups[0])) << cgroups[0];
  ASSERT_EQ(kill(launcher_, SIGSTOP), 0);
  KillHost();
  ASSERT_EQ(kill(launcher_, SIGKILL), 0);
  MakeSupervisor();
  EXPECT_TRUE(AwaitMarked(0));
  EXPECT_FALSE(std::filesystem::exists(cgroups[0])) << cgroups[0];
}

TEST_F(HostDeathTest, NextHostEndsALauncherThatHangs) {
  StartHost("ignore-everything", 4);
  ASSERT_EQ(kill(launcher_, SIGSTOP), 0);
  KillHost();
  ASSERT_EQ(Marked().size(), 4u);
  MakeSupervisor();
  EXPECT_TRUE(AwaitMarked(0));
}

TEST_F(HostDeathTest, NextHostSparesAStrangerWithTheNumberOfALauncher) {
  std::filesystem::create_directories(data_dir() + "/run");
  pid_t stranger = 0;
  std::string program = "/bin/sleep";
  std::string time = "1000";
  char* argv[] = {program.data(), time.data(), nullptr};
  ASSERT_EQ(posix_spawn(&stranger, program.c_str(), nullptr, nullptr, argv, environ), 0);
  LaunchRecord record;
  record.host = {stranger, 1};
  record.boot_id = BootId();
  record.pid_namespace = PidNamespace();
  record.processes.push_back(
      {{stranger, ReadProcStat(stranger)->start_ticks + 1}, data_dir() + "/run/old"});
  std::ofstream(data_dir() + "/run/launched") << FormatLaunchRecord(record);
  MakeSupervisor();
  EXPECT_EQ(waitpid(stranger, nullptr, WNOHANG), 0) << "it was killed";
  kill(stranger, SIGKILL);
  waitpid(stranger, nullptr, 0);
}

TEST_F(HostDeathTest, NextHostIgnoresARecordThatItCannotRead) {
  std::filesystem::create_directories(data_dir() + "/run");
  std::ofstream(data_dir() + "/run/launched") << "garbage\n";
  MakeSupervisor();
}

// Zombies among the children of `parent`.
int Zombies(pid_t parent) {
  int zombies = 0;
  for (const pid_t pid : AllProcesses()) {
    const std::optional<ProcStat> stat = ReadProcStat(pid);
    if (stat.has_value() && stat->state == 'Z' && stat->parent == parent) ++zombies;
  }
  return zombies;
}

TEST_F(HostDeathTest, HostThatIsInitTakesUpOrphans) {
  if (geteuid() != 0)
    GTEST_SKIP() << "a pid namespace of its own needs root: run the tests as root";
  StartHost("ignore-everything", 4, {"/usr/bin/unshare", "--pid", "--fork", "--mount-proc"});
  // Of all that is marked, the launcher alone has a parent that is not.
  const std::vector<pid_t> marked = Marked();
  pid_t launcher = 0;
  for (const pid_t pid : marked) {
    const pid_t parent = ReadProcStat(pid)->parent;
    if (std::find(marked.begin(), marked.end(), parent) == marked.end()) launcher = pid;
  }
  ASSERT_GT(launcher, 0);
  const pid_t init = ReadProcStat(launcher)->parent;
  ASSERT_EQ(kill(launcher, SIGKILL), 0);
  // The next process is there and of the three orphans nothing is left, not even zombies.
  EXPECT_TRUE(Eventually([&] { return Marked().size() == 4 && Zombies(init) == 0; }));
  ASSERT_EQ(kill(init, SIGKILL), 0);
  EXPECT_TRUE(AwaitMarked(0));
}

TEST_F(HostDeathTest, SecondHostInTheSameFolderIsRefused) {
  StartHost("end-with-stdin", 2);
  const auto made = Supervisor::Create(Options());
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(
      std::string(made.status().message()),
      AllOf(HasSubstr(absl::StrCat("another host (pid ", host_, ") uses ")), HasSubstr("fix:")));
  EXPECT_EQ(Marked().size(), 2u);
}

}  // namespace
}  // namespace outboard::supervise

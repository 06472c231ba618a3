// What a process finds when it starts, and what people read when it cannot.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "host/supervise/file_limit.h"
#include "tests/integration/supervise/fixture.h"

namespace outboard::supervise {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class LaunchTest : public SupervisorTest {
 protected:
  // Runs `spec` once and gives how it ended.
  Ended RunOnce(ProgramSpec spec) {
    spec.restart_initial = spec.restart_max = std::chrono::hours(1);
    MakeSupervisor();
    EXPECT_TRUE(supervisor().Start(std::move(spec), 0).ok());
    return AwaitEnded();
  }

  // The lines that `command` writes to the file `out`.
  std::vector<std::string> LinesOf(const std::string& command) {
    RunOnce(Shell(absl::StrCat("{ ", command, "; } > out")));
    return Lines();
  }

  std::vector<std::string> Lines() const {
    std::ifstream file(data_dir() + "/out");
    std::stringstream text;
    text << file.rdbuf();
    return absl::StrSplit(text.str(), '\n', absl::SkipEmpty());
  }

  void WriteFile(const std::string& name, const std::string& text, mode_t mode) {
    const std::string path = absl::StrCat(data_dir(), "/", name);
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
  }
};

TEST_F(LaunchTest, GivesThePluginItsEnvironmentAndNothingElse) {
  setenv("SUPERVISE_TEST_SECRET_OF_HOST", "x", 1);
  setenv("TZ", "Europe/Vienna", 1);
  ProgramSpec spec = Spec({"/usr/bin/env"});
  spec.argv = {"/bin/sh", "-c", "exec /usr/bin/env > out"};
  spec.env["LANG"] = "C.UTF-8";
  RunOnce(spec);
  std::vector<std::string> names;
  for (const std::string& line : Lines()) names.push_back(line.substr(0, line.find('=')));
  // PWD, SHLVL and _ are the shell's own.
  std::erase_if(names, [](const std::string& n) {
    return n == "PWD" || n == "SHLVL" || n == "_" || n == "OLDPWD";
  });
  if (std::getenv("HOME") == nullptr) names.push_back("HOME");
  EXPECT_THAT(names, testing::UnorderedElementsAre("PATH", "HOME", "LANG", "TZ", "PYTHONUNBUFFERED",
                                                   "OUTBOARD_LISTEN", "OUTBOARD_PLUGIN",
                                                   "OUTBOARD_INSTANCE", "SUPERVISE_TEST_MARK"));
  EXPECT_THAT(Lines(), Contains("LANG=C.UTF-8"));
  EXPECT_THAT(Lines(), Contains("TZ=Europe/Vienna"));
  EXPECT_THAT(Lines(), Contains("OUTBOARD_PLUGIN=victim"));
  EXPECT_THAT(Lines(), Contains("OUTBOARD_INSTANCE=0"));
  EXPECT_THAT(Lines(), Contains("OUTBOARD_LISTEN=" + started()[0].address));
}

TEST_F(LaunchTest, GivesItAFolderOfItsOwnForTheSocket) {
  EXPECT_THAT(
      LinesOf("dir=${OUTBOARD_LISTEN#unix:}; dir=${dir%/*}; stat -c %a $dir; ls $dir | wc -l"),
      testing::ElementsAre("700", "0"));
  EXPECT_THAT(SocketDirs(), testing::IsEmpty());
}

TEST_F(LaunchTest, FindsAPlaceForTheSocketWhenTheDataFolderIsTooDeep) {
  SupervisorOptions options = Options();
  options.data_dir = absl::StrCat(data_dir(), "/", std::string(100, 'x'));
  auto made = Supervisor::Create(options);
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_TRUE((*made)->Start(Shell("exec sleep 1000"), 0).ok());
  const std::string address = AwaitStarted().address;
  EXPECT_THAT(address, StartsWith("unix:/tmp/outboard-"));
  const std::string dir = std::filesystem::path(address.substr(5)).parent_path().string();
  struct stat info;
  ASSERT_EQ(stat(dir.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  made->reset();
  EXPECT_FALSE(std::filesystem::exists(dir));
}

TEST_F(LaunchTest, PassesOnNoDescriptorOfTheHost) {
  std::vector<int> leaky;
  for (int i = 0; i < 100; ++i) leaky.push_back(open("/dev/null", O_RDONLY));  // no O_CLOEXEC
  const std::vector<std::string> lines =
      LinesOf(absl::StrCat("exec ", Beside("supervise_victim"), " list-descriptors"));
  for (const int fd : leaky) close(fd);
  EXPECT_THAT(lines, testing::UnorderedElementsAre("fd=0", "fd=1", "fd=2"));
}

TEST_F(LaunchTest, StartsItWithCleanSignalsInItsOwnGroupWithoutNewPrivileges) {
  signal(SIGPIPE, SIG_IGN);  // as the host does
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  ProgramSpec spec =
      Spec({"/bin/sh", "-c", "exec \"$0\" show-state > out", Beside("supervise_victim")});
  RunOnce(spec);
  pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  EXPECT_THAT(Lines(), testing::UnorderedElementsAre("ignored=0", "blocked=0", "NoNewPrivs:\t1",
                                                     "leads_group=1 death_signal=9"));
}

TEST_F(LaunchTest, AllowsNoCoreFiles) {
  EXPECT_THAT(LinesOf("ulimit -Sc"), testing::ElementsAre("0"));
}

TEST_F(LaunchTest, AllowsCoreFilesWhereTheSpecDoes) {
  rlimit own{};
  getrlimit(RLIMIT_CORE, &own);
  if (own.rlim_max == 0) GTEST_SKIP() << "this user may not leave core files: ulimit -Hc unlimited";
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer takes them from the launcher";
#endif
  ProgramSpec spec = Shell("{ ulimit -Sc; ulimit -Hc; } > out");
  spec.core = true;
  RunOnce(spec);
  ASSERT_EQ(Lines().size(), 2u);
  EXPECT_NE(Lines()[0], "0");
  EXPECT_EQ(Lines()[0], Lines()[1]);
}

TEST_F(LaunchTest, LeavesItTheFormerLimitOfFilesWhereTheHostRaisedItsOwn) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low = {std::min<rlim_t>(before.rlim_max - 1, 200), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  RaiseFileLimit();
  rlimit raised{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &raised), 0);
  EXPECT_EQ(raised.rlim_cur, before.rlim_max);
  EXPECT_THAT(LinesOf("ulimit -Sn; ulimit -Hn"),
              testing::ElementsAre(absl::StrCat(low.rlim_cur), absl::StrCat(before.rlim_max)));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(LaunchTest, RunsInTheFolderOfTheSpecAndLooksUpThePath) {
  WriteFile("tool", "#!/bin/sh\npwd > out\necho \"$0\" \"$@\" >> out\n", 0755);
  ProgramSpec spec = Spec({"./tool", "a b", ""});
  RunOnce(spec);
  EXPECT_THAT(Lines(), testing::ElementsAre(data_dir(), data_dir() + "/./tool a b "));
}

TEST_F(LaunchTest, NamesAMissingProgramAndTheFix) {
  const Ended end = RunOnce(Spec({"./redact"}));
  EXPECT_THAT(end.end.Describe(),
              AllOf(HasSubstr("plugin victim: cannot run "), HasSubstr("/./redact"),
                    HasSubstr("no such file"), HasSubstr("fix:")));
  EXPECT_FALSE(end.end.requested);
  EXPECT_NE(end.restart_at, kNever);
  EXPECT_TRUE(started().empty());
  EXPECT_THAT(SocketDirs(), testing::IsEmpty());
  EXPECT_THAT(supervisor().Snapshot()[0].last_end, HasSubstr("no such file"));
}

TEST_F(LaunchTest, NamesAProgramThatIsNotInThePath) {
  EXPECT_THAT(RunOnce(Spec({"no-such-program-anywhere"})).end.start_error,
              AllOf(HasSubstr("no program no-such-program-anywhere in PATH ("), HasSubstr("fix:")));
}

TEST_F(LaunchTest, NamesAProgramWithoutPermission) {
  WriteFile("tool", "#!/bin/sh\n", 0644);
  EXPECT_THAT(RunOnce(Spec({"./tool"})).end.start_error,
              AllOf(HasSubstr("no permission"), HasSubstr("chmod +x ")));
}

TEST_F(LaunchTest, NamesAFolderInPlaceOfAProgram) {
  EXPECT_THAT(RunOnce(Spec({"/usr"})).end.start_error, HasSubstr("it is a folder"));
}

TEST_F(LaunchTest, NamesAMissingInterpreter) {
  WriteFile("tool", "#!/no/such/python\n", 0755);
  const Ended end = RunOnce(Spec({"./tool"}));
  EXPECT_THAT(end.end.start_error, AllOf(HasSubstr("cannot run ./tool"), HasSubstr("interpreter")));
  EXPECT_TRUE(started().empty());
}

TEST_F(LaunchTest, NamesAFileThatIsNoProgram) {
  WriteFile("tool", "no program", 0755);
  EXPECT_THAT(RunOnce(Spec({"./tool"})).end.start_error, AllOf(HasSubstr("#!"), HasSubstr("fix:")));
}

TEST_F(LaunchTest, NamesAMissingWorkingFolder) {
  ProgramSpec spec = Spec({"/bin/true"});
  spec.directory = data_dir() + "/gone";
  EXPECT_THAT(RunOnce(spec).end.start_error, AllOf(HasSubstr("cannot enter "), HasSubstr("/gone")));
}

TEST_F(LaunchTest, RunsOnceTheProgramIsThere) {
  ProgramSpec spec = Spec({"./tool"});
  MakeSupervisor();
  ASSERT_TRUE(supervisor().Start(spec, 0).ok());
  AwaitEnded(2);
  WriteFile("tool.new", "#!/bin/sh\nexec sleep 1000\n", 0755);
  std::filesystem::rename(data_dir() + "/tool.new", data_dir() + "/tool");
  EXPECT_GT(AwaitStarted().pid, 0);
}

TEST_F(LaunchTest, RefusesASpecThatCannotRun) {
  MakeSupervisor();
  EXPECT_EQ(supervisor().Start(Spec({}), 0).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(LaunchTest, SaysWhereItLookedForTheLauncher) {
  SupervisorOptions options = Options();
  options.launcher = "/no/such/outboard-launcher";
  const auto made = Supervisor::Create(options);
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(std::string(made.status().message()),
              AllOf(HasSubstr("/no/such/outboard-launcher"), HasSubstr("fix:")));
}

TEST_F(LaunchTest, SaysThatItsFolderCannotBeUsed) {
  SupervisorOptions options = Options();
  options.data_dir = "/proc/outboard";
  const auto made = Supervisor::Create(options);
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(std::string(made.status().message()),
              AllOf(HasSubstr("/proc/outboard"), HasSubstr("fix:")));
}

}  // namespace
}  // namespace outboard::supervise

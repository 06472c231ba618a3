#include "tests/integration/supervise/fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include "host/supervise/procfs.h"

namespace outboard::supervise {
namespace {

namespace fs = std::filesystem;

}  // namespace

bool Eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string Beside(const std::string& name) {
  return (fs::read_symlink("/proc/self/exe").parent_path() / name).string();
}

SupervisorTest::SupervisorTest() {
  std::string dir = "/tmp/supervise_test.XXXXXX";
  EXPECT_NE(mkdtemp(dir.data()), nullptr);
  data_dir_ = dir;
  mark_ = dir;
}

SupervisorTest::~SupervisorTest() {
  supervisor_.reset();
  // A test that failed must not leave anything to the next one.
  for (const pid_t pid : Marked()) kill(pid, SIGKILL);
  std::error_code error;
  fs::remove_all(data_dir_, error);
}

SupervisorOptions SupervisorTest::Options() {
  SupervisorOptions options;
  options.data_dir = data_dir_;
  options.on_started = [this](const Started& started) {
    MutexLock lock(mu_);
    started_.push_back(started);
  };
  options.on_ended = [this](const Ended& ended) {
    MutexLock lock(mu_);
    ended_.push_back(ended);
  };
  options.on_removed = [this](const InstanceKey& key) {
    MutexLock lock(mu_);
    removed_.push_back(key);
  };
  return options;
}

void SupervisorTest::MakeSupervisor(SupervisorOptions options) {
  absl::StatusOr<std::unique_ptr<Supervisor>> made = Supervisor::Create(std::move(options));
  ASSERT_TRUE(made.ok()) << made.status();
  supervisor_ = *std::move(made);
}

ProgramSpec SupervisorTest::Spec(std::vector<std::string> argv) const {
  ProgramSpec spec;
  spec.name = "victim";
  spec.argv = std::move(argv);
  spec.directory = data_dir_;
  spec.env["SUPERVISE_TEST_MARK"] = mark_;
  spec.grace = std::chrono::milliseconds(500);
  spec.restart_initial = std::chrono::milliseconds(50);
  spec.restart_max = std::chrono::milliseconds(400);
  return spec;
}

ProgramSpec SupervisorTest::Victim(const std::string& mode) const {
  return Spec({Beside("supervise_victim"), mode});
}

std::vector<Started> SupervisorTest::started() const {
  MutexLock lock(mu_);
  return started_;
}

std::vector<Ended> SupervisorTest::ended() const {
  MutexLock lock(mu_);
  return ended_;
}

std::vector<InstanceKey> SupervisorTest::removed() const {
  MutexLock lock(mu_);
  return removed_;
}

Started SupervisorTest::AwaitStarted(size_t count) {
  EXPECT_TRUE(Eventually([&] { return started().size() >= count; })) << "no start number " << count;
  const std::vector<Started> all = started();
  return all.size() >= count ? all[count - 1] : Started();
}

Ended SupervisorTest::AwaitEnded(size_t count) {
  EXPECT_TRUE(Eventually([&] { return ended().size() >= count; })) << "no end number " << count;
  const std::vector<Ended> all = ended();
  return all.size() >= count ? all[count - 1] : Ended();
}

std::vector<pid_t> SupervisorTest::Marked() const {
  std::vector<pid_t> found;
  for (const pid_t pid : AllProcesses()) {
    const std::optional<ProcStat> stat = ReadProcStat(pid);
    if (!stat.has_value() || stat->state == 'Z' || pid == getpid()) continue;
    if (StartedWith(pid, "SUPERVISE_TEST_MARK=" + mark_)) found.push_back(pid);
  }
  return found;
}

bool SupervisorTest::AwaitMarked(size_t count) const {
  return Eventually([&] { return Marked().size() == count; });
}

bool SupervisorTest::AwaitVictim(size_t count) const {
  return Eventually([&] { return fs::exists(data_dir_ + "/ready"); }) && AwaitMarked(count);
}

std::vector<std::string> SupervisorTest::SocketDirs() const {
  std::vector<std::string> dirs;
  for (const auto& entry : fs::directory_iterator(data_dir_ + "/run")) {
    if (entry.is_directory()) dirs.push_back(entry.path().string());
  }
  return dirs;
}

}  // namespace outboard::supervise

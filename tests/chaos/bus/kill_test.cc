#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "host/bus/embedded/embedded_bus.h"
#include "tests/chaos/bus/bus_history.h"

// A process that uses the bus is killed with SIGKILL, over and over, on one file. What it saw
// promised it wrote to a pipe first.
namespace outboard::bus {
namespace {

class KillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/outboard-kill-XXXXXX";
    root_ = mkdtemp(folder);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<EmbeddedBus> Open() {
    EmbeddedBusOptions options;
    options.path = root_;
    options.clock = &clock_;
    options.tidy_every = 32;
    options.checkpoint_pages = 64;
    options.limits = {8, 128, std::chrono::seconds(1)};
    options.retention.keep_bytes = 10'000;
    auto bus = EmbeddedBus::Open(options);
    EXPECT_TRUE(bus.ok()) << bus.status();
    return bus.ok() ? *std::move(bus) : nullptr;
  }

  [[noreturn]] void Child(int out, uint64_t seed) {
    auto bus = Open();
    if (!bus || !bus->Declare(WorkloadLanes()).ok()) _exit(2);
    // A line is one write: it is in the pipe whole before anything follows from it.
    Workload work(*bus, clock_, seed, "r" + std::to_string(seed) + ".",
                  [&](const std::string& line) {
                    const std::string text = line + "\n";
                    if (write(out, text.data(), text.size()) < 0) _exit(3);
                  });
    for (;;) work.Step();
  }

  // Lets a child run until it wrote some lines, and kills it.
  void RunAndKill(uint64_t seed, size_t lines, History* history) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(ends[0]);
      Child(ends[1], seed);
    }
    close(ends[1]);
    std::string text;
    size_t seen = 0;
    bool killed = false;
    for (char buffer[65536];;) {
      const ssize_t size = read(ends[0], buffer, sizeof buffer);
      if (size <= 0) break;
      text.append(buffer, static_cast<size_t>(size));
      for (size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
        history->Add(text.substr(0, end));
        ++seen;
      }
      if (seen >= lines && !killed) {
        kill(child, SIGKILL);
        killed = true;
      }
    }
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    history->NextRun();
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
    EXPECT_GE(seen, lines);
  }

  TestClock clock_;
  std::string root_;
};

TEST_F(KillTest, KeepsItsPromisesWhenItIsKilled) {
  History history;
  std::mt19937_64 random(1);
  for (uint64_t round = 0; round < 10; ++round) {
    RunAndKill(round, 200 + random() % 1500, &history);
    if (HasFatalFailure()) return;
  }
  auto bus = Open();
  const std::vector<std::string> wrong = history.Check(*bus, clock_);
  EXPECT_THAT(wrong, ::testing::IsEmpty());
  EXPECT_GT(history.made(), 1000u);
}

}  // namespace
}  // namespace outboard::bus

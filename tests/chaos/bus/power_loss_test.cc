#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "host/bus/embedded/embedded_bus.h"
#include "tests/chaos/bus/bus_history.h"
#include "tests/chaos/bus/fault_vfs.h"

// Power losses at seeded moments: of what was not synced, each write is there, is not, or is torn.
namespace outboard::bus {
namespace {

int Seeds() {
  const char* seeds = std::getenv("OUTBOARD_POWER_LOSS_SEEDS");
  return seeds == nullptr ? 200 : std::atoi(seeds);
}

struct Outcome {
  std::vector<std::string> wrong;
  size_t confirmed = 0;
  size_t made = 0;
};

class PowerLossTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/outboard-power-XXXXXX";
    root_ = mkdtemp(folder);
    // What each run begins with is on disk.
    auto bus = Open(root_ + "/start", "", Synchronous::kFull, 0);
    ASSERT_TRUE(bus.ok()) << bus.status();
    ASSERT_TRUE((*bus)->Declare(WorkloadLanes()).ok());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  absl::StatusOr<std::unique_ptr<EmbeddedBus>> Open(const std::string& folder,
                                                    const std::string& vfs, Synchronous synchronous,
                                                    uint64_t keep_bytes) {
    EmbeddedBusOptions options;
    options.path = folder;
    options.clock = &clock_;
    options.vfs = vfs;
    options.synchronous = synchronous;
    options.retention.keep_bytes = keep_bytes;
    // All that happens seldom happens often.
    options.tidy_every = 32;
    options.checkpoint_pages = 16;
    options.limits = {4, 32, std::chrono::seconds(1)};
    return EmbeddedBus::Open(options);
  }

  Outcome RunSeed(uint64_t seed, Synchronous synchronous) {
    std::mt19937_64 random(seed * 7919 + 1);
    const std::string before = root_ + "/" + std::to_string(seed);
    const std::string after = before + ".after";
    std::filesystem::copy(root_ + "/start", before);
    Mutex mu;
    History history;
    {
      FaultVfs vfs;
      auto bus = Open(before, vfs.name(), synchronous, random() % 2 == 0 ? 0 : 1 << 20);
      EXPECT_TRUE(bus.ok()) << bus.status();
      vfs.CrashAt(1 + random() % 2000, seed);
      {
        Workload work(**bus, clock_, seed, "e", [&](const std::string& line) {
          MutexLock lock(mu);
          history.Add(line);
        });
        for (int i = 0; i < 3000 && !vfs.crashed(); ++i) work.Step();
        // What was made before, but not told yet.
        for (int i = 0; i < 3; ++i) work.Step();
      }
      vfs.CrashNow();
      bus->reset();
      vfs.WriteSurvivors(after);
    }
    Outcome run;
    run.confirmed = history.confirmed();
    run.made = history.made();
    auto bus = Open(after, "", Synchronous::kOff, 1 << 20);
    if (!bus.ok()) {
      run.wrong.push_back(bus.status().ToString());
    } else {
      run.wrong = history.Check(**bus, clock_);
    }
    bus = absl::CancelledError();
    std::filesystem::remove_all(before);
    std::filesystem::remove_all(after);
    return run;
  }

  std::string root_;
  TestClock clock_;
};

TEST_F(PowerLossTest, KeepsAllThatItPromisedWhenEveryCommitIsSynced) {
  size_t confirmed = 0, made = 0;
  for (int seed = 0; seed < Seeds(); ++seed) {
    const Outcome run = RunSeed(static_cast<uint64_t>(seed), Synchronous::kFull);
    confirmed += run.confirmed;
    made += run.made;
    ASSERT_THAT(run.wrong, ::testing::IsEmpty()) << "seed " << seed;
  }
  std::printf("%zu events confirmed, %zu settlements made before the power went\n", confirmed,
              made);
  EXPECT_GT(confirmed, static_cast<size_t>(Seeds()) * 20);
  EXPECT_GT(made, static_cast<size_t>(Seeds()) * 20);
}

// The same without syncs loses what it promised: the test above can fail.
TEST_F(PowerLossTest, LosesWithoutSyncs) {
  int broken = 0;
  for (int seed = 0; seed < 20 && broken < 3; ++seed) {
    broken += !RunSeed(static_cast<uint64_t>(seed), Synchronous::kOff).wrong.empty();
  }
  EXPECT_GT(broken, 0);
}

}  // namespace
}  // namespace outboard::bus

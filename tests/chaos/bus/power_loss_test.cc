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
  size_t undone = 0;  // Plain ends that were taken back.
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
      run.wrong = history.Check(**bus, clock_, &run.undone);
    }
    bus = absl::CancelledError();
    std::filesystem::remove_all(before);
    std::filesystem::remove_all(after);
    return run;
  }

  // Until something is wrong.
  Outcome RunSeeds(int seeds, Synchronous synchronous) {
    Outcome all;
    for (int seed = 0; seed < seeds && all.wrong.empty(); ++seed) {
      Outcome run = RunSeed(static_cast<uint64_t>(seed), synchronous);
      all.confirmed += run.confirmed;
      all.made += run.made;
      all.undone += run.undone;
      for (const std::string& wrong : run.wrong) {
        all.wrong.push_back("seed " + std::to_string(seed) + ": " + wrong);
      }
    }
    return all;
  }

  std::string root_;
  TestClock clock_;
};

TEST_F(PowerLossTest, KeepsAllThatItPromised) {
  const Outcome all = RunSeeds(Seeds(), Synchronous::kFull);
  EXPECT_THAT(all.wrong, ::testing::IsEmpty());
  std::printf("%zu events confirmed, %zu settlements made before the power went, %zu taken back\n",
              all.confirmed, all.made, all.undone);
  EXPECT_GT(all.confirmed, static_cast<size_t>(Seeds()) * 20);
  EXPECT_GT(all.made, static_cast<size_t>(Seeds()) * 20);
  EXPECT_GT(all.undone, 0u);
}

// The same without syncs loses what was confirmed: the test above can fail.
TEST_F(PowerLossTest, LosesWithoutSyncs) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 20 && !lost; ++seed) {
    for (const std::string& wrong : RunSeed(seed, Synchronous::kOff).wrong) {
      lost |= wrong.find("came 0 times") != std::string::npos;
    }
  }
  EXPECT_TRUE(lost);
}

// One bus on a disk that may lose its power.
class UnsyncedEndsTest : public PowerLossTest {
 protected:
  void SetUp() override {
    PowerLossTest::SetUp();
    EmbeddedBusOptions options;
    options.path = root_ + "/bus";
    options.clock = &clock_;
    options.vfs = vfs_.name();
    options.checkpoint_pages = 1'000'000;
    auto bus = EmbeddedBus::Open(options);
    ASSERT_TRUE(bus.ok()) << bus.status();
    bus_ = *std::move(bus);
    ASSERT_TRUE(bus_->Declare({MakeLane("a/x")}).ok());
    reader_ = std::make_unique<Reader>(*bus_, clock_);
    reader_->Open(1, "a/x", 1'000'000);
  }
  // Lets the power go; what the lane then has.
  std::vector<std::string> Left() {
    vfs_.CrashNow();
    reader_.reset();
    bus_.reset();
    vfs_.WriteSurvivors(root_ + "/after");
    auto bus = Open(root_ + "/after", "", Synchronous::kFull, 1 << 20);
    EXPECT_TRUE(bus.ok()) << bus.status();
    if (!bus.ok()) return {};
    Reader reader(**bus, clock_);
    reader.Open(1, "a/x", 100);
    return Ids(reader.Take(1, InfoOf(**bus, "a/x").backlog));
  }

  FaultVfs vfs_;
  std::unique_ptr<EmbeddedBus> bus_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(UnsyncedEndsTest, NobodyWaitsForTheSyncOfAPlainEnd) {
  PublishIds(*bus_, {"a", "b", "c"});
  const std::vector<Delivery> deliveries = reader_->Take(1, 3);
  const uint64_t before = vfs_.syncs();
  reader_->Finish(deliveries[0], End::kDone);
  reader_->Finish(deliveries[1], End::kDropped);
  EXPECT_EQ(vfs_.syncs(), before);
  reader_->Finish(deliveries[2], End::kDead);
  EXPECT_EQ(vfs_.syncs(), before + 1);
}

TEST_F(UnsyncedEndsTest, WhatIsConfirmedLaterKeepsAnEnd) {
  PublishIds(*bus_, {"a"});
  reader_->Finish(reader_->TakeOne(1), End::kDone);
  PublishIds(*bus_, {"b"});
  EXPECT_THAT(Left(), ::testing::ElementsAre("b"));
}

TEST_F(UnsyncedEndsTest, AnEndInOrderKeepsAllEnds) {
  PublishIds(*bus_, {"a"});
  reader_->Finish(reader_->TakeOne(1), End::kDone);
  reader_.reset();
  bus_.reset();
  EXPECT_THAT(Left(), ::testing::IsEmpty());
}

TEST_F(UnsyncedEndsTest, AreSoManyAtMost) {
  std::vector<Event> events;
  for (int i = 0; i < 80'000; ++i) events.push_back(MakeEvent(std::to_string(i)));
  PublishAll(*bus_, std::move(events));
  const uint64_t before = vfs_.syncs();
  for (int i = 0; i < 6; ++i) reader_->FinishAll(reader_->Take(1, 10'000));
  EXPECT_EQ(vfs_.syncs(), before);
  for (int i = 0; i < 2; ++i) reader_->FinishAll(reader_->Take(1, 10'000));
  EXPECT_EQ(vfs_.syncs(), before + 1);
}

// Linux tells of a failed write once, and then takes the pages for clean.
TEST_F(UnsyncedEndsTest, ASyncThatFailsLosesNothingThatIsConfirmedLater) {
  PublishIds(*bus_, {"a", "b"});
  reader_->Finish(reader_->Take(1, 2)[0], End::kDone);
  vfs_.LoseSyncs(true);
  EXPECT_EQ(PublishOne(*bus_, MakeEvent("refused")).status.code(), absl::StatusCode::kUnavailable);
  vfs_.LoseSyncs(false);
  PublishIds(*bus_, {"c"});
  EXPECT_THAT(Left(), ::testing::ElementsAre("b", "c"));
}

}  // namespace
}  // namespace outboard::bus

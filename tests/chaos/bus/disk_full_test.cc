#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "host/bus/embedded/embedded_bus.h"
#include "tests/chaos/bus/bus_history.h"
#include "tests/chaos/bus/fault_vfs.h"

// A disk that is full, and has room again: nothing that was confirmed is lost, and service goes on.
namespace outboard::bus {
namespace {

class DiskFullTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/outboard-full-XXXXXX";
    root_ = mkdtemp(folder);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<EmbeddedBus> Open(const std::string& vfs) {
    EmbeddedBusOptions options;
    options.path = root_;
    options.clock = &clock_;
    options.vfs = vfs;
    options.checkpoint_pages = 32;
    auto bus = EmbeddedBus::Open(options);
    EXPECT_TRUE(bus.ok()) << bus.status();
    return bus.ok() ? *std::move(bus) : nullptr;
  }
  static Event Big(size_t i) {
    return MakeEvent("e" + std::to_string(i), "story.post", "s", std::string(4000, 'x'));
  }
  // Publishes until the bus refuses; how many it took.
  static size_t FillUp(Bus& bus, absl::Status* refused) {
    for (size_t i = 0; i < 100'000; ++i) {
      *refused = PublishOne(bus, Big(i)).status;
      if (!refused->ok()) return i;
    }
    return 0;
  }

  TestClock clock_;
  std::string root_;
};

TEST_F(DiskFullTest, PublishingIsRefusedAndGoesOnWhenThereIsRoom) {
  FaultVfs vfs;
  auto bus = Open(vfs.name());
  ASSERT_TRUE(bus->Declare(WorkloadLanes()).ok());
  vfs.SetQuota(2 << 20);
  absl::Status refused;
  const size_t accepted = FillUp(*bus, &refused);
  ASSERT_GT(accepted, 10u);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_NE(std::string(refused.message()).find("disk is full"), std::string::npos) << refused;
  EXPECT_FALSE(bus->Info().connected);
  EXPECT_FALSE(bus->Info().warnings.empty());

  // What is there can still be read, and what ends without adding anything may end or fails whole.
  Reader reader(*bus, clock_);
  reader.Open(1, "b/x", 1'000'000);
  const std::vector<Delivery> deliveries = reader.Take(1, accepted);
  ASSERT_EQ(deliveries.size(), accepted);
  size_t made = 0;
  std::vector<Delivery> left;
  for (const Delivery& delivery : deliveries) {
    const Settled settled = reader.Await(reader.Settle(delivery, End::kDead));
    if (settled.status.ok()) {
      ++made;
    } else {
      EXPECT_EQ(settled.status.code(), absl::StatusCode::kResourceExhausted) << settled.status;
      ASSERT_NE(settled.failed, nullptr);
      left.push_back(delivery);
    }
    if (left.size() > 5) break;
  }
  EXPECT_GT(left.size(), 0u);

  vfs.SetQuota(0);
  EXPECT_TRUE(Eventually([&] { return bus->Info().connected; })) << "without being asked to write";
  for (const Delivery& delivery : left) reader.Finish(delivery, End::kDone);
  EXPECT_EQ(InfoOf(*bus, "b/x").backlog, accepted - made - left.size());
  EXPECT_EQ(InfoOf(*bus, "b/x").dead, made);
  EXPECT_TRUE(PublishOne(*bus, Big(0)).status.ok());
  EXPECT_TRUE(bus->Info().connected);
  EXPECT_TRUE(bus->Info().warnings.empty());
}

TEST_F(DiskFullTest, AFullDiskCanBeDrained) {
  FaultVfs vfs;
  auto bus = Open(vfs.name());
  ASSERT_TRUE(bus->Declare({MakeLane("b/x")}).ok());
  vfs.SetQuota(2 << 20);
  absl::Status refused;
  const size_t accepted = FillUp(*bus, &refused);
  // Cursors need next to no room: a lane goes on.
  Reader reader(*bus, clock_);
  reader.Open(1, "b/x", 1'000'000);
  std::vector<Delivery> left = reader.Take(1, accepted);
  EXPECT_TRUE(Eventually([&] {
    std::vector<Delivery> again;
    for (Delivery& delivery : left) {
      if (!reader.Await(reader.Settle(delivery, End::kDone)).status.ok()) {
        again.push_back(std::move(delivery));
      }
    }
    left = std::move(again);
    if (!left.empty()) vfs.SetQuota((2 << 20) + (64 << 10));  // A little room is enough.
    return left.empty();
  }));
  EXPECT_EQ(InfoOf(*bus, "b/x").backlog, 0u);
}

TEST_F(DiskFullTest, KeepsItsPromisesWhileTheDiskIsFullAtTimes) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const std::string outer = root_;
    root_ += "/" + std::to_string(seed);
    Mutex mu;
    History history;
    {
      FaultVfs vfs;
      auto bus = Open(vfs.name());
      ASSERT_TRUE(bus->Declare(WorkloadLanes()).ok());
      std::mt19937_64 random(seed);
      Workload work(*bus, clock_, seed, "e", [&](const std::string& line) {
        MutexLock lock(mu);
        history.Add(line);
      });
      for (int i = 0; i < 400; ++i) {
        if (random() % 20 == 0)
          vfs.SetQuota(random() % 2 == 0 ? 0 : 100'000 + random() % 1'000'000);
        if (random() % 20 == 0) vfs.FailWrites(random() % 2 == 0 ? 0 : SQLITE_IOERR_WRITE);
        work.Step();
      }
    }
    auto bus = Open("");
    const std::vector<std::string> wrong = history.Check(*bus, clock_);
    ASSERT_TRUE(wrong.empty()) << "seed " << seed << ": " << wrong.front();
    EXPECT_GT(history.confirmed(), 50u);
    root_ = outer;
  }
}

// With the real file system: in a process whose files may not grow.
TEST_F(DiskFullTest, AFileThatMayNotGrowLosesNothing) {
  int results[2];
  ASSERT_EQ(pipe(results), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    uint64_t report[2] = {0, 0};
    {
      auto bus = Open("");
      if (!bus || !bus->Declare({MakeLane("b/x")}).ok()) _exit(2);
      absl::Status refused;
      report[0] = FillUp(*bus, &refused);
      report[1] = static_cast<uint64_t>(refused.code());
    }
    const bool told = write(results[1], report, sizeof report) == sizeof report;
    _exit(told ? 0 : 3);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  uint64_t report[2];
  ASSERT_EQ(read(results[0], report, sizeof report), static_cast<ssize_t>(sizeof report));
  close(results[0]);
  close(results[1]);
  EXPECT_GT(report[0], 10u);
  const auto code = static_cast<absl::StatusCode>(report[1]);
  EXPECT_TRUE(code == absl::StatusCode::kResourceExhausted ||
              code == absl::StatusCode::kUnavailable)
      << report[1];

  auto bus = Open("");
  EXPECT_EQ(InfoOf(*bus, "b/x").backlog, report[0]);
  Reader reader(*bus, clock_);
  reader.Open(1, "b/x", 1'000'000);
  EXPECT_EQ(Ids(reader.Take(1, report[0])), Numbered("e", report[0]));
  EXPECT_TRUE(PublishOne(*bus, Big(0)).status.ok());
}

}  // namespace
}  // namespace outboard::bus

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "host/bus/embedded/embedded_bus.h"
#include "tests/contract/bus_harness.h"

// Files of every version that was ever released, as a host left them that was cut off: each later
// version reads them, with all that was under way. make_golden.cc made them.
namespace outboard::bus {
namespace {

class GoldenTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/outboard-golden-XXXXXX";
    root_ = mkdtemp(folder);
    const std::string golden =
        std::string(OUTBOARD_GOLDEN) + "/embedded-v" + std::to_string(GetParam());
    for (const auto& item : std::filesystem::directory_iterator(golden)) {
      std::filesystem::copy_file(item.path(), root_ / item.path().filename());
      std::filesystem::permissions(root_ / item.path().filename(),
                                   std::filesystem::perms::owner_write,
                                   std::filesystem::perm_options::add);
    }
    EmbeddedBusOptions options;
    options.path = root_.string();
    options.clock = &clock_;
    auto bus = EmbeddedBus::Open(options);
    ASSERT_TRUE(bus.ok()) << bus.status();
    bus_ = *std::move(bus);
  }
  void TearDown() override {
    bus_.reset();
    std::filesystem::remove_all(root_);
  }

  TestClock clock_;
  std::filesystem::path root_;
  std::unique_ptr<EmbeddedBus> bus_;
};

INSTANTIATE_TEST_SUITE_P(Version, GoldenTest, ::testing::Values(1, 2, 3, 4, 5));

TEST_P(GoldenTest, HasTheLog) {
  EXPECT_EQ(bus_->NextOffset(), GetParam() >= 5 ? 18u : 16u);
  const auto log = bus_->ReadLog(0, 100);
  ASSERT_TRUE(log.ok()) << log.status();
  std::string ids;
  for (const LoggedEvent& logged : *log) ids += std::string(logged.event.id()) + " ";
  const std::string parked = GetParam() >= 5 ? "p0 p1 " : "";
  EXPECT_EQ(ids, "s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 t0 t1 s10 s11 c6 " + parked);
  EXPECT_EQ((*log)[12].accepted_at - (*log)[0].accepted_at, std::chrono::seconds(1));
}

TEST_P(GoldenTest, HasWhatProducersSaidSinceVersion2) {
  const auto log = bus_->ReadLog(0, 100);
  ASSERT_TRUE(log.ok()) << log.status();
  for (const LoggedEvent& logged : *log) {
    const bool placed = GetParam() >= 2 && logged.event.id() == "s4";
    ASSERT_EQ(logged.placed.size(), placed ? 1u : 0u) << logged.event.id();
    if (!placed) continue;
    const Placed& where = logged.placed.at("main/x");
    EXPECT_EQ(where.offset, Offset(std::string("topic/3@17")));
    EXPECT_EQ(where.at, logged.accepted_at + std::chrono::seconds(1));
  }
}

TEST_P(GoldenTest, HasTheLanes) {
  EXPECT_TRUE(InfoOf(*bus_, "orphan/x").orphan);
  EXPECT_EQ(InfoOf(*bus_, "orphan/x").backlog, 12u);
  EXPECT_FALSE(InfoOf(*bus_, "main/x").orphan);
  EXPECT_EQ(InfoOf(*bus_, "main/x").backlog, 8u);
  EXPECT_EQ(InfoOf(*bus_, "main/x").retrying, 1u);
  EXPECT_EQ(InfoOf(*bus_, "main/x").dead, 1u);
  EXPECT_EQ(InfoOf(*bus_, "one/x").backlog, 3u);
  EXPECT_EQ(InfoOf(*bus_, "two/x").backlog, 3u) << "they share one queue";
}

TEST_P(GoldenTest, GoesOnWithEverythingThatWasUnderWay) {
  Reader reader(*bus_, clock_);
  reader.Open(1, "main/x", 100);
  std::vector<Delivery> deliveries = reader.Take(1, 7);
  EXPECT_EQ(Ids(deliveries),
            (std::vector<std::string>{"s2", "s5", "s7", "s8", "s9", "s10", "s11"}));
  for (const Delivery& delivery : deliveries) EXPECT_TRUE(delivery.redelivered);
  reader.FinishAll(deliveries);
  EXPECT_EQ(InfoOf(*bus_, "main/x").backlog, 1u);
  clock_.Advance(std::chrono::seconds(31));
  const Delivery retry = reader.TakeOne(1);
  EXPECT_EQ(retry.event.id(), "s1");
  EXPECT_EQ(retry.attempts, 4u);
  reader.Finish(retry, End::kDone);
  EXPECT_EQ(InfoOf(*bus_, "main/x").backlog, 0u);
}

TEST_P(GoldenTest, HasTheDeadLetter) {
  const auto letters = bus_->ListDead({.lane = "main/x"}, 0, 10, nullptr);
  ASSERT_TRUE(letters.ok()) << letters.status();
  ASSERT_EQ(letters->size(), 1u);
  const DeadLetter& letter = letters->front();
  EXPECT_EQ(letter.lane, "main/x");
  EXPECT_EQ(letter.event.id(), "s3");
  EXPECT_EQ(letter.why.reason, "TIMEOUT");
  EXPECT_EQ(letter.why.message, "no answer in 30 s");
  EXPECT_EQ(letter.why.detail, "line 1\nline 2");
  EXPECT_EQ(letter.attempts, 12u);
  if (GetParam() >= 3) {
    EXPECT_EQ(letter.why.version, "v1");
    EXPECT_EQ(
        letter.history,
        (std::vector<Attempt>{{letter.died_at, "deadline", "TIMEOUT", "no answer in 30 s", "v1"}}));
  } else {
    EXPECT_EQ(letter.why.version, "");
    EXPECT_TRUE(letter.history.empty());
  }
  const Event edited = MakeEvent("s3", "story.post", "storyboard", "[3]");
  EXPECT_EQ(letter.edited.bytes(), GetParam() >= 4 ? edited.bytes() : "");
  EXPECT_EQ(*bus_->ReplayDead({.lane = "main/x"}), 1u);
}

TEST_P(GoldenTest, HasWhatWaitsBehindADeadLetter) {
  if (GetParam() < 5) GTEST_SKIP() << "nothing waited then";
  EXPECT_EQ(InfoOf(*bus_, "park/x").parked, 1u);
  const auto letters = bus_->ListDead({.lane = "park/x"}, 0, 10, nullptr);
  ASSERT_TRUE(letters.ok()) << letters.status();
  ASSERT_EQ(letters->size(), 1u);
  EXPECT_EQ(letters->front().event.id(), "p0");
  EXPECT_EQ(letters->front().waiting, 1u);
  Reader reader(*bus_, clock_);
  reader.Open(1, "park/x", 10);
  EXPECT_EQ(*bus_->ReplayDead({.lane = "park/x"}), 1u);
  EXPECT_EQ(Ids(reader.Take(1, 2)), (std::vector<std::string>{"p0", "p1"}));
}

TEST_P(GoldenTest, AnOrphanCanBeTakenUpAgain) {
  ASSERT_TRUE(bus_->Declare({MakeLane("orphan/x", "#")}).ok());
  Reader reader(*bus_, clock_);
  reader.Open(1, "orphan/x", 100);
  EXPECT_EQ(reader.Take(1, 12).back().event.id(), "t1");
  PublishIds(*bus_, {"new"});
  EXPECT_EQ(reader.TakeOne(1).event.id(), "new");
}

}  // namespace
}  // namespace outboard::bus

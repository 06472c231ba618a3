#include "host/bus/rabbitmq/lane_registry.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace outboard::bus::rabbitmq {
namespace {

class LaneRegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/outboard-registry-XXXXXX";
    folder_ = mkdtemp(folder);
    file_ = folder_ + "/lanes.json";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<LaneRegistry> Load() {
    auto registry = LaneRegistry::Load(file_);
    EXPECT_TRUE(registry.ok()) << registry.status();
    return registry.ok() ? *std::move(registry) : nullptr;
  }
  static KnownLane Lane(const std::string& name, const std::string& service,
                        const std::string& type) {
    KnownLane lane;
    lane.spec.name = name;
    lane.spec.filters = {{service, {type}}};
    lane.queue = "queue of " + name;
    lane.bindings = {{"exchange", type}};
    return lane;
  }

  std::string folder_, file_;
};

TEST_F(LaneRegistryTest, KnowsAfterARestartWhatItWasTold) {
  KnownLane lane = Lane("a/x", "storyboard", "story.#");
  lane.spec.mode = Mode::kBroadcast;
  lane.spec.ordered = true;
  ASSERT_TRUE(Load()->Put(lane).ok());
  lane.orphan = true;
  ASSERT_TRUE(Load()->Put(lane).ok());
  const std::optional<KnownLane> known = Load()->Find("a/x");
  ASSERT_TRUE(known);
  EXPECT_EQ(known->queue, "queue of a/x");
  EXPECT_EQ(known->spec.filters, lane.spec.filters);
  EXPECT_EQ(known->spec.mode, Mode::kBroadcast);
  EXPECT_TRUE(known->spec.ordered);
  EXPECT_TRUE(known->orphan);
  EXPECT_EQ(known->bindings, lane.bindings);
  ASSERT_TRUE(Load()->Remove("a/x").ok());
  EXPECT_FALSE(Load()->Find("a/x"));
}

TEST_F(LaneRegistryTest, MatchesQueuesOnceAndOrphansNever) {
  auto registry = Load();
  KnownLane a = Lane("a/x", "", "story.#");
  KnownLane b = Lane("b/x", "storyboard", "story.post");
  KnownLane orphan = Lane("c/x", "", "#");
  b.queue = a.queue;
  orphan.orphan = true;
  for (const KnownLane& lane : {a, b, orphan}) ASSERT_TRUE(registry->Put(lane).ok());
  bool reliable = false;
  EXPECT_EQ(registry->Matched("storyboard", "story.post", &reliable), 1u);
  EXPECT_TRUE(reliable);
  EXPECT_EQ(registry->Matched("storyboard", "task.put", &reliable), 0u);
}

TEST_F(LaneRegistryTest, AnUnreliableLaneTakesNothingWhileItIsNotOpen) {
  auto registry = Load();
  KnownLane lane = Lane("a/x", "", "#");
  lane.spec.reliable = false;
  ASSERT_TRUE(registry->Put(lane).ok());
  bool reliable = true;
  EXPECT_EQ(registry->Matched("s", "t", &reliable), 0u);
  ++registry->Find("a/x")->counts->open;
  EXPECT_EQ(registry->Matched("s", "t", &reliable), 1u);
  EXPECT_FALSE(reliable);
}

TEST_F(LaneRegistryTest, RefusesAFileThatItCannotRead) {
  std::ofstream(file_) << "{\"version\": 1, \"lanes\": {\"a/x\": {}}}";
  EXPECT_EQ(LaneRegistry::Load(file_).status().code(), absl::StatusCode::kDataLoss);
  std::ofstream(file_) << "{\"version\": 2, \"lanes\": {}}";
  EXPECT_EQ(LaneRegistry::Load(file_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(LaneRegistryTest, SaysWhereItCannotWrite) {
  std::filesystem::remove_all(folder_);
  const absl::Status status = Load()->Put(Lane("a/x", "", "#"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(status.message()).find("host.data"), std::string::npos) << status;
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

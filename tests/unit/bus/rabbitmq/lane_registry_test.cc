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

TEST_F(LaneRegistryTest, WhatIsAsItWasIsNotWrittenAgain) {
  const KnownLane lane = Lane("a/x", "storyboard", "story.#");
  ASSERT_TRUE(Load()->Put(lane).ok());
  auto registry = Load();
  std::filesystem::remove(file_);
  ASSERT_TRUE(registry->Put(lane).ok());
  EXPECT_FALSE(std::filesystem::exists(file_));
  ASSERT_TRUE(registry->Put(Lane("a/x", "storyboard", "task.#")).ok());
  EXPECT_TRUE(std::filesystem::exists(file_));
}

TEST_F(LaneRegistryTest, AForgottenLaneMayHaveDeadLettersUntilItIsThereAgain) {
  const KnownLane lane = Lane("a/x", "storyboard", "story.#");
  for (const char* name : {"a/x", "b/x", "c/x@queue"})
    ASSERT_TRUE(Load()->Put(Lane(name, "s", "#")).ok());
  ASSERT_TRUE(Load()->Forget("a/x").ok());
  ASSERT_TRUE(Load()->Forget("c/x@queue").ok());
  ASSERT_TRUE(Load()->Forget("nobody").ok());
  EXPECT_FALSE(Load()->Find("a/x"));
  EXPECT_EQ(Load()->DeadLanes(), (std::set<std::string>{"a/x", "b/x"}));
  ASSERT_TRUE(Load()->Put(lane).ok());
  ASSERT_TRUE(Load()->Remove("a/x").ok());
  EXPECT_EQ(Load()->DeadLanes(), (std::set<std::string>{"b/x"}));
}

TEST_F(LaneRegistryTest, MatchesQueuesOnceAndOrphansNever) {
  auto registry = Load();
  KnownLane a = Lane("a/x", "", "story.#");
  KnownLane b = Lane("b/x", "storyboard", "story.post");
  KnownLane orphan = Lane("c/x", "", "#");
  b.queue = a.queue;
  orphan.orphan = true;
  for (const KnownLane& lane : {a, b, orphan}) ASSERT_TRUE(registry->Put(lane).ok());
  EXPECT_EQ(registry->Matched("storyboard", "story.post").queues, 1u);
  EXPECT_EQ(registry->Matched("storyboard", "story.post").reliable, 1u);
  EXPECT_EQ(registry->Matched("storyboard", "task.put").queues, 0u);
}

TEST_F(LaneRegistryTest, AnUnreliableLaneTakesNothingWhileItIsNotOpen) {
  auto registry = Load();
  KnownLane lane = Lane("a/x", "", "#");
  lane.spec.reliable = false;
  ASSERT_TRUE(registry->Put(lane).ok());
  EXPECT_EQ(registry->Matched("s", "t").queues, 0u);
  ++registry->Find("a/x")->counts->open;
  EXPECT_EQ(registry->Matched("s", "t").queues, 1u);
  EXPECT_EQ(registry->Matched("s", "t").reliable, 0u);
}

TEST_F(LaneRegistryTest, KnowsWhoSharesAQueue) {
  using Sharer = LaneRegistry::Sharer;
  auto registry = Load();
  KnownLane a = Lane("a/x", "", "#");
  KnownLane b = Lane("b/x", "", "#");
  b.queue = a.queue;
  ASSERT_TRUE(registry->Put(a).ok());
  EXPECT_FALSE(registry->IsShared(a, Sharer::kAny)) << "itself";
  ASSERT_TRUE(registry->Put(b).ok());
  EXPECT_TRUE(registry->IsShared(a, Sharer::kDeclared));
  b.orphan = true;
  ASSERT_TRUE(registry->Put(b).ok());
  EXPECT_FALSE(registry->IsShared(a, Sharer::kDeclared));
  EXPECT_TRUE(registry->IsShared(a, Sharer::kAny));
  EXPECT_EQ(registry->FindQueue(a.queue)->spec.name, "a/x") << "the declared one";
  EXPECT_FALSE(registry->FindQueue("another"));
}

TEST_F(LaneRegistryTest, BindingsOfALaneThatIsForgottenAreNotNoted) {
  auto registry = Load();
  ASSERT_TRUE(registry->Put(Lane("a/x", "", "#")).ok());
  ASSERT_TRUE(registry->SetBindings("a/x", {{"e", "k"}}).ok());
  ASSERT_TRUE(registry->SetBindings("b/x", {{"e", "k"}}).ok());
  EXPECT_EQ(Load()->Find("a/x")->bindings, (std::set<Binding>{{"e", "k"}}));
  EXPECT_FALSE(Load()->Find("b/x"));
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

#include "host/bus/rabbitmq/names.h"

#include <gtest/gtest.h>

namespace outboard::bus::rabbitmq {
namespace {

LaneSpec Spec(const std::string& name, Mode mode, std::vector<route::Filter> filters = {}) {
  LaneSpec spec;
  spec.name = name;
  spec.mode = mode;
  spec.filters = std::move(filters);
  return spec;
}

TEST(NamesTest, AllReplicasOfAHostShareThePoolsQueue) {
  const LaneSpec spec = Spec("stories/notifier", Mode::kPool);
  EXPECT_EQ(LaneQueue("tracker", "r1", spec), "outboard.tracker.stories/notifier");
  EXPECT_EQ(LaneQueue("tracker", "r2", spec), LaneQueue("tracker", "r1", spec));
}

TEST(NamesTest, EachReplicaHasItsOwnBroadcastQueue) {
  const LaneSpec spec = Spec("cache/clear", Mode::kBroadcast);
  EXPECT_EQ(LaneQueue("tracker", "r1", spec), "outboard.tracker.cache/clear.at.r1");
}

TEST(NamesTest, SingletonsOfTheSameFiltersShareOneQueueInTheWholeCluster) {
  const LaneSpec a = Spec("a/x", Mode::kSingleton, {{"storyboard", {"story.#"}}});
  const LaneSpec b = Spec("b/y", Mode::kSingleton, {{"storyboard", {"story.#"}}});
  const LaneSpec c = Spec("a/x", Mode::kSingleton, {{"storyboard", {"story.", "#"}}});
  EXPECT_EQ(LaneQueue("one", "r1", a), LaneQueue("two", "r2", b));
  EXPECT_NE(LaneQueue("one", "r1", a), LaneQueue("one", "r1", c));
  // Part of what is on brokers: never to change.
  EXPECT_EQ(LaneQueue("one", "r1", a), "outboard.singleton.storyboard.352a48e1a37a9835");
}

TEST(NamesTest, AQueueThatALaneHasNoMoreIsCalledAfterBoth) {
  const std::string name = FormerName("a/x", "outboard.singleton.any.0");
  EXPECT_EQ(name, "a/x@outboard.singleton.any.0");
  EXPECT_EQ(LaneOf(name), "a/x");
  EXPECT_EQ(LaneOf("a/x"), "a/x");
}

TEST(NamesTest, AQueueSaysWhichLaneOfAHostItIsOf) {
  const LaneSpec spec = Spec("stories/notifier", Mode::kPool);
  EXPECT_EQ(LaneOfQueue("tracker", LaneQueue("tracker", "r1", spec)), "stories/notifier");
  EXPECT_EQ(LaneOfQueue("other", LaneQueue("tracker", "r1", spec)), "");
}

TEST(NamesTest, EditsAreNoLanesQueue) {
  EXPECT_EQ(EditsQueue("tracker"), "outboard.tracker.edits");
  EXPECT_NE(EditsQueue("tracker"), LaneQueue("tracker", "", Spec("edits/x", Mode::kPool)));
  EXPECT_NE(DeadQueue("tracker", kEdits), EditsQueue("tracker"));
}

TEST(NamesTest, RungsSayHowLongTheyHold) {
  EXPECT_EQ(RungName(std::chrono::milliseconds(500)), "outboard.wait.500ms");
  EXPECT_EQ(RungName(std::chrono::minutes(5)), "outboard.wait.300000ms");
  EXPECT_TRUE(IsRung("outboard.wait.500ms"));
  EXPECT_FALSE(IsRung("outboard.tracker.a/x"));
  EXPECT_FALSE(IsRung(LaneQueue("wait", "", Spec("500ms/x", Mode::kPool))));
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

#include "host/app/paused_lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace outboard::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(PausedLanesTest, AreReadAsTheyWereWritten) {
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / "outboard-paused-lanes";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  EXPECT_THAT(ReadPausedLanes(folder).paused, IsEmpty());
  ASSERT_TRUE(WritePausedLanes(folder, {{"b/two", "a/one"}, {{"a/one", 17}, {"c/three", 1}}}).ok());
  EXPECT_THAT(ReadPausedLanes(folder).paused, ElementsAre("a/one", "b/two"));
  EXPECT_THAT(ReadPausedLanes(folder).passed, ElementsAre(Pair("a/one", 17), Pair("c/three", 1)));
  ASSERT_TRUE(WritePausedLanes(folder, {}).ok());
  EXPECT_THAT(ReadPausedLanes(folder).paused, IsEmpty());
  EXPECT_THAT(ReadPausedLanes(folder).passed, IsEmpty());
  std::filesystem::remove_all(folder);
  const absl::Status gone = WritePausedLanes(folder, {{"a/one"}, {}});
  EXPECT_EQ(gone.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(gone.message()), HasSubstr("paused-lanes"));
}

}  // namespace
}  // namespace outboard::app

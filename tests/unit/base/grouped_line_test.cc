#include "host/base/grouped_line.h"

#include <gtest/gtest.h>

namespace outboard {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kStart{seconds(1'700'000'000)};

TEST(GroupedLineTest, TheFirstIsWrittenAtOnce) {
  GroupedLine line;
  EXPECT_EQ(line.Take(kStart), 0u);
  EXPECT_EQ(line.due(), kNever);
  line.Add(3);
  EXPECT_LE(line.due(), kStart);
  EXPECT_EQ(line.Take(kStart), 3u);
}

TEST(GroupedLineTest, TheRestIsCountedUntilTheSecondIsOver) {
  GroupedLine line;
  line.Add(1);
  EXPECT_EQ(line.Take(kStart), 1u);
  for (int i = 1; i < 1000; ++i) {
    line.Add(2);
    EXPECT_EQ(line.Take(kStart + milliseconds(i)), 0u);
  }
  EXPECT_EQ(line.due(), kStart + seconds(1));
  EXPECT_EQ(line.Take(kStart + seconds(1)), 1998u) << "none is left uncounted";
  EXPECT_EQ(line.due(), kNever);
}

TEST(GroupedLineTest, AfterAQuietTimeItIsWrittenAtOnceAgain) {
  GroupedLine line;
  line.Add(1);
  line.Take(kStart);
  line.Add(1);
  EXPECT_EQ(line.Take(kStart + seconds(60)), 1u);
}

}  // namespace
}  // namespace outboard

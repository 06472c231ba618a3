#include "host/supervise/output_limiter.h"

#include <gtest/gtest.h>

namespace outboard::supervise {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class OutputLimiterTest : public testing::Test {
 protected:
  int Admitted(int lines, uint64_t bytes = 1) {
    int admitted = 0;
    for (int i = 0; i < lines; ++i) admitted += limiter_.Admit(clock_.Now(), bytes) ? 1 : 0;
    return admitted;
  }

  ManualClock clock_;
  OutputLimiter limiter_{10, 1000,
                         2};  // 10 lines and 1000 bytes a second, two seconds' worth saved up
};

TEST_F(OutputLimiterTest, PassesABurstAndCountsWhatItDrops) {
  EXPECT_EQ(Admitted(100), 20);
  EXPECT_EQ(limiter_.dropped(), 80u);
  EXPECT_EQ(limiter_.TakeDropped(), 80u);
  EXPECT_EQ(limiter_.TakeDropped(), 0u);
}

TEST_F(OutputLimiterTest, RefillsWithTime) {
  Admitted(100);
  clock_.Advance(milliseconds(500));
  EXPECT_EQ(Admitted(100), 5);
  clock_.Advance(seconds(3600));
  EXPECT_EQ(Admitted(100), 20);
}

TEST_F(OutputLimiterTest, LimitsBytesToo) {
  EXPECT_EQ(Admitted(10, 900), 2);
  EXPECT_EQ(Admitted(1, 200), 1);
  EXPECT_EQ(Admitted(1, 1), 0);
}

TEST_F(OutputLimiterTest, PassesSteadyOutputBelowTheRate) {
  for (int i = 0; i < 1000; ++i) {
    clock_.Advance(milliseconds(100));
    ASSERT_EQ(Admitted(1, 100), 1);
  }
}

TEST_F(OutputLimiterTest, StandsAClockThatDoesNotMove) {
  Admitted(100);
  clock_.Advance(seconds(-5));
  EXPECT_EQ(Admitted(1), 0);
}

}  // namespace
}  // namespace outboard::supervise

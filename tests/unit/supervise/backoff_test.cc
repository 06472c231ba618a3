#include "host/supervise/backoff.h"

#include <gtest/gtest.h>

namespace outboard::supervise {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class RestartBackoffTest : public testing::Test {
 protected:
  RestartBackoff Make(double random) {
    return RestartBackoff(milliseconds(500), seconds(30), [random] { return random; });
  }
  // The delay after a process that ran for `ran`.
  Duration Delay(RestartBackoff* backoff, Duration ran = milliseconds(10)) {
    backoff->OnStarted(clock_.Now());
    clock_.Advance(ran);
    const Time at = backoff->OnEnded(clock_.Now());
    const Duration delay = at - clock_.Now();
    clock_.Set(at);
    return delay;
  }

  ManualClock clock_;
};

TEST_F(RestartBackoffTest, DoublesFromInitialToMax) {
  RestartBackoff backoff = Make(0);
  for (const int ms : {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000}) {
    EXPECT_EQ(Delay(&backoff), milliseconds(ms));
  }
}

TEST_F(RestartBackoffTest, TakesAtMostAQuarterOffAtRandom) {
  RestartBackoff half = Make(0.5);
  EXPECT_EQ(Delay(&half), milliseconds(500) - Duration(62'500));
  RestartBackoff most = Make(0.999999);
  EXPECT_GE(Delay(&most), milliseconds(375));
  EXPECT_LT(Delay(&most), milliseconds(751));
}

TEST_F(RestartBackoffTest, StartsOverAfterASuccess) {
  RestartBackoff backoff = Make(0);
  for (int i = 0; i < 5; ++i) Delay(&backoff);
  backoff.OnHealthy();
  EXPECT_EQ(Delay(&backoff), milliseconds(500));
  EXPECT_EQ(Delay(&backoff), milliseconds(1000));
}

TEST_F(RestartBackoffTest, StartsOverAfterALongRun) {
  RestartBackoff backoff = Make(0);
  for (int i = 0; i < 5; ++i) Delay(&backoff);
  EXPECT_EQ(Delay(&backoff, seconds(59)), milliseconds(16000));
  EXPECT_EQ(Delay(&backoff, minutes(1)), milliseconds(500));
}

TEST_F(RestartBackoffTest, NeverReachesAHotLoop) {
  RestartBackoff backoff(Duration(0), Duration(0), [] { return 0.999999; });
  for (int i = 0; i < 100; ++i) EXPECT_GE(Delay(&backoff, Duration(0)), milliseconds(7));
}

TEST_F(RestartBackoffTest, SurvivesAnyNumberOfEnds) {
  RestartBackoff backoff(seconds(1), std::chrono::hours(24 * 365), [] { return 0.0; });
  for (int i = 0; i < 200; ++i) EXPECT_GT(Delay(&backoff), Duration(0));
}

TEST_F(RestartBackoffTest, KeepsTwoStartsApartThoughTheEndWasAskedFor) {
  RestartBackoff backoff = Make(0);
  backoff.OnStarted(clock_.Now());
  const Time started = clock_.Now();
  clock_.Advance(milliseconds(100));
  EXPECT_EQ(backoff.EarliestStart(clock_.Now()), started + milliseconds(500));
  clock_.Advance(seconds(1));
  EXPECT_EQ(backoff.EarliestStart(clock_.Now()), clock_.Now());
}

}  // namespace
}  // namespace outboard::supervise

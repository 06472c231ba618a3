#include "host/lane/outcome_run.h"

#include <gtest/gtest.h>

#include <string>

namespace outboard::lane {
namespace {

void Fail(OutcomeRun& run, int events, int times = 1) {
  for (int i = 0; i < times; ++i) {
    for (int e = 0; e < events; ++e) run.AddFailure("e" + std::to_string(e));
  }
}

TEST(OutcomeRunTest, IsNoOutageBeforeItIsLongEnough) {
  OutcomeRun run(4, 2);
  EXPECT_FALSE(run.IsOutage());
  Fail(run, 3);
  EXPECT_FALSE(run.IsOutage());
  run.AddFailure("e3");
  EXPECT_TRUE(run.IsOutage());
}

TEST(OutcomeRunTest, FewEventsAreNoOutageHoweverOftenTheyFail) {
  OutcomeRun run(6, 3);
  Fail(run, 2, 50);
  EXPECT_FALSE(run.IsOutage());
  run.AddFailure("another");
  EXPECT_TRUE(run.IsOutage());
}

TEST(OutcomeRunTest, OnlyTheLastOutcomesCount) {
  OutcomeRun run(4, 3);
  Fail(run, 3);  // e0 e1 e2
  for (int i = 0; i < 2; ++i) run.AddFailure("e2");
  EXPECT_FALSE(run.IsOutage()) << "the last four are of e1 and e2 alone";
}

TEST(OutcomeRunTest, AnyOtherAnswerBreaksTheRun) {
  OutcomeRun run(4, 2);
  Fail(run, 4);
  run.Break();
  EXPECT_FALSE(run.IsOutage());
  Fail(run, 3);
  EXPECT_FALSE(run.IsOutage());
  Fail(run, 1);
  EXPECT_TRUE(run.IsOutage());
}

}  // namespace
}  // namespace outboard::lane

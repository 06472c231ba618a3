#include "host/config/problem.h"

#include <gtest/gtest.h>

namespace outboard::config {
namespace {

TEST(ProblemTest, SaysWhereWhatAndHowToMendIt) {
  ConfigProblem problem{.file = "a.yaml",
                        .line = 3,
                        .column = 5,
                        .path = "host.name",
                        .message = "bad",
                        .fix = "do better"};
  EXPECT_EQ(problem.text(), "a.yaml:3:5: host.name: bad; do better");
  problem.fix.clear();
  problem.path.clear();
  EXPECT_EQ(problem.text(), "a.yaml:3:5: bad");
  problem.line = 0;
  EXPECT_EQ(ToText({problem, problem}), "a.yaml: bad\na.yaml: bad\n");
}

}  // namespace
}  // namespace outboard::config

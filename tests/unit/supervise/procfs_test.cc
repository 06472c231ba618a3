#include "host/supervise/procfs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace outboard::supervise {
namespace {

constexpr char kStat[] =
    " 1000 1001 1002 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1000 200 18446744073709551615 0 0";

TEST(ProcStatTest, ReadsItsFields) {
  const auto stat = ParseProcStat(absl::StrCat("12 (sh) S", kStat));
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 1000);
  EXPECT_EQ(stat->group, 1001);
  EXPECT_EQ(stat->session, 1002);
  EXPECT_EQ(stat->start_ticks, 4242u);
}

TEST(ProcStatTest, IsNotMisledByTheNameOfAProgram) {
  const auto stat = ParseProcStat(absl::StrCat("12 (a) Z 1 1 1 (b) R", kStat));
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->state, 'R');
  EXPECT_EQ(stat->parent, 1000);
}

TEST(ProcStatTest, RefusesWhatIsNoStat) {
  for (const char* text :
       {"", "12", "12 (sh)", "12 (sh) ", "12 (sh) S 1 2 3", "12 (sh) SS 1 2 3"}) {
    EXPECT_FALSE(ParseProcStat(text).has_value()) << text;
  }
}

TEST(ProcStatTest, KnowsThisProcess) {
  const auto stat = ReadProcStat(getpid());
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->parent, getppid());
  EXPECT_GT(stat->start_ticks, 0u);
}

}  // namespace
}  // namespace outboard::supervise

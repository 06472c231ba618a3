#include "host/bus/dead_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::bus {
namespace {

using std::chrono::seconds;
using ::testing::SizeIs;

TEST(NormalErrorTest, NumbersAreOne) {
  EXPECT_EQ(NormalError("no user 17 after 3.25 s"), "no user * after * s");
  EXPECT_EQ(NormalError("no user -4 after 12 s"), "no user -* after * s");
  EXPECT_EQ(NormalError("at 2026-01-31T12:00:59Z"), "at *");
  EXPECT_EQ(NormalError("10.0.0.1:8080 refused"), "* refused");
}

TEST(NormalErrorTest, IdsAndHexadecimalAreOne) {
  EXPECT_EQ(NormalError("event 6f9619ff-8b86-d011-b42d-00cf4fc964ff is bad"), "event * is bad");
  EXPECT_EQ(NormalError("event abcdefab-abcd-abcd-abcd-abcdefabcdef is bad"),
            NormalError("event 6f9619ff-8b86-d011-b42d-00cf4fc964ff is bad"));
  EXPECT_EQ(NormalError("segfault at 0x7ffe00a1 ip deadbeef"), "segfault at * ip *");
  EXPECT_EQ(NormalError("a cafe, a facade"), "a cafe, a facade") << "words";
}

TEST(NormalErrorTest, QuotedTextsAndPathsAreOne) {
  EXPECT_EQ(NormalError("KeyError: 'title'"), "KeyError: *");
  EXPECT_EQ(NormalError("KeyError: \"it's\""), "KeyError: *");
  EXPECT_EQ(NormalError("cannot open /var/lib/x: gone"), NormalError("cannot open /tmp/y: gone"));
  EXPECT_EQ(NormalError("GET https://a.example/b?c=1 failed"), "GET *=* failed");
  EXPECT_EQ(NormalError("it can't, and won't"), "it can't, and won't") << "no quotes";
  EXPECT_EQ(NormalError("an 'open end"), "an 'open end");
}

TEST(NormalErrorTest, BlanksAreOneAndLongTextsAreCut) {
  EXPECT_EQ(NormalError("  a \n\t b  "), "a b");
  EXPECT_LE(NormalError(std::string(5000, 'a')).size(), 200u);
  EXPECT_EQ(NormalError(""), "");
  EXPECT_EQ(NormalError("größer als 5"), "größer als *");
}

DeadLetter Letter(uint64_t id, const std::string& message, const std::string& version = "v1") {
  DeadLetter letter;
  letter.id = id;
  letter.lane = "stories/notifier";
  letter.why = {"REJECTED", message, "", version};
  letter.died_at = Time(seconds(1000 + static_cast<int>(id)));
  return letter;
}

TEST(GroupKeyTest, IsTheSameInEveryVersion) {
  EXPECT_EQ(GroupKey(Letter(1, "no user 17")), GroupKey(Letter(2, "no user 4")));
  // People keep it in their notes.
  EXPECT_EQ(GroupKey(Letter(1, "no user 17")), "3a3ff682dc1a");
}

TEST(GroupKeyTest, TellsCausesApart) {
  const DeadLetter letter = Letter(1, "no user 17");
  EXPECT_NE(GroupKey(letter), GroupKey(Letter(1, "no group 17")));
  EXPECT_NE(GroupKey(letter), GroupKey(Letter(1, "no user 17", "v2")));
  DeadLetter other = letter;
  other.lane = "stories/index";
  EXPECT_NE(GroupKey(letter), GroupKey(other));
  other = letter;
  other.why.reason = "DEADLINE";
  EXPECT_NE(GroupKey(letter), GroupKey(other));
}

TEST(DeadGroupsTest, CountsAndKeepsTheEnds) {
  DeadGroups groups;
  groups.Add(Letter(9, "no group"));
  groups.Add(Letter(5, "no user 17"));
  groups.Add(Letter(3, "no user 4"));
  groups.Add(Letter(7, "no user 12"));
  const std::vector<DeadGroup> all = groups.Take();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].count, 3u) << "the largest first";
  EXPECT_EQ(all[0].error, "no user *");
  EXPECT_EQ(all[0].key, GroupKey(Letter(1, "no user 1")));
  EXPECT_EQ(all[0].lane, "stories/notifier");
  EXPECT_EQ(all[0].version, "v1");
  EXPECT_EQ(all[0].first, Time(seconds(1003)));
  EXPECT_EQ(all[0].last, Time(seconds(1007)));
  EXPECT_EQ(all[0].example, 7u);
  EXPECT_EQ(all[1].count, 1u);
  EXPECT_EQ(groups.left_out(), 0u);
}

TEST(DeadGroupsTest, HoldsNoMoreThanItsBound) {
  DeadGroups groups;
  for (uint64_t i = 0; i < DeadGroups::kMost + 5; ++i) {
    std::string word;  // Without digits.
    for (uint64_t n = i; n > 0; n /= 10) word += static_cast<char>('p' + n % 10);
    groups.Add(Letter(i + 1, "no such " + word));
  }
  EXPECT_EQ(groups.left_out(), 5u);
  EXPECT_THAT(groups.Take(), SizeIs(DeadGroups::kMost));
}

}  // namespace
}  // namespace outboard::bus

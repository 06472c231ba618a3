#include "host/bus/attempts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace outboard::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Attempt kFirst{Time(Duration(1)), "retry", "BUSY", "line 1\nline \"2\"", "v1"};
const Attempt kSecond{Time(Duration(2)), "deadline", "DEADLINE", "größer", ""};

TEST(AttemptsTest, ComeBackAsTheyWere) {
  const std::vector<Attempt> tried = {kFirst, kSecond};
  const std::string lines = ToHistory(&tried);
  EXPECT_THAT(FromHistory(lines), ElementsAre(kFirst, kSecond));
  EXPECT_TRUE(std::all_of(lines.begin(), lines.end(), [](char c) { return (c & 0x80) == 0; }))
      << "a database that counts characters may cut it anywhere";
  EXPECT_EQ(ToHistory(nullptr), "");
}

TEST(AttemptsTest, LongTextsAreCut) {
  const std::vector<Attempt> tried = {
      {Time(), "retry", std::string(500, 'r'), std::string(5000, 'm'), std::string(500, 'v')}};
  EXPECT_LT(ToHistory(&tried).size(), 600u);
}

TEST(AttemptsTest, BytesThatAreNoTextDoNoHarm) {
  const std::vector<Attempt> tried = {{Time(), "retry", "R", "\xff\xfe", ""}};
  EXPECT_THAT(FromHistory(ToHistory(&tried)), testing::SizeIs(1));
}

TEST(AttemptsTest, OldLinesGiveWay) {
  std::string history;
  for (int i = 0; i < 100; ++i) {
    const std::vector<Attempt> tried = {{Time(Duration(i)), "retry", "BUSY", "m", "v1"}};
    history = AddHistory(history, ToHistory(&tried));
    ASSERT_LE(history.size(), kMaxHistory);
  }
  const std::vector<Attempt> kept = FromHistory(history);
  ASSERT_GT(kept.size(), 10u);
  EXPECT_EQ(kept.back().at, Time(Duration(99)));
  EXPECT_EQ(kept.front().at, Time(Duration(100 - static_cast<int>(kept.size()))));
}

TEST(AttemptsTest, WhatIsNoLineIsLeftOut) {
  const std::vector<Attempt> tried = {kFirst, kSecond};
  const std::string lines = ToHistory(&tried);
  EXPECT_THAT(FromHistory(lines.substr(5)), ElementsAre(kSecond)) << "cut at the front";
  EXPECT_THAT(FromHistory("{}\n[1]\nx\n{\"at_us\":\"1\"}\n"), IsEmpty());
}

}  // namespace
}  // namespace outboard::bus

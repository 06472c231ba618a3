#include "host/supervise/lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace outboard::supervise {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LineSplitterTest : public testing::Test {
 protected:
  void Feed(absl::string_view bytes) { splitter_.Feed(bytes, Collect()); }
  void Finish() { splitter_.Finish(Collect()); }
  std::function<void(OutputLine)> Collect() {
    return [this](OutputLine line) {
      texts_.push_back(line.text);
      cut_.push_back(line.cut_bytes);
    };
  }

  LineSplitter splitter_{8};
  std::vector<std::string> texts_;
  std::vector<uint64_t> cut_;
};

TEST_F(LineSplitterTest, JoinsPiecesAndSplitsLines) {
  Feed("ab");
  Feed("c\nde\n\nf");
  EXPECT_THAT(texts_, ElementsAre("abc", "de", ""));
  Feed("\n");
  EXPECT_THAT(texts_, ElementsAre("abc", "de", "", "f"));
}

TEST_F(LineSplitterTest, TakesCarriageReturnsOffEvenAcrossPieces) {
  Feed("a\r\nb\r");
  Feed("\nc\rd\n");
  EXPECT_THAT(texts_, ElementsAre("a", "b", "c\rd"));
}

TEST_F(LineSplitterTest, CutsALongLineAndCountsTheRest) {
  Feed("0123456789");
  Feed("abc\nnext\n");
  EXPECT_THAT(texts_, ElementsAre("01234567", "next"));
  EXPECT_THAT(cut_, ElementsAre(5u, 0u));
}

TEST_F(LineSplitterTest, LeavesALineOfJustTheLengthWhole) {
  Feed("01234567\n");
  EXPECT_THAT(texts_, ElementsAre("01234567"));
  EXPECT_THAT(cut_, ElementsAre(0u));
}

TEST_F(LineSplitterTest, GivesTheUnfinishedLineAtTheEnd) {
  Feed("a\nno end");
  Finish();
  EXPECT_THAT(texts_, ElementsAre("a", "no end"));
  Finish();
  EXPECT_EQ(texts_.size(), 2u);
}

TEST_F(LineSplitterTest, GivesNothingAtTheEndAfterAWholeLine) {
  Finish();
  EXPECT_THAT(texts_, IsEmpty());
  Feed("a\n");
  Finish();
  EXPECT_THAT(texts_, ElementsAre("a"));
}

TEST_F(LineSplitterTest, KeepsNulBytes) {
  Feed(absl::string_view("a\0b\n", 4));
  EXPECT_THAT(texts_, ElementsAre(std::string("a\0b", 3)));
}

TEST(LineTailTest, KeepsTheLastLines) {
  LineTail tail(3, 100);
  EXPECT_EQ(tail.Text(), "");
  for (const char* line : {"a", "b", "c", "d"}) tail.Add(line);
  EXPECT_EQ(tail.Text(), "b\nc\nd");
}

TEST(LineTailTest, KeepsToItsBytes) {
  LineTail tail(100, 20);
  for (int i = 0; i < 10; ++i) tail.Add("12345");
  EXPECT_EQ(tail.Text(), "12345\n12345\n12345");
}

TEST(LineTailTest, CutsALongLineRatherThanForgettingAllOthers) {
  LineTail tail(100, 20);
  tail.Add("first");
  tail.Add(std::string(1000, 'x'));
  EXPECT_EQ(tail.Text(), "first\nxxxxxxxxxx");
}

TEST(LineTailTest, EscapesAndStillKeepsToItsBytes) {
  LineTail tail(100, 20);
  tail.Add("a");
  tail.Add("\xFF\xFF\xFF\xFF");
  EXPECT_EQ(tail.Text(), "a\n\\xFF\\xFF\\xFF\\xFF");
  tail.Add("\xFF");
  EXPECT_EQ(tail.Text(), "\\xFF");
}

}  // namespace
}  // namespace outboard::supervise

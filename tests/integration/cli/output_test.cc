#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "host/app/cli/message_json.h"
#include "host/app/cli/table.h"
#include "outboard/host/v1/admin.pb.h"

namespace outboard::app {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(OutputTest, AlignsColumns) {
  std::ostringstream out, err;
  const Terminal terminal{.in = -1, .out = out, .err = err};
  Table table({"NAME", "COUNT", "LAST"});
  table.Add({"ä", uint64_t{7}, "x"});
  table.Add({{"longer", Colour::kRed}, uint64_t{123456}, "y"});
  table.Print(terminal);
  EXPECT_EQ(out.str(),
            "NAME     COUNT  LAST\n"
            "ä            7  x\n"
            "longer  123456  y\n");
}

TEST(OutputTest, ColoursOnlyWhereTold) {
  std::ostringstream out, err;
  Terminal terminal{.in = -1, .out = out, .err = err};
  EXPECT_EQ(Paint(terminal, Colour::kRed, "x"), "x");
  terminal.colour = true;
  EXPECT_EQ(Paint(terminal, Colour::kRed, "x"), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(Paint(terminal, Colour::kNone, "x"), "x");
}

TEST(OutputTest, WritesAgesAndBytesShortly) {
  EXPECT_EQ(FormatAge(Duration(0)), "0s");
  EXPECT_EQ(FormatAge(milliseconds(-5)), "0s");
  EXPECT_EQ(FormatAge(milliseconds(120)), "120ms");
  EXPECT_EQ(FormatAge(seconds(59)), "59s");
  EXPECT_EQ(FormatAge(seconds(119)), "1m");
  EXPECT_EQ(FormatAge(hours(23)), "23h");
  EXPECT_EQ(FormatAge(hours(50)), "2d");
  EXPECT_EQ(FormatBytes(17), "17 B");
  EXPECT_EQ(FormatBytes(3 << 20), "3.0 MiB");
}

TEST(OutputTest, WritesMessagesForPrograms) {
  host::v1::LaneStatus lane;
  lane.set_name("a/b");
  lane.set_done(uint64_t{1} << 60);
  lane.mutable_lag()->set_seconds(1);
  lane.mutable_lag()->set_nanos(500'000'000);
  const Json json = ToJson(lane);
  EXPECT_EQ(json["name"], "a/b");
  EXPECT_EQ(json["done"], uint64_t{1} << 60);
  EXPECT_EQ(json["lag_seconds"], 1.5);
  EXPECT_EQ(json["dead"], 0) << "a field is there even where it is zero";
  host::v1::DeadLetter letter;
  letter.set_detail("\xFF");
  EXPECT_TRUE(ToJson(letter)["died_at"].is_null());
  EXPECT_FALSE(ToLine(ToJson(letter)).empty());
  letter.mutable_event()->set_id("no event");
  EXPECT_EQ(ToJson(letter)["event"]["id"], "no event");
}

}  // namespace
}  // namespace outboard::app

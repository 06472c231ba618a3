#include "host/event/attribute_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"

namespace outboard::event_wire {
namespace {

using ::testing::HasSubstr;
using wire_text::Bytes;
using wire_text::Small;

std::string Problem(const std::string& value) {
  const char* at = nullptr;
  const char* problem = FindValueProblem(value, &at);
  EXPECT_TRUE(at >= value.data() && at <= value.data() + value.size());
  return problem == nullptr ? "" : problem;
}

const std::string kMinusOne = "\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";

TEST(AttributeValueTest, ShowsEveryKindInItsTextForm) {
  EXPECT_EQ(ValueText(Small(1, 1)), "true");
  EXPECT_EQ(ValueText(Small(1, 0)), "false");
  EXPECT_EQ(ValueText(Small(2, 42)), "42");
  EXPECT_EQ(ValueText(kMinusOne), "-1");
  EXPECT_EQ(ValueText(Bytes(3, "text")), "text");
  EXPECT_EQ(ValueText(Bytes(3, "")), "");
  EXPECT_EQ(ValueText(Bytes(4, "\x01\x02\xFF")), "AQL/");
  EXPECT_EQ(ValueText(Bytes(5, "urn:x")), "urn:x");
  EXPECT_EQ(ValueText(Bytes(6, "/x")), "/x");
  EXPECT_EQ(ValueText(Bytes(7, Small(1, 1) + Small(2, 0))), "1970-01-01T00:00:01Z");
  EXPECT_EQ(ValueText(Bytes(7, "")), "1970-01-01T00:00:00Z");
}

TEST(AttributeValueTest, FindsNoProblemInGoodValues) {
  for (const std::string& value :
       {Small(1, 0), Small(1, 1), Small(2, 7), kMinusOne, Bytes(3, "größe"), Bytes(3, ""),
        Bytes(4, "\xFF"), Bytes(5, "https://a.example/x"), Bytes(6, "../x"), Bytes(7, ""),
        Bytes(7, Small(2, 5)), Bytes(7, Small(2, 5) + Small(1, 5))}) {
    EXPECT_EQ(Problem(value), "");
  }
}

TEST(AttributeValueTest, AsksForExactlyOneValue) {
  EXPECT_THAT(Problem(""), HasSubstr("no value is set"));
  EXPECT_THAT(Problem(Small(1, 1) + Small(1, 1)), HasSubstr("more than one value"));
  EXPECT_THAT(Problem(Small(1, 1) + Bytes(3, "x")), HasSubstr("more than one value"));
  EXPECT_THAT(Problem(Bytes(7, "") + Bytes(7, "")), HasSubstr("more than one value"));
  EXPECT_EQ(ValueText(""), std::nullopt);
  EXPECT_EQ(ValueText(Small(1, 1) + Small(1, 1)), std::nullopt);
}

TEST(AttributeValueTest, RefusesUnknownFieldsAndWrongWireTypes) {
  EXPECT_THAT(Problem(Bytes(8, "x")), HasSubstr("unknown field"));
  EXPECT_THAT(Problem(Small(3, 1)), HasSubstr("unknown field"));
  EXPECT_THAT(Problem(Bytes(1, "x")), HasSubstr("unknown field"));
  EXPECT_THAT(Problem("\x0B"), HasSubstr("group"));
  EXPECT_EQ(ValueText(Bytes(8, "x")), std::nullopt);
}

TEST(AttributeValueTest, RefusesNumbersOutOfRange) {
  EXPECT_THAT(Problem(Small(1, 2)), HasSubstr("neither 0 nor 1"));
  EXPECT_THAT(Problem("\x10\xFF\xFF\xFF\xFF\x0F"), HasSubstr("int32"));
  EXPECT_THAT(Problem("\x10\x80\x80\x80\x80\x08"), HasSubstr("int32"));
}

TEST(AttributeValueTest, RefusesTextThatIsNoUtf8) {
  for (const int number : {3, 5, 6})
    EXPECT_THAT(Problem(Bytes(number, "a:\xFF")), HasSubstr("UTF-8"));
  EXPECT_THAT(Problem(Bytes(3, "\xED\xA0\x80")), HasSubstr("UTF-8"));
  EXPECT_THAT(Problem(Bytes(3, "\xC0\x80")), HasSubstr("UTF-8"));
}

TEST(AttributeValueTest, RefusesTextThatIsNoUri) {
  EXPECT_THAT(Problem(Bytes(5, "relative")), HasSubstr("absolute URI"));
  EXPECT_THAT(Problem(Bytes(5, "")), HasSubstr("absolute URI"));
  EXPECT_THAT(Problem(Bytes(6, "a b")), HasSubstr("URI reference"));
}

TEST(AttributeValueTest, RefusesBadTimestamps) {
  EXPECT_THAT(Problem(Bytes(7, Small(1, 1) + Small(1, 1))), HasSubstr("repeated"));
  EXPECT_THAT(Problem(Bytes(7, Small(2, 1) + Small(2, 1))), HasSubstr("repeated"));
  EXPECT_THAT(Problem(Bytes(7, Small(3, 1))), HasSubstr("unknown"));
  EXPECT_THAT(Problem(Bytes(7, "\x08\x80\xDC\x88\x9B\xBB\x07")), HasSubstr("years 1 to 9999"));
  EXPECT_THAT(Problem(Bytes(7, "\x10\x80\x94\xEB\xDC\x03")), HasSubstr("nanos"));
  EXPECT_THAT(Problem(Bytes(7, kMinusOne)), HasSubstr("nanos"));
  EXPECT_THAT(Problem(Bytes(7, "\x08")), HasSubstr("end inside"));
}

}  // namespace
}  // namespace outboard::event_wire

#include "src/wire.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "google/protobuf/duration.pb.h"
#include "outboard/event/v1/event.pb.h"

namespace outboard::internal {
namespace {

TEST(WireTest, VarintsOfEverySizeComeBack) {
  for (int bits = 0; bits < 64; ++bits) {
    const uint64_t value = uint64_t{1} << bits;
    std::string wire;
    AppendVarint(&wire, value);
    AppendVarint(&wire, value - 1);
    WireReader reader(wire);
    uint64_t first = 0, second = 0;
    EXPECT_TRUE(reader.NextVarint(&first));
    EXPECT_TRUE(reader.NextVarint(&second));
    EXPECT_EQ(first, value);
    EXPECT_EQ(second, value - 1);
    EXPECT_FALSE(reader.NextVarint(&first));
    EXPECT_TRUE(reader.ok());
  }
}

TEST(WireTest, EveryCutOfAMessageIsSeenOrEndsAtAField) {
  std::string wire;
  AppendBytesField(&wire, 1, "hello");
  AppendNumberField(&wire, 2, 300);
  AppendBytesField(&wire, 3, std::string(200, 'x'));
  const size_t borders[] = {0, 7, 10, wire.size()};
  for (size_t size = 0; size <= wire.size(); ++size) {
    WireReader reader(std::string_view(wire).substr(0, size));
    while (reader.Next()) {
    }
    const bool at_border =
        std::find(std::begin(borders), std::end(borders), size) != std::end(borders);
    EXPECT_EQ(reader.ok(), at_border) << size;
  }
}

TEST(WireTest, RefusesFieldZeroGroupsAndEndlessVarints) {
  for (const std::string& wire :
       {std::string("\x00\x01", 2), std::string("\x0b\x0c"), std::string(11, '\xff'),
        std::string("\x0a\xff\xff\xff\xff\x7f")}) {
    WireReader reader(wire);
    EXPECT_FALSE(reader.Next());
    EXPECT_FALSE(reader.ok());
  }
}

TEST(WireTest, SkipsFixedFieldsWithTheirValue) {
  const std::string wire("\x09\x01\x00\x00\x00\x00\x00\x00\x00\x15\x02\x00\x00\x00", 14);
  WireReader reader(wire);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.number(), 1u);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.number(), 2u);
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.ok());
}

TEST(WireTest, DurationsAreThoseOfProtobuf) {
  for (const int64_t nanos :
       {int64_t{0}, int64_t{1}, int64_t{1'500'000'000}, int64_t{-1'500'000'000}}) {
    std::string wire;
    AppendSecondsField(&wire, 1, nanos);
    WireReader reader(wire);
    ASSERT_TRUE(reader.Next());
    google::protobuf::Duration duration;
    ASSERT_TRUE(duration.ParseFromString(std::string(reader.bytes())));
    EXPECT_EQ(duration.seconds() * 1'000'000'000 + duration.nanos(), nanos);
    EXPECT_EQ(ReadSeconds(reader.bytes()), nanos);
  }
}

TEST(WireTest, HugeSecondsAreCutNotOverflown) {
  google::protobuf::Duration duration;
  duration.set_seconds(std::numeric_limits<int64_t>::max());
  EXPECT_GT(ReadSeconds(duration.SerializeAsString()), int64_t{9'000'000'000'000'000'000});
}

TEST(WireTest, Utf8KeepsGoodTextAndMarksBadBytes) {
  EXPECT_EQ(Utf8("plain"), "plain");
  EXPECT_EQ(Utf8("\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x8d"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x8d");
  EXPECT_EQ(Utf8("a\xff"
                 "b"),
            "a?b");
  EXPECT_EQ(Utf8("\xc0\xaf"), "??");            // Overlong.
  EXPECT_EQ(Utf8("\xed\xa0\x80"), "???");       // Surrogate.
  EXPECT_EQ(Utf8("\xf4\x90\x80\x80"), "????");  // Above U+10FFFF.
  EXPECT_EQ(Utf8("cut \xe2\x82"), "cut ??");
}

}  // namespace
}  // namespace outboard::internal

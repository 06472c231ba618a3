#include "host/event/wire_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace outboard::event_wire {
namespace {

// The error of reading `bytes` as one field.
WireError ErrorOf(const std::string& bytes) {
  Reader reader(bytes);
  Field field;
  return reader.Next(&field) ? WireError::kNone : reader.error();
}

TEST(WireReaderTest, ReadsVarintsUpTo64Bits) {
  Reader reader(absl::string_view(
      "\x08\x00\x08\x7F\x08\x80\x01\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 18));
  Field field;
  for (const uint64_t expected : {uint64_t{0}, uint64_t{127}, uint64_t{128}, ~uint64_t{0}}) {
    ASSERT_FALSE(reader.done());
    ASSERT_TRUE(reader.Next(&field));
    EXPECT_EQ(field.tag, 0x08);
    EXPECT_EQ(field.varint, expected);
  }
  EXPECT_TRUE(reader.done());
}

TEST(WireReaderTest, ReadsPayloadsWhereTheyLie) {
  const std::string bytes("\x0A\x02hi\x12\x00", 6);
  Reader reader(bytes);
  Field field;
  ASSERT_TRUE(reader.Next(&field));
  EXPECT_EQ(field.payload, "hi");
  EXPECT_EQ(field.payload.data(), bytes.data() + 2);
  EXPECT_EQ(field.begin, bytes.data());
  ASSERT_TRUE(reader.Next(&field));
  EXPECT_EQ(field.payload, "");
  EXPECT_EQ(field.begin, bytes.data() + 4);
  EXPECT_TRUE(reader.done());
}

TEST(WireReaderTest, ReadsALengthOfTwoBytes) {
  const std::string bytes = "\x0A\xC8\x01" + std::string(200, 'x');
  Reader reader(bytes);
  Field field;
  ASSERT_TRUE(reader.Next(&field));
  EXPECT_EQ(field.payload, std::string(200, 'x'));
}

TEST(WireReaderTest, RefusesWhatEndsInsideAField) {
  for (const std::string& bytes :
       {std::string("\x0A"), std::string("\x0A\x01"), std::string("\x0A\x03hi"),
        std::string("\x08"), std::string("\x08\x80"), std::string("\x0A\x80"),
        std::string("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")}) {
    EXPECT_EQ(ErrorOf(bytes), WireError::kTruncated) << bytes.size();
  }
}

TEST(WireReaderTest, RefusesLengthsBeyondTheEndEvenWhereTheyWouldWrap) {
  EXPECT_EQ(ErrorOf("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), WireError::kTruncated);
  EXPECT_EQ(ErrorOf("\x0A\xFF\xFF\xFF\xFF\x0F"), WireError::kTruncated);
  EXPECT_EQ(ErrorOf("\x0A\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), WireError::kTruncated);
}

TEST(WireReaderTest, RefusesVarintsLongerThanTheyNeedBe) {
  EXPECT_EQ(ErrorOf(std::string("\x08\x80\x00", 3)), WireError::kNotMinimal);
  EXPECT_EQ(ErrorOf(std::string("\x08\x81\x80\x00", 4)), WireError::kNotMinimal);
  EXPECT_EQ(ErrorOf(std::string("\x0A\x81\x00x", 4)), WireError::kNotMinimal);
}

TEST(WireReaderTest, RefusesVarintsAbove64Bits) {
  EXPECT_EQ(ErrorOf("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"), WireError::kLongVarint);
  EXPECT_EQ(ErrorOf("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), WireError::kLongVarint);
}

TEST(WireReaderTest, RefusesGroupsFixedNumbersAndInvalidTags) {
  for (const uint8_t wire_type : {1, 3, 4, 5, 6, 7}) {
    EXPECT_EQ(ErrorOf(std::string(1, static_cast<char>(0x08 | wire_type)) + "12345678"),
              WireError::kWireType);
  }
  EXPECT_EQ(ErrorOf(std::string("\x00\x01", 2)), WireError::kZeroField);
  EXPECT_EQ(ErrorOf(std::string("\x02\x00", 2)), WireError::kZeroField);
  EXPECT_EQ(ErrorOf(std::string("\x8A\x00\x01x", 4)), WireError::kLongTag);
}

TEST(WireReaderTest, DescribesEveryErrorDifferently) {
  std::vector<std::string> texts;
  for (int error = 0; error <= static_cast<int>(WireError::kLongVarint); ++error) {
    texts.push_back(Describe(static_cast<WireError>(error)));
    EXPECT_NE(texts.back(), "unknown error");
  }
  std::sort(texts.begin(), texts.end());
  EXPECT_EQ(std::adjacent_find(texts.begin(), texts.end()), texts.end());
}

TEST(WireReaderTest, TakesOnlySignExtendedIntegersOf32Bits) {
  int32_t value;
  EXPECT_TRUE(AsInt32(0, &value));
  EXPECT_TRUE(AsInt32(0x7FFFFFFF, &value));
  EXPECT_EQ(value, 2147483647);
  EXPECT_TRUE(AsInt32(~uint64_t{0}, &value));
  EXPECT_EQ(value, -1);
  EXPECT_TRUE(AsInt32(0xFFFFFFFF80000000, &value));
  EXPECT_EQ(value, -2147483647 - 1);
  EXPECT_FALSE(AsInt32(0x80000000, &value));
  EXPECT_FALSE(AsInt32(0xFFFFFFFF, &value));
  EXPECT_FALSE(AsInt32(0xFFFFFFFF7FFFFFFF, &value));
}

TEST(WireReaderTest, ReadsEntriesInEitherOrder) {
  const Entry usual = ReadEntry("\x0A\x01k\x12\x01v");
  EXPECT_EQ(usual.name, "k");
  EXPECT_EQ(usual.value, "v");
  const Entry swapped = ReadEntry("\x12\x01v\x0A\x01k");
  EXPECT_EQ(swapped.name, "k");
  EXPECT_EQ(swapped.value, "v");
  EXPECT_EQ(ReadEntry("\x0A\x09k").name, "");
}

}  // namespace
}  // namespace outboard::event_wire

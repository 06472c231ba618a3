#include "host/event/wire_writer.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "host/event/wire_reader.h"

namespace outboard::event_wire {
namespace {

TEST(WireWriterTest, WritesWhatTheReaderReads) {
  std::mt19937_64 random(7);
  for (int bits = 0; bits <= 64; ++bits) {
    const uint64_t value = bits == 0 ? 0 : random() >> (64 - bits);
    std::string bytes;
    AppendVarintField(tag::kInteger, value, &bytes);
    Reader reader(bytes);
    Field field;
    ASSERT_TRUE(reader.Next(&field)) << bits;
    EXPECT_EQ(field.varint, value);
    EXPECT_TRUE(reader.done());
  }
}

TEST(WireWriterTest, SignExtendsIntegers) {
  EXPECT_EQ(Int32Varint(-1), ~uint64_t{0});
  EXPECT_EQ(Int32Varint(std::numeric_limits<int32_t>::max()), 0x7FFFFFFFu);
}

TEST(WireWriterTest, WritesAnAttributeAsAMapEntry) {
  std::string bytes;
  AppendAttribute("key", "\x1A\x01v", &bytes);
  EXPECT_EQ(bytes, "\x2A\x0A\x0A\x03key\x12\x03\x1A\x01v");
}

TEST(WireWriterTest, WritesLongPayloads) {
  std::string bytes;
  AppendField(tag::kBinaryData, std::string(300, 'x'), &bytes);
  EXPECT_EQ(bytes, "\x32\xAC\x02" + std::string(300, 'x'));
}

}  // namespace
}  // namespace outboard::event_wire

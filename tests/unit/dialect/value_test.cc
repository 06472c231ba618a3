#include "host/dialect/value.h"

#include <gtest/gtest.h>

#include "tests/unit/dialect/messages.h"

namespace outboard::dialect {
namespace {

Field Real(char type, double real) {
  Field field;
  field.type = type;
  field.real = real;
  return field;
}

// The text form of a header's value; "-" for none.
std::string TextIn(const Field& field) {
  Texts texts;
  return TextOf(FromField(field, &texts)).value_or("-");
}

TEST(ValueTest, KeepsTheTypesOfFields) {
  Texts texts;
  using K = Value::Kind;
  EXPECT_EQ(FromField(Field::Text("x"), &texts).kind, K::kText);
  EXPECT_EQ(FromField(ByteField("x"), &texts).kind, K::kBytes);
  EXPECT_EQ(FromField(Field::Bool(true), &texts).kind, K::kBoolean);
  for (const char type : std::string("bBsuIil")) {
    const Value value = FromField(Typed(type, 5), &texts);
    EXPECT_EQ(value.kind, K::kInteger) << type;
    EXPECT_EQ(value.number, 5) << type;
  }
  EXPECT_EQ(FromField(Typed('T', 5), &texts).kind, K::kTime);
  EXPECT_EQ(FromField(Typed('T', 5), &texts).time.seconds, 5);
  EXPECT_EQ(FromField(Typed('A', 0), &texts).kind, K::kCompound);
  EXPECT_EQ(FromField(Typed('F', 0), &texts).kind, K::kCompound);
  EXPECT_FALSE(FromField(Field(), &texts).is_there());
}

TEST(ValueTest, HasATextForm) {
  EXPECT_EQ(TextIn(Field::Text("x")), "x");
  EXPECT_EQ(TextIn(ByteField("x")), "x");
  EXPECT_EQ(TextIn(Field::Number(-9'000'000'000)), "-9000000000");
  EXPECT_EQ(TextIn(Field::Bool(true)), "true");
  EXPECT_EQ(TextIn(Field::Bool(false)), "false");
  EXPECT_EQ(TextIn(Typed('T', 1)), "1970-01-01T00:00:01Z");
  EXPECT_EQ(TextIn(Typed('T', int64_t{1} << 62)), "-");
  EXPECT_EQ(TextIn(Typed('F', 0)), "-");
  EXPECT_EQ(TextIn(Field()), "-");
}

TEST(ValueTest, OtherNumbersAreText) {
  EXPECT_EQ(TextIn(Real('d', 0.1)), "0.1");
  EXPECT_EQ(TextIn(Real('d', -1e300)), "-1e+300");
  EXPECT_EQ(TextIn(Real('f', static_cast<double>(0.1F))), "0.1");
  const auto decimal = [](int64_t number, uint8_t decimals) {
    Field field = Typed('D', number);
    field.decimals = decimals;
    return TextIn(field);
  };
  EXPECT_EQ(decimal(314, 2), "3.14");
  EXPECT_EQ(decimal(-314, 2), "-3.14");
  EXPECT_EQ(decimal(5, 3), "0.005");
  EXPECT_EQ(decimal(-5, 1), "-0.5");
  EXPECT_EQ(decimal(7, 0), "7");
}

}  // namespace
}  // namespace outboard::dialect

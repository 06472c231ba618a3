#include "host/dialect/message.h"

#include <gtest/gtest.h>

namespace outboard::dialect {
namespace {

TEST(MessageTest, FieldsAreMadeInTheTypesThatEveryPeerReads) {
  EXPECT_EQ(Field::Text("x").type, 'S');
  EXPECT_EQ(Field::Text("x").text, "x");
  EXPECT_EQ(Field::Number(-5).type, 'l');
  EXPECT_EQ(Field::Number(-5).number, -5);
  EXPECT_EQ(Field::Bool(true).type, 't');
  EXPECT_EQ(Field::Bool(true).number, 1);
  EXPECT_EQ(Field::Bool(false).number, 0);
}

TEST(MessageTest, KnowsIntegersAndTexts) {
  for (const char type : std::string("bBsuIil")) {
    Field field;
    field.type = type;
    EXPECT_TRUE(field.is_integer()) << type;
    EXPECT_FALSE(field.is_text()) << type;
  }
  for (const char type : std::string("tfdDAFTV") + '\0') {
    Field field;
    field.type = type;
    EXPECT_FALSE(field.is_integer()) << type;
  }
  EXPECT_TRUE(Field::Text("").is_text());
}

TEST(MessageTest, OfHeadersOfOneNameTheFirstCounts) {
  Properties properties;
  properties.headers = {{"a", Field::Number(1)}, {"b", Field::Number(2)}, {"a", Field::Number(3)}};
  ASSERT_NE(properties.header("a"), nullptr);
  EXPECT_EQ(properties.header("a")->number, 1);
  EXPECT_EQ(properties.header("b")->number, 2);
  EXPECT_EQ(properties.header("c"), nullptr);
  EXPECT_EQ(properties.header(""), nullptr);
}

TEST(MessageTest, MessagesAreEqualByAllTheyHold) {
  Message a;
  a.properties.headers = {{"a", Field::Number(1)}};
  Message b = a;
  EXPECT_EQ(a, b);
  b.properties.headers[0].second.type = 'I';
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace outboard::dialect

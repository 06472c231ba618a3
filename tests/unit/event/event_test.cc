#include "host/event/event.h"

#include <gtest/gtest.h>

#include "host/event/wire.h"
#include "tests/unit/event/wire_text.h"

namespace outboard {
namespace {

using namespace wire_text;  // NOLINT: helpers of this test.

TEST(EventTest, NoEventIsEmptyEverywhere) {
  const Event none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.bytes(), "");
  EXPECT_EQ(none.size(), 0u);
  EXPECT_EQ(none.id(), "");
  EXPECT_EQ(none.type(), "");
  EXPECT_EQ(none.attribute("subject"), std::nullopt);
  EXPECT_EQ(none.attribute("id"), std::nullopt);
}

TEST(EventTest, ShowsTheBytesItWasGiven) {
  const std::string bytes = Core() + StringAttribute("subject", "story/12") + Binary("{}");
  const auto event = Event::FromChecked(bytes);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_FALSE(event->empty());
  EXPECT_EQ(event->bytes(), bytes);
  EXPECT_EQ(event->size(), bytes.size());
  EXPECT_EQ(event->id(), "1");
  EXPECT_EQ(event->source(), "tracker");
  EXPECT_EQ(event->type(), "story.created");
  EXPECT_EQ(event->attribute("subject"), "story/12");
  EXPECT_EQ(event->attribute("subjec"), std::nullopt);
  EXPECT_EQ(event->attribute("id"), "1");
  EXPECT_EQ(event->attribute("source"), "tracker");
  EXPECT_EQ(event->attribute("type"), "story.created");
  EXPECT_EQ(event->attribute("specversion"), "1.0");
}

TEST(EventTest, CopiesShareTheBytesAndOutliveTheOriginal) {
  auto first = Event::FromChecked(Core());
  ASSERT_TRUE(first.ok());
  const Event second = *first;
  EXPECT_EQ(second.bytes().data(), first->bytes().data());
  *first = Event();
  EXPECT_EQ(second.id(), "1");
}

TEST(EventTest, FindsFieldsInAnyOrder) {
  const auto event =
      Event::FromChecked(Join({Binary("x"), StringAttribute("b", "2"), Type("t"), Version("1.0"),
                               StringAttribute("a", "1"), Source("s"), Id("i")}));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->id(), "i");
  EXPECT_EQ(event->source(), "s");
  EXPECT_EQ(event->type(), "t");
  EXPECT_EQ(event->attribute("a"), "1");
  EXPECT_EQ(event->attribute("b"), "2");
}

TEST(EventTest, DamagedBytesAreDataLoss) {
  const std::string good = Core() + Binary("x");
  for (const std::string& bytes :
       {std::string(), std::string("x"), good.substr(0, good.size() - 1), good + "\x32",
        good + Binary("y"), good + Id("2"), good + Version("1.0"), good + Bytes(9, "x"),
        Core() + Text("x"), good + Small(1, 1), Join({Id("1"), Source("s"), Type("t")}),
        Join({Id(""), Source("s"), Version("1.0"), Type("t")}),
        Join({Id("1"), Source("s"), Version("2.0"), Type("t")}),
        Join({Id("1"), Version("1.0"), Type("t")})}) {
    EXPECT_EQ(Event::FromChecked(bytes).status().code(), absl::StatusCode::kDataLoss) << bytes;
  }
}

TEST(EventTest, DamageWithinAnAttributeHarmsNobody) {
  for (const std::string& entry :
       {std::string("\xFF\xFF"), Bytes(1, "k"), Bytes(1, "k") + Bytes(2, "\x1A\x09"),
        Bytes(1, "k") + Bytes(2, ""), Bytes(1, "k") + Bytes(2, "\x3A\x01\x08")}) {
    const auto event = Event::FromChecked(Core() + Bytes(5, entry));
    ASSERT_TRUE(event.ok());
    EXPECT_EQ(event->attribute("k"), std::nullopt);
  }
}

}  // namespace
}  // namespace outboard

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "host/event/wire.h"
#include "tests/unit/event/wire_text.h"

namespace outboard {
namespace {

using namespace wire_text;  // NOLINT: helpers of this test.
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

Event Parent(const std::string& more = "") {
  auto event = CheckEvent(Core() + more);
  EXPECT_TRUE(event.ok()) << event.status();
  return *std::move(event);
}

const std::string kEmit = Type("story.indexed") + Binary("{}");

std::string IdOf(const Event& parent, const std::string& component, uint32_t index) {
  auto emit = MakeEmit(parent, component, index, kEmit);
  EXPECT_TRUE(emit.ok()) << emit.status();
  return emit.ok() ? std::string(emit->id()) : "";
}

TEST(MakeEmitTest, FillsInWhatTheComponentLeftOut) {
  const auto emit = MakeEmit(Parent(), "index.search", 0, kEmit);
  ASSERT_TRUE(emit.ok()) << emit.status();
  EXPECT_THAT(std::string(emit->id()), MatchesRegex("[0-9a-f]{32}"));
  EXPECT_EQ(emit->source(), "index.search");
  EXPECT_EQ(emit->type(), "story.indexed");
  EXPECT_EQ(emit->attribute("outboardhops"), "1");
  EXPECT_TRUE(CheckEvent(std::string(emit->bytes())).ok());
}

TEST(MakeEmitTest, EmptyFieldsCountAsLeftOut) {
  const auto emit = MakeEmit(Parent(), "index", 0, Join({Id(""), Source(""), Version(""), kEmit}));
  ASSERT_TRUE(emit.ok()) << emit.status();
  EXPECT_EQ(emit->bytes(), MakeEmit(Parent(), "index", 0, kEmit)->bytes());
}

TEST(MakeEmitTest, KeepsIdAndSourceOfTheComponent) {
  const auto emit =
      MakeEmit(Parent(), "index", 0, Join({Id("mine"), Source("me"), Version("1.0"), kEmit}));
  ASSERT_TRUE(emit.ok()) << emit.status();
  EXPECT_EQ(emit->id(), "mine");
  EXPECT_EQ(emit->source(), "me");
}

TEST(MakeEmitTest, TheSameEmitOfARedeliveryHasTheSameId) {
  EXPECT_EQ(IdOf(Parent(), "index", 3), IdOf(Parent(), "index", 3));
  // The id is on disk and at subscribers: it stays the same in every version.
  EXPECT_EQ(IdOf(Parent(), "index", 3), "9748aea27f935727445d2cf18e1dc317");
}

TEST(MakeEmitTest, DifferentEmitsHaveDifferentIds) {
  const auto parent = [](const std::string& source, const std::string& id) {
    return *CheckEvent(Join({Id(id), Source(source), Type("t")}));
  };
  std::set<std::string> ids = {IdOf(parent("s", "1"), "c", 0),    IdOf(parent("s", "1"), "c", 1),
                               IdOf(parent("s", "1"), "c1", 0),   IdOf(parent("s", "11"), "c", 0),
                               IdOf(parent("s1", "1"), "c", 0),   IdOf(parent("s", "1c"), "c", 0),
                               IdOf(parent("s1:1", "1"), "c", 0), IdOf(parent("s", "1:11"), "c", 0),
                               IdOf(parent("s", "1"), "c", 10),   IdOf(parent("s", "1"), "c1", 1)};
  EXPECT_EQ(ids.size(), 10u);
}

TEST(MakeEmitTest, CountsHopsUpToTheMost) {
  Event event = Parent();
  for (int hops = 1; hops <= kMaxHops; ++hops) {
    auto emit = MakeEmit(event, "loop", 0, kEmit);
    ASSERT_TRUE(emit.ok()) << emit.status();
    EXPECT_EQ(emit->attribute("outboardhops"), std::to_string(hops));
    event = *std::move(emit);
  }
  const auto status = MakeEmit(event, "loop", 0, kEmit).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("17 hops"));
}

TEST(MakeEmitTest, ComponentsCannotSetHops) {
  for (const std::string& hops :
       {Attribute("outboardhops", Small(2, 0)), StringAttribute("outboardhops", "-99"),
        Attribute("outboardhops", Small(2, 0)) + Attribute("outboardhops", Small(2, 1))}) {
    const auto emit =
        MakeEmit(Parent(Attribute("outboardhops", Small(2, 4))), "c", 0, hops + kEmit);
    ASSERT_TRUE(emit.ok()) << emit.status();
    EXPECT_EQ(emit->attribute("outboardhops"), "5");
  }
}

TEST(MakeEmitTest, SenselessHopsOfAPublisherBuyNone) {
  const std::string minus_five("\x10\xFB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11);
  EXPECT_EQ(MakeEmit(Parent(Attribute("outboardhops", minus_five)), "c", 0, kEmit)
                ->attribute("outboardhops"),
            "1");
  EXPECT_EQ(MakeEmit(Parent(StringAttribute("outboardhops", "x")), "c", 0, kEmit)
                ->attribute("outboardhops"),
            "1");
  EXPECT_EQ(MakeEmit(Parent(StringAttribute("outboardhops", "7")), "c", 0, kEmit)
                ->attribute("outboardhops"),
            "8");
  EXPECT_EQ(
      MakeEmit(Parent(Attribute("outboardhops", Small(2, 100))), "c", 0, kEmit).status().code(),
      absl::StatusCode::kFailedPrecondition);
}

TEST(MakeEmitTest, IsCheckedLikeAnythingFromOutside) {
  const auto code = [](const std::string& bytes) {
    return MakeEmit(Parent(), "c", 0, bytes).status().code();
  };
  EXPECT_EQ(code(""), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Binary("no type")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(kEmit + "\x32"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(kEmit + "\xFF"), absl::StatusCode::kInvalidArgument);
  // A payload cut short must not swallow what the host appends.
  EXPECT_EQ(code(Join({Id("1"), Source("s"), Version("1.0"), Type("t"), "\x32\x15x"})),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(kEmit + Small(1, 1)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Join({Id("a"), Id("b"), kEmit})), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(kEmit + StringAttribute("subject", "\xFF")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeEmit(Parent(), "c", 0, kEmit, {.max_bytes = 40}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(MakeEmitTest, MovesTextData) {
  const auto emit = MakeEmit(Parent(), "c", 0, Type("t") + Text("x"));
  ASSERT_TRUE(emit.ok()) << emit.status();
  EXPECT_THAT(std::string(emit->bytes()), HasSubstr(Binary("x")));
}

}  // namespace
}  // namespace outboard

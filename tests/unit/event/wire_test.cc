#include "host/event/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"

namespace outboard {
namespace {

using namespace wire_text;  // NOLINT: helpers of this test.
using ::testing::AllOf;
using ::testing::HasSubstr;

// The refusal of `bytes`, which must be INVALID_ARGUMENT; empty if they pass.
std::string Refusal(const std::string& bytes) {
  const auto event = CheckEvent(bytes);
  if (event.ok()) return "";
  EXPECT_EQ(event.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(event.status().message());
}

std::string Any(const std::string& fields) { return Bytes(8, fields); }

TEST(CheckEventTest, PassesAGoodEventUnchanged) {
  const std::string bytes =
      Join({Core(), StringAttribute("subject", "story/12"), Attribute("n", Small(2, 3)),
            Attribute("time", Bytes(7, Small(1, 5))), Binary(std::string("\0\xFF", 2))});
  const auto event = CheckEvent(bytes);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->bytes(), bytes);
  EXPECT_EQ(event->attribute("n"), "3");
  EXPECT_EQ(event->attribute("time"), "1970-01-01T00:00:05Z");
}

TEST(CheckEventTest, NeedsNoData) { EXPECT_EQ(Refusal(Core()), ""); }

TEST(CheckEventTest, MovesTextDataToBinaryData) {
  const auto event = CheckEvent(Core() + Text("größe"));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->bytes(), Core() + Binary("größe"));
}

TEST(CheckEventTest, MovesTextDataThatStandsFirst) {
  const auto event = CheckEvent(Join({Text("x"), Version(""), Id("1"), Source("s"), Type("t")}));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->bytes(), Join({Binary("x"), Id("1"), Source("s"), Type("t"), Version("1.0")}));
}

TEST(CheckEventTest, SetsASpecVersionThatIsMissingOrEmpty) {
  const std::string rest = Join({Id("1"), Source("s"), Type("t"), Binary("x")});
  for (const std::string& bytes : {rest, Version("") + rest, rest + Version("")}) {
    const auto event = CheckEvent(bytes);
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->bytes(), rest + Version("1.0"));
  }
}

TEST(CheckEventTest, RefusesOtherSpecVersions) {
  EXPECT_THAT(Refusal(Join({Id("1"), Source("s"), Type("t"), Version("0.3")})),
              AllOf(HasSubstr("spec_version"), HasSubstr("1.0")));
  EXPECT_THAT(Refusal(Core() + Version("1.0")), HasSubstr("twice"));
  EXPECT_THAT(Refusal(Join({Version(""), Version("1.0"), Id("1"), Source("s"), Type("t")})),
              HasSubstr("twice"));
}

TEST(CheckEventTest, NamesTheRequiredAttributeThatIsMissing) {
  EXPECT_THAT(Refusal(""), HasSubstr("id: is missing"));
  EXPECT_THAT(Refusal(Join({Source("s"), Type("t")})), HasSubstr("id: is missing"));
  EXPECT_THAT(Refusal(Join({Id("1"), Type("t")})), HasSubstr("source: is missing"));
  EXPECT_THAT(Refusal(Join({Id("1"), Source("s")})), HasSubstr("type: is missing"));
  EXPECT_THAT(Refusal(Join({Id(""), Source("s"), Type("t")})), HasSubstr("id: is empty"));
  EXPECT_THAT(Refusal(Join({Id("1"), Source("s"), Type("")})), HasSubstr("type: is empty"));
}

TEST(CheckEventTest, RefusesRequiredAttributesTwice) {
  EXPECT_THAT(Refusal(Core() + Id("1")), HasSubstr("id: is there twice"));
  EXPECT_THAT(Refusal(Core() + Source("s")), HasSubstr("source: is there twice"));
  EXPECT_THAT(Refusal(Core() + Type("t")), HasSubstr("type: is there twice"));
}

TEST(CheckEventTest, RefusesTextThatIsNoUtf8AndSaysWhere) {
  EXPECT_THAT(Refusal(Join({Source("s"), Type("t"), Id("\xFF")})),
              AllOf(HasSubstr("id: "), HasSubstr("byte 6")));
  EXPECT_THAT(Refusal(Join({Id("1"), Type("t"), Source("\xC0\x80")})),
              HasSubstr("source: is not well-formed UTF-8"));
  EXPECT_THAT(Refusal(Join({Id("1"), Source("s"), Type("\xED\xA0\x80")})),
              HasSubstr("type: is not well-formed UTF-8"));
  EXPECT_THAT(Refusal(Core() + StringAttribute("subject", "\xF5")),
              AllOf(HasSubstr("\"subject\""), HasSubstr("UTF-8")));
  EXPECT_THAT(Refusal(Core() + Text("\x80")), HasSubstr("text_data: is not well-formed UTF-8"));
  EXPECT_THAT(Refusal(Core() + Any(Bytes(1, "a/\xFF"))),
              HasSubstr("type_url: is not well-formed UTF-8"));
}

TEST(CheckEventTest, RefusesControlCharactersInWhatIdentifiesAnEvent) {
  EXPECT_THAT(Refusal(Join({Id("a\nb"), Source("s"), Type("t")})), HasSubstr("control character"));
  EXPECT_THAT(Refusal(Join({Id("1"), Source(std::string("s\0", 2)), Type("t")})),
              HasSubstr("control character"));
  EXPECT_THAT(Refusal(Join({Id("1"), Source("s"), Type("t\x7F")})), HasSubstr("control character"));
  EXPECT_EQ(Refusal(Core() + StringAttribute("subject", "two\nlines")), "");
}

TEST(CheckEventTest, RefusesNamesOutsideTheAlphabet) {
  for (const char* name : {"", "Subject", "data_base64", "a-b", "a b", "größe", "\xFF"}) {
    EXPECT_THAT(Refusal(Core() + StringAttribute(name, "x")),
                HasSubstr("no CloudEvents attribute name"))
        << name;
  }
  EXPECT_EQ(Refusal(Core() + StringAttribute(std::string(64, 'a'), "x")), "");
  EXPECT_THAT(Refusal(Core() + StringAttribute(std::string(65, 'a'), "x")), HasSubstr("1 to 64"));
}

TEST(CheckEventTest, RefusesReservedNames) {
  for (const char* name : {"id", "source", "type", "specversion", "data"}) {
    EXPECT_THAT(Refusal(Core() + StringAttribute(name, "x")), HasSubstr("reserved")) << name;
  }
}

TEST(CheckEventTest, RefusesAnAttributeTwice) {
  EXPECT_THAT(Refusal(Join({Core(), StringAttribute("a", "1"), StringAttribute("b", "1"),
                            StringAttribute("a", "1")})),
              AllOf(HasSubstr("\"a\""), HasSubstr("twice")));
  std::string many = Core();
  for (int i = 0; i < 1000; ++i) many += StringAttribute("a" + std::to_string(i), "x");
  EXPECT_EQ(Refusal(many), "");
  EXPECT_THAT(Refusal(many + StringAttribute("a500", "x")), HasSubstr("\"a500\""));
}

TEST(CheckEventTest, TakesEntriesWithTheValueFirst) {
  const auto event = CheckEvent(Core() + Bytes(5, Bytes(2, Bytes(3, "v")) + Bytes(1, "k")));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->attribute("k"), "v");
}

TEST(CheckEventTest, RefusesEntriesThatAreNoNameAndValue) {
  const std::string key = Bytes(1, "k"), value = Bytes(2, Bytes(3, "v"));
  EXPECT_THAT(Refusal(Core() + Bytes(5, "")), HasSubstr("no key"));
  EXPECT_THAT(Refusal(Core() + Bytes(5, value)), HasSubstr("no key"));
  EXPECT_THAT(Refusal(Core() + Bytes(5, key)), HasSubstr("no value"));
  EXPECT_THAT(Refusal(Core() + Bytes(5, key + key + value)), HasSubstr("repeated"));
  EXPECT_THAT(Refusal(Core() + Bytes(5, key + value + value)), HasSubstr("repeated"));
  EXPECT_THAT(Refusal(Core() + Bytes(5, key + value + Bytes(3, "x"))), HasSubstr("unknown"));
  EXPECT_THAT(Refusal(Core() + Bytes(5, Small(1, 1) + value)), HasSubstr("unknown"));
  EXPECT_THAT(Refusal(Core() + Attribute("k", "")),
              AllOf(HasSubstr("\"k\""), HasSubstr("no value is set")));
}

TEST(CheckEventTest, RefusesTwoDataFields) {
  EXPECT_THAT(Refusal(Join({Core(), Binary("x"), Binary("x")})), HasSubstr("data: is there twice"));
  EXPECT_THAT(Refusal(Join({Core(), Binary("x"), Text("x")})), HasSubstr("data: is there twice"));
  EXPECT_THAT(Refusal(Join({Core(), Text("x"), Any(Bytes(1, "a/b"))})),
              HasSubstr("data: is there twice"));
}

TEST(CheckEventTest, LooksIntoProtoData) {
  const std::string url = Bytes(1, "type.googleapis.com/a.B");
  EXPECT_EQ(Refusal(Core() + Any(url + Bytes(2, "\xFF"))), "");
  EXPECT_EQ(Refusal(Core() + Any(Bytes(2, "") + url)), "");
  EXPECT_EQ(Refusal(Core() + Any(url)), "");
  EXPECT_THAT(Refusal(Core() + Any("")), HasSubstr("names no message"));
  EXPECT_THAT(Refusal(Core() + Any(Bytes(1, "a.B"))), HasSubstr("names no message"));
  EXPECT_THAT(Refusal(Core() + Any(Bytes(1, "x/"))), HasSubstr("names no message"));
  EXPECT_THAT(Refusal(Core() + Any(url + url)), HasSubstr("repeated"));
  EXPECT_THAT(Refusal(Core() + Any(Bytes(1, "") + url)), HasSubstr("repeated"));
  EXPECT_THAT(Refusal(Core() + Any(url + Small(3, 1))), HasSubstr("unknown"));
  EXPECT_THAT(Refusal(Core() + Any(url + "\x12")), HasSubstr("end inside"));
}

TEST(CheckEventTest, RefusesUnknownFieldsGroupsAndWrongWireTypes) {
  EXPECT_THAT(Refusal(Core() + Bytes(9, "x")), HasSubstr("unknown field 9"));
  EXPECT_THAT(Refusal(Core() + Small(1, 1)), HasSubstr("unknown field 1 of wire type 0"));
  EXPECT_THAT(Refusal(Core() + Small(6, 1)), HasSubstr("unknown field 6 of wire type 0"));
  EXPECT_THAT(Refusal(Core() + "\x4B\x4C"), HasSubstr("group"));
  EXPECT_THAT(Refusal(Core() + "\x82\x01\x01x"), HasSubstr("unknown field"));
}

TEST(CheckEventTest, RefusesEveryPrefixOfAnEvent) {
  const std::string bytes = Join({Core(), StringAttribute("subject", "story/12"),
                                  Attribute("time", Bytes(7, Small(1, 5))), Binary("data")});
  const std::string core_and_subject = Core() + StringAttribute("subject", "story/12");
  const std::string core_and_both = core_and_subject + Attribute("time", Bytes(7, Small(1, 5)));
  for (size_t n = 0; n < bytes.size(); ++n) {
    const std::string prefix = bytes.substr(0, n);
    const bool whole = prefix == Core() || prefix == core_and_subject || prefix == core_and_both;
    EXPECT_EQ(CheckEvent(prefix).ok(), whole) << n;
  }
}

TEST(CheckEventTest, RefusesWhatIsTooLarge) {
  const std::string bytes = Core() + Binary("data");
  EXPECT_TRUE(CheckEvent(bytes, {.max_bytes = bytes.size()}).ok());
  const auto status = CheckEvent(bytes, {.max_bytes = bytes.size() - 1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::to_string(bytes.size() - 1)));
  // The spec_version that is set counts, too.
  const std::string bare = Join({Id("1"), Source("s"), Type("t")});
  EXPECT_EQ(CheckEvent(bare, {.max_bytes = bare.size()}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(CheckEvent(bare, {.max_bytes = bare.size() + 5}).ok());
}

TEST(CheckEventTest, WhatPassedPassesAgain) {
  const auto first = CheckEvent(Join({Text("x"), Version(""), Id("1"), Source("s"), Type("t")}));
  ASSERT_TRUE(first.ok());
  const auto second = CheckEvent(std::string(first->bytes()));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->bytes(), first->bytes());
  EXPECT_TRUE(Event::FromChecked(std::string(first->bytes())).ok());
}

}  // namespace
}  // namespace outboard

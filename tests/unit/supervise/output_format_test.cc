#include "host/supervise/output_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"

namespace outboard::supervise {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

TEST(FormatOutputTest, LeavesPlainLinesAlone) {
  for (const char* line :
       {"hello", "", "{", "{}", "[1,2]", "42", R"({"level":"info"})", R"({"message":"x"})",
        R"({"level":30,"message":"x"})", R"({"level":"info","message":"x"} trailing)",
        R"({"level":"info","message":"x")"}) {
    const OutputRecord record = FormatOutput(line);
    EXPECT_EQ(record.message, line);
    EXPECT_EQ(record.level, LogLevel::kInfo);
    EXPECT_THAT(record.fields, IsEmpty());
  }
}

TEST(FormatOutputTest, KeepsLevelMessageAndFields) {
  const OutputRecord record =
      FormatOutput(R"(  {"level":"ERROR","message":"m","n":1.5,"s":"t","o":{"a":[null,true]}} )");
  EXPECT_EQ(record.level, LogLevel::kError);
  EXPECT_EQ(record.message, "m");
  EXPECT_THAT(record.fields, UnorderedElementsAre(Pair("n", "1.5"), Pair("s", "t"),
                                                  Pair("o", R"({"a":[null,true]})")));
}

TEST(FormatOutputTest, HidesASecretThatIsTheNameOfAField) {
  AddLogSecret("field-planted-5ecret");
  EXPECT_THAT(FormatOutput(R"({"level":"info","message":"m","field-planted-5ecret":1})").fields,
              UnorderedElementsAre(Pair("***", "1")));
}

TEST(FormatOutputTest, KnowsTheUsualNamesOfLevels) {
  const auto level = [](const char* name) {
    return FormatOutput(absl::StrCat(R"({"message":"","level":")", name, R"("})")).level;
  };
  for (const char* name : {"trace", "DEBUG"}) EXPECT_EQ(level(name), LogLevel::kDebug);
  for (const char* name : {"info", "Notice", "anything"}) EXPECT_EQ(level(name), LogLevel::kInfo);
  for (const char* name : {"warn", "WARNING"}) EXPECT_EQ(level(name), LogLevel::kWarning);
  for (const char* name : {"error", "CRITICAL", "fatal", "panic"})
    EXPECT_EQ(level(name), LogLevel::kError);
}

TEST(FormatOutputTest, KeepsNamesOfTheHostForTheHost) {
  const OutputRecord record =
      FormatOutput(R"({"level":"info","message":"m","plugin":"liar","time":"t","a b=c\nd":1})");
  EXPECT_THAT(record.fields,
              UnorderedElementsAre(Pair("plugin_plugin", "liar"), Pair("plugin_time", "t"),
                                   Pair("a_b_c_x0Ad", "1")));
}

TEST(FormatOutputTest, BoundsTheNumberOfFields) {
  std::string line = R"({"level":"info","message":"m")";
  for (int i = 0; i < 100; ++i) absl::StrAppend(&line, ",\"k", i, "\":", i);
  const OutputRecord record = FormatOutput(line + "}");
  EXPECT_THAT(record.fields, SizeIs(33));
  EXPECT_THAT(record.fields, Contains(Pair("fields_left_out", "68")));
}

TEST(FormatOutputTest, TakesDeepNestingAsText) {
  const std::string line = absl::StrCat(R"({"level":"info","message":"m","x":)",
                                        std::string(8000, '['), std::string(8000, ']'), "}");
  EXPECT_EQ(FormatOutput(line).message, line);
}

TEST(FormatOutputTest, TakesBadUtf8AsText) {
  const std::string line = "{\"level\":\"info\",\"message\":\"\xFF\"}";
  EXPECT_EQ(FormatOutput(line).message, line);
}

}  // namespace
}  // namespace outboard::supervise

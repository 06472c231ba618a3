#include "host/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/base/text.h"

namespace outboard {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

// What `write` puts on standard error.
std::string Logged(LogFormat format, LogLevel min_level, const std::function<void()>& write) {
  InitLog(format, min_level);
  testing::internal::CaptureStderr();
  write();
  return testing::internal::GetCapturedStderr();
}

TEST(LogTest, WritesTextForPeople) {
  const std::string line = Logged(LogFormat::kText, LogLevel::kInfo, [] {
    LogWarning("shard", "bus is slow", {{"route", "stories"}, {"why", "disk is full"}});
  });
  EXPECT_THAT(line, MatchesRegex("[0-9-]{10}T[0-9:]{8}\\.[0-9]{3}Z WARN  shard: bus is slow "
                                 "route=stories why=\"disk is full\"\n"));
}

TEST(LogTest, WritesJsonForMachines) {
  const std::string line = Logged(LogFormat::kJson, LogLevel::kInfo, [] {
    LogError("supervise", "plugin \"audit\" died", {{"plugin", "audit"}, {"path", "a\\b\tc"}});
  });
  EXPECT_THAT(line, MatchesRegex("\\{\"time\":\"[0-9-]{10}T[0-9:]{8}\\.[0-9]{3}Z\",.*\\}\n"));
  EXPECT_THAT(line, HasSubstr(R"("level":"error","module":"supervise",)"
                              R"("message":"plugin \"audit\" died","plugin":"audit",)"
                              R"("path":"a\\b\tc"})"));
}

TEST(LogTest, DropsLinesBelowTheLevel) {
  EXPECT_THAT(Logged(LogFormat::kText, LogLevel::kWarning, [] { LogInfo("shard", "x"); }),
              IsEmpty());
  EXPECT_THAT(
      Logged(LogFormat::kText, LogLevel::kDebug, [] { Log(LogLevel::kDebug, "shard", "details"); }),
      EndsWith("DEBUG shard: details\n"));
}

TEST(LogTest, KeepsOneEntryOnOneLine) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line = Logged(format, LogLevel::kInfo, [] {
      LogInfo("plugin", "a\nb\xFF", {{"key", "c\nd"}});
    });
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
    EXPECT_TRUE(IsValidUtf8(line));
    EXPECT_THAT(line, HasSubstr("x0Ab")) << "shown, not dropped";
  }
}

TEST(LogTest, KeepsLinesOfThreadsApart) {
  const std::string lines = Logged(LogFormat::kText, LogLevel::kInfo, [] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 50; ++i) LogInfo("thread", "one whole line");
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  const std::vector<std::string> split = absl::StrSplit(lines, '\n', absl::SkipEmpty());
  EXPECT_EQ(split.size(), 200u);
  for (const std::string& line : split) EXPECT_THAT(line, EndsWith("INFO  thread: one whole line"));
}

TEST(LogSecretTest, IsReplacedInEveryPartOfALine) {
  AddLogSecret("hunter2-log");
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line = Logged(format, LogLevel::kInfo, [] {
      LogInfo("config", "password hunter2-log", {{"url", "amqp://me:hunter2-log@mq"}});
    });
    EXPECT_THAT(line, Not(HasSubstr("hunter2-log")));
    EXPECT_THAT(line, HasSubstr("amqp://me:***@mq"));
  }
}

TEST(LogSecretTest, IsFoundThoughTheLogEscapesIt) {
  AddLogSecret("quo\"te\\slash\nline");
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line = Logged(format, LogLevel::kInfo, [] {
      LogInfo("config", "is quo\"te\\slash\nline", {{"key", "quo\"te\\slash\nline"}});
    });
    EXPECT_THAT(line, Not(HasSubstr("slash"))) << "neither plain nor escaped";
    EXPECT_THAT(line, HasSubstr("is ***"));
  }
}

TEST(LogSecretTest, LongerSecretsWinOverTheirBeginnings) {
  AddLogSecret("prefix");
  AddLogSecret("prefix-and-tail");
  EXPECT_EQ(RedactSecrets("x prefix-and-tail y prefix z"), "x *** y *** z");
}

TEST(LogSecretTest, ShortValuesAreLeftAlone) {
  AddLogSecret("abc");
  AddLogSecret("");
  EXPECT_EQ(RedactSecrets("the abc of it"), "the abc of it");
}

}  // namespace
}  // namespace outboard

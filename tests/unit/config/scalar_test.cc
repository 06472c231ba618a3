#include "host/config/scalar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::HasSubstr;

TEST(ScalarTest, KnowsNames) {
  EXPECT_TRUE(IsName("a", false));
  EXPECT_TRUE(IsName("9-a_B", false));
  EXPECT_TRUE(IsName("a.b", true));
  for (const char* name : {"", "-a", "_a", "a b", "a/b", "ä", "a.b"})
    EXPECT_FALSE(IsName(name, false)) << name;
  EXPECT_TRUE(IsName(std::string(63, 'a'), false));
  EXPECT_FALSE(IsName(std::string(64, 'a'), false));
}

TEST(ScalarTest, KnowsAddresses) {
  for (const char* text : {"localhost:80", "127.0.0.1:1", "[::1]:443", "a-b.c:65535"}) {
    EXPECT_TRUE(IsHostPort(text, false)) << text;
  }
  for (const char* text : {"", "host", ":80", "host:", "host:x", "host:65536", "::1:80",
                           "http://h:80", "h:-1", "h:+1", "host:0", "h h:1"}) {
    EXPECT_FALSE(IsHostPort(text, false)) << text;
  }
  EXPECT_TRUE(IsHostPort("host:0", true));
  EXPECT_TRUE(IsLoopback("127.0.0.1:1") && IsLoopback("localhost:1") && IsLoopback("[::1]:1"));
  EXPECT_FALSE(IsLoopback("0.0.0.0:1") || IsLoopback("localhost.example:1"));
}

TEST(ScalarTest, SaysWhichValuesThereAre) {
  EXPECT_THAT(
      Problems("host: {log: {level: warn}}"),
      HasSubstr("host.log.level: unknown value \"warn\"; use one of debug, info, warning, error"));
  EXPECT_THAT(Problems("host: {log: {format: jsno}}"),
              HasSubstr("did you mean json? It is one of text, json"));
}

TEST(ScalarTest, RefusesCountsOutOfRangeAndOddForms) {
  for (const char* text :
       {"0", "257", "-1", "1.0", "\"\"", "0x10", "[1]", "+1", "99999999999999999999"}) {
    EXPECT_THAT(Problems(std::string("host: {shards: ") + text + "}"),
                HasSubstr("host.shards: needs a whole number from 1 to 256, not"))
        << text;
  }
}

TEST(ScalarTest, WantsTrueOrFalse) {
  EXPECT_THAT(Problems("routes: [{name: r, to: p, delivery: {reliable: yes}}]"),
              HasSubstr("routes[0].delivery.reliable: needs true or false, not \"yes\""));
}

TEST(ScalarTest, SaysHowToWriteDurationsAndSizes) {
  EXPECT_THAT(Problems("host: {drain_timeout: 20}"),
              HasSubstr("host.drain_timeout: \"20\" is no duration; write a number and a unit"));
  EXPECT_THAT(Problems("bus: {max_bytes: 10GB}"),
              HasSubstr("bus.max_bytes: \"10GB\" is no size; write bytes"));
  EXPECT_THAT(Problems("bus: {max_event_bytes: 1}"),
              HasSubstr("bus.max_event_bytes: \"1\" is out of range; give 1KiB to 512MiB"));
}

TEST(ScalarTest, StartsRelativePathsAtTheFile) {
  EXPECT_EQ(Read("host: {data: data}").config.host.data, "/srv/app/data");
  EXPECT_EQ(Read("host: {data: ../x/./y/}").config.host.data, "/srv/x/y");
  EXPECT_EQ(Read("host: {data: /var/lib/o}").config.host.data, "/var/lib/o");
  EXPECT_EQ(Read("").config.host.data, "/srv/app/outboard-data");
  EXPECT_THAT(Problems("host: {data: \"\"}"), HasSubstr("needs a path, not nothing"));
}

TEST(ScalarTest, KnowsWhatLiesInAFolder) {
  EXPECT_TRUE(LiesIn("/srv/app", "/srv/app/x/y"));
  EXPECT_TRUE(LiesIn("/srv/app", "/srv/app"));
  EXPECT_TRUE(LiesIn("/", "/srv"));
  EXPECT_FALSE(LiesIn("/srv/app", "/srv/apple"));
  EXPECT_FALSE(LiesIn("/srv/app", "/srv"));
}

}  // namespace
}  // namespace outboard::config

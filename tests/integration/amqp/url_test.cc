#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "host/bus/amqp/connection.h"

namespace outboard::bus::amqp {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The parts of a URL in one line, or what is wrong with it.
std::string Parse(const std::string& url) {
  const auto options = ParseUrl(url);
  if (!options.ok()) return std::string(options.status().message());
  std::string out = options->tls.on ? "tls " : "";
  out += options->user + " " + options->password;
  for (const Endpoint& e : options->endpoints) out += " " + e.host + " " + std::to_string(e.port);
  return out + " " + options->vhost;
}

TEST(ParseUrlTest, ReadsAllParts) {
  EXPECT_EQ(Parse("amqp://u:p@mq:1234/v"), "u p mq 1234 v");
  EXPECT_EQ(Parse("amqps://u:p@mq1,mq2:1234,[::1],[fe80::2]:99/v"),
            "tls u p mq1 5671 mq2 1234 ::1 5671 fe80::2 99 v");
}

TEST(ParseUrlTest, HasDefaults) {
  EXPECT_EQ(Parse("amqp://mq"), "guest guest mq 5672 /");
  EXPECT_EQ(Parse("amqp://mq/"), "guest guest mq 5672 /");
  EXPECT_EQ(Parse("amqp://mq//"), "guest guest mq 5672 /");
  EXPECT_EQ(Parse("amqp://mq/%2F"), "guest guest mq 5672 /");
}

TEST(ParseUrlTest, DecodesPercents) {
  EXPECT_EQ(Parse("amqp://us%40er:p%2F%3a%25%C3%A9@mq/a%2Fb"), "us@er p/:%é mq 5672 a/b");
  EXPECT_EQ(Parse("amqp://u:p:q@mq/v"), "u p:q mq 5672 v");
}

TEST(ParseUrlTest, SaysWhatIsWrongAndHowItIsWritten) {
  EXPECT_THAT(Parse("http://mq"), AllOf(HasSubstr("neither amqp:// nor amqps://"),
                                        HasSubstr("amqp[s]://user:password@host[:port]")));
  EXPECT_THAT(Parse("amqp://"), HasSubstr("no name for host number 1"));
  EXPECT_THAT(Parse("amqp://u:p@mq,/v"), HasSubstr("no name for host number 2"));
  EXPECT_THAT(Parse("amqp://u:p@mq:0/v"), HasSubstr("no number from 1 to 65535"));
  EXPECT_THAT(Parse("amqp://u:p@mq:65536/v"), HasSubstr("no number from 1 to 65535"));
  EXPECT_THAT(Parse("amqp://u:p@mq:/v"), HasSubstr("no number from 1 to 65535"));
  EXPECT_THAT(Parse("amqp://u:p@::1/v"), HasSubstr("in brackets"));
  EXPECT_THAT(Parse("amqp://u:p@[::1/v"), HasSubstr("no ] after host number 1"));
  EXPECT_THAT(Parse("amqp://u:p@[::1]x/v"), HasSubstr("text after the ]"));
  EXPECT_THAT(Parse("amqp://u@mq"), HasSubstr("a user without a password"));
  EXPECT_THAT(Parse("amqp://u:@mq"), HasSubstr("a user without a password"));
  EXPECT_THAT(Parse("amqp://:p@mq"), HasSubstr("a password without a user"));
  EXPECT_THAT(Parse("amqp://mq/a/b"), HasSubstr("%2F"));
  EXPECT_THAT(Parse("amqp://mq/v?heartbeat=5"), HasSubstr("takes no options"));
  EXPECT_THAT(Parse("amqp://mq/v%"), HasSubstr("% without two hex digits in its vhost"));
  EXPECT_THAT(Parse("amqp://mq/v%2"), HasSubstr("% without two hex digits"));
  EXPECT_THAT(Parse("amqp://mq/v%0g"), HasSubstr("% without two hex digits"));
  EXPECT_THAT(Parse("amqp://mq/v%00"), HasSubstr("a zero byte in its vhost"));
  EXPECT_THAT(Parse("amqp://mq/" + std::string(256, 'v')), HasSubstr("more than 255 bytes"));
}

TEST(ParseUrlTest, NeverSaysThePassword) {
  for (const std::string url :
       {"amqp://u:secret/x@mq/v", "amqp://u:secret@x@mq/v", "amqp://u:secret#x@mq/v",
        "amqp://u:secret?x@mq/v", "amqp://u:secret", "amqp://u:secret%@mq", "amqp://u:x:secret",
        "u:secret@mq", "amqp://u:secret@mq:x", "amqp://u:%00secret@mq"}) {
    const std::string said = Parse(url);
    EXPECT_THAT(said, AllOf(HasSubstr("the broker's URL"), Not(HasSubstr("secret")))) << url;
  }
}

TEST(LocationTest, IsTheUrlWithoutThePassword) {
  EXPECT_EQ(Location(*ParseUrl("amqps://me:secret@mq1,[::1]:99/a%2Fb")),
            "amqps://me@mq1:5671,[::1]:99/a%2Fb");
  EXPECT_EQ(Location(*ParseUrl("amqp://mq")), "amqp://guest@mq:5672/%2F");
}

}  // namespace
}  // namespace outboard::bus::amqp

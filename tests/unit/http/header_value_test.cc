#include "host/http/header_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::http {
namespace {

using testing::HasSubstr;

std::string Decode(absl::string_view value) {
  const auto text = DecodeHeaderValue(value);
  return text.ok() ? *text : std::string(text.status().message());
}

TEST(HeaderValueTest, DecodesPercentOnce) {
  EXPECT_EQ(Decode(""), "");
  EXPECT_EQ(Decode("story/12"), "story/12");
  EXPECT_EQ(Decode("Euro%20%E2%82%AC%20%F0%9F%98%80"), "Euro € 😀");
  EXPECT_EQ(Decode("%e2%82%ac"), "€");
  EXPECT_EQ(Decode("%41%2520"), "A%20");
  EXPECT_EQ(Decode("a+b"), "a+b");
}

TEST(HeaderValueTest, TakesTextThatWasNotEncoded) { EXPECT_EQ(Decode("Euro €"), "Euro €"); }

TEST(HeaderValueTest, TakesQuotesOffFirst) {
  EXPECT_EQ(Decode(R"("a \"b\" \\ %22")"), R"(a "b" \ ")");
  EXPECT_EQ(Decode(R"(a"b)"), R"(a"b)");
  for (const char* value : {R"(")", R"("a)", R"("a"b)", R"("a\)"})
    EXPECT_THAT(Decode(value), HasSubstr("%22")) << value;
}

TEST(HeaderValueTest, RefusesWhatIsNoEncoding) {
  EXPECT_THAT(Decode("100%"), HasSubstr("at character 4; write % as %25"));
  EXPECT_THAT(Decode("%4"), HasSubstr("%25"));
  EXPECT_THAT(Decode("%zz"), HasSubstr("%25"));
  EXPECT_THAT(Decode("%4g"), HasSubstr("%25"));
  EXPECT_THAT(Decode("%C0%A0"), HasSubstr("UTF-8"));  // Overlong.
  EXPECT_THAT(Decode("\xFF"), HasSubstr("UTF-8"));
}

}  // namespace
}  // namespace outboard::http

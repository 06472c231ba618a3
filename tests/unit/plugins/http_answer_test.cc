#include <gtest/gtest.h>

#include "plugins/producers/http/answer.h"

namespace outboard::http {
namespace {

using Kind = Verdict::Kind;
using std::chrono::seconds;

// Tue, 15 Nov 1994 08:12:31 GMT.
constexpr std::chrono::sys_seconds kNow{seconds(784887151)};

Verdict Of(long status, std::string retry_after = "") {
  return VerdictOf({status, std::move(retry_after), "", ""}, kNow);
}

TEST(HttpAnswerTest, SuccessIsAccepted) {
  for (const long status : {200, 201, 202, 204}) EXPECT_EQ(Of(status).kind(), Kind::kDone);
}

TEST(HttpAnswerTest, WhatMayPassIsRetried) {
  for (const long status : {408, 429, 500, 502, 503, 504}) {
    EXPECT_EQ(Of(status).kind(), Kind::kRetry) << status;
    EXPECT_EQ(Of(status).reason(), "HTTP_" + std::to_string(status));
    EXPECT_FALSE(Of(status).retry_after());
  }
}

TEST(HttpAnswerTest, WhatWillNotIsRejected) {
  for (const long status : {301, 304, 400, 401, 404, 410, 422}) {
    EXPECT_EQ(Of(status).kind(), Kind::kReject) << status;
    EXPECT_EQ(Of(status).reason(), "HTTP_" + std::to_string(status));
  }
  EXPECT_EQ(VerdictOf({404, "", "", "no such hook"}, kNow).message(),
            "the server answered 404: no such hook");
  EXPECT_EQ(VerdictOf({301, "", "https://x/y", ""}, kNow).message(),
            "the server answered 301, which is not followed: set url to where it is, https://x/y");
}

TEST(HttpAnswerTest, RetryAfterIsHonoured) {
  EXPECT_EQ(Of(429, "7").retry_after(), seconds(7));
  EXPECT_EQ(Of(503, "Tue, 15 Nov 1994 08:13:31 GMT").retry_after(), seconds(60));
  EXPECT_FALSE(Of(404, "7").retry_after());
}

TEST(HttpAnswerTest, RetryAfterIsANumberOrADateAndAtMostAnHour) {
  EXPECT_EQ(RetryAfter("20300101", kNow), seconds(3600)) << "a number, not a day";
  EXPECT_EQ(RetryAfter("99999999999999999999", kNow), seconds(3600));
  EXPECT_EQ(RetryAfter("Tue, 15 Nov 2094 08:12:31 GMT", kNow), seconds(3600));
  for (const char* nothing : {"", "0", "-5", "soon", "1.5", "Tue, 15 Nov 1994 08:12:30 GMT"}) {
    EXPECT_EQ(RetryAfter(nothing, kNow), std::nullopt) << nothing;
  }
}

}  // namespace
}  // namespace outboard::http

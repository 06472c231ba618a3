#include <gtest/gtest.h>

#include "plugins/producers/http/signature.h"

namespace outboard::http {
namespace {

TEST(HttpSignatureTest, IsWhatStandardWebhooksGivesAsItsExample) {
  const auto key = KeyOfSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  ASSERT_TRUE(key);
  EXPECT_EQ(
      Signatures({*key}, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(HttpSignatureTest, EachKeySigns) {
  const std::string one = Signatures({"a"}, "id", 1, "body");
  const std::string other = Signatures({"b"}, "id", 1, "body");
  EXPECT_NE(one, other);
  EXPECT_EQ(Signatures({"a", "b"}, "id", 1, "body"), one + " " + other);
}

TEST(HttpSignatureTest, ASecretHasItsPrefixAndEnoughBytes) {
  EXPECT_FALSE(KeyOfSecret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  EXPECT_FALSE(KeyOfSecret("whsec_"));
  EXPECT_FALSE(KeyOfSecret("whsec_c2hvcnQ="));
  EXPECT_FALSE(KeyOfSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"));
}

}  // namespace
}  // namespace outboard::http

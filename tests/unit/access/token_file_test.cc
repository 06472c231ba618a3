#include "host/access/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::access {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kA[] = "0123456789abcdef";
constexpr char kB[] = "fedcba9876543210-._~+/=";

std::string Problem(const std::string& text) {
  const auto parsed = ParseTokens(text, "/t");
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

TEST(TokenFileTest, ReadsNamesRolesTokensAndTypes) {
  const auto grants = ParseTokens(
      std::string("# who\n\nops  operate\t") + kA + "\r\nfeed publish " + kB + " story.# task.*\n",
      "/t");
  ASSERT_TRUE(grants.ok()) << grants.status();
  ASSERT_EQ(grants->size(), 2u);
  EXPECT_EQ((*grants)[0].caller.name, "ops");
  EXPECT_EQ((*grants)[0].caller.role, Role::kOperate);
  EXPECT_EQ((*grants)[0].token, kA);
  EXPECT_THAT((*grants)[0].caller.types, IsEmpty());
  EXPECT_EQ((*grants)[1].caller.role, Role::kPublish);
  EXPECT_EQ((*grants)[1].token, kB);
  EXPECT_THAT((*grants)[1].caller.types, ElementsAre("story.#", "task.*"));
}

TEST(TokenFileTest, ANameMayHaveSeveralTokensButATokenOneName) {
  EXPECT_EQ(Problem(std::string("a read ") + kA + "\na read " + kB), "");
  EXPECT_THAT(Problem(std::string("a read ") + kA + "\nb operate " + kA),
              HasSubstr("/t: line 2: has the token of a line above"));
}

TEST(TokenFileTest, SaysTheLineAndTheFixAndNoToken) {
  const std::string secret = "s3cr3t-s3cr3t-s3cr3t!";
  for (const std::string& line : std::vector<std::string>{
           "a read " + secret, "a " + secret, "a rad " + secret, "a read short",
           "a read " + std::string(kA) + " story.#", "a publish " + std::string(kA) + " st*ry"}) {
    const std::string problem = Problem("# first\n" + line);
    EXPECT_THAT(problem, AllOf(HasSubstr("/t: line 2: "), Not(HasSubstr(secret)))) << line;
  }
  EXPECT_THAT(Problem("a read short"), HasSubstr("openssl rand -hex 32"));
  EXPECT_THAT(Problem("# nobody\n"), HasSubstr("write NAME ROLE TOKEN"));
}

TEST(TokenFileTest, AFileMayHoldOneTokenAlone) {
  const auto token = ParseToken(std::string(kA) + "\n", "/t");
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(*token, kA);
  EXPECT_FALSE(ParseToken("two words-of-a-file", "/t").ok());
  EXPECT_FALSE(ParseToken("", "/t").ok());
}

TEST(TokenFileTest, TakesTheTokenOfAnAuthorization) {
  EXPECT_EQ(BearerToken("Bearer abc"), "abc");
  EXPECT_EQ(BearerToken("bearer  abc "), "abc");
  EXPECT_EQ(BearerToken("Basic abc"), "");
  EXPECT_EQ(BearerToken("Bearer"), "");
  EXPECT_EQ(BearerToken(""), "");
}

TEST(TokenFileTest, ComparesWhole) {
  EXPECT_TRUE(SameToken("abc", "abc"));
  EXPECT_FALSE(SameToken("abc", "abd"));
  EXPECT_FALSE(SameToken("xbc", "abc"));
  EXPECT_FALSE(SameToken("ab", "abc"));
  EXPECT_FALSE(SameToken("", "abc"));
}

}  // namespace
}  // namespace outboard::access

#include "host/access/tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "host/base/log.h"

namespace outboard::access {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kOps[] = "ops-token-0123456789";
constexpr char kNew[] = "new-token-0123456789";

class TokensTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/tokens-test-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    Write("ops operate " + std::string(kOps) + "\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // As people do it: whole, by a rename.
  void Write(const std::string& text, const std::string& name = "tokens") {
    const std::string next = folder_ + "/next";
    std::ofstream(next) << text;
    std::filesystem::rename(next, folder_ + "/" + name);
  }
  std::unique_ptr<Tokens> Load(std::vector<Grant> fixed = {}) {
    auto tokens = Tokens::Load({{folder_ + "/tokens", std::nullopt}}, std::move(fixed), &clock_);
    EXPECT_TRUE(tokens.ok()) << tokens.status();
    return *std::move(tokens);
  }
  static absl::StatusOr<std::shared_ptr<const Caller>> Try(Tokens& tokens, const std::string& token,
                                                           Role role = Role::kRead) {
    const std::string header = "Bearer " + token;
    return tokens.Admit({Edge::kGrpc, header, "GetStatus", "ipv4:1.2.3.4:5"}, role);
  }

  std::string folder_;
  ManualClock clock_;
};

TEST_F(TokensTest, KnowsWhoseATokenIs) {
  const auto tokens = Load({{{"plugin mail", Role::kPublish, {"a"}, "x"}, kNew}});
  EXPECT_EQ((*Try(*tokens, kOps))->name, "ops");
  EXPECT_EQ((*Try(*tokens, kNew, Role::kPublish))->name, "plugin mail");
}

TEST_F(TokensTest, RefusesAndCountsByCause) {
  const auto tokens = Load({{{"feed", Role::kPublish, {}, "x"}, kNew}});
  const auto none = tokens->Admit({Edge::kHttp, std::nullopt, "/metrics", ""}, Role::kRead);
  EXPECT_TRUE(absl::IsUnauthenticated(none.status()));
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("authorization: Bearer TOKEN"));
  const std::string wrong = "wrong-token-0123456789";
  const auto unknown = Try(*tokens, wrong);
  EXPECT_TRUE(absl::IsUnauthenticated(unknown.status()));
  EXPECT_THAT(std::string(unknown.status().message()), Not(HasSubstr(wrong)));
  EXPECT_TRUE(absl::IsPermissionDenied(Try(*tokens, kNew, Role::kOperate).status()));
  const Refusals refusals = tokens->refusals();
  EXPECT_EQ(refusals.requests[static_cast<int>(Edge::kHttp)][static_cast<int>(Cause::kNoToken)],
            1u);
  EXPECT_EQ(
      refusals.requests[static_cast<int>(Edge::kGrpc)][static_cast<int>(Cause::kUnknownToken)], 1u);
  EXPECT_EQ(refusals.requests[static_cast<int>(Edge::kGrpc)][static_cast<int>(Cause::kRole)], 1u);
  EXPECT_EQ(refusals.requests[static_cast<int>(Edge::kHttp)][static_cast<int>(Cause::kRole)], 0u);
}

TEST_F(TokensTest, CountsEventsThatACallerMayNotPublish) {
  const auto tokens = Load();
  const Caller mail{"plugin mail", Role::kPublish, {"story.#"}, "x"};
  EXPECT_TRUE(tokens->CheckType(mail, "story.post").ok());
  EXPECT_FALSE(tokens->CheckType(mail, "user.post").ok());
  EXPECT_FALSE(tokens->CheckType(mail, "user.put").ok());
  EXPECT_EQ(tokens->refusals().events.at("plugin mail"), 2u);
}

TEST_F(TokensTest, ReadsAFileAgainThatChanged) {
  const auto tokens = Load();
  EXPECT_TRUE(Try(*tokens, kOps).ok());
  Write("ops operate " + std::string(kNew) + "\n");
  EXPECT_TRUE(Try(*tokens, kOps).ok()) << "it looks once a second";
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_TRUE(Try(*tokens, kNew).ok());
  EXPECT_FALSE(Try(*tokens, kOps).ok()) << "revoked";
}

TEST_F(TokensTest, KeepsWhatItHasOfAFileThatIsNotValidAnyMore) {
  const auto tokens = Load();
  for (const char* text : {"", "ops operat x\n", "ops operate"}) {
    Write(text);
    clock_.Advance(std::chrono::seconds(2));
    EXPECT_TRUE(Try(*tokens, kOps).ok()) << text;
  }
  std::filesystem::remove(folder_ + "/tokens");
  clock_.Advance(std::chrono::seconds(2));
  EXPECT_TRUE(Try(*tokens, kOps).ok());
  Write("ops operate " + std::string(kNew) + "\n");
  clock_.Advance(std::chrono::seconds(2));
  EXPECT_TRUE(Try(*tokens, kNew).ok());
}

TEST_F(TokensTest, AFileMayBeOfOneCaller) {
  Write(std::string(kNew) + "\n", "one");
  const Caller far{"plugin far", Role::kPublish, {"a.#"}, "x"};
  auto tokens = Tokens::Load({{folder_ + "/one", far}}, {}, &clock_);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_EQ((*Try(**tokens, kNew, Role::kPublish))->name, "plugin far");
}

TEST_F(TokensTest, AMissingFileEndsTheStart) {
  const auto tokens = Tokens::Load({{folder_ + "/none", std::nullopt}}, {}, &clock_);
  EXPECT_THAT(std::string(tokens.status().message()), HasSubstr("cannot read the tokens of"));
}

TEST_F(TokensTest, LogsNoToken) {
  const auto tokens = Load();
  EXPECT_EQ(RedactSecrets(std::string("saw ") + kOps), "saw ***");
}

}  // namespace
}  // namespace outboard::access

#include "host/dialect/identity.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/dialect/messages.h"

namespace outboard::dialect {
namespace {

TEST(ContentIdTest, IsTheSameInEveryProcess) {
  // printf '8:exchange3:keybody' | sha256sum | cut -c1-32
  EXPECT_EQ(ContentId(WithBody("exchange", "key", "body")), "512a902ac367b5aacf688c8a3e8afd7a");
}

TEST(ContentIdTest, DependsOnExchangeRoutingKeyAndBodyAlone) {
  Message message = WithBody("e", "k", "b");
  const std::string id = ContentId(message);
  message.properties.app_id = "other";
  message.properties.headers = CoreHeaders();
  EXPECT_EQ(ContentId(message), id);
  const std::set<std::string> ids = {id,
                                     ContentId(WithBody("e", "k", "")),
                                     ContentId(WithBody("e", "", "kb")),
                                     ContentId(WithBody("", "ek", "b")),
                                     ContentId(WithBody("ek", "", "b")),
                                     ContentId(WithBody("e", "kb", ""))};
  EXPECT_EQ(ids.size(), 6u);
}

TEST(ContentIdTest, IsKnownFromAnIdOfItsOwn) {
  const Message message = WithBody("e", "k", "b");
  EXPECT_TRUE(IsContentId(ContentId(message), message));
  EXPECT_FALSE(IsContentId(ContentId(WithBody("e", "k", "c")), message));
  EXPECT_FALSE(IsContentId("1", message));
}

}  // namespace
}  // namespace outboard::dialect

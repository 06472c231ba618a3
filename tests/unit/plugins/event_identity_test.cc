#include "plugins/common/event_identity.h"

#include <gtest/gtest.h>

namespace outboard::common {
namespace {

std::string IdentityHex(std::string_view source, std::string_view id) {
  return Hex(IdentityOf(NewEvent("t").Source(source).Id(id).view()));
}

TEST(EventIdentityTest, IsTheSameForTheSameSourceAndIdOnly) {
  EXPECT_EQ(IdentityHex("s", "1"), IdentityHex("s", "1"));
  EXPECT_NE(IdentityHex("s", "1"), IdentityHex("s", "2"));
  EXPECT_NE(IdentityHex("s", "1"), IdentityHex("t", "1"));
  EXPECT_NE(IdentityHex("s1", "2"), IdentityHex("s", "12"));
}

TEST(EventIdentityTest, NeverChanges) {
  // Stores keep it, and receivers know deliveries by it.
  EXPECT_EQ(IdentityHex("storyboard", "e1").size(), 32u);
  EXPECT_EQ(IdentityHex("storyboard", "e1"), "cbc3357753960f11675fa720a5a25564");
}

}  // namespace
}  // namespace outboard::common

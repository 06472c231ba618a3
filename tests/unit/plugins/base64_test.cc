#include "plugins/common/base64.h"

#include <gtest/gtest.h>

namespace outboard::common {
namespace {

TEST(Base64Test, GoesThereAndBack) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("\xff"), "/w==");
  EXPECT_EQ(Base64("\xff\x01"), "/wE=");
  EXPECT_EQ(Base64("abc"), "YWJj");
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "\xff\xfe"}) {
    EXPECT_EQ(FromBase64(Base64(text)), text);
  }
}

TEST(Base64Test, WhatIsNotWholeIsNothing) {
  for (const char* bad : {"a", "ab", "abc", "a===", "====", "ab=c", "ab c", "YW-j", "=abc"}) {
    EXPECT_EQ(FromBase64(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace outboard::common

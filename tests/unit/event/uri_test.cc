#include "host/event/uri.h"

#include <gtest/gtest.h>

namespace outboard {
namespace {

TEST(UriTest, TakesReferences) {
  for (const char* text :
       {"", "tracker", "/stories/12", "#top", "?q=1", "../x", "https://a.example/b?c=%20#d",
        "urn:uuid:6e8bc430", "//host/path", "mailto:a@b.example", "/größe"}) {
    EXPECT_TRUE(IsUriReference(text)) << text;
  }
}

TEST(UriTest, RefusesBlanksControlsAndUnsafeCharacters) {
  for (const char* text :
       {"a b", " a", "a\n", "a\tb", "a\x7F", "<a>", "a\"b", "a\\b", "{a}", "a|b", "a^b", "a`b"}) {
    EXPECT_FALSE(IsUriReference(text)) << text;
  }
  EXPECT_FALSE(IsUriReference(absl::string_view("a\0b", 3)));
}

TEST(UriTest, AbsoluteUrisStartWithAScheme) {
  for (const char* text : {"https://a.example", "urn:x", "a+b-c.1:x", "mailto:a@b.example"}) {
    EXPECT_TRUE(IsAbsoluteUri(text)) << text;
  }
  for (const char* text :
       {"", "tracker", "/a", "//a.example", ":x", "urn:", "1a:x", "a_b:x", "a b:x", "urn:a b"}) {
    EXPECT_FALSE(IsAbsoluteUri(text)) << text;
  }
}

}  // namespace
}  // namespace outboard

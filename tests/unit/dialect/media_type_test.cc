#include "host/dialect/media_type.h"

#include <gtest/gtest.h>

namespace outboard::dialect {
namespace {

TEST(MediaTypeTest, ComparesInAnyCaseAndWithParameters) {
  EXPECT_TRUE(IsMediaType("application/cloudevents+json", kStructuredJsonType));
  EXPECT_TRUE(IsMediaType("Application/CloudEvents+JSON; charset=utf-8", kStructuredJsonType));
  EXPECT_TRUE(IsMediaType(" application/cloudevents+json ;x", kStructuredJsonType));
  EXPECT_FALSE(IsMediaType("application/cloudevents+jsonx", kStructuredJsonType));
  EXPECT_FALSE(IsMediaType("", kStructuredJsonType));
}

TEST(MediaTypeTest, KnowsJsonBySuffix) {
  for (const char* type : {"application/json", "text/json", "application/vnd.x+json; v=1"}) {
    EXPECT_TRUE(IsJsonMediaType(type)) << type;
  }
  for (const char* type : {"", "json", "application/jsonx", "text/plain; a=/json"}) {
    EXPECT_FALSE(IsJsonMediaType(type)) << type;
  }
}

TEST(MediaTypeTest, KnowsCloudEvents) {
  for (const char* type : {"application/cloudevents+json", "application/cloudevents-batch+json",
                           "APPLICATION/CLOUDEVENTS+protobuf; x"}) {
    EXPECT_TRUE(IsCloudEventsMediaType(type)) << type;
  }
  EXPECT_FALSE(IsCloudEventsMediaType("application/json"));
}

}  // namespace
}  // namespace outboard::dialect

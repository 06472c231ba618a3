#include <gtest/gtest.h>

#include "plugins/audit/config.h"
#include "plugins/common/event_json.h"

namespace outboard::audit {
namespace {

TEST(AuditConfigTest, ReadsAGoodOne) {
  Config config;
  EXPECT_TRUE(ReadConfig(R"({"path": "/x", "fsync": "each"})", &config).empty());
  EXPECT_EQ(config.path, "/x");
  EXPECT_TRUE(config.fsync_each);
}

TEST(AuditConfigTest, NamesEveryFaultWithItsPlace) {
  Config config;
  EXPECT_EQ(ReadConfig("{", &config)[0].path, "");
  const auto errors = ReadConfig(R"({"fsync": 1, "pth": "x"})", &config);
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[0].path, "/path");
  EXPECT_EQ(errors[1].path, "/fsync");
  EXPECT_EQ(errors[2].message, "is not known here: the keys are fsync and path");
  EXPECT_EQ(ReadConfig(R"({"path": ""})", &config)[0].path, "/path");
}

TEST(AuditConfigTest, TheSchemaIsJson) { EXPECT_TRUE(common::IsJson(kConfigSchema)); }

}  // namespace
}  // namespace outboard::audit

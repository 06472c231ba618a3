#include "host/conform/bad_config.h"

#include <gtest/gtest.h>

#include "host/plugin/config_schema.h"

namespace outboard::conform {
namespace {

TEST(BadConfigTest, MakesAConfigThatTheSchemaRefuses) {
  for (const char* schema : {
           R"({"type":"object","properties":{"path":{"type":"string"}}})",
           R"({"type":"object","properties":{"count":{"type":"integer"}}})",
           R"({"type":"object","additionalProperties":false})",
           R"({"type":"object","required":["path"]})",
       }) {
    const auto bad = ConfigAgainst(schema, R"({"path": "a"})");
    ASSERT_TRUE(bad.has_value()) << schema;
    EXPECT_FALSE(plugin::CheckAgainstSchema(*bad, schema).empty()) << *bad;
  }
}

TEST(BadConfigTest, KeepsTheRestOfTheConfig) {
  const auto bad = ConfigAgainst(
      R"({"type":"object","properties":{"path":{"type":"string"},"other":{"type":"integer"}}})",
      R"({"path": "a", "other": 1})");
  EXPECT_EQ(bad, R"({"other":"conform: a value of the wrong type","path":"a"})");
}

TEST(BadConfigTest, HasNoneWhereTheSchemaTakesAll) {
  EXPECT_FALSE(ConfigAgainst("", "{}").has_value());
  EXPECT_FALSE(ConfigAgainst("{}", "{}").has_value());
  EXPECT_FALSE(ConfigAgainst("no schema", "{}").has_value());
}

}  // namespace
}  // namespace outboard::conform

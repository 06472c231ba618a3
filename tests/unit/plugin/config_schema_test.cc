#include "host/plugin/config_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::plugin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kSchema[] =
    R"({"type":"object","required":["path"],"additionalProperties":false,
        "properties":{"path":{"type":"string","minLength":1},"count":{"type":"integer","minimum":0}}})";

TEST(ConfigSchemaTest, PassesWhatTheSchemaAllows) {
  EXPECT_THAT(CheckAgainstSchema(R"({"path":"a","count":3})", kSchema), IsEmpty());
}

TEST(ConfigSchemaTest, PassesAllWithoutASchema) {
  EXPECT_THAT(CheckAgainstSchema(R"({"anything":[1]})", ""), IsEmpty());
}

TEST(ConfigSchemaTest, NamesThePlaceAndTheRule) {
  EXPECT_THAT(CheckAgainstSchema(R"({"path":"a","count":-1})", kSchema),
              ElementsAre(testing::AllOf(HasSubstr("/count"), HasSubstr("minimum"))));
  EXPECT_THAT(CheckAgainstSchema("{}", kSchema), ElementsAre(HasSubstr("required")));
}

TEST(ConfigSchemaTest, SaysThatTheSchemaItselfIsBroken) {
  EXPECT_THAT(CheckAgainstSchema("{}", "{"), ElementsAre(HasSubstr("config_schema_json")));
}

}  // namespace
}  // namespace outboard::plugin

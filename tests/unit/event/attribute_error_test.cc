#include "host/event/attribute_error.h"

#include <gtest/gtest.h>

#include "host/event/json.h"

namespace outboard {
namespace {

TEST(AttributeErrorTest, CarriesTheNameBesideTheMessage) {
  const absl::Status status = AboutAttribute("time", absl::InvalidArgumentError("is no time"));
  EXPECT_EQ(AttributeOf(status), "time");
  EXPECT_EQ(status.message(), "is no time");
  EXPECT_EQ(AttributeOf(absl::InvalidArgumentError("the whole")), "");
  EXPECT_EQ(AttributeOf(absl::OkStatus()), "");
}

TEST(AttributeErrorTest, IsSetByAllThatReadsEvents) {
  const auto about = [](const char* json) { return AttributeOf(EventFromJson(json).status()); };
  EXPECT_EQ(about(R"({"source":"s","type":"t"})"), "id");
  EXPECT_EQ(about(R"({"id":"1","type":"t"})"), "source");
  EXPECT_EQ(about(R"({"id":"","source":"s","type":"t"})"), "id");
  EXPECT_EQ(about(R"({"id":"1","source":"s","type":"t","time":"noon"})"), "time");
  EXPECT_EQ(about(R"({"id":"1","source":"s","type":"t","specversion":"0.3"})"), "specversion");
  EXPECT_EQ(about(R"({"id":"1","source":"s","type":"t","data_base64":"?"})"), "data_base64");
  EXPECT_EQ(about(R"({"id":"1","source":"s","type":"t","Bad":1})"), "Bad");
  EXPECT_EQ(about(R"({"id":"1","source":"s","type":"t","x":{}})"), "x");
  EXPECT_EQ(about(R"({"id":)"), "");
  const EventLimits small{10};
  EXPECT_EQ(
      AttributeOf(EventFromJson(R"({"id":"1","source":"source","type":"t"})", small).status()), "");
}

}  // namespace
}  // namespace outboard

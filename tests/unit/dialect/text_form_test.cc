#include "host/dialect/text_form.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/event/wire.h"
#include "tests/unit/event/wire_text.h"

namespace outboard::dialect {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace wire = wire_text;

std::string ProblemWith(const std::string& fields) {
  return std::string(CheckTextForm(*CheckEvent(wire::Core() + fields)).message());
}

TEST(TextFormTest, TakesWhatCloudEventsPrescribes) {
  EXPECT_EQ(ProblemWith(""), "");
  EXPECT_EQ(
      ProblemWith(wire::Join({wire::Attribute("time", wire::Bytes(7, "")),
                              wire::Attribute("dataschema", wire::Bytes(5, "urn:x")),
                              wire::StringAttribute("subject", "s"),
                              wire::StringAttribute("datacontenttype", "t"),
                              wire::Attribute("any", wire::Small(1, 1)), wire::Binary("data")})),
      "");
}

TEST(TextFormTest, NamesWhatWouldReadBackAsAnother) {
  EXPECT_THAT(ProblemWith(wire::StringAttribute("time", "2026-01-31T12:00:00Z")),
              AllOf(HasSubstr("\"time\""), HasSubstr("ce_timestamp")));
  EXPECT_THAT(ProblemWith(wire::StringAttribute("dataschema", "urn:x")), HasSubstr("ce_uri"));
  EXPECT_THAT(ProblemWith(wire::Attribute("subject", wire::Small(2, 5))), HasSubstr("ce_string"));
  EXPECT_THAT(ProblemWith(wire::Attribute("datacontenttype", wire::Bytes(4, "x"))),
              HasSubstr("ce_string"));
  EXPECT_THAT(ProblemWith(wire::Bytes(8, wire::Bytes(1, "x/y.Z"))), HasSubstr("proto_data"));
}

}  // namespace
}  // namespace outboard::dialect

#include "host/conform/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::conform {
namespace {

using testing::HasSubstr;

Report Sample() {
  Report report;
  report.description.set_name("a<b");
  report.results.push_back({FindRule("describe.answers"), "", {}, {}});
  report.results.push_back(
      {FindRule("answer.once"), "worker w", {Finding::kFail, "sent \"1\"", "came & went", ""}, {}});
  report.results.push_back(
      {FindRule("order.key"), "worker w", {Finding::kSkip, "", "not in_order", ""}, {}});
  return report;
}

TEST(ReportTest, CountsEachKind) {
  const Report report = Sample();
  EXPECT_EQ(report.Count(Finding::kPass), 1u);
  EXPECT_EQ(report.Count(Finding::kFail), 1u);
  EXPECT_EQ(report.Count(Finding::kSkip), 1u);
  EXPECT_FALSE(report.passed());
}

TEST(ReportTest, TellsProgramsWhatWasSentWhatCameAndHowToFixIt) {
  const auto json = ToJson(Sample());
  EXPECT_EQ(json["grade"], nullptr);
  EXPECT_EQ(json["results"][1]["result"], "failed");
  EXPECT_EQ(json["results"][1]["sent"], "sent \"1\"");
  EXPECT_EQ(json["results"][1]["came"], "came & went");
  EXPECT_EQ(json["results"][1]["fix"], FindRule("answer.once")->fix);
  EXPECT_EQ(json["results"][2]["note"], "not in_order");
}

TEST(ReportTest, EscapesTheTextsOfJunit) {
  const std::string xml = ToJunit(Sample());
  EXPECT_THAT(xml, HasSubstr("tests=\"3\" failures=\"1\" skipped=\"1\""));
  EXPECT_THAT(xml, HasSubstr("classname=\"a&lt;b.worker w\" name=\"answer.once\""));
  EXPECT_THAT(xml, HasSubstr("<failure message=\"came &amp; went\">"));
  EXPECT_THAT(xml, HasSubstr("<skipped message=\"not in_order\"/>"));
}

}  // namespace
}  // namespace outboard::conform

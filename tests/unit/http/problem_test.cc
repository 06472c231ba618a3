#include "host/http/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "host/base/log.h"

namespace outboard::http {
namespace {

using nlohmann::json;

json BodyOf(const Problem& problem) { return json::parse(*problem.ToAnswer().body); }

TEST(ProblemTest, SaysWhatWhereAndTheFix) {
  const Problem problem{.status = 400,
                        .detail = "1 of 2",
                        .faults = {{1, "e\"1", "time", "#/1/time", false, "no time", false},
                                   {std::nullopt, "", "id", "ce-id", true, "missing", false},
                                   {std::nullopt, "", "", "", false, "broken", false}}};
  const Answer answer = problem.ToAnswer();
  EXPECT_EQ(answer.status, 400u);
  EXPECT_STREQ(answer.content_type, "application/problem+json");
  EXPECT_EQ(BodyOf(problem),
            json::parse(R"({"title":"not valid","status":400,"detail":"1 of 2","errors":[
              {"index":1,"id":"e\"1","attribute":"time","pointer":"#/1/time","detail":"no time"},
              {"attribute":"id","header":"ce-id","detail":"missing"},
              {"detail":"broken"}]})"));
}

TEST(ProblemTest, CarriesWhatTheHeadersSay) {
  const Answer answer =
      Problem{.status = 405, .detail = "no", .allow = "POST", .retry_after = 3}.ToAnswer();
  EXPECT_STREQ(answer.allow, "POST");
  EXPECT_EQ(answer.retry_after, 3u);
}

TEST(ProblemTest, HoldsTextsOfAnyBytesAndNoSecrets) {
  AddLogSecret("problem-5ecret");
  const Problem problem{.detail = "\xFF\n" + std::string(10'000, 'x'),
                        .faults = {{{}, "\xC0", "\"", "", false, "problem-5ecret", false}}};
  const json body = BodyOf(problem);
  EXPECT_LT(body["detail"].get<std::string>().size(), 2100u);
  EXPECT_EQ(body["errors"][0]["detail"], "***");
}

TEST(ProblemTest, TellsOfSoManyFaults) {
  Problem problem;
  problem.faults.resize(Problem::kMaxFaults + 5);
  EXPECT_EQ(BodyOf(problem)["errors"].size(), Problem::kMaxFaults);
}

TEST(ProblemTest, CarriesResults) {
  Problem problem{.status = 503};
  problem.results = "[{\"id\":\"1\"}]";
  EXPECT_EQ(BodyOf(problem)["results"][0]["id"], "1");
  EXPECT_EQ(BodyOf(problem)["title"], "not now");
}

}  // namespace
}  // namespace outboard::http

#include "host/http/publishing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/unit/ingress/held_bus.h"
#include "tests/unit/ingress/held_screen.h"

namespace outboard::http {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class PublishingTest : public testing::Test {
 protected:
  // Without an answer where it was not taken.
  std::optional<std::future<Answer>> Post(Publishing& publishing, const std::string& body,
                                          const char* form = "-batch") {
    UploadHead head;
    head.events.Add("Content-Type", absl::StrCat("application/cloudevents", form, "+json"));
    Upload upload(std::move(head), {}, &ingress_, bodies_);
    EXPECT_EQ(upload.Add(body), Upload::Added::kOk);
    auto promise = std::make_shared<std::promise<Answer>>();
    if (!publishing.Ask(&upload, [promise](const Answer& a) { promise->set_value(a); }))
      return std::nullopt;
    return promise->get_future();
  }
  static std::string Batch(int count, int from = 0) {
    std::string out = "[";
    for (int i = from; i < from + count; ++i)
      absl::StrAppend(&out, i == from ? "" : ",", "{\"id\":\"e", i,
                      "\",\"source\":\"s\",\"type\":\"t\"}");
    return out + "]";
  }

  RealClock clock_;
  ingress::HeldBus bus_;
  ingress::Ingress ingress_{&bus_, &clock_, {1 << 20, 1000}};
  std::shared_ptr<ingress::Bound> bodies_ =
      std::make_shared<ingress::Bound>(ingress::Load{1 << 20, 1});
  Publishing publishing_{&ingress_, {}, &clock_};
};

TEST_F(PublishingTest, AnswersOnceTheBusHasAll) {
  auto answer = Post(publishing_, Batch(2));
  bus_.AwaitHeld(1);
  EXPECT_EQ(answer->wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  bus_.Answer();
  const Answer got = answer->get();
  EXPECT_EQ(got.status, 202u);
  EXPECT_EQ(json::parse(*got.body), json::parse(R"({"results":[
      {"id":"e0","confirmed":true,"matched":1,"offset":1},
      {"id":"e1","confirmed":true,"matched":1,"offset":2}]})"));
}

TEST_F(PublishingTest, AnEmptyBatchIsTakenAtOnce) {
  const Answer got = Post(publishing_, "[]")->get();
  EXPECT_EQ(got.status, 202u);
  EXPECT_EQ(*got.body, "{\"results\":[]}\n");
  EXPECT_EQ(bus_.held(), 0u);
}

TEST_F(PublishingTest, NothingOfABatchIsPublishedIfOneEventIsNotValid) {
  const Answer got = Post(publishing_, R"([{"id":"1","source":"s","type":"t"},{"id":"2"}])")->get();
  EXPECT_EQ(got.status, 400u);
  EXPECT_THAT(*got.body, HasSubstr("1 of 2 events are not valid, and none of the batch was "
                                   "published; at index 1: "));
  EXPECT_EQ(bus_.held(), 0u);
  EXPECT_EQ(ingress_.counters().http.refused, 2u);
  EXPECT_EQ(bodies_->under_way(), ingress::Load{});
  EXPECT_EQ(ingress_.counters().bytes_under_way, 0u);
}

TEST_F(PublishingTest, TellsOfEachEventWhereTheBusRefusesSome) {
  auto answer = Post(publishing_, Batch(3));
  bus_.AnswerWith([](size_t i) {
    if (i == 0) return absl::OkStatus();
    return i == 1 ? absl::ResourceExhaustedError("full") : absl::UnavailableError("away");
  });
  const Answer got = answer->get();
  EXPECT_EQ(got.status, 503u);
  EXPECT_EQ(got.retry_after, 5u);
  const json body = json::parse(*got.body);
  EXPECT_THAT(body["detail"].get<std::string>(),
              HasSubstr("1 of 3 events were kept; \"results\" says which, send only the others"));
  EXPECT_EQ(body["results"], json::parse(R"([{"id":"e0","confirmed":true,"matched":1,"offset":1},
      {"id":"e1","confirmed":false,"code":"RESOURCE_EXHAUSTED","message":"full"},
      {"id":"e2","confirmed":false,"code":"UNAVAILABLE","message":"away"}])"));
}

TEST_F(PublishingTest, AFullBusAndARefusalForGoodHaveStatusesOfTheirOwn) {
  auto full = Post(publishing_, Batch(1), "-batch");
  bus_.Answer(absl::ResourceExhaustedError("the bus is full"));
  EXPECT_EQ(full->get().status, 507u);
  auto refused = Post(publishing_, R"({"id":"1","source":"s","type":"t"})", "");
  bus_.Answer(absl::InvalidArgumentError("no routing key"));
  const Answer got = refused->get();
  EXPECT_EQ(got.status, 422u);
  EXPECT_EQ(got.retry_after, 0u);
  EXPECT_EQ(json::parse(*got.body)["detail"], "no routing key");
}

TEST_F(PublishingTest, TooManyEventsAreSentBack) {
  auto first = Post(publishing_, Batch(600));
  bus_.AwaitHeld(1);
  const Answer got = Post(publishing_, Batch(600))->get();
  EXPECT_EQ(got.status, 429u);
  EXPECT_THAT(*got.body, HasSubstr("too much is under way to the bus already: 600 events of "));
  bus_.Answer();
  EXPECT_EQ(first->get().status, 202u);
  EXPECT_EQ(ingress_.counters().http.pushed_back, 600u);
}

TEST_F(PublishingTest, OnlySoManyWait) {
  std::vector<std::future<Answer>> answers;
  for (size_t i = 0; i < Publishing::kMaxWaiting; ++i)
    answers.push_back(*Post(publishing_, Batch(1)));
  EXPECT_EQ(Post(publishing_, Batch(1)), std::nullopt);
  for (size_t i = 0; i < answers.size(); ++i) bus_.Answer();
  for (auto& answer : answers) EXPECT_EQ(answer.get().status, 202u);
}

TEST_F(PublishingTest, DoesNotWaitForTheBusForEver) {
  Publishing hasty(&ingress_, {}, &clock_, /*confirm_within=*/Duration(1));
  const Answer got = Post(hasty, Batch(1))->get();
  EXPECT_EQ(got.status, 503u);
  EXPECT_THAT(*got.body, HasSubstr("with the same ids"));
  bus_.Answer();
}

TEST_F(PublishingTest, AStopAnswersThoseWhoWait) {
  auto answer = Post(publishing_, Batch(1));
  bus_.AwaitHeld(1);
  std::thread stopping([this] { publishing_.Stop(); });
  ingress_.Stop(Duration::zero());
  stopping.join();
  EXPECT_EQ(answer->get().status, 503u);
  EXPECT_EQ(Post(publishing_, Batch(1)), std::nullopt);
}

// ---- What stages before the bus did ----

class AnswerOfStagesTest : public testing::Test {
 protected:
  static Answer Of(const std::vector<ingress::Result>& results) {
    std::vector<Event> events;
    for (size_t i = 0; i < results.size(); ++i)
      events.push_back(ingress::EventOf(absl::StrCat("e", i)));
    return AnswerOfResults(events, results);
  }
  static ingress::Result Confirmed() {
    ingress::Result result;
    result.matched = 1;
    return result;
  }
  const ingress::Result dropped_ = ingress::DroppedBy("screen");
  const ingress::Result rejected_ =
      ingress::FailedBy("screen", absl::InvalidArgumentError("stage screen: SPAM: no"));
  const ingress::Result away_ =
      ingress::FailedBy("screen", absl::UnavailableError("stage screen: BUSY"));
};

TEST_F(AnswerOfStagesTest, WhatIsDroppedIsNoFailure) {
  const Answer answer = Of({dropped_, Confirmed()});
  EXPECT_EQ(answer.status, 202u);
  EXPECT_EQ(json::parse(*answer.body), json::parse(R"({"results":[
      {"id":"e0","confirmed":false,"dropped_by":"screen"},
      {"id":"e1","confirmed":true,"matched":1}]})"));
}

TEST_F(AnswerOfStagesTest, ARejectionIs422WithItsReason) {
  const Answer answer = Of({rejected_});
  EXPECT_EQ(answer.status, 422u);
  EXPECT_EQ(answer.retry_after, 0u);
  const json body = json::parse(*answer.body);
  EXPECT_EQ(body["title"], "a stage rejected it");
  EXPECT_EQ(body["detail"], "stage screen: SPAM: no");
  EXPECT_EQ(body["results"][0]["code"], "INVALID_ARGUMENT");
}

TEST_F(AnswerOfStagesTest, AStageThatIsAwayIs503WithItsOwnTime) {
  Answer answer = Of({away_});
  EXPECT_EQ(answer.status, 503u);
  EXPECT_EQ(answer.retry_after, 5u);
  ingress::Result busy = away_;
  busy.retry_after = std::chrono::milliseconds(7100);
  answer = Of({busy});
  EXPECT_EQ(answer.retry_after, 8u);
  busy.retry_after = Duration::zero();
  EXPECT_EQ(Of({busy}).retry_after, 1u);
}

TEST_F(AnswerOfStagesTest, AChangeThatIsNoEventIsTheHostsFault) {
  const Answer answer =
      Of({ingress::FailedBy("screen", absl::InternalError("stage screen: CHANGE_REFUSED"))});
  EXPECT_EQ(answer.status, 500u);
  EXPECT_EQ(json::parse(*answer.body)["title"], "a stage failed");
  EXPECT_EQ(answer.retry_after, 0u);
}

TEST_F(AnswerOfStagesTest, ABatchTellsOfEach) {
  const Answer answer = Of({Confirmed(), dropped_, rejected_, away_});
  EXPECT_EQ(answer.status, 503u);
  const json body = json::parse(*answer.body);
  EXPECT_EQ(body["detail"],
            "1 of 4 events were kept, 1 dropped; \"results\" says which, send only the others "
            "again. The first reason: stage screen: BUSY");
  EXPECT_EQ(body["results"][1]["dropped_by"], "screen");
  EXPECT_EQ(body["results"][2]["message"], "stage screen: SPAM: no");
}

}  // namespace
}  // namespace outboard::http

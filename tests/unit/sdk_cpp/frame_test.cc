#include "src/frame.h"

#include <gtest/gtest.h>

#include "outboard/plugin/v1/worker.pb.h"

namespace outboard::internal {
namespace {

TEST(FrameTest, ReadsEveryFieldOfARequest) {
  plugin::v1::HandleRequest request;
  request.mutable_open()->set_component("audit");
  for (int i = 1; i <= 3; ++i) {
    auto* delivery = request.add_deliveries();
    delivery->set_delivery_id(i);
    delivery->set_attempt(2);
    delivery->set_order_key("k");
    delivery->set_route("r");
    delivery->mutable_event()->set_id("e" + std::to_string(i));
  }
  request.add_cancel_ids(5);
  request.add_cancel_ids(700);
  request.mutable_close();
  const std::string bytes = request.SerializeAsString();
  Frame frame;
  ASSERT_TRUE(ParseFrame(bytes, &frame));
  EXPECT_TRUE(frame.has_open);
  EXPECT_TRUE(frame.has_close);
  ASSERT_EQ(frame.deliveries.size(), 3u);
  EXPECT_EQ(frame.deliveries[2].id, 3u);
  EXPECT_EQ(frame.deliveries[2].attempt, 2u);
  EXPECT_EQ(frame.deliveries[2].order_key, "k");
  EXPECT_EQ(frame.deliveries[2].route, "r");
  EXPECT_EQ(Event::Parse(frame.deliveries[2].event)->id(), "e3");
  EXPECT_EQ(frame.cancel_ids, (std::vector<uint64_t>{5, 700}));
}

TEST(FrameTest, AnEmptyFrameIsASignOfLife) {
  Frame frame;
  EXPECT_TRUE(ParseFrame("", &frame));
  EXPECT_TRUE(frame.deliveries.empty());
}

TEST(FrameTest, RefusesADeliveryWithoutIdAndGarbage) {
  plugin::v1::HandleRequest request;
  request.add_deliveries()->set_attempt(1);
  Frame frame;
  EXPECT_FALSE(ParseFrame(request.SerializeAsString(), &frame));
  EXPECT_FALSE(ParseFrame("\xff\xff\xff", &frame));
}

plugin::v1::HandleResponse Sent(AnswerBuffer* buffer) {
  plugin::v1::HandleResponse response;
  EXPECT_TRUE(response.ParseFromString(buffer->Take()));
  return response;
}

TEST(AnswerBufferTest, PlainDoneIsAnId) {
  AnswerBuffer buffer;
  buffer.AddVerdict(1, Done());
  buffer.AddVerdict(300, Done());
  buffer.AddProgress(2);
  const auto response = Sent(&buffer);
  ASSERT_EQ(response.done_ids_size(), 2);
  EXPECT_EQ(response.done_ids(1), 300u);
  EXPECT_EQ(response.progress_ids(0), 2u);
  EXPECT_EQ(response.verdicts_size(), 0);
  EXPECT_TRUE(buffer.empty());
}

TEST(AnswerBufferTest, VerdictsCarryTheirFailure) {
  AnswerBuffer buffer;
  buffer.AddVerdict(1, Retry(std::chrono::milliseconds(1500), "SMTP_DOWN", "no route"));
  buffer.AddVerdict(2, Reject("BAD", "why \xff").Detail("stack").Metadata("k", "v"));
  buffer.AddVerdict(3, Release());
  buffer.AddVerdict(4, Done(NewEvent("a.b").Data("x")));
  const auto response = Sent(&buffer);
  ASSERT_EQ(response.verdicts_size(), 4);
  using Verdict = plugin::v1::WorkerVerdict;
  EXPECT_EQ(response.verdicts(0).outcome(), Verdict::OUTCOME_RETRY);
  EXPECT_EQ(response.verdicts(0).retry_after().seconds(), 1);
  EXPECT_EQ(response.verdicts(0).retry_after().nanos(), 500'000'000);
  EXPECT_EQ(response.verdicts(0).failure().reason(), "SMTP_DOWN");
  EXPECT_EQ(response.verdicts(1).outcome(), Verdict::OUTCOME_REJECT);
  EXPECT_EQ(response.verdicts(1).failure().message(), "why ?");
  EXPECT_EQ(response.verdicts(1).failure().detail(), "stack");
  EXPECT_EQ(response.verdicts(1).failure().metadata().at("k"), "v");
  EXPECT_EQ(response.verdicts(2).outcome(), Verdict::OUTCOME_RELEASE);
  EXPECT_FALSE(response.verdicts(2).has_failure());
  EXPECT_EQ(response.verdicts(3).outcome(), Verdict::OUTCOME_DONE);
  EXPECT_EQ(response.verdicts(3).emits(0).type(), "a.b");
}

TEST(AnswerBufferTest, LargeAnswersSpreadOverFramesThatTheHostTakes) {
  constexpr size_t kLimit = 1 << 20;
  AnswerBuffer buffer(kLimit);
  for (int i = 1; i <= 10; ++i) {
    buffer.AddVerdict(i, Done(NewEvent("a").Data(std::string(200 << 10, 'x'))));
  }
  buffer.AddVerdict(11, Done(NewEvent("a").Data(std::string(2 << 20, 'x'))));
  int verdicts = 0;
  std::string last_reason;
  while (!buffer.empty()) {
    const std::string frame = buffer.Take();
    EXPECT_LE(frame.size(), kLimit);
    plugin::v1::HandleResponse response;
    ASSERT_TRUE(response.ParseFromString(frame));
    verdicts += response.verdicts_size();
    if (response.verdicts_size() > 0) {
      last_reason = response.verdicts(response.verdicts_size() - 1).failure().reason();
    }
  }
  EXPECT_EQ(verdicts, 11);
  EXPECT_EQ(last_reason, "ANSWER_TOO_LARGE");
}

}  // namespace
}  // namespace outboard::internal

#include "host/plugin/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/log.h"
#include "host/event/wire.h"
#include "outboard/plugin/v1/worker.pb.h"
#include "tests/unit/event/wire_text.h"

namespace outboard::plugin {
namespace {

using outboard::plugin::v1::WorkerVerdict;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Event MakeEvent() { return *CheckEvent(wire_text::Core() + wire_text::Binary("payload")); }

lane::FrameItem Item(uint32_t attempt, lane::LaneId lane, std::string key = "") {
  return {MakeEvent(), attempt, lane, std::move(key)};
}

// ---- Deliveries
// ----------------------------------------------------------------------------------

wire::Request Encoded(const lane::SendFrame& frame, const RouteNames& routes) {
  const std::string bytes = EncodeDeliveries(frame, routes);
  wire::Request request;
  EXPECT_TRUE(request.ParseFromString(bytes));
  // Byte for byte what protobuf would write.
  EXPECT_EQ(request.SerializeAsString(), bytes);
  return request;
}

TEST(EncodeDeliveriesTest, CountsIdsFromTheFramesFirstOne) {
  lane::SendFrame frame;
  frame.first_id = 41;
  frame.items = {Item(1, 0), Item(3, 1, "story-7")};
  const wire::Request request = Encoded(frame, {"stories", "users"});
  ASSERT_EQ(request.deliveries_size(), 2);
  EXPECT_EQ(request.deliveries(0).delivery_id(), 41u);
  EXPECT_EQ(request.deliveries(0).attempt(), 1u);
  EXPECT_EQ(request.deliveries(0).route(), "stories");
  EXPECT_EQ(request.deliveries(0).order_key(), "");
  EXPECT_EQ(request.deliveries(1).delivery_id(), 42u);
  EXPECT_EQ(request.deliveries(1).attempt(), 3u);
  EXPECT_EQ(request.deliveries(1).route(), "users");
  EXPECT_EQ(request.deliveries(1).order_key(), "story-7");
  EXPECT_EQ(request.deliveries(1).event(), std::string(MakeEvent().bytes()));
}

TEST(EncodeDeliveriesTest, KnowsNoRouteOfAnUnknownLane) {
  lane::SendFrame frame;
  frame.first_id = 1;
  frame.items = {Item(1, 9)};
  EXPECT_EQ(Encoded(frame, {"stories"}).deliveries(0).route(), "");
}

TEST(EncodeDeliveriesTest, IdsAttemptsAndLengthsAreOfAnySize) {
  lane::SendFrame frame;
  frame.first_id = (uint64_t{1} << 53) - 2;
  frame.items = {Item(1, 0, std::string(127, 'k')), Item(300, 0, std::string(70'000, 'k'))};
  const wire::Request request = Encoded(frame, {std::string(128, 'r')});
  EXPECT_EQ(request.deliveries(1).delivery_id(), (uint64_t{1} << 53) - 1);
  EXPECT_EQ(request.deliveries(1).attempt(), 300u);
  EXPECT_THAT(request.deliveries(1).order_key(), SizeIs(70'000));
}

TEST(EncodeDeliveriesTest, AnEmptyFrameIsNoBytes) {
  EXPECT_EQ(EncodeDeliveries(lane::SendFrame(), {}), "");
}

// ---- Answers
// -------------------------------------------------------------------------------------

wire::Verdict* AddVerdict(wire::Response& response, uint64_t id, int outcome) {
  wire::Verdict* verdict = response.add_verdicts();
  verdict->set_delivery_id(id);
  verdict->set_outcome(outcome);
  return verdict;
}

TEST(ToAnswersTest, AnEmptyFrameSaysNothing) {
  wire::Response response;
  const auto answers = ToAnswers(7, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->session, 7u);
  EXPECT_THAT(answers->done_ids, IsEmpty());
  EXPECT_THAT(answers->verdicts, IsEmpty());
  EXPECT_EQ(answers->window, std::nullopt);
}

TEST(ToAnswersTest, TakesIdsProgressAndWindow) {
  wire::Response response;
  response.add_done_ids(1);
  response.add_done_ids(3);
  response.add_progress_ids(2);
  response.set_window(0);
  const auto answers = ToAnswers(7, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_THAT(answers->done_ids, ElementsAre(1, 3));
  EXPECT_THAT(answers->progress_ids, ElementsAre(2));
  EXPECT_EQ(answers->window, 0u) << "0 pauses; it is not the same as nothing";
}

TEST(ToAnswersTest, KnowsEveryOutcome) {
  wire::Response response;
  AddVerdict(response, 1, WorkerVerdict::OUTCOME_DONE);
  AddVerdict(response, 2, WorkerVerdict::OUTCOME_RETRY);
  AddVerdict(response, 3, WorkerVerdict::OUTCOME_REJECT);
  AddVerdict(response, 4, WorkerVerdict::OUTCOME_RELEASE);
  AddVerdict(response, 5, WorkerVerdict::OUTCOME_UNSPECIFIED);
  AddVerdict(response, 6, 99);
  const auto answers = ToAnswers(7, &response);
  ASSERT_TRUE(answers.ok());
  std::vector<lane::Verdict> verdicts;
  for (const lane::Answer& answer : answers->verdicts) verdicts.push_back(answer.verdict);
  EXPECT_THAT(verdicts, ElementsAre(lane::Verdict::kDone, lane::Verdict::kRetry,
                                    lane::Verdict::kReject, lane::Verdict::kRelease,
                                    lane::Verdict::kInvalid, lane::Verdict::kInvalid));
  EXPECT_EQ(answers->verdicts[3].delivery_id, 4u);
  EXPECT_EQ(answers->verdicts[1].retry_after, std::nullopt);
  EXPECT_EQ(answers->verdicts[1].failure, nullptr);
}

TEST(ToAnswersTest, TakesRetryAfterToTheMicrosecond) {
  wire::Response response;
  auto* after = AddVerdict(response, 1, WorkerVerdict::OUTCOME_RETRY)->mutable_retry_after();
  after->set_seconds(2);
  after->set_nanos(500'001'999);
  const auto answers = ToAnswers(7, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->verdicts[0].retry_after, std::chrono::microseconds(2'500'001));
}

TEST(ToAnswersTest, RefusesARetryAfterOutOfRange) {
  for (const auto& [seconds, nanos] : {std::pair<int64_t, int>{-1, 0},
                                       {0, -1},
                                       {int64_t{367} * 24 * 3600, 0},
                                       {INT64_MAX, 0},
                                       {INT64_MIN, 0}}) {
    wire::Response response;
    auto* after = AddVerdict(response, 5, WorkerVerdict::OUTCOME_RETRY)->mutable_retry_after();
    after->set_seconds(seconds);
    after->set_nanos(nanos);
    const auto answers = ToAnswers(7, &response);
    EXPECT_TRUE(absl::IsInvalidArgument(answers.status())) << seconds << " " << nanos;
    EXPECT_THAT(std::string(answers.status().message()), HasSubstr("delivery 5"));
  }
}

TEST(ToAnswersTest, TakesAFailureWithItsMetadataAsDetail) {
  wire::Response response;
  auto* failure = AddVerdict(response, 1, WorkerVerdict::OUTCOME_REJECT)->mutable_failure();
  failure->set_reason("DB_DOWN");
  failure->set_message("no route to host");
  failure->set_detail("trace");
  (*failure->mutable_metadata())["table"] = "events";
  const auto answers = ToAnswers(7, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->verdicts[0].failure->reason, "DB_DOWN");
  EXPECT_EQ(answers->verdicts[0].failure->message, "no route to host");
  EXPECT_EQ(answers->verdicts[0].failure->detail, "trace\ntable: events");
}

TEST(ToAnswersTest, LetsNoSecretIn) {
  const std::string secret = "codec-planted-5ecret";
  AddLogSecret(secret);
  wire::Response response;
  auto* failure = AddVerdict(response, 1, WorkerVerdict::OUTCOME_RETRY)->mutable_failure();
  failure->set_reason(std::string(50, 'R') + secret);  // Cut within it.
  failure->set_message("refused: " + secret);
  failure->set_detail("user:" + secret + "@host");
  (*failure->mutable_metadata())[secret] = secret;
  const auto answers = ToAnswers(7, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->verdicts[0].failure->reason, std::string(50, 'R') + "***");
  EXPECT_EQ(answers->verdicts[0].failure->message, "refused: ***");
  EXPECT_EQ(answers->verdicts[0].failure->detail, "user:***@host\n***: ***");
}

TEST(ToAnswersTest, CutsTheTextsOfAFailure) {
  wire::Response response;
  auto* failure = AddVerdict(response, 1, WorkerVerdict::OUTCOME_REJECT)->mutable_failure();
  failure->set_reason(std::string(1000, 'R'));
  failure->set_message(std::string(100'000, 'm'));
  failure->set_detail(std::string(1'000'000, 'd'));
  (*failure->mutable_metadata())["more"] = "text";
  const auto answers = ToAnswers(7, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_THAT(answers->verdicts[0].failure->reason, SizeIs(64));
  EXPECT_THAT(answers->verdicts[0].failure->message, SizeIs(4 << 10));
  EXPECT_THAT(answers->verdicts[0].failure->detail, SizeIs(64 << 10));
}

TEST(ToAnswersTest, TakesEmitsAsTheyAre) {
  wire::Response response;
  wire::Verdict* verdict = AddVerdict(response, 1, WorkerVerdict::OUTCOME_DONE);
  verdict->add_emits("one");
  verdict->add_emits(std::string("\xFF\0x", 3));
  const auto answers = ToAnswers(7, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_THAT(answers->verdicts[0].emits, ElementsAre("one", std::string("\xFF\0x", 3)));
  EXPECT_EQ(EmitBytes(*answers), 6u);
}

TEST(ToAnswersTest, RefusesEmitsWithoutDone) {
  wire::Response response;
  AddVerdict(response, 3, WorkerVerdict::OUTCOME_RETRY)->add_emits("one");
  const auto answers = ToAnswers(7, &response);
  EXPECT_TRUE(absl::IsInvalidArgument(answers.status()));
  EXPECT_THAT(std::string(answers.status().message()),
              HasSubstr("delivery 3 that is not DONE: only DONE emits"));
}

TEST(ToAnswersTest, RefusesOpened) {
  wire::Response response;
  response.mutable_opened();
  const auto answers = ToAnswers(7, &response);
  EXPECT_THAT(std::string(answers.status().message()), HasSubstr("opened came a second time"));
}

TEST(EmitBytesTest, IsZeroWithoutEmits) { EXPECT_EQ(EmitBytes({}), 0u); }

}  // namespace
}  // namespace outboard::plugin

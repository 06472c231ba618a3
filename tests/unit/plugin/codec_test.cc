#include "host/plugin/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "host/base/log.h"
#include "host/event/wire.h"
#include "outboard/plugin/v1/producer.pb.h"
#include "outboard/plugin/v1/stage.pb.h"
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
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
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
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
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
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
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
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
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
    const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
    EXPECT_TRUE(absl::IsInvalidArgument(answers.status())) << seconds << " " << nanos;
    EXPECT_THAT(std::string(answers.status().message()), HasSubstr("delivery 5"));
  }
}

TEST(ToAnswersTest, TakesAFailureWithItsMetadata) {
  wire::Response response;
  auto* failure = AddVerdict(response, 1, WorkerVerdict::OUTCOME_REJECT)->mutable_failure();
  failure->set_reason("DB_DOWN");
  failure->set_message("no route to host");
  failure->set_detail("trace");
  (*failure->mutable_metadata())["table"] = "events";
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->verdicts[0].failure->reason, "DB_DOWN");
  EXPECT_EQ(answers->verdicts[0].failure->message, "no route to host");
  EXPECT_EQ(answers->verdicts[0].failure->detail, "trace");
  EXPECT_THAT(answers->verdicts[0].failure->metadata, ElementsAre(std::pair("table", "events")));
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
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->verdicts[0].failure->reason, std::string(50, 'R') + "***");
  EXPECT_EQ(answers->verdicts[0].failure->message, "refused: ***");
  EXPECT_EQ(answers->verdicts[0].failure->detail, "user:***@host");
  EXPECT_THAT(answers->verdicts[0].failure->metadata, ElementsAre(std::pair("***", "***")));
}

TEST(ToAnswersTest, CutsTheTextsOfAFailure) {
  wire::Response response;
  auto* failure = AddVerdict(response, 1, WorkerVerdict::OUTCOME_REJECT)->mutable_failure();
  failure->set_reason(std::string(1000, 'R'));
  failure->set_message(std::string(100'000, 'm'));
  failure->set_detail(std::string(1'000'000, 'd'));
  (*failure->mutable_metadata())["more"] = "text";
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_THAT(answers->verdicts[0].failure->reason, SizeIs(64));
  EXPECT_THAT(answers->verdicts[0].failure->message, SizeIs(4 << 10));
  EXPECT_THAT(answers->verdicts[0].failure->detail, SizeIs(64 << 10));
  EXPECT_THAT(answers->verdicts[0].failure->metadata, IsEmpty()) << "no room is left for it";
}

TEST(ToAnswersTest, CutsNoCharacterInTwo) {
  wire::Response response;
  auto* failure = AddVerdict(response, 1, WorkerVerdict::OUTCOME_REJECT)->mutable_failure();
  failure->set_reason(std::string(63, 'R') + "\u20ac");
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->verdicts[0].failure->reason.size(), 63u);
}

// ---- Calls

TEST(EncodeDeliveriesTest, SendsACallInPlaceOfAnEvent) {
  outboard::plugin::v1::Call call;
  call.set_pipeline("queue");
  call.set_operation("create");
  call.add_args()->set_data("1");
  lane::SendFrame frame;
  frame.first_id = 3;
  lane::FrameItem item;
  item.lane = 1;
  item.time_left = std::chrono::milliseconds(1500);
  item.call = std::make_shared<lane::Call>(lane::Call{call.SerializeAsString(), "queue", "create"});
  frame.items = {item, Item(1, 0)};
  const wire::Request request = Encoded(frame, {"stories", "queue"});
  ASSERT_EQ(request.deliveries_size(), 2);
  EXPECT_EQ(request.deliveries(0).call().SerializeAsString(), call.SerializeAsString());
  EXPECT_EQ(request.deliveries(0).event(), "");
  EXPECT_EQ(request.deliveries(0).route(), "") << "a call has come by none";
  EXPECT_EQ(request.deliveries(0).time_left().nanos(), 500'000'000);
  EXPECT_FALSE(request.deliveries(1).has_call());
}

TEST(ToAnswersTest, TakesWhatAStageMakesOfACall) {
  wire::Response response;
  outboard::plugin::v1::Call call;
  call.set_pipeline("queue");
  call.set_operation("create");
  outboard::plugin::v1::StageVerdict changed;
  changed.set_delivery_id(1);
  changed.set_outcome(outboard::plugin::v1::StageVerdict::OUTCOME_CONTINUE);
  *changed.mutable_call() = call;
  ASSERT_TRUE(response.add_verdicts()->ParseFromString(changed.SerializeAsString()));
  outboard::plugin::v1::StageVerdict halt;
  halt.set_delivery_id(2);
  halt.set_outcome(outboard::plugin::v1::StageVerdict::OUTCOME_HALT);
  halt.mutable_answer();
  ASSERT_TRUE(response.add_verdicts()->ParseFromString(halt.SerializeAsString()));
  halt.clear_answer();
  ASSERT_TRUE(response.add_verdicts()->ParseFromString(halt.SerializeAsString()));
  const auto answers = ToAnswers(7, lane::Role::kStage, &response);
  ASSERT_TRUE(answers.ok()) << answers.status();
  ASSERT_THAT(answers->verdicts, SizeIs(3));
  EXPECT_EQ(answers->verdicts[0].changed_call->operation, "create");
  EXPECT_EQ(answers->verdicts[0].changed_call->pipeline, "queue");
  EXPECT_EQ(answers->verdicts[0].changed_call->bytes, call.SerializeAsString());
  EXPECT_EQ(answers->verdicts[1].answer, "") << "an empty answer is one";
  EXPECT_EQ(answers->verdicts[2].answer, std::nullopt);
}

TEST(ToAnswersTest, RefusesACallOrAnAnswerThatDoesNotBelongToItsVerdict) {
  const auto refused = [](int outcome, const std::string& call, const std::string& answer) {
    wire::Response response;
    wire::Verdict* verdict = response.add_verdicts();
    verdict->set_delivery_id(5);
    verdict->set_outcome(outcome);
    if (!call.empty()) verdict->set_call(call);
    if (!answer.empty()) verdict->set_answer(answer);
    return std::string(ToAnswers(7, lane::Role::kStage, &response).status().message());
  };
  using outboard::plugin::v1::StageVerdict;
  EXPECT_THAT(refused(StageVerdict::OUTCOME_HALT, "\x0a\x01q", ""),
              HasSubstr("delivery 5 that is not CONTINUE"));
  EXPECT_THAT(refused(StageVerdict::OUTCOME_CONTINUE, "", "\x0a\x01q"),
              HasSubstr("delivery 5 that is not HALT"));
  EXPECT_THAT(refused(StageVerdict::OUTCOME_CONTINUE, "\x0a\x01\xff", ""),
              HasSubstr("no valid Call: is a text field no UTF-8?"));
  EXPECT_THAT(refused(StageVerdict::OUTCOME_HALT, "", "\x12\x01\xff"),
              HasSubstr("no valid Payload"));
}

TEST(ToAnswersTest, TakesEmitsAsTheyAre) {
  wire::Response response;
  wire::Verdict* verdict = AddVerdict(response, 1, WorkerVerdict::OUTCOME_DONE);
  verdict->add_payloads("one");
  verdict->add_payloads(std::string("\xFF\0x", 3));
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_THAT(answers->verdicts[0].emits, ElementsAre("one", std::string("\xFF\0x", 3)));
  EXPECT_EQ(EmitBytes(*answers), 6u);
}

TEST(ToAnswersTest, RefusesEmitsWithoutDone) {
  wire::Response response;
  AddVerdict(response, 3, WorkerVerdict::OUTCOME_RETRY)->add_payloads("one");
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
  EXPECT_TRUE(absl::IsInvalidArgument(answers.status()));
  EXPECT_THAT(std::string(answers.status().message()),
              HasSubstr("delivery 3 that is not DONE: only DONE emits"));
}

TEST(ToAnswersTest, RefusesOpened) {
  wire::Response response;
  response.mutable_opened();
  const auto answers = ToAnswers(7, lane::Role::kWorker, &response);
  EXPECT_THAT(std::string(answers.status().message()), HasSubstr("opened came a second time"));
}

TEST(EmitBytesTest, IsZeroWithoutEmits) { EXPECT_EQ(EmitBytes({}), 0u); }

TEST(ToAnswersTest, AStageMayHaltAndOthersMayNot) {
  wire::Response response;
  AddVerdict(response, 3, 5);
  auto answers = ToAnswers(7, lane::Role::kStage, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->verdicts[0].verdict, lane::Verdict::kHalt);
  answers = ToAnswers(7, lane::Role::kProducer, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->verdicts[0].verdict, lane::Verdict::kInvalid);
}

wire::Response Accepted(const outboard::plugin::v1::ProducerVerdict& verdict) {
  outboard::plugin::v1::ProduceResponse response;
  *response.add_verdicts() = verdict;
  wire::Response seen;
  EXPECT_TRUE(seen.ParseFromString(response.SerializeAsString()));
  return seen;
}

TEST(ToAnswersTest, TakesWhereAProducerPutAnEvent) {
  using outboard::plugin::v1::ProducerVerdict;
  const auto placed = [](const std::function<void(ProducerVerdict*)>& set) {
    ProducerVerdict verdict;
    verdict.set_delivery_id(3);
    verdict.set_outcome(ProducerVerdict::OUTCOME_ACCEPTED);
    set(&verdict);
    wire::Response response = Accepted(verdict);
    auto answers = ToAnswers(7, lane::Role::kProducer, &response);
    EXPECT_TRUE(answers.ok()) << answers.status();
    return std::move(answers->verdicts[0].placed);
  };
  EXPECT_EQ(placed([](ProducerVerdict*) {}), nullptr);
  EXPECT_EQ(*placed([](ProducerVerdict* v) { v->mutable_offset()->set_int_value(0); }),
            (bus::Placed{bus::Offset(int64_t{0}), std::nullopt}));
  EXPECT_EQ(placed([](ProducerVerdict* v) { v->mutable_offset()->set_double_value(2.5); })->offset,
            bus::Offset(2.5));
  EXPECT_EQ(placed([](ProducerVerdict* v) { v->mutable_offset()->set_string_value(""); })->offset,
            bus::Offset(std::string()));
  EXPECT_EQ(
      placed([](ProducerVerdict* v) { v->mutable_offset()->set_bytes_value("\xff"); })->offset,
      bus::Offset(bus::Bytes{"\xff"}));
  EXPECT_EQ(*placed([](ProducerVerdict* v) {
    v->mutable_accepted_at()->set_seconds(1'700'000'000);
    v->mutable_accepted_at()->set_nanos(123'456'789);
  }),
            (bus::Placed{bus::Offset(), Time(Duration(1'700'000'000'123'456))}));
}

TEST(ToAnswersTest, RefusesAnOffsetThatNamesNoPlace) {
  using outboard::plugin::v1::ProducerVerdict;
  const auto refused = [](ProducerVerdict::Outcome outcome, const std::string& offset,
                          int64_t seconds) {
    ProducerVerdict verdict;
    verdict.set_delivery_id(3);
    verdict.set_outcome(outcome);
    verdict.mutable_accepted_at()->set_seconds(seconds);
    wire::Response response = Accepted(verdict);
    if (!offset.empty()) response.mutable_verdicts(0)->add_payloads(offset);
    return std::string(ToAnswers(7, lane::Role::kProducer, &response).status().message());
  };
  EXPECT_THAT(refused(ProducerVerdict::OUTCOME_RETRY, "", 0), HasSubstr("only what was accepted"));
  const auto accepted = ProducerVerdict::OUTCOME_ACCEPTED;
  EXPECT_THAT(refused(accepted, "\x1a\x01\xff", 0),
              HasSubstr("delivery 3 is no valid Offset: is its string_value no UTF-8?"));
  EXPECT_THAT(refused(accepted, "\x7a\x01x", 0), HasSubstr("delivery 3 has no value"));
  EXPECT_THAT(refused(accepted, std::string(5000, 'x'), 0), HasSubstr("has 5000 bytes"));
  EXPECT_THAT(refused(accepted, "", int64_t{1} << 50), HasSubstr("accepted_at of delivery 3"));
}

TEST(ToAnswersTest, TakesAChangedEventWithContinueOnly) {
  wire::Response response;
  AddVerdict(response, 3, 1)->add_payloads("event");
  const auto answers = ToAnswers(7, lane::Role::kStage, &response);
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ(answers->verdicts[0].changed, "event");
  EXPECT_THAT(answers->verdicts[0].emits, IsEmpty());
  wire::Response rejected;
  AddVerdict(rejected, 3, 3)->add_payloads("event");
  EXPECT_THAT(std::string(ToAnswers(7, lane::Role::kStage, &rejected).status().message()),
              HasSubstr("only CONTINUE changes the event"));
}

}  // namespace
}  // namespace outboard::plugin

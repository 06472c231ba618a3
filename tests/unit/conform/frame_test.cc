#include "host/conform/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::conform {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(FrameTest, ReadsAWorkersFrame) {
  v1::HandleResponse response;
  response.mutable_opened()->set_instance_id("i");
  response.add_done_ids(3);
  response.add_progress_ids(4);
  response.set_window(0);
  v1::WorkerVerdict& verdict = *response.add_verdicts();
  verdict.set_delivery_id(1);
  verdict.set_outcome(v1::WorkerVerdict::OUTCOME_RETRY);
  verdict.mutable_failure()->set_reason("NO");
  verdict.mutable_retry_after()->set_nanos(500'000'000);
  verdict.add_emits()->set_type("t");
  const auto frame = ReadFrame(v1::ROLE_WORKER, response.SerializeAsString());
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(frame->opened, "i");
  EXPECT_THAT(frame->bare_ids, ElementsAre(3));
  EXPECT_THAT(frame->progress_ids, ElementsAre(4));
  EXPECT_EQ(frame->window, 0u);
  ASSERT_EQ(frame->verdicts.size(), 1u);
  EXPECT_EQ(frame->verdicts[0].outcome, kRetry);
  EXPECT_EQ(frame->verdicts[0].failure->reason(), "NO");
  EXPECT_EQ(frame->verdicts[0].retry_after, 0.5);
  EXPECT_EQ(frame->verdicts[0].events[0].type(), "t");
}

TEST(FrameTest, ReadsWhatOnlyAStageSays) {
  v1::ProcessResponse response;
  response.add_continue_ids(1);
  v1::StageVerdict& verdict = *response.add_verdicts();
  verdict.mutable_event()->set_id("e");
  verdict.mutable_call()->set_operation("create");
  verdict.mutable_answer()->set_data("1");
  const auto frame = ReadFrame(v1::ROLE_STAGE, response.SerializeAsString());
  ASSERT_TRUE(frame.ok());
  EXPECT_THAT(frame->bare_ids, ElementsAre(1));
  EXPECT_EQ(frame->verdicts[0].events[0].id(), "e");
  EXPECT_EQ(frame->verdicts[0].call->operation(), "create");
  EXPECT_EQ(frame->verdicts[0].payload->data(), "1");
}

TEST(FrameTest, ReadsAnOffsetWithoutAValue) {
  v1::ProduceResponse response;
  response.add_verdicts()->mutable_offset();
  const auto frame = ReadFrame(v1::ROLE_PRODUCER, response.SerializeAsString());
  ASSERT_TRUE(frame.ok());
  ASSERT_TRUE(frame->verdicts[0].offset.has_value());
  EXPECT_EQ(frame->verdicts[0].offset->value_case(), v1::Offset::VALUE_NOT_SET);
}

TEST(FrameTest, RefusesWhatIsNoFrame) {
  EXPECT_THAT(ReadFrame(v1::ROLE_WORKER, "\xff\xff\xff").status().message(),
              HasSubstr("3 bytes that is no HandleResponse"));
}

TEST(FrameTest, NamesOutcomesByRole) {
  EXPECT_EQ(OutcomeName(v1::ROLE_WORKER, kGood), "DONE");
  EXPECT_EQ(OutcomeName(v1::ROLE_STAGE, kGood), "CONTINUE");
  EXPECT_EQ(OutcomeName(v1::ROLE_PRODUCER, kGood), "ACCEPTED");
  EXPECT_EQ(OutcomeName(v1::ROLE_WORKER, kHalt), "5");
  EXPECT_FALSE(IsOutcome(v1::ROLE_WORKER, kHalt));
  EXPECT_TRUE(IsOutcome(v1::ROLE_STAGE, kHalt));
  EXPECT_FALSE(IsOutcome(v1::ROLE_STAGE, 0));
}

}  // namespace
}  // namespace outboard::conform

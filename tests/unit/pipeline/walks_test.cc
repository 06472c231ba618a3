#include "host/pipeline/walks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::pipeline {
namespace {

using lane::CallEnd;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr lane::LaneId kFirst = 10;
constexpr lane::LaneId kSecond = 11;

// Pipeline 0 with two stages, pipeline 1 with one.
class WalksTest : public ::testing::Test {
 protected:
  WalksTest() = default;
  explicit WalksTest(std::vector<Pipeline> pipelines) : walks_(std::move(pipelines)) {}

  static std::shared_ptr<const lane::Call> MakeCall(const std::string& bytes = "call",
                                                    const std::string& operation = "create",
                                                    const std::string& pipeline = "queue") {
    return std::make_shared<lane::Call>(lane::Call{bytes, pipeline, operation});
  }
  void Start(Walks::Id id, Time deadline = kNever) {
    walks_.Start(id, 0, MakeCall(), deadline, now_, &effects_);
  }
  void End(Walks::Id id, CallEnd::Kind kind, lane::Failure failure = {}) {
    CallEnd end;
    end.call = id;
    end.kind = kind;
    end.failure = std::move(failure);
    walks_.Take(std::move(end), now_, &effects_);
  }
  // "11: 1" for each call that a stage is to get.
  std::vector<std::string> Calls() {
    std::vector<std::string> out;
    for (const auto& call : std::exchange(effects_.calls, {}))
      out.push_back(std::to_string(call.lane) + ": " + std::to_string(call.call));
    return out;
  }
  Answer TheAnswer() {
    EXPECT_THAT(effects_.answers, SizeIs(1));
    Answer answer = effects_.answers.empty() ? Answer() : std::move(effects_.answers[0].second);
    effects_.answers.clear();
    return answer;
  }

  Time now_{std::chrono::seconds(1000)};
  Walks walks_{{{"queue", {{"first", kFirst}, {"second", kSecond}}}, {"topic", {{"only", 12}}}}};
  Walks::Effects effects_;
};

TEST_F(WalksTest, ACallGoesThroughTheStagesInOrder) {
  Start(1);
  EXPECT_THAT(Calls(), ElementsAre("10: 1"));
  End(1, CallEnd::Kind::kContinue);
  EXPECT_THAT(Calls(), ElementsAre("11: 1"));
  EXPECT_EQ(walks_.under_way(), 1u);
  End(1, CallEnd::Kind::kContinue);
  const Answer answer = TheAnswer();
  EXPECT_EQ(answer.code, absl::StatusCode::kOk);
  EXPECT_EQ(answer.stage, "");
  EXPECT_FALSE(answer.payload);
  EXPECT_EQ(walks_.under_way(), 0u);
  EXPECT_EQ(walks_.stats(0).unanswered, 1u);
}

TEST_F(WalksTest, TheFirstHaltAnswers) {
  Start(1);
  Calls();
  CallEnd end;
  end.call = 1;
  end.kind = CallEnd::Kind::kHalt;
  end.answer = "";
  walks_.Take(std::move(end), now_, &effects_);
  EXPECT_THAT(Calls(), IsEmpty());
  const Answer answer = TheAnswer();
  EXPECT_EQ(answer.stage, "first");
  EXPECT_EQ(answer.payload, "") << "an empty answer is one";
  EXPECT_EQ(walks_.stats(0).answered, 1u);
}

TEST_F(WalksTest, AnOperationThatNoStageHooksIsNamed) {
  Start(1);
  End(1, CallEnd::Kind::kPassed);
  End(1, CallEnd::Kind::kPassed);
  const Answer answer = TheAnswer();
  EXPECT_EQ(answer.code, absl::StatusCode::kUnimplemented);
  EXPECT_EQ(answer.failure.reason, "NO_STAGE");
  EXPECT_EQ(answer.failure.message, "no stage of pipeline queue hooks operation create");
  EXPECT_EQ(walks_.stats(0).failed.at(absl::StatusCode::kUnimplemented), 1u);
}

TEST_F(WalksTest, OneStageThatHooksItIsEnough) {
  Start(1);
  End(1, CallEnd::Kind::kContinue);
  End(1, CallEnd::Kind::kPassed);
  EXPECT_EQ(TheAnswer().code, absl::StatusCode::kOk);
}

TEST_F(WalksTest, TheNextStageGetsTheChangedCall) {
  Start(1);
  Calls();
  CallEnd end;
  end.call = 1;
  end.changed = MakeCall("changed");
  walks_.Take(std::move(end), now_, &effects_);
  ASSERT_THAT(effects_.calls, SizeIs(1));
  EXPECT_EQ(effects_.calls[0].body->bytes, "changed");
}

TEST_F(WalksTest, AChangeOfPipelineOrOperationIsRefused) {
  for (const auto& changed : {MakeCall("x", "delete"), MakeCall("x", "create", "topic")}) {
    Start(1);
    CallEnd end;
    end.call = 1;
    end.changed = changed;
    walks_.Take(std::move(end), now_, &effects_);
    const Answer answer = TheAnswer();
    EXPECT_EQ(answer.code, absl::StatusCode::kInternal);
    EXPECT_EQ(answer.failure.reason, "CHANGE_REFUSED");
    EXPECT_EQ(answer.stage, "first");
  }
}

TEST_F(WalksTest, FailuresEndTheWalkWithTheirStage) {
  Start(1);
  End(1, CallEnd::Kind::kContinue);
  End(1, CallEnd::Kind::kFailed, {"NOT_FOUND", "no such queue", "trace", {{"queue", "q"}}});
  Answer answer = TheAnswer();
  EXPECT_EQ(answer.code, absl::StatusCode::kNotFound);
  EXPECT_EQ(answer.stage, "second");
  EXPECT_EQ(answer.failure.detail, "trace");
  EXPECT_THAT(answer.failure.metadata, ElementsAre(std::pair("queue", "q")));

  Start(2);
  End(2, CallEnd::Kind::kUnavailable, {"BUSY", "later", ""});
  EXPECT_EQ(TheAnswer().code, absl::StatusCode::kUnavailable);
  Start(3);
  End(3, CallEnd::Kind::kDeadline);
  answer = TheAnswer();
  EXPECT_EQ(answer.code, absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(answer.failure.reason, "UNSPECIFIED");
}

TEST_F(WalksTest, TheCallersDeadlineEndsTheWalkWhereverItIs) {
  Start(1, now_ + milliseconds(100));
  Start(2, now_ + milliseconds(300));
  End(1, CallEnd::Kind::kContinue);
  EXPECT_EQ(walks_.NextDue(), now_ + milliseconds(100));
  walks_.FireTimers(now_ + milliseconds(99), &effects_);
  EXPECT_THAT(effects_.answers, IsEmpty());
  walks_.FireTimers(now_ + milliseconds(100), &effects_);
  const Answer answer = TheAnswer();
  EXPECT_EQ(answer.code, absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(answer.stage, "second");
  EXPECT_THAT(effects_.cancels, ElementsAre(std::pair(kSecond, Walks::Id{1})));
  EXPECT_EQ(walks_.NextDue(), now_ + milliseconds(300));
  // What its stage says after all is too late.
  End(1, CallEnd::Kind::kContinue);
  EXPECT_THAT(effects_.answers, IsEmpty());
}

TEST_F(WalksTest, ACallThatIsGivenUpIsCancelledAndNotAnswered) {
  Start(1, now_ + milliseconds(100));
  walks_.Cancel(1, now_, &effects_);
  EXPECT_THAT(effects_.cancels, ElementsAre(std::pair(kFirst, Walks::Id{1})));
  EXPECT_THAT(effects_.answers, IsEmpty());
  EXPECT_EQ(walks_.NextDue(), kNever);
  EXPECT_EQ(walks_.under_way(), 0u);
  EXPECT_EQ(walks_.stats(0).failed.at(absl::StatusCode::kCancelled), 1u);
  walks_.Cancel(1, now_, &effects_);
  EXPECT_THAT(effects_.cancels, SizeIs(1));
}

// ---- Events before the bus ----

// Entry 0 of the ingress: the second stage fails open.
class EventWalksTest : public WalksTest {
 protected:
  EventWalksTest()
      : WalksTest({{"screening", {{"first", kFirst}, {"second", kSecond, /*fail_open=*/true}}}}) {}

  static std::shared_ptr<const lane::Call> MakeEvent(const std::string& id) {
    auto call = std::make_shared<lane::Call>();
    call->event = *Event::FromChecked("\x0A" + std::string(1, static_cast<char>(id.size())) + id +
                                      "\x12\x01s\x1A\x03" + "1.0\x22\x01t");
    return call;
  }
  void StartEvent(Walks::Id id, Time deadline = kNever) {
    walks_.Start(id, 0, MakeEvent("e" + std::to_string(id)), deadline, now_, &effects_);
  }
};

TEST_F(EventWalksTest, AnEventThatPassesAllStagesComesOutAsTheyLeftIt) {
  StartEvent(1);
  EXPECT_THAT(Calls(), ElementsAre("10: 1"));
  CallEnd end;
  end.call = 1;
  end.changed = MakeEvent("changed");
  walks_.Take(std::move(end), now_, &effects_);
  ASSERT_THAT(effects_.calls, SizeIs(1));
  EXPECT_EQ(effects_.calls[0].body->event.id(), "changed");
  EXPECT_THAT(Calls(), ElementsAre("11: 1"));
  End(1, CallEnd::Kind::kContinue);
  const Answer answer = TheAnswer();
  EXPECT_EQ(answer.code, absl::StatusCode::kOk);
  EXPECT_EQ(answer.stage, "");
  EXPECT_EQ(answer.event.id(), "changed");
  EXPECT_EQ(walks_.stats(0).unanswered, 1u);
}

TEST_F(EventWalksTest, OneThatNoStageHooksPassesToo) {
  StartEvent(1);
  End(1, CallEnd::Kind::kPassed);
  End(1, CallEnd::Kind::kPassed);
  const Answer answer = TheAnswer();
  EXPECT_EQ(answer.code, absl::StatusCode::kOk);
  EXPECT_EQ(answer.event.id(), "e1");
}

TEST_F(EventWalksTest, AHaltDropsIt) {
  StartEvent(1);
  Calls();
  End(1, CallEnd::Kind::kHalt);
  EXPECT_THAT(Calls(), IsEmpty());
  const Answer answer = TheAnswer();
  EXPECT_EQ(answer.code, absl::StatusCode::kOk);
  EXPECT_EQ(answer.stage, "first");
  EXPECT_TRUE(answer.event.empty());
  EXPECT_EQ(walks_.stats(0).answered, 1u);
}

TEST_F(EventWalksTest, FailuresSayWhetherTheNextTimeMayBeAnother) {
  const auto code = [this](CallEnd::Kind kind, const std::string& reason) {
    StartEvent(1);
    CallEnd end;
    end.call = 1;
    end.kind = kind;
    end.failure = {reason, "", ""};
    end.retry_after = milliseconds(70);
    walks_.Take(std::move(end), now_, &effects_);
    const Answer answer = TheAnswer();
    EXPECT_EQ(answer.stage, "first");
    EXPECT_EQ(answer.failure.reason, reason);
    EXPECT_EQ(answer.retry_after, milliseconds(70));
    return answer.code;
  };
  EXPECT_EQ(code(CallEnd::Kind::kFailed, "SPAM"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(CallEnd::Kind::kFailed, "UNAVAILABLE"), absl::StatusCode::kInvalidArgument)
      << "a reason is no code here";
  EXPECT_EQ(code(CallEnd::Kind::kRefused, "TOO_LARGE"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(CallEnd::Kind::kRefused, "CHANGE_REFUSED"), absl::StatusCode::kInternal);
  EXPECT_EQ(code(CallEnd::Kind::kUnavailable, "SESSION_LOST"), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(CallEnd::Kind::kDeadline, "DEADLINE"), absl::StatusCode::kUnavailable);
}

TEST_F(EventWalksTest, ThePublishersDeadlineIsUnavailableToo) {
  StartEvent(1, now_ + milliseconds(100));
  now_ += milliseconds(100);
  walks_.FireTimers(now_, &effects_);
  EXPECT_EQ(TheAnswer().code, absl::StatusCode::kUnavailable);
  EXPECT_THAT(effects_.cancels, ElementsAre(std::pair(kFirst, Walks::Id{1})));
}

TEST_F(EventWalksTest, AStageThatFailsOpenIsPassedByWhereItHasNoAnswer) {
  const auto end_of_second = [this](CallEnd::Kind kind) {
    StartEvent(1);
    End(1, CallEnd::Kind::kContinue);
    End(1, kind);
    return TheAnswer();
  };
  for (const auto kind :
       {CallEnd::Kind::kUnavailable, CallEnd::Kind::kDeadline, CallEnd::Kind::kRefused}) {
    const Answer answer = end_of_second(kind);
    EXPECT_EQ(answer.code, absl::StatusCode::kOk);
    EXPECT_EQ(answer.event.id(), "e1");
  }
  EXPECT_EQ(end_of_second(CallEnd::Kind::kFailed).code, absl::StatusCode::kInvalidArgument)
      << "a rejection is an answer";
  walks_.StopFailingOpen();
  EXPECT_EQ(end_of_second(CallEnd::Kind::kUnavailable).code, absl::StatusCode::kUnavailable);
}

TEST(CodeOfTest, ReasonsWithTheNameOfACodeHaveThatCode) {
  EXPECT_EQ(CodeOf("NOT_FOUND"), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOf("UNAUTHENTICATED"), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(CodeOf("TOO_LARGE"), absl::StatusCode::kResourceExhausted);
  for (const char* other : {"QUEUE_IS_FULL", "", "OK", "CANCELLED", "not_found"})
    EXPECT_EQ(CodeOf(other), absl::StatusCode::kUnknown) << other;
}

TEST_F(WalksTest, APipelineMayComeLater) {
  Start(1);
  walks_.Add({"later", {{"p.last", 12, false}}});
  walks_.Start(2, walks_.pipelines().size() - 1, MakeCall(), kNever, now_, &effects_);
  EXPECT_THAT(Calls(), ElementsAre("10: 1", "12: 2"));
  End(2, CallEnd::Kind::kHalt);
  EXPECT_EQ(TheAnswer().stage, "p.last");
  EXPECT_EQ(walks_.stats(walks_.pipelines().size() - 1).answered, 1u);
}

}  // namespace
}  // namespace outboard::pipeline

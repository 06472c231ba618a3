// Calls of pipelines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr LaneId kCalls = 0;
constexpr LaneId kEvents = 1;

DispatcherOptions CallsAndEvents() {
  DispatcherOptions options = OneLane();
  LaneOptions events = options.lanes[0];
  events.id = kEvents;
  events.role = Role::kStage;
  events.next = 2;
  LaneOptions& calls = options.lanes[0];
  calls.id = kCalls;
  calls.role = Role::kStage;
  calls.calls = true;
  options.lanes.push_back(events);
  options.circuit.crashes = 2;
  return options;
}

// One stage that takes calls and events.
class CallsTest : public ::testing::Test {
 protected:
  CallsTest() : dispatcher_(CallsAndEvents(), 1) {}

  void Give(Input input) {
    effects_.Clear();
    dispatcher_.Step(std::move(input), now_, &effects_);
    for (CallEnd& end : effects_.call_ends) ends_.push_back(std::move(end));
    for (SendFrame& frame : effects_.frames) frames_.push_back(std::move(frame));
  }
  void Up(SessionId id, std::vector<std::string> operations = {"*"}) {
    SessionUp up = Session(id);
    up.operations = std::move(operations);
    Give(std::move(up));
  }
  void Call(uint64_t id, const std::string& operation = "create", Time deadline = kNever) {
    CallsArrived in;
    in.calls.push_back({kCalls, id,
                        std::make_shared<lane::Call>(lane::Call{"bytes", "queue", operation}),
                        deadline});
    Give(std::move(in));
  }
  void Say(uint64_t delivery, Verdict verdict, SessionId session = 1,
           std::optional<std::string> payload = std::nullopt) {
    AnswersArrived in;
    in.session = session;
    Answer& answer = in.verdicts.emplace_back();
    answer.delivery_id = delivery;
    answer.verdict = verdict;
    answer.answer = std::move(payload);
    if (verdict == Verdict::kRetry || verdict == Verdict::kReject)
      answer.failure = std::make_unique<Failure>(Failure{"WHY", "message", "", {{"a", "b"}}});
    Give(std::move(in));
  }
  void Wait(Duration d) {
    const Time until = now_ + d;
    while (effects_.wake_at <= until) {
      now_ = effects_.wake_at;
      Give(TimerFired());
    }
    now_ = until;
  }
  void Crash(SessionId session) { Give(SessionDown{session, DownCause::kCrashed, "signal 11"}); }
  // Seconds until the instance is replaced, at most 100; `meanwhile` comes with each of them.
  int UntilReplaced(const std::function<void()>& meanwhile = [] {}) {
    for (int i = 1; i < 100; ++i) {
      now_ += seconds(1);
      meanwhile();
      Give(TimerFired());
      if (!effects_.replaces.empty()) return i;
    }
    return 100;
  }
  CallEnd TheEnd() {
    EXPECT_THAT(ends_, SizeIs(1));
    CallEnd end = ends_.empty() ? CallEnd() : std::move(ends_[0]);
    ends_.clear();
    return end;
  }

  Time now_{seconds(1000)};
  Dispatcher dispatcher_;
  Effects effects_;
  std::vector<CallEnd> ends_;
  std::vector<SendFrame> frames_;
};

TEST_F(CallsTest, ACallIsSentAsItIs) {
  Up(1);
  Call(7);
  ASSERT_THAT(frames_, SizeIs(1));
  ASSERT_THAT(frames_[0].items, SizeIs(1));
  EXPECT_EQ(frames_[0].items[0].call->bytes, "bytes");
  EXPECT_EQ(frames_[0].items[0].attempt, 1u);
  EXPECT_EQ(frames_[0].items[0].time_left, std::nullopt);
  EXPECT_EQ(dispatcher_.stats(kCalls).in_flight, 1u);
}

TEST_F(CallsTest, EachVerdictEndsIt) {
  Up(1);
  for (uint64_t call = 1; call <= 4; ++call) Call(call);
  Say(1, Verdict::kDone);
  Say(2, Verdict::kHalt, 1, "payload");
  Say(3, Verdict::kReject);
  Say(4, Verdict::kRetry);
  ASSERT_THAT(ends_, SizeIs(4));
  EXPECT_EQ(ends_[0].kind, CallEnd::Kind::kContinue);
  EXPECT_EQ(ends_[0].call, 1u);
  EXPECT_EQ(ends_[0].lane, kCalls);
  EXPECT_EQ(ends_[1].kind, CallEnd::Kind::kHalt);
  EXPECT_EQ(ends_[1].answer, "payload");
  EXPECT_EQ(ends_[2].kind, CallEnd::Kind::kFailed);
  EXPECT_EQ(ends_[2].failure.reason, "WHY");
  EXPECT_THAT(ends_[2].failure.metadata, ElementsAre(std::pair("a", "b")));
  EXPECT_EQ(ends_[3].kind, CallEnd::Kind::kUnavailable);
  const LaneStats& stats = dispatcher_.stats(kCalls);
  EXPECT_EQ(stats.passed + stats.halted + stats.rejected + stats.retries, 4u);
  EXPECT_THAT(effects_.settlements, IsEmpty());
}

TEST_F(CallsTest, WhatTheStageDoesNotHookPassesIt) {
  Up(1, {"delete"});
  Call(1, "create");
  EXPECT_EQ(TheEnd().kind, CallEnd::Kind::kPassed);
  EXPECT_THAT(frames_, IsEmpty());
  Call(2, "delete");
  EXPECT_THAT(frames_, SizeIs(1));
}

TEST_F(CallsTest, AStageThatHooksNothingIsPassedToo) {
  Up(1, {});
  Call(1);
  EXPECT_EQ(TheEnd().kind, CallEnd::Kind::kPassed);
}

TEST_F(CallsTest, BeforeThereIsASessionItWaitsAndPassesThen) {
  Call(1, "create");
  Call(2, "delete");
  EXPECT_THAT(ends_, IsEmpty());
  Up(1, {"delete"});
  const CallEnd end = TheEnd();
  EXPECT_EQ(end.kind, CallEnd::Kind::kPassed);
  EXPECT_EQ(end.call, 1u);
  EXPECT_THAT(frames_, SizeIs(1));
}

TEST_F(CallsTest, WithoutAnInstanceForLongItIsTold) {
  Call(1);
  Wait(seconds(9));
  EXPECT_THAT(ends_, IsEmpty());
  Wait(seconds(2));
  CallEnd end = TheEnd();
  EXPECT_EQ(end.kind, CallEnd::Kind::kUnavailable);
  EXPECT_EQ(end.failure.reason, "NOT_READY");
  EXPECT_THAT(end.failure.message, HasSubstr("no instance of plugin"));
  Call(2);
  EXPECT_EQ(TheEnd().kind, CallEnd::Kind::kUnavailable) << "at once";
}

TEST_F(CallsTest, ALostSessionEndsWhatItHadInHandAndNothingIsSuspected) {
  Up(1);
  Call(1);
  Call(2);
  Crash(1);
  ASSERT_THAT(ends_, SizeIs(2));
  for (const CallEnd& end : ends_) {
    EXPECT_EQ(end.kind, CallEnd::Kind::kUnavailable);
    EXPECT_EQ(end.failure.reason, "SESSION_LOST");
    EXPECT_EQ(end.failure.message, "signal 11");
  }
  EXPECT_THAT(dispatcher_.suspects(), IsEmpty());
  EXPECT_FALSE(effects_.wants_quarantine);
}

TEST_F(CallsTest, EventsBesideItAreStillSuspects) {
  Up(1);
  Call(1);
  DeliveriesArrived in;
  in.deliveries.emplace_back();
  in.deliveries[0].lane = kEvents;
  in.deliveries[0].tag = 1;
  Give(std::move(in));
  Crash(1);
  EXPECT_EQ(TheEnd().failure.reason, "SESSION_LOST");
  EXPECT_THAT(dispatcher_.suspects(), SizeIs(1));
}

TEST_F(CallsTest, ADrainedSessionGivesItToAnother) {
  Up(1);
  Call(1);
  Give(SessionDown{1, DownCause::kDrained, ""});
  EXPECT_THAT(ends_, IsEmpty());
  Up(2);
  ASSERT_THAT(frames_, SizeIs(2));
  EXPECT_EQ(frames_[1].session, 2u);
}

TEST_F(CallsTest, AStagesTimeLimitIsADeadline) {
  Up(1);
  Call(1);
  Wait(seconds(29));
  EXPECT_THAT(ends_, IsEmpty());
  Wait(seconds(2));
  EXPECT_EQ(TheEnd().kind, CallEnd::Kind::kDeadline);
  Say(1, Verdict::kDone);
  EXPECT_THAT(ends_, IsEmpty());
  EXPECT_EQ(dispatcher_.late_answers(), 1u);
}

TEST_F(CallsTest, WhatTheCallersDeadlineLeavesIsSaid) {
  Up(1);
  Call(1, "create", now_ + milliseconds(200));
  Call(2, "create", now_ + seconds(3600));
  ASSERT_THAT(frames_, SizeIs(2));
  EXPECT_EQ(frames_[0].items[0].time_left, milliseconds(200));
  EXPECT_EQ(frames_[1].items[0].time_left, seconds(30)) << "the plugin's own limit";
}

TEST_F(CallsTest, ACancelledOneIsCancelledAtThePluginAndKeepsItsCredit) {
  Up(1);
  Call(1);
  Give(CallsCancelled{{1}});
  ASSERT_THAT(effects_.cancels, SizeIs(1));
  EXPECT_THAT(effects_.cancels[0].ids, ElementsAre(1u));
  EXPECT_THAT(ends_, IsEmpty());
  EXPECT_EQ(dispatcher_.sessions()[0].in_flight, 1u);
  EXPECT_EQ(dispatcher_.stats(kCalls).in_flight, 0u);
  Say(1, Verdict::kDone);
  EXPECT_EQ(dispatcher_.sessions()[0].in_flight, 0u);
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(CallsTest, ACancelledOneThatWaitsIsGone) {
  Call(1);
  Give(CallsCancelled{{1, 99}});
  Up(1);
  EXPECT_THAT(frames_, IsEmpty());
}

TEST_F(CallsTest, ACancelledOneMakesItsSessionStuckNoSoonerThanAnotherWould) {
  Up(1);
  Call(1);
  Give(CallsCancelled{{1}});
  // Its own time limit, and one more.
  EXPECT_EQ(UntilReplaced(), 60);
  EXPECT_TRUE(effects_.replaces[0].at_once);
}

TEST_F(CallsTest, ProgressOfACancelledOneIsASignOfLife) {
  Up(1);
  Call(1);
  Give(CallsCancelled{{1}});
  EXPECT_EQ(UntilReplaced([this] {
              AnswersArrived progress;
              progress.session = 1;
              progress.progress_ids = {1};
              Give(std::move(progress));
            }),
            60);
  EXPECT_FALSE(effects_.replaces[0].at_once) << "after a drain: the others end well";
}

TEST_F(CallsTest, ACancelledOneWhoseTurnIsToComeHasItsTimeFromThen) {
  SessionUp up = Session(1);
  up.operations = {"*"};
  up.concurrency = 1;
  Give(std::move(up));
  Call(1);
  Call(2);
  Give(CallsCancelled{{2}});
  Wait(seconds(20));
  Say(1, Verdict::kDone);
  EXPECT_EQ(UntilReplaced(), 60);
}

TEST_F(CallsTest, AReleasedOneGoesToAnotherAndThreeTimesIsEnough) {
  Up(1);
  Call(1);
  for (uint64_t delivery = 1; delivery <= 2; ++delivery) {
    Say(delivery, Verdict::kRelease);
    EXPECT_THAT(ends_, IsEmpty());
    Wait(milliseconds(101));
    EXPECT_THAT(frames_, SizeIs(delivery + 1));
  }
  Say(3, Verdict::kRelease);
  const CallEnd end = TheEnd();
  EXPECT_EQ(end.kind, CallEnd::Kind::kUnavailable);
  EXPECT_EQ(end.failure.reason, "RELEASED");
}

TEST_F(CallsTest, AnOpenCircuitRefusesThemAndOneCallIsItsTrial) {
  Up(1);
  Crash(1);
  Up(2);
  Crash(2);
  ASSERT_EQ(dispatcher_.circuit(), CircuitState::kOpen);
  Up(3);
  Call(1);
  EXPECT_THAT(TheEnd().failure.message, HasSubstr("is open: "));
  Wait(seconds(61));
  Call(2);
  ASSERT_THAT(frames_, SizeIs(1)) << "the trial";
  Call(3);
  EXPECT_THAT(frames_, SizeIs(1)) << "which is the only one";
  Say(1, Verdict::kHalt, 3);
  EXPECT_EQ(TheEnd().call, 2u);
  EXPECT_EQ(dispatcher_.circuit(), CircuitState::kClosed);
  EXPECT_THAT(frames_, SizeIs(2));
}

TEST_F(CallsTest, ARejectIsAsGoodATrialAsAnyAnswer) {
  Up(1);
  Crash(1);
  Up(2);
  Crash(2);
  Up(3);
  Wait(seconds(61));
  Call(1);
  Say(1, Verdict::kReject, 3);
  EXPECT_EQ(TheEnd().kind, CallEnd::Kind::kFailed);
  EXPECT_EQ(dispatcher_.circuit(), CircuitState::kClosed);
}

TEST_F(CallsTest, ATrialThatItsCallerGivesUpIsFollowedByTheNextCall) {
  Up(1);
  Crash(1);
  Up(2);
  Crash(2);
  Up(3);
  Wait(seconds(61));
  Call(1);
  Give(CallsCancelled{{1}});
  EXPECT_EQ(dispatcher_.circuit(), CircuitState::kTrial);
  Call(2);
  ASSERT_THAT(frames_, SizeIs(2));
  Say(2, Verdict::kHalt, 3);
  EXPECT_EQ(TheEnd().call, 2u);
  EXPECT_EQ(dispatcher_.circuit(), CircuitState::kClosed);
}

TEST_F(CallsTest, ATrialThatFailsRefusesWhatWaitedForIt) {
  Up(1);
  Crash(1);
  Up(2);
  Crash(2);
  Up(3);
  Wait(seconds(61));
  Call(1);
  Call(2);
  Crash(3);
  EXPECT_THAT(ends_, SizeIs(2));
  EXPECT_EQ(dispatcher_.circuit(), CircuitState::kOpen);
}

TEST_F(CallsTest, ADrainRefusesWhatWaitsAndLetsTheOthersEnd) {
  Call(1);
  Up(1);
  Give(StartDrain{now_ + seconds(10)});
  EXPECT_FALSE(effects_.drained);
  Call(2);
  CallEnd end = TheEnd();
  EXPECT_EQ(end.call, 2u);
  EXPECT_EQ(end.failure.message, "the host is shutting down");
  Say(1, Verdict::kHalt, 1, "x");
  EXPECT_EQ(TheEnd().kind, CallEnd::Kind::kHalt);
  EXPECT_TRUE(effects_.drained);
}

TEST_F(CallsTest, OneThatIsTooLargeIsRefused) {
  SessionUp up = Session(1);
  up.operations = {"*"};
  up.max_message_bytes = 100;
  Give(std::move(up));
  Call(1);
  const CallEnd end = TheEnd();
  EXPECT_EQ(end.kind, CallEnd::Kind::kRefused);
  EXPECT_EQ(end.failure.reason, "TOO_LARGE");
  EXPECT_THAT(end.failure.message, HasSubstr("the call has 5 bytes"));
  EXPECT_THAT(effects_.notices, IsEmpty()) << "it is no dead letter";
}

// ---- Events before the bus, as calls ----

class EventCallsTest : public CallsTest {
 protected:
  // No operations: they are of other calls.
  void UpFor(std::vector<std::string> types) {
    SessionUp up = Session(1);
    up.event_types = std::move(types);
    Give(std::move(up));
  }
  static std::string BytesOf(const std::string& id, const std::string& source = "s") {
    return "\x0A" + std::string(1, static_cast<char>(id.size())) + id + "\x12" +
           std::string(1, static_cast<char>(source.size())) + source + "\x1A\x03" +
           "1.0\x22\x0Astory.post";
  }
  void Event(uint64_t id) {
    auto body = std::make_shared<lane::Call>();
    body->event = *outboard::Event::FromChecked(BytesOf("e" + std::to_string(id)));
    CallsArrived in;
    in.calls.push_back({kCalls, id, std::move(body), kNever});
    Give(std::move(in));
  }
  void Change(uint64_t delivery, std::string bytes) {
    AnswersArrived in;
    in.session = 1;
    Answer& answer = in.verdicts.emplace_back();
    answer.delivery_id = delivery;
    answer.verdict = Verdict::kDone;
    answer.changed = std::move(bytes);
    Give(std::move(in));
  }
};

TEST_F(EventCallsTest, AnEventIsSentAsOneAndNotAsACall) {
  UpFor({});
  Event(1);
  ASSERT_THAT(frames_, SizeIs(1));
  EXPECT_EQ(frames_[0].items[0].event.id(), "e1");
  EXPECT_EQ(frames_[0].items[0].call, nullptr);
  EXPECT_EQ(frames_[0].items[0].lane, kCalls);
  Say(1, Verdict::kDone);
  const CallEnd end = TheEnd();
  EXPECT_EQ(end.kind, CallEnd::Kind::kContinue);
  EXPECT_EQ(end.changed, nullptr);
  EXPECT_THAT(effects_.settlements, IsEmpty());
  EXPECT_EQ(dispatcher_.stats(kCalls).passed, 1u);
}

TEST_F(EventCallsTest, ItsTypeSaysWhetherTheStageHooksIt) {
  UpFor({"story.#"});
  Event(1);
  EXPECT_THAT(frames_, SizeIs(1));
  Give(SessionDown{1, DownCause::kDrained, ""});
  UpFor({"task.#"});
  EXPECT_EQ(TheEnd().kind, CallEnd::Kind::kPassed) << "by what the stage says now";
  Event(2);
  EXPECT_EQ(TheEnd().kind, CallEnd::Kind::kPassed);
}

TEST_F(EventCallsTest, AChangeHasToBeTheSameEvent) {
  UpFor({});
  for (uint64_t id = 1; id <= 4; ++id) Event(id);
  Change(1, BytesOf("e1") + "\x32\x01x");  // binary_data.
  CallEnd end = TheEnd();
  EXPECT_EQ(end.kind, CallEnd::Kind::kContinue);
  ASSERT_NE(end.changed, nullptr);
  EXPECT_EQ(end.changed->event.bytes(), BytesOf("e1") + "\x32\x01x");
  Change(2, BytesOf("other"));
  Change(3, BytesOf("e3", "other"));
  Change(4, "no event");
  ASSERT_THAT(ends_, SizeIs(3));
  for (const CallEnd& refused : ends_) {
    EXPECT_EQ(refused.kind, CallEnd::Kind::kRefused);
    EXPECT_EQ(refused.failure.reason, "CHANGE_REFUSED");
    EXPECT_THAT(refused.failure.message, HasSubstr("the changed event: "));
  }
  EXPECT_EQ(dispatcher_.stats(kCalls).passed, 1u);
}

TEST_F(EventCallsTest, ARetrySaysWhen) {
  UpFor({});
  Event(1);
  AnswersArrived in;
  in.session = 1;
  Answer& answer = in.verdicts.emplace_back();
  answer.delivery_id = 1;
  answer.verdict = Verdict::kRetry;
  answer.retry_after = seconds(7);
  Give(std::move(in));
  const CallEnd end = TheEnd();
  EXPECT_EQ(end.kind, CallEnd::Kind::kUnavailable);
  EXPECT_EQ(end.retry_after, seconds(7));
}

TEST_F(EventCallsTest, ALostSessionEndsItAndNothingIsSuspected) {
  UpFor({});
  Event(1);
  Crash(1);
  EXPECT_EQ(TheEnd().failure.reason, "SESSION_LOST");
  EXPECT_THAT(dispatcher_.suspects(), IsEmpty());
}

TEST_F(EventCallsTest, OneThatIsTooLargeIsRefused) {
  SessionUp up = Session(1);
  up.max_message_bytes = 100;
  Give(std::move(up));
  Event(1);
  const CallEnd end = TheEnd();
  EXPECT_EQ(end.kind, CallEnd::Kind::kRefused);
  EXPECT_THAT(end.failure.message, HasSubstr("the event has "));
}

}  // namespace
}  // namespace outboard::lane

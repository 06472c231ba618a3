#include "host/conform/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::conform {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// One session of a component, with `sent` deliveries after opened.
class Watched {
 public:
  explicit Watched(v1::Role role, int sent = 3, bool in_order = false)
      : audit_(Make(role, in_order)) {
    PluginFrame opened;
    opened.opened = "i";
    audit_.Came(opened);
    HostFrame frame;
    for (int i = 1; i <= sent; ++i) {
      v1::Delivery& delivery = *frame.add_deliveries();
      delivery.set_delivery_id(static_cast<uint64_t>(i));
      delivery.mutable_event()->set_id("e");
      delivery.mutable_event()->set_source("s");
      if (in_order) delivery.set_order_key("k");
    }
    audit_.Sent(frame);
  }

  void Bare(std::vector<uint64_t> ids) {
    PluginFrame frame;
    frame.bare_ids = std::move(ids);
    audit_.Came(frame);
  }
  void Say(Answer answer) {
    PluginFrame frame;
    frame.verdicts.push_back(std::move(answer));
    audit_.Came(frame);
  }
  std::vector<std::string> Rules() const {
    std::vector<std::string> rules;
    for (const Breach& breach : audit_.breaches()) rules.push_back(breach.rule);
    return rules;
  }
  Audit& audit() { return audit_; }

 private:
  static Audit::Settings Make(v1::Role role, bool in_order) {
    Audit::Settings settings;
    settings.component.set_role(role);
    settings.component.set_in_order(in_order);
    settings.component.add_emits("good.*");
    settings.max_frame_bytes = 1000;
    return settings;
  }

  Audit audit_;
};

Answer Verdict(uint64_t id, int outcome) {
  Answer answer;
  answer.id = id;
  answer.outcome = outcome;
  if (outcome == kRetry || outcome == kReject) answer.failure.emplace().set_reason("DISK_FULL");
  return answer;
}

event::v1::Event MakeEvent(const std::string& id, const std::string& source) {
  event::v1::Event event;
  event.set_id(id);
  event.set_source(source);
  event.set_spec_version("1.0");
  event.set_type("good.one");
  return event;
}

TEST(AuditTest, FindsNothingWhereEachDeliveryIsAnsweredOnce) {
  Watched session(v1::ROLE_WORKER);
  session.Bare({3, 1});
  session.Say(Verdict(2, kRetry));
  EXPECT_THAT(session.Rules(), IsEmpty());
  EXPECT_EQ(session.audit().unanswered(), 0u);
  EXPECT_EQ(session.audit().outcome(2), kRetry);
}

TEST(AuditTest, NamesWhatIsUnanswered) {
  Watched session(v1::ROLE_WORKER);
  session.Bare({2});
  EXPECT_THAT(session.audit().Unanswered(), ElementsAre(1, 3));
}

TEST(AuditTest, FindsASecondAnswerAndIdsThatWereNotSent) {
  Watched session(v1::ROLE_WORKER);
  session.Bare({1, 1, 4, 0});
  EXPECT_THAT(session.Rules(), ElementsAre("answer.once", "answer.known-id", "answer.known-id"));
}

TEST(AuditTest, FindsProgressOfWhatWasNotSent) {
  Watched session(v1::ROLE_WORKER);
  PluginFrame frame;
  frame.progress_ids = {1, 9};
  session.audit().Came(frame);
  EXPECT_THAT(session.Rules(), ElementsAre("answer.known-id"));
}

TEST(AuditTest, FindsWhatComesBeforeOpenedAndOpenedTwice) {
  Audit audit({});
  PluginFrame frame;
  audit.Came(frame);
  frame.opened = "i";
  audit.Came(frame);
  ASSERT_EQ(audit.breaches().size(), 2u);
  EXPECT_EQ(audit.breaches()[0].rule, "opened.first");
  EXPECT_EQ(audit.breaches()[1].rule, "opened.once");
}

TEST(AuditTest, KnowsTheOutcomesOfEachRole) {
  Watched worker(v1::ROLE_WORKER);
  worker.Say(Verdict(1, 0));
  worker.Say(Verdict(2, kHalt));
  EXPECT_THAT(worker.Rules(), ElementsAre("answer.outcome", "answer.outcome"));
  Watched stage(v1::ROLE_STAGE);
  stage.Say(Verdict(2, kHalt));
  EXPECT_THAT(stage.Rules(), IsEmpty());
}

TEST(AuditTest, WantsAReasonInUpperSnakeCaseForAFailure) {
  Watched session(v1::ROLE_WORKER);
  Answer none = Verdict(1, kRetry);
  none.failure.reset();
  session.Say(none);
  Answer words = Verdict(2, kReject);
  words.failure->set_reason("disk full");
  session.Say(words);
  session.Say(Verdict(3, kReject));
  EXPECT_THAT(session.Rules(), ElementsAre("answer.failure", "answer.failure"));
}

TEST(AuditTest, RefusesARetryOfNegativeTimeOrMoreThanAYear) {
  Watched session(v1::ROLE_WORKER);
  uint64_t id = 0;
  for (const double seconds : {-1.0, 8785.0 * 3600, 5.0}) {
    Answer answer = Verdict(++id, kRetry);
    answer.retry_after = seconds;
    session.Say(answer);
  }
  EXPECT_THAT(session.Rules(), ElementsAre("answer.retry-after", "answer.retry-after"));
}

TEST(AuditTest, RefusesEmitsOfOtherTypesAndOfFailures) {
  Watched session(v1::ROLE_WORKER);
  Answer good = Verdict(1, kGood);
  good.events.push_back(MakeEvent("", ""));
  session.Say(good);
  Answer bad = Verdict(2, kGood);
  bad.events.emplace_back().set_type("bad.one");
  session.Say(bad);
  Answer failed = Verdict(3, kRetry);
  failed.events.push_back(MakeEvent("", ""));
  session.Say(failed);
  EXPECT_THAT(session.Rules(), ElementsAre("answer.emits", "answer.emits"));
}

TEST(AuditTest, HoldsAStageToTheIdentityOfTheEvent) {
  Watched session(v1::ROLE_STAGE);
  uint64_t id = 0;
  for (const auto& changed : {MakeEvent("e", "s"), MakeEvent("x", "s"), MakeEvent("e", "x")}) {
    Answer answer = Verdict(++id, kGood);
    answer.events.push_back(changed);
    session.Say(answer);
  }
  EXPECT_THAT(session.Rules(), ElementsAre("stage.change", "stage.change"));
}

TEST(AuditTest, HoldsAnAnswerOfACallToJson) {
  Watched session(v1::ROLE_STAGE, 0);
  HostFrame frame;
  for (uint64_t id = 1; id <= 3; ++id) {
    frame.add_deliveries()->set_delivery_id(id);
    frame.mutable_deliveries(static_cast<int>(id) - 1)->mutable_call()->set_operation("create");
  }
  session.audit().Sent(frame);
  uint64_t id = 0;
  for (const char* data : {"null", "", "{\"cut"}) {
    Answer answer = Verdict(++id, kHalt);
    answer.payload.emplace().set_data(data);
    session.Say(answer);
  }
  EXPECT_THAT(session.Rules(), ElementsAre("stage.answer", "stage.answer"));
}

TEST(AuditTest, WantsAValueInAnOffset) {
  Watched session(v1::ROLE_PRODUCER);
  Answer typed = Verdict(1, kGood);
  typed.offset.emplace().set_int_value(0);
  session.Say(typed);
  Answer empty = Verdict(2, kGood);
  empty.offset.emplace();
  session.Say(empty);
  EXPECT_THAT(session.Rules(), ElementsAre("producer.offset"));
}

TEST(AuditTest, WantsAnOffsetAndATimeThatAreSome) {
  Watched session(v1::ROLE_PRODUCER);
  Answer fine = Verdict(1, kGood);
  fine.offset.emplace().set_string_value(std::string(4000, 'x'));
  fine.accepted_at.emplace().set_seconds(1'700'000'000);
  session.Say(fine);
  EXPECT_THAT(session.Rules(), IsEmpty());
  Answer large = Verdict(2, kGood);
  large.offset.emplace().set_string_value(std::string(5000, 'x'));
  session.Say(large);
  Answer never = Verdict(3, kGood);
  never.accepted_at.emplace().set_seconds(int64_t{1} << 50);
  session.Say(never);
  EXPECT_THAT(session.Rules(), ElementsAre("producer.offset", "producer.offset"));
}

TEST(AuditTest, WatchesTheOrderOfAKeyOverFramesButNotWithinOne) {
  Watched within(v1::ROLE_WORKER, 3, /*in_order=*/true);
  within.Bare({2, 1});
  EXPECT_THAT(within.Rules(), IsEmpty());
  Watched over(v1::ROLE_WORKER, 3, /*in_order=*/true);
  over.Bare({2});
  over.Bare({1});
  EXPECT_THAT(over.Rules(), ElementsAre("order.key"));
}

TEST(AuditTest, WantsTheRestOfAKeyReleasedAfterAFailure) {
  Watched released(v1::ROLE_WORKER, 3, /*in_order=*/true);
  released.Say(Verdict(1, kRetry));
  released.Say(Verdict(2, kRelease));
  released.Bare({3});
  EXPECT_THAT(released.Rules(), ElementsAre("order.release"));
}

TEST(AuditTest, MeasuresFramesAndTellsOfWhatCannotBeRead) {
  Watched session(v1::ROLE_WORKER);
  PluginFrame frame;
  frame.bytes = 1001;
  session.audit().Came(frame);
  session.audit().CameUnreadable(1001, "no frame");
  session.audit().CameUnreadable(10, "no frame");
  EXPECT_THAT(session.Rules(), ElementsAre("frame.size", "frame.size", "frame.readable"));
}

TEST(AuditTest, TakesAnEndBeforeOpenedForARefusalAndALaterOneForABreach) {
  Audit audit({});
  audit.EndedUnasked("NOT_FOUND");
  EXPECT_TRUE(audit.breaches().empty());
  Watched session(v1::ROLE_WORKER);
  session.audit().EndedUnasked("INTERNAL: oops");
  ASSERT_EQ(session.Rules(), std::vector<std::string>{"session.kept"});
  EXPECT_THAT(session.audit().breaches()[0].came, HasSubstr("INTERNAL: oops, 3 deliveries"));
}

}  // namespace
}  // namespace outboard::conform

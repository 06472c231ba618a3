// What became of an event, put together from what all say.
#include "host/admin/why.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"
#include "tests/unit/lineage/made.h"

namespace outboard::admin {
namespace {

using bus::Standing;
using host::v1::EventStory;
using host::v1::LaneStory;
using lineage::MadeEvent;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kLane[] = "stories/mail";
const Time kThen{seconds(1'700'000'000)};

class WhyTest : public ::testing::Test {
 protected:
  WhyTest() {
    facts_.ids = {"e1"};
    facts_.bus.has_log = true;
    facts_.keeps_lineage = true;
    facts_.lane_states[kLane] = "running";
  }
  // In the log, with how one lane stands to it.
  Standing& Logged(uint64_t offset, Standing::Where where, Time accepted_at = kThen) {
    bus::FoundEvents::One& one = facts_.bus.found.emplace_back();
    one.logged = {offset, accepted_at, event_};
    Standing& standing = one.standings.emplace_back();
    standing.lanes = {kLane};
    standing.where = where;
    return standing;
  }
  lineage::Row& Kept(std::optional<bus::End> end, const std::string& outcome = "") {
    lineage::Row& row = facts_.lineage.rows.emplace_back();
    row.lane = kLane;
    row.id = "e1";
    row.source = "tracker";
    row.type = "story.created";
    row.accepted_at = kThen;
    row.at = kThen + seconds(1);
    row.end = end;
    if (!outcome.empty()) {
      bus::Attempt turn{row.at, outcome, "", "", "v1"};
      turn.component = "mail";
      turn.instance = 0;
      turn.took = Duration(1234);
      row.turns = {turn};
    }
    return row;
  }
  lane::EventView& Live(lane::Waits waits) {
    shard::LaneEvent& event = facts_.live.emplace_back();
    event.lane = kLane;
    event.component = "mail";
    event.view.event = event_;
    event.view.accepted_at = kThen;
    event.view.waits = waits;
    return event.view;
  }
  bus::DeadLetter& Letter(uint64_t id) {
    bus::DeadLetter& letter = facts_.letters.emplace_back();
    letter.id = id;
    letter.lane = kLane;
    letter.event = event_;
    letter.why = {"CRASHED", "ended 2 processes", ""};
    letter.accepted_at = kThen;
    return letter;
  }
  EventStory Story() {
    const host::v1::WhyResponse why = ToWhy(facts_);
    EXPECT_THAT(why.events(), SizeIs(1));
    return why.events().empty() ? EventStory() : why.events(0);
  }
  LaneStory LaneOfStory() {
    const EventStory story = Story();
    EXPECT_THAT(story.lanes(), SizeIs(1));
    return story.lanes().empty() ? LaneStory() : story.lanes(0);
  }

  Event event_ =
      MadeEvent("e1", wire_text::StringAttribute("subject", "story/1") +
                          wire_text::StringAttribute("traceparent", "00-4bf92f35-00f067aa-01"));
  WhyFacts facts_;
};

TEST_F(WhyTest, WhatWentStraightThroughIsToldFromTheLogAndTheCursor) {
  Logged(7, Standing::Where::kEnded);
  const EventStory story = Story();
  EXPECT_EQ(story.event_id(), "e1");
  EXPECT_EQ(story.source(), "tracker");
  EXPECT_EQ(story.subject(), "story/1");
  EXPECT_EQ(story.trace_id(), "4bf92f35");
  EXPECT_EQ(story.offset(), 7u);
  EXPECT_EQ(story.accepted_at().seconds(), 1'700'000'000);
  EXPECT_EQ(LaneOfStory().state(), "done");
  EXPECT_TRUE(LaneOfStory().straight_through());
}

TEST_F(WhyTest, TurnsThatWereKeptAreToldInOrder) {
  Logged(7, Standing::Where::kEnded);
  Kept(bus::End::kRetry, "retry").turns[0].reason = "BUSY";
  Kept(bus::End::kDone, "done").attempts = 1;
  const LaneStory lane = LaneOfStory();
  EXPECT_EQ(lane.state(), "done");
  EXPECT_FALSE(lane.straight_through());
  EXPECT_EQ(lane.attempts(), 1u);
  ASSERT_THAT(lane.turns(), SizeIs(2));
  EXPECT_EQ(lane.turns(0).reason(), "BUSY");
  EXPECT_EQ(lane.turns(1).outcome(), "done");
  EXPECT_EQ(lane.turns(1).component(), "mail");
  EXPECT_EQ(lane.turns(1).instance(), "0");
  EXPECT_EQ(lane.turns(1).microseconds(), 1234u);
  EXPECT_TRUE(lane.has_ended_at());
}

TEST_F(WhyTest, AnInstanceForSuspectsIsCalledSo) {
  Logged(7, Standing::Where::kWaiting);
  Kept(std::nullopt, "lost").turns[0].quarantine = true;
  EXPECT_EQ(LaneOfStory().turns(0).instance(), "q0");
}

TEST_F(WhyTest, ADropNamesItsStage) {
  Logged(7, Standing::Where::kEnded);
  Kept(bus::End::kDropped, "halt").reason = "guard";
  EXPECT_EQ(LaneOfStory().state(), "dropped");
  EXPECT_EQ(LaneOfStory().reason(), "guard");
}

TEST_F(WhyTest, ADeadLetterIsToldWithItsId) {
  Logged(7, Standing::Where::kEnded);
  Kept(bus::End::kDead, "lost");
  Letter(3);
  Letter(12);
  const LaneStory lane = LaneOfStory();
  EXPECT_EQ(lane.state(), "dead");
  EXPECT_EQ(lane.dead_id(), 12u) << "the newest";
  EXPECT_EQ(lane.reason(), "CRASHED");
  EXPECT_THAT(lane.turns(), SizeIs(1));
}

TEST_F(WhyTest, WhereNothingWasKeptALetterTellsItsTurns) {
  Logged(7, Standing::Where::kEnded);
  Letter(3).history = {{kThen, "reject", "NO", "not this", "v1"}};
  ASSERT_THAT(LaneOfStory().turns(), SizeIs(1));
  EXPECT_EQ(LaneOfStory().turns(0).message(), "not this");
}

TEST_F(WhyTest, ALetterThatIsGoneWasReplayedOrPurged) {
  Logged(7, Standing::Where::kEnded);
  Kept(bus::End::kDead, "reject").reason = "NO";
  EXPECT_EQ(LaneOfStory().state(), "replayed");
  EXPECT_EQ(LaneOfStory().reason(), "NO");
  EXPECT_EQ(LaneOfStory().dead_id(), 0u);
}

TEST_F(WhyTest, AReplayedLetterThatIsUnderWayWaits) {
  Logged(7, Standing::Where::kHeld);
  Kept(bus::End::kDead, "reject");
  Live(lane::Waits::kAnswer).instance = 2;
  EXPECT_EQ(LaneOfStory().state(), "waiting");
  EXPECT_EQ(LaneOfStory().waits(0).kind(), "answer");
  EXPECT_EQ(LaneOfStory().waits(0).instance(), "2");
}

TEST_F(WhyTest, WhatALaneHasIsToldWithWhatItWaitsFor) {
  Logged(7, Standing::Where::kWaiting);
  lane::EventView& view = Live(lane::Waits::kKey);
  view.behind = "e0";
  view.key = "story/1";
  const LaneStory lane = LaneOfStory();
  EXPECT_EQ(lane.state(), "waiting");
  ASSERT_THAT(lane.waits(), SizeIs(1));
  EXPECT_EQ(lane.waits(0).kind(), "key");
  EXPECT_EQ(lane.waits(0).event_id(), "e0");
  EXPECT_EQ(lane.waits(0).key(), "story/1");
  EXPECT_EQ(lane.waits(0).component(), "mail");
}

TEST_F(WhyTest, ARetryInMemoryRetries) {
  Logged(7, Standing::Where::kWaiting);
  lane::EventView& view = Live(lane::Waits::kRetry);
  view.until = kThen + seconds(5);
  view.attempts = 2;
  EXPECT_EQ(LaneOfStory().state(), "retrying");
  EXPECT_EQ(LaneOfStory().attempts(), 2u);
  EXPECT_EQ(LaneOfStory().waits(0).until().seconds(), 1'700'000'005);
}

TEST_F(WhyTest, ARetryThatTheBusHasSaysWhenItIsDue) {
  Standing& standing = Logged(7, Standing::Where::kHeld);
  standing.due = kThen + seconds(5);
  standing.attempts = 1;
  EXPECT_EQ(LaneOfStory().state(), "retrying");
  EXPECT_EQ(LaneOfStory().attempts(), 1u);
  EXPECT_EQ(LaneOfStory().waits(0).kind(), "retry");
}

TEST_F(WhyTest, WhatWasNotHandedOutWaitsInTheQueueOrForItsLane) {
  Logged(7, Standing::Where::kWaiting);
  EXPECT_EQ(LaneOfStory().waits(0).kind(), "queue");
  facts_.lane_states[kLane] = "stopped";
  EXPECT_EQ(LaneOfStory().waits(0).kind(), "stopped");
}

TEST_F(WhyTest, WhatWaitsBehindALetterNamesIt) {
  Standing& standing = Logged(7, Standing::Where::kHeld);
  standing.key = "subject=story/1";
  standing.letter = 12;
  const LaneStory lane = LaneOfStory();
  EXPECT_EQ(lane.state(), "waiting");
  ASSERT_THAT(lane.waits(), SizeIs(1));
  EXPECT_EQ(lane.waits(0).kind(), "letter");
  EXPECT_EQ(lane.waits(0).key(), "subject=story/1");
  EXPECT_EQ(lane.waits(0).dead_id(), 12u);
}

TEST_F(WhyTest, ALetterOfRawBytesIsToldByItsPlace) {
  Logged(7, Standing::Where::kEnded);
  for (const uint64_t offset : {uint64_t{7}, uint64_t{8}, uint64_t{0}}) {
    bus::DeadLetter& letter = facts_.raw_letters.emplace_back();
    letter.id = 12 + offset;
    letter.lane = kLane;
    letter.offset = offset;
    letter.why.reason = "HOST_CRASH";
  }
  EXPECT_EQ(LaneOfStory().state(), "dead");
  EXPECT_EQ(LaneOfStory().dead_id(), 19u);
  EXPECT_EQ(LaneOfStory().reason(), "HOST_CRASH");
}

TEST_F(WhyTest, ALetterTellsThePlaceForOneOfRawBytes) {
  Letter(3).offset = 7;
  facts_.letters[0].lane = "other/mail";
  bus::DeadLetter& raw = facts_.raw_letters.emplace_back();
  raw.id = 4;
  raw.lane = kLane;
  raw.offset = 7;
  ASSERT_THAT(Story().lanes(), SizeIs(2));
  EXPECT_EQ(Story().lanes(1).state(), "dead");
  EXPECT_EQ(Story().lanes(1).dead_id(), 4u);
}

TEST_F(WhyTest, WhatEndedMeanwhileIsNotShownAsWaiting) {
  Logged(7, Standing::Where::kEnded);
  Live(lane::Waits::kAnswer);
  EXPECT_EQ(LaneOfStory().state(), "done");
  EXPECT_THAT(LaneOfStory().waits(), IsEmpty());
}

TEST_F(WhyTest, OfALaneThatKeepsNothingItIsToldSo) {
  Logged(7, Standing::Where::kUnkept);
  EXPECT_EQ(LaneOfStory().state(), "unkept");
  EXPECT_FALSE(LaneOfStory().straight_through());
  EXPECT_THAT(LaneOfStory().waits(), IsEmpty());
  Kept(bus::End::kDone, "done").attempts = 1;
  EXPECT_EQ(LaneOfStory().state(), "done") << "others know";
  Letter(3);
  EXPECT_EQ(LaneOfStory().state(), "dead");
  Live(lane::Waits::kAnswer);
  EXPECT_EQ(LaneOfStory().state(), "waiting");
}

TEST_F(WhyTest, EmitsAndParentsAreLinks) {
  Logged(7, Standing::Where::kEnded);
  lineage::Row& row = Kept(bus::End::kDone, "done");
  row.emits = {{"c1", "mail", "mail.sent"}};
  row.emitted = 101;
  lineage::Row& parent = facts_.lineage.parents.emplace_back();
  parent.lane = "feed/import";
  parent.id = "p1";
  parent.emits = {{"e1", "tracker", "story.created"}, {"e2", "tracker", "story.created"}};
  facts_.lineage.parents.push_back(facts_.lineage.parents.back());
  const EventStory story = Story();
  ASSERT_THAT(story.lanes(0).emitted(), SizeIs(1));
  EXPECT_EQ(story.lanes(0).emitted(0).event_id(), "c1");
  EXPECT_EQ(story.lanes(0).emitted_count(), 101u);
  ASSERT_THAT(story.parents(), SizeIs(1));
  EXPECT_EQ(story.parents(0).event_id(), "p1");
  EXPECT_EQ(story.parents(0).lane(), "feed/import");
}

TEST_F(WhyTest, EmitsThatWereRefusedNeverWere) {
  Logged(7, Standing::Where::kEnded);
  lineage::Row& row = Kept(bus::End::kDone, "done");
  row.emits = {{"c1", "mail", "mail.sent"}};
  row.emitted = 1;
  Kept(bus::End::kDead).reason = "EMIT_REFUSED";
  Letter(3).why.reason = "EMIT_REFUSED";
  EXPECT_EQ(LaneOfStory().state(), "dead");
  EXPECT_THAT(LaneOfStory().emitted(), IsEmpty());
  EXPECT_EQ(LaneOfStory().emitted_count(), 0u);
}

TEST_F(WhyTest, EmitsOfAnEndThatWasAskedForTwiceAreToldOnce) {
  Logged(7, Standing::Where::kEnded);
  for (int i = 0; i < 2; ++i) {
    lineage::Row& row = Kept(bus::End::kDone, "done");
    row.emits = {{"c1", "mail", "mail.sent"}};
    row.emitted = 1;
  }
  Kept(std::nullopt, "lost");  // No end.
  EXPECT_THAT(LaneOfStory().emitted(), SizeIs(1));
  EXPECT_EQ(LaneOfStory().emitted_count(), 1u);
}

TEST_F(WhyTest, AnOffsetIsToldFromTheLogOrFromWhatWasKept) {
  Logged(7, Standing::Where::kEnded);
  facts_.bus.found[0].logged.placed[kLane] = {bus::Offset(int64_t{42}), std::nullopt};
  EXPECT_EQ(LaneOfStory().offset().int_value(), 42);
  EXPECT_FALSE(LaneOfStory().straight_through());
  facts_.bus.found[0].logged.placed.clear();
  Kept(bus::End::kDone, "done").placed = bus::Placed{bus::Offset(std::string("t/3")), kThen};
  EXPECT_EQ(LaneOfStory().offset().string_value(), "t/3");
  EXPECT_TRUE(LaneOfStory().has_placed_at());
}

TEST_F(WhyTest, AnIdThatWasPublishedTwiceIsTwoStories) {
  Logged(7, Standing::Where::kEnded);
  Logged(9, Standing::Where::kEnded, kThen + seconds(60));
  Kept(bus::End::kDropped, "halt").accepted_at = kThen + seconds(60);
  const host::v1::WhyResponse why = ToWhy(facts_);
  ASSERT_THAT(why.events(), SizeIs(2));
  EXPECT_EQ(why.events(0).lanes(0).state(), "done");
  EXPECT_EQ(why.events(1).lanes(0).state(), "dropped");
}

TEST_F(WhyTest, AnotherSourceIsLeftOutWhereOneIsNamed) {
  Logged(7, Standing::Where::kEnded);
  Kept(bus::End::kDone, "done").source = "elsewhere";
  EXPECT_THAT(ToWhy(facts_).events(), SizeIs(2));
  facts_.source = "tracker";
  EXPECT_EQ(Story().source(), "tracker");
}

TEST_F(WhyTest, OfLanesThatShareAQueueTheOneThatHadItIsTold) {
  Logged(7, Standing::Where::kEnded).lanes = {"a/first", kLane};
  EXPECT_EQ(LaneOfStory().lane(), "a/first");
  Kept(bus::End::kDone, "done");
  EXPECT_EQ(LaneOfStory().lane(), kLane);
}

// ---- A bus without a log

TEST_F(WhyTest, WithoutALogItIsToldFromWhatWasKept) {
  facts_.bus = {};
  Kept(bus::End::kDone, "done");
  EXPECT_EQ(Story().type(), "story.created");
  EXPECT_EQ(Story().offset(), 0u);
  EXPECT_EQ(LaneOfStory().state(), "done");
  EXPECT_FALSE(LaneOfStory().straight_through());
}

TEST_F(WhyTest, WithoutALogARetryIsDueWhenItSaidSo) {
  facts_.bus = {};
  Kept(bus::End::kRetry, "retry").due = kThen + seconds(9);
  EXPECT_EQ(LaneOfStory().state(), "retrying");
  EXPECT_EQ(LaneOfStory().waits(0).until().seconds(), 1'700'000'009);
}

TEST_F(WhyTest, WithoutALogWhatIsNotHereAnyMoreIsNotKnown) {
  facts_.bus = {};
  Kept(std::nullopt, "lost");
  EXPECT_EQ(LaneOfStory().state(), "unknown");
}

TEST_F(WhyTest, SaysWhatWasSearched) {
  facts_.bus.searched = 12;
  facts_.bus.oldest = kThen;
  facts_.lineage.since = kThen;
  facts_.raw_letters.emplace_back();
  facts_.problems = {"dead letters: the broker is away"};
  const host::v1::WhyResponse why = ToWhy(facts_);
  EXPECT_THAT(why.events(), IsEmpty());
  EXPECT_TRUE(why.searched().log());
  EXPECT_EQ(why.searched().log_events(), 12u);
  EXPECT_TRUE(why.searched().has_log_since());
  EXPECT_TRUE(why.searched().lineage());
  EXPECT_TRUE(why.searched().has_lineage_since());
  EXPECT_EQ(why.searched().raw_letters(), 1u);
  EXPECT_THAT(why.searched().problems(0), HasSubstr("the broker is away"));
}

}  // namespace
}  // namespace outboard::admin

// `outboard why` against a server that tells stories.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "nlohmann/json.hpp"
#include "tests/integration/cli/fake_host.h"

namespace outboard::app {
namespace {

using host::v1::EventStory;
using host::v1::EventWait;
using host::v1::LaneStory;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class WhyVerbTest : public ::testing::Test {
 protected:
  WhyVerbTest() {
    setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
    unsetenv("OUTBOARD_CONFIG");
    mkdir((folder_ / "outboard").c_str(), 0700);
    host_ = std::make_unique<FakeHost>(folder_ / "outboard/tracker.sock");
    host_->searched.set_log(true);
    host_->searched.set_lineage(true);
  }
  Ran Why(std::vector<std::string> more) {
    more.insert(more.begin(), "why");
    more.insert(more.end(), {"--socket", folder_ / "outboard/tracker.sock"});
    return RunVerb(std::move(more));
  }
  EventStory& Story(const std::string& id) {
    EventStory& story = host_->stories.emplace_back();
    story.set_event_id(id);
    story.set_source("tracker");
    story.set_type("story.created");
    return story;
  }
  LaneStory& Lane(EventStory& story, const std::string& state) {
    LaneStory* lane = story.add_lanes();
    lane->set_lane("stories/mail");
    lane->set_state(state);
    return *lane;
  }
  // `child` was emitted with `parent`, as both tell it.
  static void Link(EventStory& parent, LaneStory& lane, EventStory& child) {
    host::v1::EventLink* down = lane.add_emitted();
    down->set_event_id(child.event_id());
    down->set_source(child.source());
    down->set_type(child.type());
    lane.set_emitted_count(lane.emitted_count() + 1);
    host::v1::EventLink* up = child.add_parents();
    up->set_event_id(parent.event_id());
    up->set_source(parent.source());
    up->set_type(parent.type());
    up->set_lane(lane.lane());
  }

  TempFolder folder_;
  std::unique_ptr<FakeHost> host_;
};

TEST_F(WhyVerbTest, TellsAnEventsLife) {
  EventStory& story = Story("e1");
  story.set_subject("story/1\x1b");
  story.set_trace_id("4bf9");
  story.set_offset(17);
  story.mutable_accepted_at()->set_seconds(1'769'860'800);
  LaneStory& lane = Lane(story, "dead");
  lane.set_dead_id(12);
  lane.set_reason("CRASHED");
  lane.set_message("ended 2 processes");
  host::v1::EventTurn* turn = lane.add_turns();
  turn->set_component("mail");
  turn->set_instance("q0");
  turn->set_outcome("lost");
  turn->set_microseconds(1234);
  turn->set_message("signal 11");
  const Ran ran = Why({"e1"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("event        e1\n"), HasSubstr("trace        4bf9\n"),
                             HasSubstr("offset       17\n"), HasSubstr("2026-01-31 12:00:00.000"),
                             HasSubstr("stories/mail: dead letter 12, CRASHED")));
  EXPECT_THAT(ran.out, AllOf(HasSubstr("q0"), HasSubstr("1234 us"), HasSubstr("signal 11"),
                             HasSubstr("outboard dead show 12"), Not(HasSubstr("\x1b"))));
}

TEST_F(WhyVerbTest, TellsHowEachLaneStands) {
  EventStory& story = Story("e1");
  Lane(story, "done").set_straight_through(true);
  Lane(story, "dropped").set_reason("guard");
  Lane(story, "dropped");
  Lane(story, "replayed").set_reason("NO");
  Lane(story, "unknown");
  Lane(story, "unkept");
  EXPECT_THAT(Why({"e1"}).out,
              AllOf(HasSubstr("done, straight through"), HasSubstr("dropped by guard"),
                    HasSubstr("does not take the type"), HasSubstr("was a dead letter (NO)"),
                    HasSubstr("not with this host now; how it ended is not known"),
                    HasSubstr("how it ended is not kept (reliable: false)")));
}

TEST_F(WhyVerbTest, TellsWhatItWaitsFor) {
  LaneStory& lane = Lane(Story("e1"), "waiting");
  const auto wait = [&](const std::string& kind) -> EventWait& {
    lane.clear_waits();
    EventWait* one = lane.add_waits();
    one->set_kind(kind);
    one->set_component("mail");
    one->set_key("story/1");
    return *one;
  };
  wait("key").set_event_id("e0");
  EXPECT_THAT(Why({"e1"}).out,
              HasSubstr("behind event e0, which has its key story/1: outboard why e0\n"));
  wait("letter").set_dead_id(7);
  EXPECT_THAT(Why({"e1"}).out,
              HasSubstr("waits      behind dead letter 7 (story/1): outboard dead show 7\n"));
  wait("retry").mutable_until()->set_seconds(1'769'860'800);
  EXPECT_THAT(Why({"e1"}).out, HasSubstr("for its retry at 2026-01-31 12:00:00.000 UTC\n"));
  wait("answer").set_instance("1");
  EXPECT_THAT(Why({"e1"}).out, HasSubstr("for the answer of mail, instance 1, since"));
  wait("aside").set_ends(2);
  EXPECT_THAT(Why({"e1"}).out, HasSubstr("set aside: it ended 2 processes alone"));
  wait("stopped");
  EXPECT_THAT(Why({"e1"}).out, HasSubstr("paused: outboard lane resume stories/mail\n"));
  wait("circuit").set_detail("5 crashes");
  EXPECT_THAT(Why({"e1"}).out,
              AllOf(HasSubstr("for the open circuit of mail"), HasSubstr("5 crashes\n")));
  wait("no session");
  EXPECT_THAT(Why({"e1"}).out, HasSubstr("whose state is 'no session': outboard status\n"));
  for (const char* kind :
       {"owed", "trial", "probe", "session", "window", "room", "settling", "queue"}) {
    wait(kind);
    EXPECT_THAT(Why({"e1"}).out, AllOf(HasSubstr("waits"), Not(HasSubstr("whose state is"))))
        << kind;
  }
}

TEST_F(WhyVerbTest, ShowsAllOfAnIdAndOneSourceWhereAsked) {
  Story("e1");
  Story("e1").set_source("elsewhere");
  EXPECT_THAT(Why({"e1"}).out, HasSubstr("2 events have this id"));
  const Ran one = Why({"e1", "--source", "elsewhere"});
  EXPECT_THAT(one.out, AllOf(HasSubstr("source       elsewhere"), Not(HasSubstr("tracker"))));
  EXPECT_EQ(host_->why_request.source(), "elsewhere");
}

TEST_F(WhyVerbTest, GivesJson) {
  Lane(Story("e1"), "done");
  const json out = json::parse(Why({"e1", "--json"}).out);
  EXPECT_EQ(out["events"][0]["lanes"][0]["state"], "done");
  EXPECT_EQ(out["searched"]["log"], true);
}

TEST_F(WhyVerbTest, SaysWhereItLookedForAnEventThatIsNot) {
  host_->searched.set_log_events(12);
  host_->searched.mutable_log_since()->set_seconds(1'769'860'800);
  const Ran ran = Why({"e9"});
  EXPECT_EQ(ran.code, kFailed);
  EXPECT_THAT(ran.err,
              AllOf(HasSubstr("no event e9; searched: the bus's log of 12 events since 2026-01-31"),
                    HasSubstr("outboard tail --last 100")));
  host_->searched.set_log(false);
  EXPECT_THAT(Why({"e9"}).err, HasSubstr("settled without incident here, or was never with this"));
  host_->searched.set_raw_letters(2);
  EXPECT_THAT(Why({"e9"}).err, HasSubstr("raw bytes, whose ids are not known: 2, see `outboard"));
  host_->searched.set_lineage(false);
  EXPECT_THAT(Why({"e9"}).err, HasSubstr("host.lineage is false"));
  const json error = json::parse(Why({"e9", "--json"}).out);
  EXPECT_EQ(error["error"]["code"], kFailed);
}

TEST_F(WhyVerbTest, FollowsATreeUpAndDown) {
  host_->stories.reserve(10);
  EventStory& root = Story("root");
  EventStory& middle = Story("middle");
  EventStory& leaf = Story("leaf");
  EventStory& other = Story("other");
  LaneStory& of_root = Lane(root, "done");
  LaneStory& of_middle = Lane(middle, "done");
  Lane(leaf, "dead").set_dead_id(3);
  Link(root, of_root, middle);
  Link(root, of_root, other);
  Link(middle, of_middle, leaf);
  const Ran ran = Why({"middle", "--tree"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_EQ(ran.out,
            "- root  story.created  stories/mail: done\n"
            "  > middle  story.created  stories/mail: done\n"
            "    - leaf  story.created  stories/mail: dead letter 3, \n"
            "  - other  story.created\n");
  EXPECT_EQ(host_->why_calls, 3) << "itself, its neighbours, the rest";
  const json tree = json::parse(Why({"middle", "--tree", "--json"}).out);
  EXPECT_EQ(tree["tree"][0]["event_id"], "root");
  EXPECT_EQ(tree["tree"][0]["children"][0]["children"][0]["event_id"], "leaf");
  EXPECT_EQ(tree["cut_off"], false);
}

TEST_F(WhyVerbTest, ATreeNamesWhatNobodyKnows) {
  LaneStory& lane = Lane(Story("e1"), "done");
  host::v1::EventLink* child = lane.add_emitted();
  child->set_event_id("gone");
  child->set_type("mail.sent");
  EXPECT_THAT(Why({"e1", "--tree"}).out,
              HasSubstr("  - gone  mail.sent  not known to this host\n"));
}

TEST_F(WhyVerbTest, ATreeWithACircleEnds) {
  host_->stories.reserve(10);
  EventStory& one = Story("one");
  EventStory& two = Story("two");
  LaneStory& of_one = Lane(one, "done");
  LaneStory& of_two = Lane(two, "done");
  Link(one, of_one, two);
  Link(two, of_two, one);
  EXPECT_THAT(Why({"one", "--tree"}).out, HasSubstr("- two"));
  EXPECT_EQ(Why({"one", "--tree", "--json"}).code, kOk);
}

TEST_F(WhyVerbTest, SaysOfHowManyEmittedEventsNothingIsKept) {
  LaneStory& lane = Lane(Story("e1"), "done");
  for (int i = 0; i < 25; ++i) lane.add_emitted()->set_event_id("c" + std::to_string(i));
  lane.set_emitted_count(25);
  EXPECT_THAT(Why({"e1"}).out, AllOf(HasSubstr("and 5 more, with --json\n"),
                                     Not(HasSubstr("of which nothing is kept"))));
  EXPECT_EQ(json::parse(Why({"e1", "--tree", "--json"}).out)["cut_off"], false);
  lane.set_emitted_count(500);
  EXPECT_THAT(Why({"e1"}).out, AllOf(HasSubstr("emitted    500 events\n"),
                                     HasSubstr("and 475 more, of which nothing is kept\n")));
  EXPECT_THAT(Why({"e1", "--tree"}).out, AllOf(HasSubstr("\n  and 475 more, of which nothing is"),
                                               Not(HasSubstr("more than 1000 events"))));
  EXPECT_EQ(json::parse(Why({"e1", "--tree", "--json"}).out)["cut_off"], true);
}

TEST_F(WhyVerbTest, ATreeThatIsTooLargeIsCutOff) {
  LaneStory& lane = Lane(Story("e1"), "done");
  for (int i = 0; i < 1100; ++i) {
    host::v1::EventLink* child = lane.add_emitted();
    child->set_event_id("c" + std::to_string(i));
  }
  EXPECT_THAT(Why({"e1", "--tree"}).out, HasSubstr("more than 1000 events"));
}

}  // namespace
}  // namespace outboard::app

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPlugins[] = "plugins: [{name: p, run: x}, {name: q, run: y}]\n";

ReadResult ReadOneRoute(const std::string& route) {
  return Read(kPlugins + ("routes: [" + route + "]\n"));
}
std::string RouteProblems(const std::string& route) { return ToText(ReadOneRoute(route).problems); }

TEST(ReadRouteTest, ReadsEveryKey) {
  const ReadResult result = Read(std::string(kPlugins) + R"(
routes:
  - name: stories
    source: {service: storyboard, events: ["story.#", "task.*"]}
    delivery: {mode: broadcast, order_by: subject, reliable: false}
    from: first
    to: [p, q.search]
    retry: {max_attempts: 3, initial: 2s, max: 1m, probe_limit: 1h}
    on_dead_letter: stop
)");
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  const Route& route = result.config.routes.at(0);
  EXPECT_EQ(route.name, "stories");
  EXPECT_EQ(route.service, "storyboard");
  EXPECT_THAT(route.events, ElementsAre("story.#", "task.*"));
  EXPECT_EQ(route.mode, DeliveryMode::kBroadcast);
  EXPECT_EQ(route.order_by, "subject");
  EXPECT_FALSE(route.reliable);
  EXPECT_EQ(route.from.kind, FromSpec::Kind::kFirst);
  ASSERT_EQ(route.to.size(), 2u);
  EXPECT_EQ(route.to[0].text(), "p");
  EXPECT_EQ(route.to[1].plugin, "q");
  EXPECT_EQ(route.to[1].component, "search");
  EXPECT_EQ(route.retry.max_attempts, 3u);
  EXPECT_EQ(route.retry.initial, std::chrono::seconds(2));
  EXPECT_EQ(route.retry.max, std::chrono::minutes(1));
  EXPECT_EQ(route.retry.probe_limit, std::chrono::hours(1));
  EXPECT_EQ(route.on_dead_letter, OnDeadLetter::kStop);
}

TEST(ReadRouteTest, ADeadLetterStopsNothingUnlessTold) {
  EXPECT_EQ(ReadOneRoute("{name: r, to: p}").config.routes.at(0).on_dead_letter,
            OnDeadLetter::kContinue);
  EXPECT_THAT(RouteProblems("{name: r, to: p, on_dead_letter: halt}"),
              HasSubstr("routes[0].on_dead_letter: "));
  EXPECT_THAT(RouteProblems("{name: r, to: p, delivery: {on_dead_letter: stop}}"),
              HasSubstr("on_dead_letter"));
}

TEST(ReadRouteTest, EventsOfAKeyMayWaitBehindADeadLetter) {
  const ReadResult result = ReadOneRoute(
      "{name: r, to: p, delivery: {order_by: subject}, on_dead_letter: park, park_limit: 5, "
      "park_overflow: dead}");
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  const Route& route = result.config.routes.at(0);
  EXPECT_EQ(route.on_dead_letter, OnDeadLetter::kPark);
  EXPECT_EQ(route.park_limit, 5u);
  EXPECT_EQ(route.park_overflow, ParkOverflow::kDead);
  EXPECT_EQ(Route().park_limit, 10'000u);
  EXPECT_EQ(Route().park_overflow, ParkOverflow::kStop);
}

TEST(ReadRouteTest, ParkingNeedsAKeyAndAQueueOfItsOwn) {
  EXPECT_THAT(RouteProblems("{name: r, to: p, on_dead_letter: park}"),
              HasSubstr("give delivery.order_by"));
  EXPECT_THAT(RouteProblems("{name: r, to: p, on_dead_letter: park, delivery: {order_by: subject, "
                            "mode: singleton}}"),
              HasSubstr("singleton"));
  EXPECT_THAT(RouteProblems("{name: r, to: p, on_dead_letter: park, delivery: {order_by: subject, "
                            "reliable: false}}"),
              HasSubstr("delivery.reliable"));
  EXPECT_THAT(RouteProblems("{name: r, to: p, on_dead_letter: stop, park_limit: 7}"),
              HasSubstr("routes[0].park_limit: "));
  EXPECT_THAT(ToText(Read("bus: {kind: memory}\n" + std::string(kPlugins) +
                          "routes: [{name: r, to: p, delivery: {order_by: subject}, "
                          "on_dead_letter: park}]\n")
                         .problems),
              HasSubstr("a bus of kind memory cannot park events"));
}

TEST(ReadRouteTest, ReadsStages) {
  const ReadResult result = ReadOneRoute(
      "{name: r, to: p, stages: [q, {stage: q.guard, fail: open, time_limit: 2s}, "
      "{stage: q.watch, observe: true}]}");
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  const std::vector<Stage>& stages = result.config.routes.at(0).stages;
  ASSERT_EQ(stages.size(), 3u);
  EXPECT_EQ(stages[0].component.text(), "q");
  EXPECT_FALSE(stages[0].fail_open);
  EXPECT_FALSE(stages[0].observe);
  EXPECT_EQ(stages[0].time_limit, std::nullopt);
  EXPECT_EQ(stages[1].component.component, "guard");
  EXPECT_TRUE(stages[1].fail_open);
  EXPECT_EQ(stages[1].time_limit, std::chrono::seconds(2));
  EXPECT_TRUE(stages[2].observe);
}

TEST(ReadRouteTest, RefusesWrongStages) {
  EXPECT_THAT(RouteProblems("{name: r, to: p, stages: [{fail: open}]}"), HasSubstr("has no stage"));
  EXPECT_THAT(RouteProblems("{name: r, to: p, stages: [{stage: q, fail: maybe}]}"),
              HasSubstr("closed"));
  EXPECT_THAT(RouteProblems("{name: r, to: p, stages: [{stage: q, fail: open, observe: true}]}"),
              HasSubstr("has both observe and fail"));
  EXPECT_THAT(RouteProblems("{name: r, to: p, stages: [{stage: q, fial: open}]}"),
              HasSubstr("did you mean fail?"));
  EXPECT_THAT(RouteProblems("{name: r, to: p, stages: [nobody]}"),
              HasSubstr("there is no plugin nobody"));
  EXPECT_THAT(RouteProblems("{name: r, to: p, stages: [q, q]}"),
              HasSubstr("stage q is there twice"));
}

TEST(ReadRouteTest, TakesEverythingByDefault) {
  const ReadResult result = ReadOneRoute("{name: r, to: p}");
  const Route& route = result.config.routes.at(0);
  EXPECT_EQ(route.service, "");
  EXPECT_THAT(route.events, IsEmpty());
  EXPECT_EQ(route.mode, DeliveryMode::kPool);
  EXPECT_TRUE(route.reliable);
  EXPECT_EQ(route.from.kind, FromSpec::Kind::kNext);
  EXPECT_EQ(route.retry.max_attempts, 12u);
}

TEST(ReadRouteTest, TriesLessOftenWhereARetryHoldsItsKey) {
  EXPECT_EQ(ReadOneRoute("{name: r, to: p, delivery: {order_by: subject}}")
                .config.routes[0]
                .retry.max_attempts,
            8u);
  EXPECT_EQ(
      ReadOneRoute("{name: r, to: p, delivery: {order_by: subject}, retry: {max_attempts: 20}}")
          .config.routes[0]
          .retry.max_attempts,
      20u);
}

TEST(ReadRouteTest, ReadsPlacesInTheLog) {
  EXPECT_EQ(ReadOneRoute("{name: r, to: p, from: last}").config.routes[0].from.kind,
            FromSpec::Kind::kLast);
  const FromSpec offset = ReadOneRoute("{name: r, to: p, from: 4711}").config.routes[0].from;
  EXPECT_EQ(offset.kind, FromSpec::Kind::kOffset);
  EXPECT_EQ(offset.offset, 4711u);
  const FromSpec time =
      ReadOneRoute("{name: r, to: p, from: 1970-01-01T00:00:02Z}").config.routes[0].from;
  EXPECT_EQ(time.kind, FromSpec::Kind::kTime);
  EXPECT_EQ(time.time, Time(std::chrono::seconds(2)));
  EXPECT_THAT(
      RouteProblems("{name: r, to: p, from: yesterday}"),
      HasSubstr("routes[0].from: \"yesterday\" is no place in the log; write next, first, last"));
}

TEST(ReadRouteTest, RefusesPatternsThatMatchNothing) {
  EXPECT_THAT(RouteProblems("{name: r, to: p, source: {events: [\"story.p*\"]}}"),
              HasSubstr("routes[0].source.events[0]: "));
  EXPECT_THAT(RouteProblems("{name: r, to: p, source: {events: [a, a]}}"),
              HasSubstr("routes[0].source.events[1]: \"a\" is in the list already"));
  EXPECT_THAT(RouteProblems("{name: r, to: p, source: {events: []}}"),
              HasSubstr("is an empty list"));
  EXPECT_THAT(RouteProblems("{name: r, to: p, source: {service: \"story*\"}}"),
              HasSubstr("has a wildcard"));
}

TEST(ReadRouteTest, RefusesOrderByWhatIsNoAttribute) {
  for (const char* name : {"Subject", "data.key", "partition_key", "id", "data", "\"\""}) {
    EXPECT_THAT(RouteProblems(std::string("{name: r, to: p, delivery: {order_by: ") + name + "}}"),
                HasSubstr("routes[0].delivery.order_by: "))
        << name;
  }
}

TEST(ReadRouteTest, RefusesUnknownModes) {
  EXPECT_THAT(
      RouteProblems("{name: r, to: p, delivery: {mode: poool}}"),
      HasSubstr("routes[0].delivery.mode: unknown value \"poool\"; did you mean pool? It is one of "
                "pool, singleton, broadcast"));
}

TEST(ReadRouteTest, WantsANameAndATarget) {
  EXPECT_THAT(RouteProblems("{}"),
              AllOf(HasSubstr("routes[0]: has no name"), HasSubstr("routes[0]: has no target")));
  EXPECT_THAT(RouteProblems("{name: r, to: []}"), HasSubstr("routes[0].to: is an empty list"));
  EXPECT_THAT(RouteProblems("{name: r, to: [\"p.\", .p, \"p q\"]}"),
              AllOf(HasSubstr("routes[0].to[0]: \"p.\" is no target"), HasSubstr("to[1]"),
                    HasSubstr("to[2]")));
  EXPECT_THAT(RouteProblems("{name: a/b, to: p}"), HasSubstr("routes[0].name: \"a/b\" is no name"));
}

TEST(ReadRouteTest, RefusesABackoffThatShrinks) {
  EXPECT_THAT(RouteProblems("{name: r, to: p, retry: {initial: 1m, max: 1s}}"),
              HasSubstr("routes[0].retry: max is shorter than initial"));
}

}  // namespace
}  // namespace outboard::config

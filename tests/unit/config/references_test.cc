#include "host/config/references.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ReferencesTest, ListsThePluginsForAnUnknownTarget) {
  EXPECT_EQ(
      Problems("plugins:\n- {name: audit, run: x}\n- {name: notifier, run: x}\n"
               "routes:\n- {name: r, to: [audit, notifer.main]}\n- {name: s, to: notifier}\n"),
      "/srv/app/outboard.yaml:5:25: routes[0].to[1]: there is no plugin notifer; did you mean "
      "notifier? "
      "plugins: audit, notifier\n");
  EXPECT_THAT(Problems("routes: [{name: r, to: x}]"),
              HasSubstr("there is no plugin x; add it to plugins"));
}

TEST(ReferencesTest, RefusesTwoOfOneName) {
  EXPECT_THAT(Problems("plugins:\n- {name: p, run: x}\n- {name: p, run: y}\n"),
              HasSubstr(":3:10: plugins[1].name: there is another plugin p on line 2"));
  EXPECT_THAT(
      Problems("plugins: [{name: p, run: x}]\nroutes:\n- {name: r, to: p}\n- {name: r, to: p}\n"),
      HasSubstr(":4:10: routes[1].name: there is another route r on line 3"));
}

TEST(ReferencesTest, RefusesALaneTwice) {
  EXPECT_THAT(Problems("plugins: [{name: p, run: x}]\nroutes:\n- {name: r, to: [p, p.a, p]}\n"),
              HasSubstr("routes[0].to[2]: lane r/p is there twice"));
}

TEST(ReferencesTest, RefusesSingletonsThatShareAQueueButNoPolicy) {
  const std::string plugins = "plugins: [{name: p, run: x}, {name: q, run: x}]\nroutes:\n";
  const std::string first =
      "- {name: r, to: p, source: {events: [a, b]}, delivery: {mode: singleton}}\n";
  EXPECT_THAT(Problems(plugins + first +
                       "- {name: s, to: q, source: {events: [b, a]}, delivery: {mode: singleton}, "
                       "retry: {max_attempts: 2}}\n"),
              HasSubstr("routes[1]: shares its queue with the singleton route r on line 3"));
  EXPECT_THAT(
      Problems(plugins + first +
               "- {name: s, to: q, source: {events: [b, a]}, delivery: {mode: singleton}}\n"),
      IsEmpty());
  EXPECT_THAT(Problems(plugins + first +
                       "- {name: s, to: q, source: {events: [c]}, delivery: {mode: singleton}, "
                       "retry: {max_attempts: 2}}\n"),
              IsEmpty());
}

TEST(ReferencesTest, WarnsOfAnObserverThatSharesItsPlugin) {
  const std::string plugins = "plugins: [{name: p, run: x}, {name: q, run: x}]\n";
  const ReadResult shared =
      Read(plugins + "routes:\n- name: r\n  stages: [{stage: p.see, observe: true}, q]\n  to: p\n");
  EXPECT_THAT(shared.problems, IsEmpty());
  EXPECT_THAT(ToText(shared.warnings),
              HasSubstr(":4:11: routes[0].stages: observer p.see of route r is of a plugin that "
                        "handles its events, too"));
  const ReadResult own =
      Read(plugins + "routes:\n- name: r\n  stages: [{stage: q, observe: true}]\n  to: p\n");
  EXPECT_THAT(own.warnings, IsEmpty());
}

TEST(ReferencesTest, WarnsOfAPluginThatGetsNothing) {
  const ReadResult result = Read("plugins: [{name: p, run: x}]\n");
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_THAT(ToText(result.warnings),
              HasSubstr("plugins[0]: no route, pipeline or ingress leads to plugin p"));
}

}  // namespace
}  // namespace outboard::config

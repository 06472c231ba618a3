#include "host/app/ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/app/wiring.h"
#include "host/config/reader.h"

namespace outboard::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kFirst[] = R"(
plugins:
  - {name: guard, run: [a]}
  - {name: one, run: [a]}
  - {name: two, run: [a]}
routes:
  - {name: r, source: {service: s}, stages: [guard], to: [one, two.part]}
  - {name: q, source: {service: s}, to: [two.part]}
pipelines:
  - {name: p, stages: [guard, two]}
)";

config::Config Read(const std::string& text) {
  config::ReadResult read = config::ReadConfigText(
      text, "/srv/outboard.yaml", [](const std::string&) { return std::optional<std::string>(); });
  EXPECT_TRUE(read.ok()) << config::ToText(read.problems);
  return std::move(read.config);
}

Ids Assign(const config::Config& config, const Ids& former = Ids()) {
  absl::StatusOr<Ids> ids = AssignIds(config, former);
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.ok() ? *std::move(ids) : Ids();
}

TEST(IdsTest, EachHopHasItsOwnAndTheFirstIsTheLanes) {
  const Ids ids = Assign(Read(kFirst));
  EXPECT_EQ(ids.plugins.at("guard").id, 0u);
  EXPECT_EQ(ids.plugins.at("two").id, 2u);
  EXPECT_THAT(ids.lanes, SizeIs(3));
  const Ids::Lane& staged = ids.lanes.at("r/one");
  ASSERT_THAT(staged.hops, SizeIs(2));
  EXPECT_EQ(staged.id, staged.hops[0]);
  std::set<bus::LaneId> all;
  for (const auto& [name, lane] : ids.lanes) all.insert(lane.hops.begin(), lane.hops.end());
  for (const Ids::Chain& chain : ids.chains) all.insert(chain.stages.begin(), chain.stages.end());
  EXPECT_THAT(all, SizeIs(ids.next_lane));
}

TEST(IdsTest, AnObserverIsNotALanesFirstHop) {
  const Ids ids = Assign(Read(R"(
plugins: [{name: a, run: [a]}, {name: b, run: [b]}]
routes: [{name: r, source: {service: s}, stages: [{stage: a, observe: true}], to: [b]}]
)"));
  const Ids::Lane& lane = ids.lanes.at("r/b");
  EXPECT_EQ(lane.id, lane.hops[1]);
}

TEST(IdsTest, WhatStaysKeepsItsIdsWhereverItStands) {
  const Ids first = Assign(Read(kFirst));
  const Ids second = Assign(Read(R"(
plugins:
  - {name: three, run: [a]}
  - {name: two, run: [b], instances: 3}
  - {name: one, run: [a]}
  - {name: guard, run: [a]}
routes:
  - {name: new, source: {service: s}, to: [three]}
  - {name: q, source: {service: s, events: [x]}, retry: {max_attempts: 2}, to: [two.part]}
  - {name: r, source: {service: s}, stages: [{stage: guard, time_limit: 1s}], to: [two.part]}
pipelines:
  - {name: new, stages: [three]}
  - {name: p, stages: [guard, two]}
)"),
                            first);
  for (const char* plugin : {"guard", "one", "two"})
    EXPECT_EQ(second.plugins.at(plugin).id, first.plugins.at(plugin).id);
  EXPECT_EQ(second.plugins.at("three").id, 3u);
  for (const char* lane : {"q/two.part", "r/two.part"})
    EXPECT_EQ(second.lanes.at(lane).hops, first.lanes.at(lane).hops);
  EXPECT_EQ(second.lanes.count("r/one"), 0u);
  EXPECT_GE(second.lanes.at("new/three").id, first.next_lane);
  EXPECT_EQ(second.chains[1].stages, first.chains[0].stages);
  EXPECT_EQ(second.chains[1].position, first.chains[0].position);
  EXPECT_NE(second.chains[0].position, first.chains[0].position);
}

TEST(IdsTest, WhatIsMadeOtherwiseIsAnotherThingUnderItsName) {
  const Ids first = Assign(Read(kFirst));
  const Ids second = Assign(Read(R"(
plugins:
  - {name: guard, run: [a]}
  - {name: one, run: [a]}
  - {name: two, run: [a]}
routes:
  - {name: r, source: {service: s}, stages: [{stage: guard, fail: open}], to: [one]}
  - {name: q, source: {service: s}, delivery: {order_by: subject}, to: [two.part]}
pipelines:
  - {name: p, stages: [guard]}
)"),
                            first);
  for (const char* lane : {"r/one", "q/two.part"})
    EXPECT_GE(second.lanes.at(lane).id, first.next_lane) << lane;
  EXPECT_NE(second.chains[0].position, first.chains[0].position);
  // And back again is new once more.
  const Ids third = Assign(Read(kFirst), second);
  EXPECT_GE(third.lanes.at("r/one").id, second.next_lane);
}

TEST(IdsTest, AComponentKeepsItsPlaceAndIsNotWantedMeanwhile) {
  const Ids first = Assign(Read(kFirst));
  ASSERT_THAT(first.plugins.at("two").components, SizeIs(2));  // part, and a stage without a name.
  const Ids second = Assign(Read(R"(
plugins: [{name: two, run: [a]}]
routes: [{name: q, source: {service: s}, to: [two.other]}]
)"),
                            first);
  const auto& components = second.plugins.at("two").components;
  ASSERT_THAT(components, SizeIs(3));
  EXPECT_EQ(components[0].name, first.plugins.at("two").components[0].name);
  EXPECT_FALSE(components[0].wanted);
  EXPECT_FALSE(components[1].wanted);
  EXPECT_EQ(components[2].name, "other");
  EXPECT_TRUE(components[2].wanted);
  const Ids third = Assign(Read(kFirst), second);
  EXPECT_TRUE(third.plugins.at("two").components[0].wanted);
  EXPECT_FALSE(third.plugins.at("two").components[2].wanted);
  EXPECT_EQ(third.plugins.at("one").id, first.plugins.at("one").id);
}

TEST(IdsTest, WhatATriedConfigUsedIsNotUsedAgain) {
  const config::Config config = Read(kFirst);
  const Ids first = Assign(config);
  const Ids tried = Assign(Read(R"(
plugins: [{name: two, run: [a]}, {name: three, run: [a]}]
routes: [{name: q, source: {service: s}, to: [two.other, three]}]
pipelines: [{name: n, stages: [three]}]
)"),
                           first);
  const Ids spent = Spend(first, tried);
  EXPECT_EQ(Assign(config, spent).lanes.at("r/one").hops, first.lanes.at("r/one").hops);
  const Ids next = Assign(Read(R"(
plugins: [{name: two, run: [a]}, {name: four, run: [a]}]
routes: [{name: q, source: {service: s}, to: [two.another, four]}]
pipelines: [{name: m, stages: [four]}]
)"),
                          spent);
  EXPECT_NE(next.plugins.at("four").id, tried.plugins.at("three").id);
  EXPECT_GE(next.lanes.at("q/four").id, tried.next_lane);
  EXPECT_GE(next.chains[0].position, tried.next_position[0]);
  const auto& components = next.plugins.at("two").components;
  ASSERT_THAT(components, SizeIs(4));
  EXPECT_EQ(components[2].name, "other");
  EXPECT_FALSE(components[2].wanted);
  EXPECT_EQ(components[3].name, "another");
}

TEST(IdsTest, PluginsOfTwoShardsCannotBeBroughtTogether) {
  const std::string plugins =
      "host: {shards: 2}\nplugins: [{name: a, run: [a]}, {name: b, run: [b]}]\n";
  const Ids first = Assign(Read(plugins + "routes: [{name: r, source: {service: s}, to: [a]},"
                                          " {name: q, source: {service: s}, to: [b]}]\n"));
  EXPECT_NE(first.plugins.at("a").shard, first.plugins.at("b").shard);
  const absl::StatusOr<Ids> together = AssignIds(
      Read(plugins + "routes: [{name: r, source: {service: s}, stages: [a], to: [b]}]\n"), first);
  EXPECT_EQ(together.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(together.status().message()), HasSubstr("plugins a and b"));
  // A plugin that is new goes where the other one is.
  const Ids third = Assign(Read("host: {shards: 2}\nplugins: [{name: b, run: [b]}, {name: c, run: "
                                "[c]}]\nroutes: [{name: r, source: {service: s}, stages: [c], to: "
                                "[b]}]\n"),
                           first);
  EXPECT_EQ(third.plugins.at("c").shard, first.plugins.at("b").shard);
}

TEST(IdsTest, APausedLaneBeginsSoAtAllItsHops) {
  app::Setup setup{Read(kFirst), Ids(), {{"r/one"}, {}}};
  setup.ids = Assign(setup.config);
  std::vector<std::string> paused;
  for (const shard::ShardOptions& shard : ShardOptions(setup)) {
    for (const shard::PluginOptions& plugin : shard.plugins) {
      for (const lane::LaneOptions& lane : plugin.dispatcher.lanes) {
        if (lane.paused) paused.push_back(plugin.name + " " + lane.name);
      }
    }
  }
  EXPECT_THAT(paused, ElementsAre("guard r/one", "one r/one"));
}

}  // namespace
}  // namespace outboard::app

#include "host/bus/rabbitmq/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Kind;
using dialect::Place;
using route::Filter;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// Types in the body.
dialect::DialectOptions Oslo() {
  return {.kind = Kind::kJson, .mapping = {.type = {Place::Body({"/event_type"})}}};
}

Sources WithNova() {
  return Sources({}, {{"nova",
                       {.exchange = "openstack",
                        .declare = false,
                        .routing_keys = {"notifications.*", "versioned.*"},
                        .dialect = Oslo()}},
                      {"tracker", {.exchange = "storyboard", .dialect = {.kind = Kind::kJson}}}});
}

TEST(SourcesTest, WhatIsNotNamedIsLikeTheOthers) {
  const Sources sources({.declare = false, .dialect = {.prefix = "ce-"}}, {});
  EXPECT_EQ(sources.ExchangeOf("a"), "a");
  EXPECT_FALSE(sources.declares("a"));
  EXPECT_EQ(sources.dialect("a").prefix, "ce-");
  EXPECT_THAT(sources.routing_keys("a"), ElementsAre("#"));
}

TEST(SourcesTest, AMessageIsReadByItsExchange) {
  const Sources sources = WithNova();
  EXPECT_EQ(sources.ExchangeOf("nova"), "openstack");
  EXPECT_EQ(sources.dialect("openstack"), Oslo());
  EXPECT_FALSE(sources.declares("openstack"));
  EXPECT_EQ(sources.dialect("nova"), dialect::DialectOptions()) << "of that name is no exchange";
  EXPECT_TRUE(sources.declares("elsewhere"));
}

TEST(SourcesTest, NoEventGoesToAnExchangeOfTheBusOrTheBrokerUnlessItIsNamed) {
  const Sources sources({}, {{"feed", {.exchange = "amq.topic"}}});
  EXPECT_EQ(sources.ExchangeOf("outboard.due"), "outboard.all");
  EXPECT_EQ(sources.ExchangeOf("amq.topic"), "outboard.all");
  EXPECT_EQ(sources.ExchangeOf("feed"), "amq.topic");
}

TEST(SourcesTest, WhatHasNoExchangeIsCloudEventsWhateverTheOthersAre) {
  const Sources sources({.dialect = Oslo()}, {});
  EXPECT_EQ(sources.dialect("a"), Oslo());
  EXPECT_EQ(sources.dialect("outboard.all"), dialect::DialectOptions());
}

TEST(SourcesTest, PatternsAreBindingsWhereTypesAreRoutingKeys) {
  const Sources sources = WithNova();
  const std::vector<Filter> filters = {{"tracker", {"task", "story"}}};
  EXPECT_THAT(sources.BindingsOf(filters),
              ElementsAre(Pair("storyboard", "story"), Pair("storyboard", "task")));
  EXPECT_FALSE(sources.FiltersAfter(filters));
  EXPECT_THAT(sources.BindingsOf({{"tracker", {}}}), ElementsAre(Pair("storyboard", "#")));
}

TEST(SourcesTest, WhereTypesAreElsewhereTheHostFilters) {
  const Sources sources = WithNova();
  const std::vector<Filter> filters = {{"nova", {"compute.#"}}};
  EXPECT_THAT(sources.BindingsOf(filters),
              ElementsAre(Pair("openstack", "notifications.*"), Pair("openstack", "versioned.*")));
  EXPECT_TRUE(sources.FiltersAfter(filters));
  EXPECT_TRUE(sources.Takes(filters, "openstack", "compute.instance.create.end"));
  EXPECT_FALSE(sources.Takes(filters, "openstack", "network.create.end"));
  EXPECT_FALSE(sources.Takes(filters, "storyboard", "compute.x"));
  EXPECT_FALSE(sources.FiltersAfter({{"nova", {}}})) << "it takes all";
}

TEST(SourcesTest, LanesOfAnySourceAreFilteredAsSoonAsOneSourceNeedsIt) {
  const std::vector<Filter> filters = {{"", {"compute.#"}}};
  EXPECT_THAT(WithNova().BindingsOf(filters), ElementsAre(Pair("outboard.all", "#")));
  EXPECT_TRUE(WithNova().FiltersAfter(filters));
  EXPECT_TRUE(WithNova().Takes(filters, "whatever", "compute.x"));
  EXPECT_FALSE(WithNova().Takes(filters, "whatever", "task"));
  const Sources plain({}, {});
  EXPECT_THAT(plain.BindingsOf(filters), ElementsAre(Pair("outboard.all", "compute.#")));
  EXPECT_FALSE(plain.FiltersAfter(filters));
}

TEST(SourcesTest, KnowsWhatOthersDeclare) {
  EXPECT_TRUE(WithNova().AnyForeign({{"tracker", {}}, {"nova", {}}}));
  EXPECT_FALSE(WithNova().AnyForeign({{"tracker", {}}, {"", {}}}));
}

TEST(SourcesTest, NobodyPublishesWhatNoLaneWouldGet) {
  const Sources sources = WithNova();
  EXPECT_TRUE(sources.CheckKey("nova", "openstack", "notifications.info").ok());
  EXPECT_TRUE(sources.CheckKey("tracker", "storyboard", "anything").ok());
  EXPECT_THAT(std::string(sources.CheckKey("nova", "openstack", "compute.x").message()),
              HasSubstr("'compute.x' is none: publish it from another source"));
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

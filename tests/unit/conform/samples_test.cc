#include "host/conform/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "host/event/wire.h"
#include "host/route/filter.h"

namespace outboard::conform {
namespace {

using outboard::plugin::v1::Component;
using testing::HasSubstr;

Component Of(const std::string& type) {
  Component component;
  if (!type.empty()) component.add_event_types(type);
  return component;
}

TEST(SamplesTest, MakesEventsOfATypeThatTheComponentTakes) {
  for (const char* pattern : {"story.post", "story.*", "story.#", "#", "*.post", "a.#.b"}) {
    Samples samples({}, Of(pattern));
    EXPECT_TRUE(route::TopicMatches(pattern, samples.NextEvent().type())) << pattern;
  }
}

TEST(SamplesTest, MakesEventsThatTheHostWouldLetIn) {
  Samples samples({}, Of(""));
  std::vector<std::pair<std::string, event::v1::Event>> events = samples.Unusual();
  events.emplace_back("an ordinary one", samples.NextEvent());
  std::set<std::string> ids;
  for (const auto& [what, event] : events) {
    const auto checked = CheckEvent(event.SerializeAsString());
    EXPECT_TRUE(checked.ok()) << what << ": " << checked.status();
    EXPECT_TRUE(ids.insert(event.id()).second) << what;
  }
}

TEST(SamplesTest, TakesTheGivenEventsInTurnEachWithAnIdOfItsOwn) {
  const auto given = ReadEvents(
      "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"a\"}\n\n"
      "{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"s\",\"type\":\"b\"}\n");
  ASSERT_TRUE(given.ok()) << given.status();
  Samples samples(*given, Of(""));
  std::set<std::string> ids;
  std::string types;
  for (int i = 0; i < 5; ++i) {
    const event::v1::Event event = samples.NextEvent();
    EXPECT_TRUE(ids.insert(event.id()).second);
    types += event.type();
  }
  EXPECT_EQ(types, "ababa");
}

TEST(SamplesTest, ReadsOneEventAnArrayOrLines) {
  const std::string one = R"({"specversion":"1.0","id":"1","source":"s","type":"a"})";
  for (const std::string& text : {one, "[" + one + "]", one + "\n"}) {
    const auto events = ReadEvents(text);
    ASSERT_TRUE(events.ok()) << events.status();
    EXPECT_EQ(events->size(), 1u);
  }
  EXPECT_THAT(ReadEvents("\n").status().message(), HasSubstr("no event"));
  EXPECT_THAT(ReadEvents(one + "\n{}\n").status().message(), HasSubstr("event 2"));
}

TEST(SamplesTest, MakesCallsOfHookedOperations) {
  Component component;
  component.add_operations("create");
  component.add_operations("*");
  Samples samples({}, component);
  EXPECT_EQ(samples.NextCall().call().operation(), "create");
  EXPECT_EQ(samples.NextCall().call().operation(), "conform");
}

}  // namespace
}  // namespace outboard::conform

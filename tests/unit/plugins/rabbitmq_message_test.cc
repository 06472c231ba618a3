#include <gtest/gtest.h>

#include <map>

#include "plugins/producers/rabbitmq/message.h"

namespace outboard::rabbitmq {
namespace {

NewEvent Story() {
  NewEvent event("story.post");
  event.Id("1").Source("storyboard").Subject("story/12").Set("count", 3).Set("flag", true);
  event.Time(Timestamp(std::chrono::milliseconds(7500))).Json("{\"a\":1}");
  return event;
}

TEST(RabbitmqMessageTest, BinaryHasAttributesAsHeaders) {
  const NewEvent event = Story();
  const Message message = MessageOf(event.view(), Mode::kBinary, "{type}");
  EXPECT_EQ(message.routing_key, "story.post");
  EXPECT_EQ(message.content_type, "application/json");
  EXPECT_EQ(message.message_id, "1");
  EXPECT_EQ(message.app_id, "storyboard");
  EXPECT_EQ(message.type, "story.post");
  EXPECT_EQ(message.timestamp, 7u);
  EXPECT_EQ(message.body, "{\"a\":1}");
  const std::map<std::string, Message::Value> headers(message.headers.begin(),
                                                      message.headers.end());
  EXPECT_EQ(headers, (std::map<std::string, Message::Value>{
                         {"cloudEvents:specversion", std::string("1.0")},
                         {"cloudEvents:id", std::string("1")},
                         {"cloudEvents:source", std::string("storyboard")},
                         {"cloudEvents:type", std::string("story.post")},
                         {"cloudEvents:subject", std::string("story/12")},
                         {"cloudEvents:time", std::string("1970-01-01T00:00:07.5Z")},
                         {"cloudEvents:count", 3},
                         {"cloudEvents:flag", true},
                     }));
}

TEST(RabbitmqMessageTest, StructuredIsTheWholeEventAndDataIsDataAlone) {
  const NewEvent event = Story();
  const Message structured = MessageOf(event.view(), Mode::kStructured, "q");
  EXPECT_EQ(structured.content_type, "application/cloudevents+json; charset=utf-8");
  EXPECT_TRUE(structured.headers.empty());
  EXPECT_NE(structured.body.find("\"data\":{\"a\":1}"), std::string::npos);
  const Message data = MessageOf(event.view(), Mode::kData, "q");
  EXPECT_TRUE(data.headers.empty());
  EXPECT_EQ(data.body, "{\"a\":1}");
  EXPECT_EQ(data.routing_key, "q");
}

TEST(RabbitmqMessageTest, ARoutingKeyIsMadeOfAttributes) {
  const NewEvent event = Story();
  EXPECT_EQ(FillIn("{source}.{type}.x", event.view()), "storyboard.story.post.x");
  EXPECT_EQ(FillIn("{count}{none}{flag}", event.view()), "3true");
  EXPECT_EQ(FillIn("", event.view()), "");
}

TEST(RabbitmqMessageTest, PatternsThatCannotBeAreFaults) {
  for (const char* good : {"", "q", "{type}", "a.{source}.{id}"}) EXPECT_EQ(FaultOf(good), "");
  EXPECT_EQ(FaultOf("{type"), "has a { without its }");
  EXPECT_EQ(FaultOf("type}"), "has a } without its {");
  EXPECT_EQ(FaultOf("{Type}"),
            "has {Type}, which is no name of an attribute: small letters and digits");
  EXPECT_NE(FaultOf("{}"), "");
}

TEST(RabbitmqMessageTest, WhatTheFramesDoNotHoldIsKnownBefore) {
  EXPECT_EQ(TooLarge(MessageOf(Story().view(), Mode::kBinary, "{type}")), "");
  NewEvent event = Story().Set("note", std::string(200'000, 'x'));
  EXPECT_NE(TooLarge(MessageOf(event.view(), Mode::kBinary, "{type}")), "");
  EXPECT_EQ(TooLarge(MessageOf(event.view(), Mode::kStructured, "{type}")), "");
  EXPECT_NE(TooLarge(MessageOf(event.view(), Mode::kStructured, "{note}")), "");
  const NewEvent long_id = Story().Id(std::string(300, 'x'));
  EXPECT_EQ(MessageOf(long_id.view(), Mode::kBinary, "q").message_id, "");
}

}  // namespace
}  // namespace outboard::rabbitmq

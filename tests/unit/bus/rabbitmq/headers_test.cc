#include "host/bus/rabbitmq/headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Field;
using dialect::Message;

Message Original() {
  Message message;
  message.exchange = "storyboard";
  message.routing_key = "story.post";
  message.properties.message_id = "m1";
  message.properties.headers = {{"cloudEvents:id", Field::Text("1")}, {"n", Field::Number(7)}};
  message.body = "data";
  return message;
}

Travel MakeTravel() {
  Travel travel;
  travel.exchange = "storyboard";
  travel.routing_key = "story.post";
  travel.accepted_at = Time(Duration(1'700'000'000'123'456));
  travel.attempts = 3;
  travel.due = Time(Duration(1'700'000'060'000'000));
  travel.serial = 17;
  return travel;
}

TEST(HeadersTest, AMessageThatIsPublishedAgainComesBackAsItWas) {
  Message message = Original();
  PutTravel(MakeTravel(), &message);
  message.exchange = "";
  message.routing_key = "outboard.tracker.all/x";
  const std::optional<Travel> travel = TakeTravel(&message);
  ASSERT_TRUE(travel);
  EXPECT_EQ(message, Original());
  EXPECT_EQ(travel->accepted_at, MakeTravel().accepted_at);
  EXPECT_EQ(travel->attempts, 3u);
  EXPECT_EQ(travel->due, MakeTravel().due);
  EXPECT_EQ(travel->serial, 17u);
  EXPECT_EQ(travel->dead_id, 0u);
}

TEST(HeadersTest, AFreshMessageHasNotTravelled) {
  Message message = Original();
  EXPECT_FALSE(TakeTravel(&message));
  EXPECT_EQ(AcceptedAt(message), std::nullopt);
  PutAcceptedAt(Time(Duration(42)), &message);
  EXPECT_FALSE(TakeTravel(&message));
  EXPECT_EQ(AcceptedAt(message), Time(Duration(42)));
}

TEST(HeadersTest, ADeadLetterSaysWhy) {
  Message message = Original();
  Travel travel = MakeTravel();
  travel.due.reset();
  travel.dead_id = 99;
  travel.lane = "all/x";
  travel.died_at = Time(Duration(1'700'000'070'000'000));
  travel.why = {"REJECTED", "no use", "line 1\nline 2"};
  PutTravel(travel, &message);
  const std::optional<Travel> back = TakeTravel(&message);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->dead_id, 99u);
  EXPECT_EQ(back->lane, "all/x");
  EXPECT_EQ(back->died_at, travel.died_at);
  EXPECT_EQ(back->why.reason, "REJECTED");
  EXPECT_EQ(back->why.message, "no use");
  EXPECT_EQ(back->why.detail, "line 1\nline 2");
  EXPECT_FALSE(back->due);
}

TEST(HeadersTest, TextsAreCutSoThatTheTableStaysSmall) {
  Message message = Original();
  Travel travel = MakeTravel();
  travel.dead_id = 1;
  travel.why = {std::string(10'000, 'r'), std::string(100'000, 'm'), std::string(1'000'000, 'd')};
  PutTravel(travel, &message);
  size_t bytes = 0;
  for (const auto& [name, field] : message.properties.headers)
    bytes += name.size() + field.text.size() + 16;
  EXPECT_LT(bytes, 16u << 10);
}

TEST(HeadersTest, TheBrokersNotesDoNotTravel) {
  Message message = Original();
  for (const char* name : {"x-death", "x-first-death-queue", "x-last-death-reason",
                           "x-delivery-count", "x-acquired-count"}) {
    message.properties.headers.emplace_back(name, Field::Number(1));
  }
  PutTravel(MakeTravel(), &message);
  for (const auto& [name, field] : message.properties.headers)
    EXPECT_TRUE(name.rfind("x-outboard-", 0) == 0 || name == "n" || name == "cloudEvents:id")
        << name;
}

TEST(HeadersTest, WhatIsWrittenTwiceIsThereOnce) {
  Message message = Original();
  PutTravel(MakeTravel(), &message);
  const size_t headers = message.properties.headers.size();
  PutTravel(MakeTravel(), &message);
  EXPECT_EQ(message.properties.headers.size(), headers);
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

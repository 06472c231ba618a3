#include "host/bus/rabbitmq/headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/bus/attempts.h"

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

TEST(HeadersTest, ARetryRemembersWhereItsReceiptsGoAndADeadLetterDoesNot) {
  Message message = Original();
  PutReceiptAddress({"outboard.tracker.receipts.r.1", 9}, &message);
  Travel travel = MakeTravel();
  travel.receipt = ReadReceiptAddress(message);
  PutTravel(travel, &message);
  EXPECT_EQ(ReadReceiptAddress(message), travel.receipt);
  EXPECT_EQ(ReadTravel(message)->receipt, travel.receipt);
  travel.dead_id = 1;
  PutTravel(travel, &message);
  EXPECT_FALSE(ReadReceiptAddress(message));
  EXPECT_TRUE(TakeTravel(&message));
  EXPECT_EQ(message, Original());
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

TEST(HeadersTest, AHistoryGoesFromAttemptToAttemptAndIntoTheLetter) {
  for (const uint64_t dead_id : {0, 7}) {
    Message message = Original();
    Travel travel = MakeTravel();
    travel.dead_id = dead_id;
    travel.history = "{\"at_us\":1}\n";
    travel.why.version = "v1";
    PutTravel(travel, &message);
    const std::optional<Travel> read = TakeTravel(&message);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->history, travel.history);
    EXPECT_EQ(read->why.version, dead_id == 0 ? "" : "v1");
  }
}

TEST(HeadersTest, TextsAreCutSoThatTheTableStaysSmall) {
  Message message = Original();
  Travel travel = MakeTravel();
  travel.dead_id = 1;
  travel.why = {std::string(10'000, 'r'), std::string(100'000, 'm'), std::string(1'000'000, 'd'),
                std::string(10'000, 'v')};
  travel.history = std::string(kMaxHistory, 'h');
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

TEST(HeadersTest, WhatTheBrokerNotesChangesNoLastingBytes) {
  Message message;
  message.exchange = "storyboard";
  message.routing_key = "story.post";
  message.body = "{}";
  message.properties.headers.emplace_back("ce-id", Field::Text("one"));
  const std::string first = LastingBytes(message);
  message.properties.headers.emplace_back("x-delivery-count", Field::Number(3));
  EXPECT_EQ(LastingBytes(message), first);

  Message other = message;
  other.properties.headers[0].second = Field::Text("two");
  EXPECT_NE(LastingBytes(other), first) << "another event with the same body";
  Travel replay;
  replay.serial = 17;
  PutTravel(replay, &message);
  EXPECT_NE(LastingBytes(message), first) << "what people replay is tried anew";
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

#include "host/bus/rabbitmq/orphans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Field;
using dialect::Message;
using testing::HasSubstr;

constexpr int64_t kDied = 1'700'000'000;

Field Death(const std::string& queue, const std::string& reason, int64_t at = kDied) {
  Field death;
  death.type = 'F';
  Field keys;
  keys.type = 'A';
  keys.items = {Field::Text("story.post")};
  death.members = {{"queue", Field::Text(queue)},
                   {"reason", Field::Text(reason)},
                   {"exchange", Field::Text("storyboard")},
                   {"routing-keys", keys},
                   {"time", Field::Number(at)}};
  return death;
}

Message GivenUpBy(std::vector<Field> deaths, Message message = {}) {
  Field all;
  all.type = 'A';
  all.items = std::move(deaths);
  message.properties.headers.emplace_back("x-death", all);
  return message;
}

// As it comes from a rung for a queue that is gone.
Message Retry(const std::string& body = "data") {
  Message message;
  message.properties.message_id = "m1";
  message.body = body;
  Travel travel;
  travel.exchange = "storyboard";
  travel.routing_key = "story.post";
  travel.attempts = 3;
  travel.due = Time(std::chrono::seconds(kDied));
  PutTravel(travel, &message);
  message.exchange = "outboard.due";
  message.routing_key = "outboard.tracker.a/x";
  return GivenUpBy({Death("outboard.wait.500ms", "expired")}, message);
}

TEST(OrphansTest, ARetryIsForTheQueueThatItsKeyNames) {
  Message message = Retry();
  const Orphan orphan = TakeOrphan(&message);
  EXPECT_EQ(orphan.queue, "outboard.tracker.a/x");
  EXPECT_EQ(orphan.travel.why.reason, "ORPHANED");
  EXPECT_THAT(orphan.travel.why.message, HasSubstr("outboard.tracker.a/x was gone"));
  EXPECT_EQ(orphan.travel.attempts, 3u);
  EXPECT_EQ(orphan.travel.died_at, Time(std::chrono::seconds(kDied)));
  EXPECT_EQ(message.exchange, "storyboard");
  EXPECT_EQ(message.routing_key, "story.post");
}

TEST(OrphansTest, WhatAQueueGaveUpIsForThatQueue) {
  Message message = GivenUpBy(
      {Death("outboard.tracker.a/x", "delivery_limit"), Death("outboard.wait.500ms", "expired")});
  message.exchange = "outboard.orphans";
  const Orphan orphan = TakeOrphan(&message);
  EXPECT_EQ(orphan.queue, "outboard.tracker.a/x");
  EXPECT_THAT(orphan.travel.why.message, HasSubstr("delivery_limit"));
  EXPECT_EQ(message.exchange, "storyboard");
  EXPECT_EQ(message.routing_key, "story.post");
  EXPECT_EQ(orphan.travel.exchange, "storyboard");
  EXPECT_EQ(orphan.travel.routing_key, "story.post");
}

TEST(OrphansTest, TheIdIsTheSameAtEachLookAndAnotherForAnother) {
  Message first = Retry(), again = Retry(), another = Retry("other");
  again.properties.headers.emplace_back("x-delivery-count", Field::Number(1));
  const uint64_t id = TakeOrphan(&first).travel.dead_id;
  EXPECT_EQ(TakeOrphan(&again).travel.dead_id, id);
  EXPECT_NE(TakeOrphan(&another).travel.dead_id, id);
  EXPECT_EQ(id / kDeadIdsASecond, static_cast<uint64_t>(kDied - kDeadIdsSince));
}

TEST(OrphansTest, ATimeThatCannotBeIsTheNearestOne) {
  for (const auto& [at, seconds] : {std::pair<int64_t, int64_t>{INT64_MIN, 0},
                                    std::pair<int64_t, int64_t>{INT64_MAX, 253'402'300'799}}) {
    Message message = GivenUpBy({Death("q", "rejected", at)});
    EXPECT_EQ(TakeOrphan(&message).travel.died_at, Time(std::chrono::seconds(seconds)));
  }
}

TEST(OrphansTest, WhatIsNotOursIsShownAllTheSame) {
  Message message;
  message.routing_key = "somewhere";
  const Orphan orphan = TakeOrphan(&message);
  EXPECT_EQ(orphan.queue, "somewhere");
  EXPECT_NE(orphan.travel.why.message, "");
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

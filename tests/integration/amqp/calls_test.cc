#include "tests/integration/amqp/fixture.h"

namespace outboard::bus::amqp {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CallsTest : public AmqpTest {};

TEST_F(CallsTest, DeclaresBindsAndCounts) {
  const auto c = ConnectWith(1);
  ASSERT_EQ(c->DeclareExchange(1, "from", "topic", false), absl::OkStatus());
  ASSERT_EQ(c->DeclareExchange(1, "to", "topic", false,
                               {{"alternate-exchange", dialect::Field::Text("amq.fanout")}}),
            absl::OkStatus());
  ASSERT_EQ(c->DeclareExchange(1, "to", "topic", true), absl::OkStatus());
  ASSERT_TRUE(c->DeclareQueue(1, Queue("q")).ok());
  ASSERT_EQ(c->BindExchange(1, "to", "from", "a.#"), absl::OkStatus());
  ASSERT_EQ(c->BindQueue(1, "q", "to", "#.z"), absl::OkStatus());
  ASSERT_EQ(c->SelectConfirms(1), absl::OkStatus());

  dialect::Message message;
  message.exchange = "from";
  message.routing_key = "a.m.z";
  PublishConfirmed(*c, 1, message);
  PublishConfirmed(*c, 1, message);
  auto count = c->CheckQueue(1, "q");
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(count->ready, 2u);
  EXPECT_EQ(count->consumers, 0u);

  ASSERT_EQ(c->UnbindQueue(1, "q", "to", "#.z"), absl::OkStatus());
  const auto deleted = c->DeleteQueue(1, "q");
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(*deleted, 2u);
}

TEST_F(CallsTest, DeclaresAQuorumQueueWithArguments) {
  const auto c = ConnectWith(1);
  QueueSpec queue = Queue("q");
  queue.arguments = {{"x-queue-type", dialect::Field::Text("quorum")},
                     {"x-single-active-consumer", dialect::Field::Bool(true)},
                     {"x-delivery-limit", dialect::Field::Number(7)}};
  ASSERT_TRUE(c->DeclareQueue(1, queue).ok());
  EXPECT_THAT(tests::Broker::Shared().Ctl("list_queues -p " + vhost_ + " name type arguments"),
              AllOf(HasSubstr("quorum"), HasSubstr("x-single-active-consumer"), HasSubstr("7")));
}

TEST_F(CallsTest, AMissingQueueIsNotFoundAndTheChannelMayBeOpenedAgain) {
  const auto c = ConnectWith(1);
  const absl::Status missing = c->CheckQueue(1, "nowhere").status();
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  EXPECT_THAT(Said(missing), AllOf(HasSubstr("looking for queue \"nowhere\" at " + c->endpoint()),
                                   HasSubstr("NOT_FOUND"), HasSubstr("(404)")));
  EXPECT_TRUE(Nothing(*c));

  const absl::Status closed = c->CheckQueue(1, "nowhere").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(closed));
  EXPECT_THAT(Said(closed),
              AllOf(HasSubstr("channel 1 was closed by the broker"), HasSubstr("NOT_FOUND")));
  ASSERT_EQ(c->OpenChannel(1), absl::OkStatus());
  EXPECT_TRUE(c->DeclareQueue(1, Queue("q")).ok());
  EXPECT_TRUE(absl::IsNotFound(c->BindQueue(1, "q", "no exchange", "#")));
  ASSERT_EQ(c->OpenChannel(1), absl::OkStatus());
  EXPECT_TRUE(absl::IsNotFound(c->Consume(1, "nowhere", "me")));
}

TEST_F(CallsTest, OtherSettingsAreAFailedPrecondition) {
  const auto c = ConnectWith(2);
  ASSERT_TRUE(c->DeclareQueue(1, Queue("q")).ok());
  QueueSpec other = Queue("q");
  other.arguments = {{"x-message-ttl", dialect::Field::Number(1000)}};
  const absl::Status status = c->DeclareQueue(1, other).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(Said(status), AllOf(HasSubstr("x-message-ttl"), HasSubstr("(406)")));
  EXPECT_TRUE(c->CheckQueue(2, "q").ok());
}

TEST_F(CallsTest, AnExclusiveQueueOfAnotherConnectionIsLocked) {
  const auto owner = ConnectWith(1), other = ConnectWith(1);
  QueueSpec mine = Queue("mine");
  mine.durable = false;
  mine.exclusive = true;
  ASSERT_TRUE(owner->DeclareQueue(1, mine).ok());
  const absl::Status status = other->CheckQueue(1, "mine").status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
}

TEST_F(CallsTest, WhatTheUserMayNotIsNoPermission) {
  const std::string user = "reader_of_" + vhost_;
  tests::Broker::Shared().Ctl("add_user " + user + " pw");
  tests::Broker::Shared().Ctl("set_permissions -p " + vhost_ + " " + user + " none none '.*'");
  ConnectionOptions options = Options();
  options.user = user;
  options.password = "pw";
  {
    const auto c = Connect(options);
    ASSERT_EQ(c->OpenChannel(1), absl::OkStatus());
    const absl::Status status = c->DeclareQueue(1, Queue("q")).status();
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_THAT(Said(status), AllOf(HasSubstr("ACCESS_REFUSED"), HasSubstr("set_permissions")));
  }
  tests::Broker::Shared().Ctl("delete_user " + user);
}

TEST_F(CallsTest, NamesThatCannotBeSentAreRefusedHere) {
  const auto c = ConnectWith(1);
  EXPECT_TRUE(absl::IsInvalidArgument(c->CheckQueue(1, std::string(256, 'q')).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(c->CheckQueue(1, "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(c->CheckQueue(1, std::string("a\0b", 3)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(c->BindQueue(1, "q", "e", std::string(256, 'k'))));
  QueueSpec queue = Queue("q");
  queue.arguments = {{std::string(256, 'a'), dialect::Field::Number(1)}};
  EXPECT_TRUE(absl::IsInvalidArgument(c->DeclareQueue(1, queue).status()));
  queue.arguments = {{"long", dialect::Field::Text(std::string(200'000, 'x'))}};
  EXPECT_TRUE(absl::IsInvalidArgument(c->DeclareQueue(1, queue).status()));
  EXPECT_TRUE(c->DeclareQueue(1, Queue(std::string(255, 'q'))).ok());
}

TEST_F(CallsTest, ChannelsAreOpenedAndClosedOnce) {
  const auto c = ConnectWith(1);
  EXPECT_TRUE(absl::IsFailedPrecondition(c->OpenChannel(1)));
  EXPECT_TRUE(absl::IsInvalidArgument(c->OpenChannel(0)));
  EXPECT_TRUE(absl::IsInvalidArgument(c->OpenChannel(2048)));
  EXPECT_TRUE(absl::IsFailedPrecondition(c->CloseChannel(2)));
  EXPECT_EQ(c->OpenChannel(2047), absl::OkStatus());
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(c->CloseChannel(1), absl::OkStatus());
    EXPECT_TRUE(absl::IsFailedPrecondition(c->Ack(1, 1, false)));
    ASSERT_EQ(c->OpenChannel(1), absl::OkStatus());
  }
}

TEST_F(CallsTest, SendsAreAnsweredInTurnEvenBeforeACall) {
  using What = Answered::What;
  const auto c = ConnectWith(1);
  ASSERT_TRUE(c->DeclareQueue(1, Queue("q")).ok());
  ASSERT_EQ(c->SendOpenChannel(2), absl::OkStatus());
  ASSERT_EQ(c->SendPrefetch(2, 10), absl::OkStatus());
  ASSERT_EQ(c->SetPrefetch(2, 20), absl::OkStatus());
  ASSERT_EQ(c->SendConsume(2, "q", "me"), absl::OkStatus());
  for (const What what : {What::kChannelOpen, What::kPrefetch, What::kConsume}) {
    const auto answered = NextOf<Answered>(*c);
    EXPECT_EQ(answered.what, what);
    EXPECT_EQ(answered.channel, 2);
  }
  ASSERT_EQ(c->SendPrefetch(2, 25), absl::OkStatus());
  ASSERT_EQ(c->SetPrefetch(2, 30), absl::OkStatus());
  ASSERT_EQ(c->SendCloseChannel(2), absl::OkStatus());
  EXPECT_TRUE(absl::IsFailedPrecondition(c->SendOpenChannel(2)));
  EXPECT_EQ(NextOf<Answered>(*c).what, What::kPrefetch);
  EXPECT_EQ(NextOf<Answered>(*c).what, What::kChannelClose);
  EXPECT_TRUE(Nothing(*c));
  EXPECT_EQ(c->OpenChannel(2), absl::OkStatus());
}

// The broker closes the channel (404) and we close it, at the same time.
TEST_F(CallsTest, ClosesThatCrossEndTheChannelOnce) {
  const auto c = ConnectWith(1);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(c->SendOpenChannel(2), absl::OkStatus());
    ASSERT_EQ(c->SendConsume(2, "nowhere", "me"), absl::OkStatus());
    ASSERT_EQ(c->SendCloseChannel(2), absl::OkStatus());
    NextOf<Answered>(*c);
    EXPECT_EQ(NextOf<ChannelClosed>(*c).code, 404);
    ASSERT_EQ(c->OpenChannel(2), absl::OkStatus());
    ASSERT_EQ(c->SendConsume(2, "nowhere", "me"), absl::OkStatus());
    ASSERT_EQ(c->CloseChannel(2), absl::OkStatus());
  }
  EXPECT_TRUE(Nothing(*c));
}

}  // namespace
}  // namespace outboard::bus::amqp

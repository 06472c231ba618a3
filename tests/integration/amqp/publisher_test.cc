#include "host/bus/rabbitmq/publisher.h"

#include <future>

#include "absl/strings/str_cat.h"
#include "tests/integration/amqp/fixture.h"

namespace outboard::bus::rabbitmq {
namespace {

using amqp::AmqpTest;
using amqp::Connection;
using amqp::QueueSpec;
using amqp::ToQueue;
using dialect::Field;
using dialect::Message;
using ::testing::HasSubstr;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): of literals only.

class PublisherTest : public AmqpTest {
 protected:
  PublisherTest() : c_(ConnectWith(1)) {}

  void DeclareQuorum(const std::string& name) {
    QueueSpec queue = amqp::Queue(name);
    queue.arguments = {{"x-queue-type", Field::Text("quorum")}};
    ASSERT_TRUE(c_->DeclareQueue(1, queue).ok());
  }
  // A queue's process that does nothing, as one without a leader.
  void SetSuspended(const std::string& queue, bool on) const {
    tests::Broker::Shared().Eval(
        absl::StrCat("sys:", on ? "suspend" : "resume", "(whereis('", vhost_, "_", queue, "'))"));
  }
  static std::future<std::vector<Published>> Start(Publisher& publisher,
                                                   std::vector<Message> messages) {
    auto done = std::make_shared<std::promise<std::vector<Published>>>();
    publisher.Publish(std::move(messages), [done](std::vector<Published> published) {
      done->set_value(std::move(published));
    });
    return done->get_future();
  }
  static absl::Status Publish(Publisher& publisher, const Message& message) {
    return Start(publisher, {message}).get()[0].status;
  }
  // Until it is OK.
  static absl::Status PublishAtLast(Publisher& publisher, const Message& message) {
    absl::Status status;
    for (int i = 0; i < 300; ++i) {
      status = Publish(publisher, message);
      if (status.ok()) break;
      std::this_thread::sleep_for(100ms);
    }
    return status;
  }

  const std::unique_ptr<Connection> c_;
};

TEST_F(PublisherTest, AQueueThatConfirmsNothingHoldsUpNobodyElse) {
  DeclareQuorum("stuck");
  DeclareQuorum("good");
  Publisher publisher(Options(), "test", "", 1s);
  ASSERT_EQ(publisher.WaitUntilTried(), absl::OkStatus());
  SetSuspended("stuck", true);
  auto stuck = Start(publisher, {ToQueue("stuck", "a"), ToQueue("stuck", "b")});
  // Behind it, and while it is waited for.
  EXPECT_EQ(Publish(publisher, ToQueue("good", "1")), absl::OkStatus());
  EXPECT_EQ(stuck.wait_for(0s), std::future_status::timeout);
  for (const Published& published : stuck.get()) {
    EXPECT_TRUE(absl::IsUnavailable(published.status)) << published.status;
    EXPECT_THAT(amqp::Said(published.status), HasSubstr("goes to stuck"));
  }
  EXPECT_TRUE(publisher.health().connected);
  EXPECT_THAT(publisher.health().problem, HasSubstr("goes to stuck"));
  EXPECT_EQ(Publish(publisher, ToQueue("good", "2")), absl::OkStatus());
  EXPECT_TRUE(absl::IsUnavailable(Publish(publisher, ToQueue("stuck", "c"))));
  EXPECT_EQ(publisher.health().reconnects, 0);

  SetSuspended("stuck", false);
  EXPECT_EQ(PublishAtLast(publisher, ToQueue("stuck", "d")), absl::OkStatus());
  EXPECT_EQ(publisher.health().problem, "");
}

TEST_F(PublisherTest, ABadMessageOfOneDestinationIsFoundAndTheOthersGoOn) {
  DeclareQuorum("good");
  Publisher publisher(Options(), "test");
  Message nowhere;
  nowhere.exchange = "nowhere";
  auto bad = Start(publisher, {nowhere});
  std::vector<Message> many;
  for (int i = 0; i < 100; ++i) many.push_back(ToQueue("good", absl::StrCat(i)));
  for (const Published& published : Start(publisher, many).get())
    EXPECT_EQ(published.status, absl::OkStatus());
  EXPECT_TRUE(absl::IsNotFound(bad.get()[0].status));
}

TEST_F(PublisherTest, OfOneChannelOnlyTheMessageAtFaultIsRefused) {
  ASSERT_EQ(c_->DeclareExchange(1, "e", "fanout", false), absl::OkStatus());
  DeclareQuorum("q");
  ASSERT_EQ(c_->BindQueue(1, "q", "e", ""), absl::OkStatus());
  Publisher publisher(Options(), "test");
  std::vector<Message> messages(50);
  for (Message& message : messages) message.exchange = "e";
  messages[20].properties.user_id = "somebody";  // The broker refuses that of another.
  const std::vector<Published> published = Start(publisher, messages).get();
  for (size_t i = 0; i < published.size(); ++i) {
    if (i == 20) {
      EXPECT_TRUE(absl::IsInvalidArgument(published[i].status)) << published[i].status;
    } else {
      EXPECT_EQ(published[i].status, absl::OkStatus()) << i;
    }
  }
}

// Of which no exchange can be called like the first.
TEST_F(PublisherTest, AnExchangeThatCannotBeHoldsUpNoOther) {
  ASSERT_EQ(c_->DeclareExchange(1, "all", "fanout", false), absl::OkStatus());
  ASSERT_EQ(c_->DeclareExchange(1, "e", "fanout", false), absl::OkStatus());
  DeclareQuorum("q");
  ASSERT_EQ(c_->BindQueue(1, "q", "e", ""), absl::OkStatus());
  Publisher publisher(Options(), "test", "all");
  Message message;
  message.exchange = std::string(256, 's');
  EXPECT_TRUE(Start(publisher, {message}).get()[0].unroutable);
  message.exchange = "e";
  const Published published = Start(publisher, {message}).get()[0];
  EXPECT_EQ(published.status, absl::OkStatus());
  EXPECT_FALSE(published.unroutable);
}

TEST_F(PublisherTest, MoreDestinationsThanChannelsAllGetTheirs) {
  Publisher publisher(Options(), "test");
  std::vector<Message> messages;
  for (int i = 0; i < 200; ++i) {
    const std::string name = absl::StrCat("q", i);
    ASSERT_TRUE(c_->DeclareQueue(1, amqp::Queue(name)).ok());
    messages.push_back(ToQueue(name, "x"));
  }
  for (const Published& published : Start(publisher, messages).get())
    EXPECT_EQ(published.status, absl::OkStatus());
  for (int i = 0; i < 200; ++i) EXPECT_EQ(c_->CheckQueue(1, absl::StrCat("q", i))->ready, 1) << i;
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

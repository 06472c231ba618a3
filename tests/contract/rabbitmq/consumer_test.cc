#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "host/base/status.h"
#include "tests/contract/rabbitmq/rabbitmq_fixture.h"

// How channels of consumers end, and are made anew.
namespace outboard::bus {
namespace {

using std::chrono::milliseconds;
using tests::Broker;

class ConsumerTest : public RabbitmqFixture {
 protected:
  std::unique_ptr<RabbitmqBus> Start(RabbitmqBusOptions options, std::vector<LaneSpec> lanes) {
    std::unique_ptr<RabbitmqBus> bus = Open(std::move(options));
    if (bus != nullptr) Declare(*bus, lanes);
    return bus;
  }
  static LaneSpec Unreliable() {
    LaneSpec spec = MakeLane("a/x", "story.#");
    spec.reliable = false;
    return spec;
  }
  static LaneSpec Ordered() {
    LaneSpec spec = MakeLane("a/x", "story.#");
    spec.ordered = true;
    return spec;
  }
  uint32_t Ready() {
    uint32_t ready = 0;
    OnBroker([&](amqp::Connection& connection, amqp::Channel channel) {
      const auto count = connection.CheckQueue(channel, kQueue);
      if (count.ok()) ready = count->ready;
      return count.status();
    });
    return ready;
  }
  // The broker's names of the channels that consume from the queue, as a list; what flushes left
  // out.
  std::string Channels() {
    return Broker::Shared().Eval(
        "[proplists:get_value(channel_pid, C) || C <- rabbit_amqqueue:consumers_all(<<\"" + vhost_ +
        "\">>), element(4, proplists:get_value(queue_name, C)) =:= <<\"" + kQueue +
        "\">>, proplists:get_value(consumer_tag, C) =:= <<\"outboard\">>]");
  }
  // Until another channel than `old` consumes, and only that one.
  ::testing::AssertionResult AwaitOtherChannel(Reader& reader, const std::string& old) {
    std::string last;
    const bool other = Eventually([&] {
      reader.Pump();
      last = Channels();
      return last != old && last != "[]" && last.find(',') == std::string::npos;
    });
    if (other) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "still " << last;
  }
  static void PumpFor(Reader& reader, milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) reader.Pump();
  }

  static constexpr char kQueue[] = "outboard.outboard.a/x";
};

// ---- Acknowledgements at the end of a channel
// ------------------------------------------------------------------------------------

// The leader of a quorum queue answers to no acknowledgement while this is off.
class DiskTest : public ConsumerTest {
 protected:
  static void SetDisk(bool on) {
    const std::string wal = "element(2, ra_system:lookup_name(quorum_queues, wal))";
    Broker::Shared().Eval((on ? "sys:resume(" : "sys:suspend(") + wal + ")");
  }
  void SetUp() override {
    RabbitmqBusOptions options = Options();
    options.prefetch = 2000;
    bus_ = Start(options, {MakeLane("a/x", "story.#")});
    ASSERT_NE(bus_, nullptr);
    reader_ = std::make_unique<Reader>(*bus_, clock_);
    reader_->Open(1, "a/x", 2000);
    PublishIds(*bus_, {"held"});
    PublishIds(*bus_, Numbered("e", 1000));
    reader_->TakeOne(1);
    std::vector<Delivery> deliveries = reader_->Take(1, 1000);
    SetDisk(false);
    reader_->FinishAll(deliveries);
    PumpFor(*reader_, milliseconds(100));
  }

  std::unique_ptr<RabbitmqBus> bus_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(DiskTest, ALaneThatIsClosedKeepsItsEnds) {
  reader_->consumer().Close(1);
  PumpFor(*reader_, milliseconds(300));
  SetDisk(true);
  EXPECT_TRUE(Eventually([&] {
    reader_->Pump();
    return Ready() > 0;
  }));
  EXPECT_EQ(Ready(), 1u);
}

TEST_F(DiskTest, AConsumerThatEndsKeepsItsEnds) {
  std::thread repair([] {
    std::this_thread::sleep_for(milliseconds(500));
    SetDisk(true);
  });
  reader_.reset();
  repair.join();
  EXPECT_TRUE(Eventually([&] { return Ready() > 0; }));
  EXPECT_EQ(Ready(), 1u);
}

// ---- What is held for long
// ------------------------------------------------------------------------------------

class HeldTest : public ConsumerTest {};

TEST_F(HeldTest, ALaneKeepsWhatItHasAndTheRestComesAgain) {
  RabbitmqBusOptions options = Options();
  options.hold_at_most = milliseconds(500);
  const auto bus = Start(options, {MakeLane("a/x", "story.#"), MakeLane("probe/probe", "probe")});
  ASSERT_NE(bus, nullptr);
  Reader reader(*bus, clock_);
  reader.Open(99, "probe/probe", 100);
  reader.Open(1, "a/x", 2);
  PublishIds(*bus, {"1", "2", "3"});
  const std::vector<Delivery> held = reader.Take(1, 2);
  ASSERT_TRUE(AwaitOtherChannel(reader, Channels()));
  EXPECT_TRUE(reader.NothingOn(1, 99));
  reader.Credit(1, 10);
  const Delivery third = reader.TakeOne(1);
  EXPECT_EQ(third.event.id(), "3");
  EXPECT_TRUE(third.redelivered);
  reader.FinishAll(held);
  reader.Finish(third, End::kDone);
  EXPECT_TRUE(Eventually([&] {
    reader.Pump();
    return InfoOf(*bus, "a/x").backlog == 0;
  }));
  EXPECT_TRUE(reader.NothingOn(1, 99));
}

TEST_F(HeldTest, AnOrderedLaneFinishesWhatItHasBeforeAnotherReplicaGoesOn) {
  RabbitmqBusOptions options = Options();
  options.hold_at_most = std::chrono::seconds(3);
  const auto bus = Start(options, {Ordered()});
  options.replica = "there";
  options.data += "-there";
  const auto other = Start(options, {Ordered()});
  ASSERT_NE(bus, nullptr);
  ASSERT_NE(other, nullptr);
  Reader reader(*bus, clock_);
  reader.Open(1, "a/x", 1);
  PublishIds(*bus, {"1", "2", "3"});
  const Delivery first = reader.TakeOne(1);
  Reader standby(*other, clock_);
  standby.Open(1, "a/x", 10);
  // For any other lane it would be too long.
  const auto end = std::chrono::steady_clock::now() + milliseconds(3600);
  while (std::chrono::steady_clock::now() < end) {
    reader.Pump();
    standby.Pump();
  }
  reader.Credit(1, 10);
  reader.Finish(first, End::kDone);
  EXPECT_TRUE(Eventually([&] {
    reader.Pump();
    standby.Pump();
    return standby.waiting(1) >= 2;
  }));
  EXPECT_EQ(Ids(standby.Take(1, 2)), (std::vector<std::string>{"2", "3"}));
  EXPECT_EQ(reader.waiting(1), 0u);
}

TEST_F(HeldTest, AnOrderedLaneThatCannotFinishKeepsWhatItHas) {
  RabbitmqBusOptions options = Options();
  options.hold_at_most = milliseconds(300);
  const auto bus = Start(options, {Ordered(), MakeLane("probe/probe", "probe")});
  ASSERT_NE(bus, nullptr);
  Reader reader(*bus, clock_);
  reader.Open(99, "probe/probe", 100);
  reader.Open(1, "a/x", 1);
  PublishIds(*bus, {"1", "2"});
  const Delivery first = reader.TakeOne(1);
  ASSERT_TRUE(AwaitOtherChannel(reader, Channels()));
  EXPECT_TRUE(reader.NothingOn(1, 99));
  reader.Finish(first, End::kDone);
  reader.Credit(1, 10);
  const Delivery second = reader.TakeOne(1);
  EXPECT_EQ(second.event.id(), "2");
  reader.Finish(second, End::kDone);
  EXPECT_TRUE(Eventually([&] {
    reader.Pump();
    return InfoOf(*bus, "a/x").backlog == 0;
  }));
}

TEST_F(HeldTest, RetriesThatAnUnreliableLaneHoldsComeOnceAndWithTheirAttempts) {
  RabbitmqBusOptions options = Options();
  options.hold_at_most = milliseconds(500);
  const auto bus = Start(options, {Unreliable(), MakeLane("probe/probe", "probe")});
  ASSERT_NE(bus, nullptr);
  Reader reader(*bus, clock_);
  reader.Open(99, "probe/probe", 100);
  reader.OpenUnreliable(1, "a/x", 10);
  PublishIds(*bus, {"1"});
  const auto later = [&](Settlement* settlement) {
    ++settlement->attempts;
    settlement->due = clock_.Now() + std::chrono::seconds(5);
  };
  reader.Finish(reader.TakeOne(1), End::kRetry, later);
  ASSERT_TRUE(AwaitOtherChannel(reader, Channels()));
  EXPECT_TRUE(reader.NothingOn(1, 99));
  clock_.Advance(std::chrono::seconds(5));
  const Delivery again = reader.TakeOne(1);
  EXPECT_EQ(again.event.id(), "1");
  EXPECT_EQ(again.attempts, 1u);
  reader.Finish(again, End::kDone);
  PublishIds(*bus, {"2"});
  EXPECT_EQ(reader.TakeOne(1).event.id(), "2");
  EXPECT_TRUE(reader.NothingOn(1, 99));
}

TEST_F(HeldTest, ARetryThatFallsDueWhileItsRedeliveryIsOnTheWayComesOnce) {
  const auto bus = Start(Options(), {Unreliable(), MakeLane("probe/probe", "probe")});
  ASSERT_NE(bus, nullptr);
  Reader reader(*bus, clock_);
  reader.Open(99, "probe/probe", 100);
  reader.OpenUnreliable(1, "a/x", 10);
  // Another replica keeps the queue, and takes one message and no more.
  OnBroker([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
    OUTBOARD_RETURN_IF_ERROR(connection.SetPrefetch(channel, 1));
    OUTBOARD_RETURN_IF_ERROR(connection.Consume(channel, kQueue, "other"));
    PublishIds(*bus, {"1", "2"});
    const Delivery mine = reader.TakeOne(1);
    reader.Finish(mine, End::kRetry,
                  [&](Settlement* s) { s->due = clock_.Now() + std::chrono::seconds(5); });
    gate_.Refuse(true);
    gate_.CutAll();
    EXPECT_TRUE(Eventually([&] {
      reader.Pump();
      return Ready() == 1;
    }));
    clock_.Advance(std::chrono::seconds(5));
    const Delivery again = reader.TakeOne(1);
    EXPECT_EQ(again.event.id(), mine.event.id());
    gate_.Refuse(false);
    EXPECT_TRUE(Eventually([&] {
      reader.Pump();
      return Ready() == 0;
    }));
    EXPECT_TRUE(Eventually([&] { return bus->Info().connected; }));
    EXPECT_TRUE(reader.NothingOn(1, 99));
    reader.Finish(again, End::kDone);
    return absl::OkStatus();
  });
}

// ---- What the broker forgets
// ------------------------------------------------------------------------------------

TEST_F(ConsumerTest, OneThatTheBrokerHasForgottenConsumesAnew) {
  RabbitmqBusOptions options = Options();
  options.silent_at_most = milliseconds(300);
  const auto bus = Start(options, {MakeLane("a/x", "story.#")});
  ASSERT_NE(bus, nullptr);
  Reader reader(*bus, clock_);
  reader.Open(1, "a/x", 10);
  PublishIds(*bus, {"1", "2"});
  const std::vector<Delivery> deliveries = reader.Take(1, 2);
  reader.Finish(deliveries[0], End::kDone);
  Broker::Shared().Eval(
      "begin {ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"" + vhost_ + "\">>, queue, <<\"" +
      kQueue + "\">>)), [Channel] = " +
      "[proplists:get_value(channel_pid, C) || C <- rabbit_amqqueue:consumers_all(<<\"" + vhost_ +
      "\">>)], ra:process_command(amqqueue:get_pid(Q), "
      "rabbit_fifo:make_checkout({<<\"outboard\">>, "
      "Channel}, cancel, #{})) end");
  PublishIds(*bus, {"3"});
  EXPECT_EQ(reader.TakeOne(1).event.id(), "3");
  EXPECT_EQ(reader.waiting(1), 0u) << "the lane still has the second one";
}

// ---- Large messages
// ------------------------------------------------------------------------------------

TEST_F(ConsumerTest, OfLargeMessagesFewerAreFetchedAndAllCome) {
  RabbitmqBusOptions options = Options();
  options.prefetch = 100;
  options.prefetch_bytes = 1 << 20;
  const auto bus = Start(options, {MakeLane("a/x", "story.#")});
  ASSERT_NE(bus, nullptr);
  const std::string data(200'000, 'x');
  std::vector<Event> events;
  for (const std::string& id : Numbered("e", 50))
    events.push_back(MakeEvent(id, "story.post", "storyboard", data));
  for (const PublishResult& result : PublishAll(*bus, events)) ASSERT_TRUE(result.status.ok());
  Reader reader(*bus, clock_);
  reader.Open(1, "a/x", 1);  // It takes one, and leaves the rest waiting.
  EXPECT_EQ(reader.TakeOne(1).event.id(), "e0");
  // Of 100 that it may fetch all would be here.
  EXPECT_TRUE(Eventually([&] {
    reader.Pump();
    return Ready() >= 40;
  }));
  reader.Credit(1, 49);
  EXPECT_EQ(Ids(reader.Take(1, 4)), (std::vector<std::string>{"e1", "e2", "e3", "e4"}));
}

// ---- Unreliable lanes
// ------------------------------------------------------------------------------------

TEST_F(ConsumerTest, AnUnreliableLaneIsOpenedAndClosedWhileTheBrokerHangs) {
  RabbitmqBusOptions options = Options();
  options.connection.timeout = milliseconds(500);
  const auto bus = Start(options, {Unreliable(), MakeLane("probe/probe", "probe")});
  ASSERT_NE(bus, nullptr);
  Reader reader(*bus, clock_);
  reader.Open(99, "probe/probe", 100);
  EXPECT_TRUE(reader.NothingOn(1, 99));  // It has a connection.
  const int connections = gate_.connections();
  gate_.Stop();
  // A call to the broker would have failed.
  ASSERT_TRUE(reader.consumer().Open(1, "a/x").ok());
  reader.consumer().Close(1);
  gate_.Pass();
  reader.OpenUnreliable(1, "a/x", 10);
  gate_.Stop();
  reader.consumer().Close(1);
  // The queue that ends with the channel is not taken for the new one.
  ASSERT_TRUE(reader.consumer().Open(1, "a/x").ok());
  gate_.Pass();
  reader.consumer().Close(1);
  reader.OpenUnreliable(1, "a/x", 10);
  PublishIds(*bus, {"1"});
  EXPECT_EQ(reader.TakeOne(1).event.id(), "1");
  EXPECT_EQ(gate_.connections(), connections);
}

}  // namespace
}  // namespace outboard::bus

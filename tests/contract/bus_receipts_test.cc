#include <algorithm>
#include <map>

#include "host/base/mutex.h"
#include "tests/contract/bus_harness.h"

// What publishers are told of the ends of their events, and what is kept of where producers put
// them.
namespace outboard::bus {
namespace {

// Keeps what it is told, by event.
class Told final : public ReceiptSink {
 public:
  void OnReceipt(size_t event, Receipt receipt) override OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    told_[event].push_back(std::move(receipt));
  }
  size_t count() OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    size_t count = 0;
    for (const auto& [event, receipts] : told_) count += receipts.size();
    return count;
  }
  // By lane.
  std::vector<Receipt> Of(size_t event) OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    std::vector<Receipt> receipts = told_[event];
    std::sort(receipts.begin(), receipts.end(),
              [](const Receipt& a, const Receipt& b) { return a.lane < b.lane; });
    return receipts;
  }

 private:
  Mutex mu_;
  std::map<size_t, std::vector<Receipt>> told_ OUTBOARD_GUARDED_BY(mu_);
};

std::function<void(Settlement*)> PlacedAt(Placed placed) {
  return
      [placed](Settlement* settlement) { settlement->placed = std::make_unique<Placed>(placed); };
}

class BusReceiptsTest : public BusContract {
 protected:
  void SetUp() override {
    BusContract::SetUp();
    Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "story.post")});
    reader_ = NewReader();
    reader_->Open(1, "a/x", 1000);
    reader_->Open(2, "b/x", 1000);
  }
  void TearDown() override { reader_.reset(); }

  std::vector<PublishResult> PublishAndAsk(std::vector<Event> events,
                                           const std::shared_ptr<Told>& told) {
    Mutex mu;
    CondVar answered;
    bool done = false;
    std::vector<PublishResult> results;
    bus().PublishWithReceipts(std::move(events), told, [&](std::vector<PublishResult> got) {
      MutexLock lock(mu);
      results = std::move(got);
      done = true;
      answered.NotifyAll();
    });
    MutexLock lock(mu);
    while (!done) answered.Wait(mu);
    return results;
  }
  // Until it was told so often.
  static ::testing::AssertionResult Hears(Told& told, size_t count) {
    if (Eventually([&] { return told.count() >= count; }) && told.count() == count)
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << told.count() << " receipts came";
  }
  std::map<std::string, Placed> Kept(uint64_t offset) {
    const auto read = bus().ReadLog(offset, 1);
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() && !read->empty() ? read->front().placed : std::map<std::string, Placed>();
  }

  std::unique_ptr<Reader> reader_;
};
OUTBOARD_EVERY_BUS(BusReceiptsTest);

TEST_P(BusReceiptsTest, EachLaneTellsHowItEndedEachEvent) {
  const auto told = std::make_shared<Told>();
  const auto results =
      PublishAndAsk({MakeEvent("1"), MakeEvent("2", "story.put"), MakeEvent("3")}, told);
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].reporting, 2u);
  EXPECT_EQ(results[1].reporting, 1u);
  const std::vector<Delivery> a = reader_->Take(1, 3);
  const std::vector<Delivery> b = reader_->Take(2, 2);
  const Placed placed{Offset(int64_t{42}), clock().Now()};
  reader_->Finish(a[0], End::kDone, PlacedAt(placed));
  reader_->Finish(b[0], End::kDropped,
                  [](Settlement* settlement) { settlement->dropped_by = "guard"; });
  reader_->Finish(a[1], End::kDead, [](Settlement* settlement) {
    settlement->dead = std::make_unique<DeadReason>(DeadReason{"NO_ROOM", "full", ""});
  });
  reader_->Finish(a[2], End::kDone);
  EXPECT_TRUE(Hears(*told, 4));
  EXPECT_EQ(told->Of(0), (std::vector<Receipt>{{"a/x", End::kDone, placed, ""},
                                               {"b/x", End::kDropped, {}, "guard"}}));
  EXPECT_EQ(told->Of(1), (std::vector<Receipt>{{"a/x", End::kDead, {}, "NO_ROOM"}}));
  EXPECT_EQ(told->Of(2), (std::vector<Receipt>{{"a/x", End::kDone, {}, ""}}));
  reader_->Finish(b[1], End::kDone);
  EXPECT_TRUE(Hears(*told, 5));
}

TEST_P(BusReceiptsTest, OffsetsKeepTheirType) {
  const std::vector<Offset> offsets = {Offset(int64_t{-7}), Offset(2.5), Offset(std::string("p/3")),
                                       Offset(Bytes{std::string("\0\xff", 2)}), Offset()};
  std::vector<Event> events;
  for (size_t i = 0; i < offsets.size(); ++i)
    events.push_back(MakeEvent(std::to_string(i), "story.put"));
  const auto told = std::make_shared<Told>();
  PublishAndAsk(events, told);
  const std::vector<Delivery> deliveries = reader_->Take(1, offsets.size());
  for (size_t i = 0; i < offsets.size(); ++i)
    reader_->Finish(deliveries[i], End::kDone, PlacedAt({offsets[i], std::nullopt}));
  EXPECT_TRUE(Hears(*told, offsets.size()));
  for (size_t i = 0; i < offsets.size(); ++i) {
    ASSERT_EQ(told->Of(i).size(), 1u);
    EXPECT_EQ(told->Of(i)[0].placed, (Placed{offsets[i], std::nullopt})) << i;
  }
}

TEST_P(BusReceiptsTest, ARetryIsNoEnd) {
  const auto told = std::make_shared<Told>();
  PublishAndAsk({MakeEvent("1", "story.put"), MakeEvent("2", "story.put")}, told);
  const std::vector<Delivery> first = reader_->Take(1, 2);
  reader_->Finish(first[0], End::kRetry, [&](Settlement* settlement) {
    settlement->attempts = 1;
    settlement->due = clock().Now() + std::chrono::milliseconds(1);
  });
  reader_->Finish(first[1], End::kReturned);
  EXPECT_EQ(reader_->TakeOne(1).event.id(), "2");
  EXPECT_EQ(told->count(), 0u);
  clock().Advance(std::chrono::seconds(10));
  const Delivery again = reader_->TakeOne(1);
  EXPECT_EQ(again.event.id(), "1");
  reader_->Finish(again, End::kDone, PlacedAt({Offset(int64_t{1}), std::nullopt}));
  EXPECT_TRUE(Hears(*told, 1));
  EXPECT_EQ(told->Of(0), (std::vector<Receipt>{{"a/x", End::kDone, {Offset(int64_t{1}), {}}, ""}}));
}

TEST_P(BusReceiptsTest, WhatIsEmittedGoesWithTheReceipt) {
  const auto told = std::make_shared<Told>();
  PublishAndAsk({MakeEvent("1", "story.put")}, told);
  reader_->Finish(reader_->TakeOne(1), End::kDone, [](Settlement* settlement) {
    settlement->emits.push_back(MakeEvent("made", "story.made"));
  });
  EXPECT_TRUE(Hears(*told, 1));
  EXPECT_EQ(reader_->TakeOne(1).event.id(), "made");
}

TEST_P(BusReceiptsTest, AnUnreliableLaneTellsNothing) {
  LaneSpec unreliable = MakeLane("c/x", "story.#");
  unreliable.filters.push_back(MakeLane("", "quick").filters.front());
  unreliable.reliable = false;
  Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "story.post"), unreliable});
  reader_->OpenUnreliable(3, "c/x", 1000, "quick");
  const auto told = std::make_shared<Told>();
  const auto results = PublishAndAsk({MakeEvent("1", "story.put")}, told);
  EXPECT_EQ(results[0].matched, 2u);
  EXPECT_EQ(results[0].reporting, 1u);
  reader_->Finish(reader_->TakeOne(3), End::kDone, PlacedAt({Offset(int64_t{1}), std::nullopt}));
  reader_->Finish(reader_->TakeOne(1), End::kDone);
  EXPECT_TRUE(Hears(*told, 1));
  EXPECT_EQ(told->Of(0)[0].lane, "a/x");
}

TEST_P(BusReceiptsTest, LanesThatShareAQueueAreToldApart) {
  LaneSpec first = MakeLane("one/x", "single.#");
  first.mode = Mode::kSingleton;
  LaneSpec second = first;
  second.name = "two/x";
  Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "story.post"), first, second});
  reader_->Open(3, "one/x", 1);
  reader_->Open(4, "two/x", 1);
  const auto told = std::make_shared<Told>();
  const auto results =
      PublishAndAsk({MakeEvent("1", "single.a"), MakeEvent("2", "single.a")}, told);
  EXPECT_EQ(results[0].reporting, 1u);
  std::map<std::string, std::string> by;
  for (const LaneId lane : {3u, 4u}) {
    const Delivery delivery = reader_->TakeOne(lane);
    by[std::string(delivery.event.id())] = lane == 3 ? "one/x" : "two/x";
    reader_->Finish(delivery, lane == 3 ? End::kDone : End::kDropped);
  }
  EXPECT_TRUE(Hears(*told, 2));
  ASSERT_EQ(by.size(), 2u);
  for (const size_t event : {0u, 1u})
    EXPECT_EQ(told->Of(event)[0].lane, by[std::to_string(event + 1)]);
}

TEST_P(BusReceiptsTest, ThoseWhoAskAndThoseWhoDoNotKeepTheirOrder) {
  const auto told = std::make_shared<Told>();
  for (int i = 0; i < 100; ++i) {
    std::vector<Event> one = {MakeEvent(std::to_string(i), "story.put")};
    if (i % 4 == 0) {
      bus().PublishWithReceipts(std::move(one), told, [](const auto&) {});
    } else {
      bus().Publish(std::move(one), [](const auto&) {});
    }
  }
  std::vector<std::string> ids;
  for (const Delivery& delivery : reader_->Take(1, 100)) {
    ids.emplace_back(delivery.event.id());
    reader_->Finish(delivery, End::kDone);
  }
  EXPECT_EQ(ids, Numbered("", 100));
  EXPECT_TRUE(Hears(*told, 25));
}

TEST_P(BusReceiptsTest, APublisherMayBeGone) {
  auto told = std::make_shared<Told>();
  PublishAndAsk({MakeEvent("1", "story.put")}, told);
  told.reset();
  reader_->Finish(reader_->TakeOne(1), End::kDone, PlacedAt({Offset(2.5), clock().Now()}));
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
}

// ---- What is kept

class BusPlacedTest : public BusReceiptsTest {};
OUTBOARD_EVERY_BUS_WITH_A_LOG(BusPlacedTest);

TEST_P(BusPlacedTest, TheLogSaysWhereProducersPutAnEvent) {
  const uint64_t offset = PublishOne(bus(), MakeEvent("1")).offset;
  EXPECT_TRUE(Kept(offset).empty());
  const Placed first{Offset(std::string("topic/3@17")), clock().Now()};
  const Placed second{Offset(Bytes{"\x01"}), std::nullopt};
  reader_->Finish(reader_->TakeOne(2), End::kDone, PlacedAt(second));
  reader_->Finish(reader_->TakeOne(1), End::kDone, PlacedAt(first));
  EXPECT_EQ(Kept(offset), (std::map<std::string, Placed>{{"a/x", first}, {"b/x", second}}));
}

TEST_P(BusPlacedTest, OneThatCameAgainIsWhereItWasPutLast) {
  const uint64_t offset = PublishOne(bus(), MakeEvent("1", "story.put")).offset;
  reader_->Finish(reader_->TakeOne(1), End::kRetry, [&](Settlement* settlement) {
    settlement->attempts = 1;
    settlement->due = clock().Now();
  });
  const Placed placed{Offset(2.5), clock().Now()};
  reader_->Finish(reader_->TakeOne(1), End::kDone, PlacedAt(placed));
  EXPECT_EQ(Kept(offset), (std::map<std::string, Placed>{{"a/x", placed}}));
}

TEST_P(BusPlacedTest, AReplayedLetterIsPutToo) {
  const uint64_t offset = PublishOne(bus(), MakeEvent("1", "story.put")).offset;
  reader_->Finish(reader_->TakeOne(1), End::kDead);
  ASSERT_EQ(*bus().ReplayDead({}), 1u);
  const Placed placed{Offset(int64_t{3}), std::nullopt};
  reader_->Finish(reader_->TakeOne(1), End::kDone, PlacedAt(placed));
  EXPECT_EQ(Kept(offset), (std::map<std::string, Placed>{{"a/x", placed}}));
}

TEST_P(BusPlacedTest, ItOutlivesTheProcessWhereTheEventDoes) {
  const uint64_t offset = PublishOne(bus(), MakeEvent("1", "story.put")).offset;
  const Placed placed{Offset(int64_t{1} << 60), clock().Now()};
  reader_->Finish(reader_->TakeOne(1), End::kDone, PlacedAt(placed));
  reader_.reset();
  if (!GetParam().durable) return;
  under_test().Restart();
  EXPECT_EQ(Kept(offset), (std::map<std::string, Placed>{{"a/x", placed}}));
}

}  // namespace
}  // namespace outboard::bus

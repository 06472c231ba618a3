#include <algorithm>
#include <set>

#include "tests/contract/bus_harness.h"

// How deliveries end, come again, and are given back.
namespace outboard::bus {
namespace {

class BusSettleTest : public BusContract {
 protected:
  void SetUp() override {
    BusContract::SetUp();
    Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "emitted.#")});
    reader_ = NewReader();
    reader_->Open(1, "a/x", 1000);
  }
  void TearDown() override { reader_.reset(); }
  LaneInfo Info() { return InfoOf(bus(), "a/x"); }

  std::unique_ptr<Reader> reader_;
};
OUTBOARD_EVERY_BUS(BusSettleTest);

TEST_P(BusSettleTest, WhatIsDoneLeavesTheBacklog) {
  PublishIds(bus(), Numbered("e", 5));
  const std::vector<Delivery> deliveries = reader_->Take(1, 5);
  EXPECT_EQ(Info().backlog, 5u);
  EXPECT_EQ(Info().oldest, clock().Now());
  reader_->FinishAll(deliveries);
  EXPECT_EQ(Info().backlog, 0u);
  EXPECT_EQ(Info().oldest, std::nullopt);
}

TEST_P(BusSettleTest, TheOldestIsThatOfWhatIsLeft) {
  const Time start = clock().Now();
  PublishIds(bus(), {"1"});
  clock().Advance(std::chrono::seconds(5));
  PublishIds(bus(), {"2"});
  const std::vector<Delivery> deliveries = reader_->Take(1, 2);
  EXPECT_EQ(Info().oldest, start);
  reader_->Finish(deliveries[0], End::kDone);
  EXPECT_EQ(Info().oldest, start + std::chrono::seconds(5));
}

TEST_P(BusSettleTest, AnswersEachSettlementOnce) {
  PublishIds(bus(), Numbered("e", 100));
  std::vector<uint64_t> cookies;
  for (const Delivery& delivery : reader_->Take(1, 100)) {
    cookies.push_back(reader_->Settle(delivery, End::kDone));
  }
  std::reverse(cookies.begin(), cookies.end());
  for (const uint64_t cookie : cookies) EXPECT_TRUE(reader_->Await(cookie).status.ok());
}

TEST_P(BusSettleTest, EndsInAnyOrder) {
  PublishIds(bus(), Numbered("e", 50));
  std::vector<Delivery> deliveries = reader_->Take(1, 50);
  std::reverse(deliveries.begin(), deliveries.end());
  reader_->FinishAll({deliveries.begin(), deliveries.begin() + 49});
  EXPECT_EQ(Info().backlog, 1u);
  reader_->Finish(deliveries[49], End::kDropped);
  EXPECT_EQ(Info().backlog, 0u);
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
}

TEST_P(BusSettleTest, WhatHasEndedIsNotHandedOutAgain) {
  PublishIds(bus(), Numbered("e", 10));
  const std::vector<Delivery> deliveries = reader_->Take(1, 10);
  for (const size_t i : {1u, 2u, 5u, 9u}) reader_->Finish(deliveries[i], End::kDone);
  reader_->consumer().Close(1);
  reader_->Open(1, "a/x", 1000);
  const std::vector<Delivery> again = reader_->Take(1, 6);
  EXPECT_EQ(Ids(again), (std::vector<std::string>{"e0", "e3", "e4", "e6", "e7", "e8"}));
  for (const Delivery& delivery : again) EXPECT_TRUE(delivery.redelivered);
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
  EXPECT_EQ(Info().backlog, 6u);
}

TEST_P(BusSettleTest, AReturnedDeliveryComesAgainBeforeWhatWasNotHandedOutYet) {
  reader_->Credit(1, 3);
  PublishIds(bus(), Numbered("e", 6));
  const std::vector<Delivery> deliveries = reader_->Take(1, 3);
  reader_->Finish(deliveries[2], End::kReturned);
  reader_->Finish(deliveries[0], End::kReturned);
  EXPECT_TRUE(reader_->NothingOn(1, kProbe)) << "no credit, no delivery";
  reader_->Credit(1, 10);
  const std::vector<Delivery> again = reader_->Take(1, 5);
  EXPECT_EQ(Ids(again), (std::vector<std::string>{"e0", "e2", "e3", "e4", "e5"}));
  EXPECT_TRUE(again[0].redelivered);
  EXPECT_FALSE(again[2].redelivered);
  EXPECT_EQ(again[0].attempts, 0u);
  EXPECT_NE(again[0].tag, deliveries[0].tag);
  EXPECT_EQ(Info().backlog, 6u);
}

TEST_P(BusSettleTest, AReturnedDeliveryKeepsItsAttempts) {
  PublishIds(bus(), {"e"});
  reader_->Finish(reader_->TakeOne(1), End::kRetry, [&](Settlement* s) {
    s->attempts = 3;
    s->due = clock().Now();
  });
  const Delivery retried = reader_->TakeOne(1);
  EXPECT_EQ(retried.attempts, 3u);
  reader_->Finish(retried, End::kReturned);
  EXPECT_EQ(reader_->TakeOne(1).attempts, 3u);
}

TEST_P(BusSettleTest, ARetryComesWhenItIsDue) {
  const Time start = clock().Now();
  PublishIds(bus(), {"e", "f"});
  const std::vector<Delivery> deliveries = reader_->Take(1, 2);
  reader_->Finish(deliveries[0], End::kRetry, [&](Settlement* s) {
    s->attempts = 1;
    s->due = clock().Now() + std::chrono::seconds(10);
  });
  EXPECT_EQ(Info().backlog, 2u);
  EXPECT_EQ(Info().retrying, 1u);
  if (!under_test().remote()) {
    EXPECT_EQ(reader_->consumer().NextDue(), start + std::chrono::seconds(10));
  }
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
  clock().Advance(std::chrono::milliseconds(9999));
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
  clock().Advance(std::chrono::milliseconds(1));
  const Delivery again = reader_->TakeOne(1);
  EXPECT_EQ(again.event.id(), "e");
  EXPECT_EQ(again.attempts, 1u);
  EXPECT_TRUE(again.redelivered);
  EXPECT_EQ(again.accepted_at, start);
  EXPECT_EQ(again.event.bytes(), deliveries[0].event.bytes());
  if (!under_test().remote()) {
    EXPECT_EQ(reader_->consumer().NextDue(), kNever);
  }
  reader_->Finish(again, End::kDone);
  EXPECT_EQ(Info().backlog, 1u);
  EXPECT_EQ(Info().retrying, 0u);
}

TEST_P(BusSettleTest, RetriesComeInTheOrderOfTheirDueTimes) {
  PublishIds(bus(), Numbered("e", 4));
  const std::vector<Delivery> deliveries = reader_->Take(1, 4);
  const int seconds[] = {40, 10, 30, 20};
  for (size_t i = 0; i < 4; ++i) {
    reader_->Finish(deliveries[i], End::kRetry, [&](Settlement* s) {
      s->attempts = 1;
      s->due = clock().Now() + std::chrono::seconds(seconds[i]);
    });
  }
  std::vector<std::string> order;
  for (int i = 0; i < 4; ++i) {
    clock().Advance(std::chrono::seconds(10));
    const Delivery delivery = reader_->TakeOne(1);
    order.emplace_back(delivery.event.id().data(), delivery.event.id().size());
    reader_->Finish(delivery, End::kDone);
    EXPECT_TRUE(reader_->NothingOn(1, kProbe));
  }
  EXPECT_EQ(order, (std::vector<std::string>{"e1", "e3", "e2", "e0"}));
}

TEST_P(BusSettleTest, ARetryWaitsForCredit) {
  PublishIds(bus(), {"e"});
  const Delivery delivery = reader_->TakeOne(1);
  reader_->Credit(1, 0);
  reader_->Finish(delivery, End::kRetry, [&](Settlement* s) { s->due = clock().Now(); });
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
  reader_->Credit(1, 1);
  EXPECT_EQ(reader_->TakeOne(1).event.id(), "e");
}

TEST_P(BusSettleTest, ARetryMayBeRetried) {
  PublishIds(bus(), {"e"});
  for (uint32_t attempt = 1; attempt <= 5; ++attempt) {
    reader_->Finish(reader_->TakeOne(1), End::kRetry, [&](Settlement* s) {
      s->attempts = attempt;
      s->due = clock().Now() + std::chrono::seconds(1);
    });
    clock().Advance(std::chrono::seconds(1));
  }
  const Delivery last = reader_->TakeOne(1);
  EXPECT_EQ(last.attempts, 5u);
  reader_->Finish(last, End::kDead, [](Settlement* s) { s->attempts = 6; });
  EXPECT_EQ(Info().backlog, 0u);
  EXPECT_EQ(Info().dead, 1u);
}

TEST_P(BusSettleTest, AnEventDoesNotComeAgainBeforeItsAnswer) {
  auto& consumer = reader_->consumer();
  PublishIds(bus(), Numbered("e", 200));
  std::set<uint64_t> answered;
  size_t again = 0;
  ASSERT_TRUE(Eventually([&] {
    Arrivals arrivals;
    consumer.SetCredit(1, 20);
    consumer.Poll(clock().Now(), &arrivals);
    for (const Settled& settled : arrivals.settled) answered.insert(settled.cookie);
    for (const Delivery& delivery : arrivals.deliveries) {
      const uint64_t number = std::stoull(std::string(delivery.event.id().substr(1)));
      if (delivery.attempts > 0) {
        EXPECT_TRUE(answered.contains(number)) << delivery.event.id();
        ++again;
        continue;
      }
      Settlement settlement;
      settlement.lane = 1;
      settlement.tag = delivery.tag;
      settlement.cookie = number;
      settlement.end = End::kRetry;
      settlement.attempts = 1;
      settlement.due = clock().Now();
      consumer.Settle(std::move(settlement));
    }
    return again == 200;
  }));
}

TEST_P(BusSettleTest, ClosingKeepsRetries) {
  PublishIds(bus(), {"e"});
  reader_->Finish(reader_->TakeOne(1), End::kRetry, [&](Settlement* s) {
    s->attempts = 2;
    s->due = clock().Now() + std::chrono::seconds(10);
  });
  reader_->consumer().Close(1);
  reader_->Open(1, "a/x", 10);
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
  clock().Advance(std::chrono::seconds(10));
  EXPECT_EQ(reader_->TakeOne(1).attempts, 2u);
}

TEST_P(BusSettleTest, EmitsArePublishedWithTheEnd) {
  reader_->Open(2, "b/x", 100);
  PublishIds(bus(), {"parent"});
  reader_->Finish(reader_->TakeOne(1), End::kDone, [](Settlement* s) {
    s->emits = {MakeEvent("c1", "emitted.one"), MakeEvent("c2", "emitted.two"),
                MakeEvent("c3", "nobody")};
  });
  EXPECT_EQ(Ids(reader_->Take(2, 2)), (std::vector<std::string>{"c1", "c2"}));
  EXPECT_EQ(Info().backlog, 0u);
}

TEST_P(BusSettleTest, AFailedSettlementComesBackWhole) {
  reader_->Open(2, "b/x", 100);
  PublishIds(bus(), {"e", "f", "g"});
  const std::vector<Delivery> deliveries = reader_->Take(1, 3);
  under_test().FailWrites(true);
  const uint64_t done = reader_->Settle(deliveries[0], End::kDone, [](Settlement* s) {
    s->emits = {MakeEvent("c1", "emitted.one")};
  });
  const uint64_t dead = reader_->Settle(deliveries[1], End::kDead);
  const uint64_t plain = reader_->Settle(deliveries[2], End::kDone);
  Settled failed = reader_->Await(done);
  EXPECT_TRUE(absl::IsUnavailable(failed.status) || absl::IsResourceExhausted(failed.status))
      << failed.status;
  ASSERT_NE(failed.failed, nullptr);
  EXPECT_EQ(failed.failed->cookie, done);
  EXPECT_EQ(failed.failed->tag, deliveries[0].tag);
  EXPECT_EQ(failed.failed->end, End::kDone);
  ASSERT_EQ(failed.failed->emits.size(), 1u);
  EXPECT_EQ(failed.failed->emits[0].id(), "c1");
  Settled failed_dead = reader_->Await(dead);
  ASSERT_NE(failed_dead.failed, nullptr);
  ASSERT_NE(failed_dead.failed->dead, nullptr);
  EXPECT_EQ(failed_dead.failed->dead->reason, "REJECTED");
  Settled failed_plain = reader_->Await(plain);
  if (under_test().remote()) {
    EXPECT_TRUE(failed_plain.status.ok()) << "it is settled when the broker brings it again";
  } else {
    ASSERT_NE(failed_plain.failed, nullptr);
    EXPECT_EQ(failed_plain.failed->tag, deliveries[2].tag);
  }

  under_test().FailWrites(false);
  reader_->AwaitConnected();
  const uint64_t left = under_test().remote() ? 2 : 3;
  EXPECT_TRUE(Eventually([&] {
    reader_->Pump();
    return Info().backlog == left;
  })) << Info().backlog;
  EXPECT_EQ(Info().dead, 0u);
  EXPECT_TRUE(reader_->NothingOn(1, kProbe)) << "the deliveries are as before, not given back";
  for (Settled* settled : {&failed, &failed_dead, &failed_plain}) {
    if (settled->failed == nullptr) continue;
    const uint64_t cookie = settled->failed->cookie;
    reader_->consumer().Settle(std::move(*settled->failed));
    const Settled again = reader_->Await(cookie);
    EXPECT_TRUE(again.status.ok()) << again.status;
  }
  EXPECT_EQ(reader_->TakeOne(2).event.id(), "c1");
  EXPECT_TRUE(reader_->NothingOn(2, kProbe)) << "emitted once";
  EXPECT_EQ(Info().backlog, 0u);
  EXPECT_EQ(Info().dead, 1u);
}

TEST_P(BusSettleTest, AFailedSettlementMayEndOtherwise) {
  PublishIds(bus(), {"e"});
  const Delivery delivery = reader_->TakeOne(1);
  under_test().FailWrites(true);
  EXPECT_FALSE(reader_->Await(reader_->Settle(delivery, End::kDead)).status.ok());
  under_test().FailWrites(false);
  reader_->AwaitConnected();
  reader_->Finish(delivery, End::kReturned);
  const Delivery again = reader_->TakeOne(1);
  EXPECT_EQ(again.event.id(), "e");
  reader_->Finish(again, End::kDone);
  EXPECT_EQ(Info().backlog, 0u);
}

TEST_P(BusSettleTest, AFailedPublishIsNotThere) {
  under_test().FailWrites(true);
  const PublishResult result = PublishOne(bus(), MakeEvent("lost"));
  EXPECT_TRUE(absl::IsUnavailable(result.status) || absl::IsResourceExhausted(result.status))
      << result.status;
  under_test().FailWrites(false);
  reader_->AwaitConnected();
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
  PublishIds(bus(), {"next"});
  EXPECT_EQ(reader_->TakeOne(1).event.id(), "next");
}

TEST_P(BusSettleTest, SettlementsHandedOverBeforeCloseAreMadeAndReported) {
  PublishIds(bus(), Numbered("e", 10));
  const std::vector<Delivery> deliveries = reader_->Take(1, 10);
  std::vector<uint64_t> cookies;
  for (size_t i = 0; i < 6; ++i) cookies.push_back(reader_->Settle(deliveries[i], End::kDone));
  reader_->consumer().Close(1);
  for (const uint64_t cookie : cookies) EXPECT_TRUE(reader_->Await(cookie).status.ok());
  reader_->Open(1, "a/x", 100);
  EXPECT_EQ(Ids(reader_->Take(1, 4)), (std::vector<std::string>{"e6", "e7", "e8", "e9"}));
}

TEST_P(BusSettleTest, DestroyingAConsumerGivesBackWhatIsUnsettled) {
  PublishIds(bus(), Numbered("e", 10));
  const std::vector<Delivery> deliveries = reader_->Take(1, 10);
  for (size_t i = 0; i < 4; ++i) reader_->Settle(deliveries[i], End::kDone);
  reader_ = nullptr;
  reader_ = NewReader();
  ASSERT_TRUE(Eventually([&] { return InfoOf(bus(), "a/x").backlog == 6; }));
  reader_->Open(1, "a/x", 100);
  EXPECT_EQ(Ids(reader_->Take(1, 6)),
            (std::vector<std::string>{"e4", "e5", "e6", "e7", "e8", "e9"}));
}

TEST_P(BusSettleTest, WhatEndedHereAndThereIsNotGivenBackWhenAConsumerGoes) {
  constexpr size_t kEvents = 600;
  PublishIds(bus(), Numbered("e", kEvents));
  const std::vector<Delivery> deliveries = reader_->Take(1, kEvents);
  std::vector<std::string> left;
  for (size_t i = 0; i < kEvents; ++i) {
    if (i % 2 == 1) {
      reader_->Settle(deliveries[i], End::kDone);
    } else {
      left.push_back("e" + std::to_string(i));
    }
  }
  reader_ = nullptr;
  reader_ = NewReader();
  ASSERT_TRUE(Eventually([&] { return InfoOf(bus(), "a/x").backlog == left.size(); }));
  reader_->Open(1, "a/x", 1000);
  EXPECT_EQ(Ids(reader_->Take(1, left.size())), left);
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
}

TEST_P(BusSettleTest, AHeldDeliveryHoldsUpNothingAndIsKept) {
  constexpr size_t kMany = 20'000;
  reader_->Credit(1, 100'000);
  PublishIds(bus(), {"held"});
  const Delivery held = reader_->TakeOne(1);
  for (size_t round = 0; round < kMany / 1000; ++round) {
    PublishIds(bus(), Numbered("e" + std::to_string(round) + ".", 1000));
    reader_->FinishAll(reader_->Take(1, 1000));
    reader_->Credit(1, 100'000);
  }
  EXPECT_EQ(Info().backlog, 1u);
  reader_->consumer().Close(1);
  reader_->Open(1, "a/x", 100);
  const Delivery again = reader_->TakeOne(1);
  EXPECT_EQ(again.event.id(), "held");
  EXPECT_TRUE(again.redelivered);
  reader_->Finish(again, End::kDone);
  EXPECT_EQ(Info().backlog, 0u);
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
}

TEST_P(BusSettleTest, AHeldDeliverySettlesWithItsTag) {
  reader_->Credit(1, 100'000);
  PublishIds(bus(), {"held", "returned", "dead"});
  const std::vector<Delivery> held = reader_->Take(1, 3);
  for (size_t round = 0; round < 20; ++round) {
    PublishIds(bus(), Numbered("e" + std::to_string(round) + ".", 1000));
    reader_->FinishAll(reader_->Take(1, 1000));
    reader_->Credit(1, 100'000);
  }
  reader_->Finish(held[0], End::kDone);
  reader_->Finish(held[1], End::kReturned);
  reader_->Finish(held[2], End::kDead);
  const Delivery returned = reader_->TakeOne(1);
  EXPECT_EQ(returned.event.id(), "returned");
  reader_->Finish(returned, End::kRetry, [&](Settlement* s) {
    s->attempts = 1;
    s->due = clock().Now();
  });
  const Delivery retried = reader_->TakeOne(1);
  EXPECT_EQ(retried.event.id(), "returned");
  EXPECT_EQ(retried.attempts, 1u);
  reader_->Finish(retried, End::kDone);
  EXPECT_EQ(Info().backlog, 0u);
  EXPECT_EQ(Info().dead, 1u);
  EXPECT_TRUE(reader_->NothingOn(1, kProbe));
}

}  // namespace
}  // namespace outboard::bus

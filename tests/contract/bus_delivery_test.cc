#include <poll.h>

#include <algorithm>

#include "tests/contract/bus_harness.h"

// Publishing, matching, order, credit, modes, and where a lane begins.
namespace outboard::bus {
namespace {

using BusDeliveryTest = BusContract;
OUTBOARD_EVERY_BUS(BusDeliveryTest);

TEST_P(BusDeliveryTest, HandsOutWhatWasPublishedInOrder) {
  Declare({MakeLane("a/x")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 1000);
  const std::vector<std::string> ids = Numbered("e", 300);
  PublishIds(bus(), ids);
  const std::vector<Delivery> deliveries = reader->Take(1, 300);
  EXPECT_EQ(Ids(deliveries), ids);
  for (const Delivery& delivery : deliveries) {
    EXPECT_NE(delivery.tag, 0u);
    EXPECT_EQ(delivery.attempts, 0u);
    EXPECT_FALSE(delivery.redelivered);
    EXPECT_EQ(delivery.accepted_at, clock().Now());
    EXPECT_EQ(delivery.event.type(), "story.post");
    EXPECT_EQ(delivery.event.source(), "storyboard");
  }
}

TEST_P(BusDeliveryTest, KeepsTheBytesOfAnEvent) {
  Declare({MakeLane("a/x")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 10);
  const Event event = MakeEvent("big", "t", "s", std::string(300'000, 'x') + std::string(1, '\0'));
  PublishOne(bus(), event);
  EXPECT_EQ(reader->TakeOne(1).event.bytes(), event.bytes());
}

TEST_P(BusDeliveryTest, NeverReusesATag) {
  Declare({MakeLane("a/x"), MakeLane("b/x")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 100);
  reader->Open(2, "b/x", 100);
  PublishIds(bus(), Numbered("e", 20));
  std::vector<Tag> tags;
  for (const LaneId lane : {1u, 2u}) {
    for (const Delivery& delivery : reader->Take(lane, 20)) tags.push_back(delivery.tag);
  }
  reader->consumer().Close(1);
  reader->Open(1, "a/x", 100);
  for (const Delivery& delivery : reader->Take(1, 20)) tags.push_back(delivery.tag);
  std::sort(tags.begin(), tags.end());
  EXPECT_EQ(std::unique(tags.begin(), tags.end()), tags.end());
}

TEST_P(BusDeliveryTest, AnswersEachPublishWithItsPlaceAndItsLanes) {
  LaneSpec two = MakeLane("b/x", "story.*");
  two.filters.push_back({"other", {"#"}});
  Declare({MakeLane("a/x", "story.#"), two});
  const std::vector<PublishResult> results = PublishAll(
      bus(), {MakeEvent("1"), MakeEvent("2", "task.put"), MakeEvent("3", "story.post", "other"),
              MakeEvent("4", "story.a.b"), MakeEvent("5", "x", "other")});
  ASSERT_EQ(results.size(), 5u);
  const std::vector<uint32_t> matched = {2, 0, 2, 1, 1};
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_TRUE(results[i].status.ok()) << results[i].status;
    EXPECT_EQ(results[i].matched, matched[i]) << i;
    if (i > 0 && results[i].offset != 0) {
      EXPECT_GT(results[i].offset, results[i - 1].offset);
    }
  }
  if (results.back().offset != 0) {
    EXPECT_EQ(bus().NextOffset(), results.back().offset + 1);
  }
}

TEST_P(BusDeliveryTest, AnswersAnEmptyPublish) { EXPECT_TRUE(PublishAll(bus(), {}).empty()); }

TEST_P(BusDeliveryTest, GivesEachLaneWhatItsFiltersTake) {
  Declare({MakeLane("a/x", "story.#"), MakeLane("b/x", "task.*")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 100);
  reader->Open(2, "b/x", 100);
  PublishIds(bus(), {"s1"}, "story.post");
  PublishIds(bus(), {"t1"}, "task.put");
  PublishIds(bus(), {"n1"}, "none");
  PublishIds(bus(), {"s2"}, "story.a.b");
  PublishIds(bus(), {"t2"}, "task.post");
  EXPECT_EQ(Ids(reader->Take(1, 2)), (std::vector<std::string>{"s1", "s2"}));
  EXPECT_EQ(Ids(reader->Take(2, 2)), (std::vector<std::string>{"t1", "t2"}));
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
  EXPECT_TRUE(reader->NothingOn(2, kProbe));
}

TEST_P(BusDeliveryTest, KeepsEventsForALaneThatIsNotOpen) {
  Declare({MakeLane("a/x")});
  PublishIds(bus(), Numbered("e", 50));
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 50u);
  auto reader = NewReader();
  reader->Open(1, "a/x", 100);
  EXPECT_EQ(Ids(reader->Take(1, 50)), Numbered("e", 50));
}

TEST_P(BusDeliveryTest, HandsOutNothingWithoutCredit) {
  Declare({MakeLane("a/x")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 0);
  PublishIds(bus(), {"1", "2"});
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
}

TEST_P(BusDeliveryTest, HandsOutNoMoreThanTheCredit) {
  Declare({MakeLane("a/x")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 3);
  PublishIds(bus(), Numbered("e", 10));
  EXPECT_EQ(reader->Take(1, 3).size(), 3u);
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
  reader->Credit(1, 2);  // "Until the next call": not 2 more than what was left.
  EXPECT_EQ(Ids(reader->Take(1, 2)), (std::vector<std::string>{"e3", "e4"}));
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
  reader->Credit(1, 100);
  EXPECT_EQ(reader->Take(1, 5).size(), 5u);
}

TEST_P(BusDeliveryTest, CreditReplacesWhatWasLeft) {
  Declare({MakeLane("a/x")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 100);
  reader->Credit(1, 1);
  PublishIds(bus(), Numbered("e", 5));
  EXPECT_EQ(reader->Take(1, 1).size(), 1u);
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
  reader->Credit(1, 3);
  reader->Credit(1, 0);
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
}

TEST_P(BusDeliveryTest, ALaneWithoutCreditHoldsUpNoOther) {
  Declare({MakeLane("a/x"), MakeLane("b/x")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 2);
  reader->Open(2, "b/x", 1000);
  PublishIds(bus(), Numbered("e", 200));
  EXPECT_EQ(Ids(reader->Take(2, 200)), Numbered("e", 200));
  EXPECT_EQ(Ids(reader->Take(1, 2)), Numbered("e", 2));
  reader->Credit(1, 1000);
  EXPECT_EQ(reader->Take(1, 198).back().event.id(), "e199");
  PublishIds(bus(), {"last"});
  EXPECT_EQ(reader->TakeOne(1).event.id(), "last");
  EXPECT_EQ(reader->TakeOne(2).event.id(), "last");
}

TEST_P(BusDeliveryTest, TheDescriptorWakesAShardForEventsAndAnswers) {
  Declare({MakeLane("a/x")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 10);
  for (int i = 0; i < 5; ++i) {
    reader->Pump();
    PublishIds(bus(), {"e" + std::to_string(i)});
    pollfd fd{reader->consumer().fd(), POLLIN, 0};
    ASSERT_EQ(poll(&fd, 1, 30'000), 1);
    reader->Finish(reader->TakeOne(1), End::kDone);
    reader->Credit(1, 10);
  }
}

TEST_P(BusDeliveryTest, CreditForEventsThatWaitWakesTheShard) {
  Declare({MakeLane("a/x")});
  auto reader = NewReader();
  reader->Open(1, "a/x", 0);
  PublishIds(bus(), {"1"});
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
  reader->Credit(1, 1);
  pollfd fd{reader->consumer().fd(), POLLIN, 0};
  EXPECT_EQ(poll(&fd, 1, 30'000), 1);
  EXPECT_EQ(reader->TakeOne(1).event.id(), "1");
}

TEST_P(BusDeliveryTest, TwoConsumersServeTheirOwnLanes) {
  Declare({MakeLane("a/x"), MakeLane("b/x")});
  auto one = NewReader();
  Reader two(bus(), clock());
  one->Open(1, "a/x", 100);
  two.Open(1, "b/x", 100);
  PublishIds(bus(), Numbered("e", 50));
  EXPECT_EQ(Ids(one->Take(1, 50)), Numbered("e", 50));
  EXPECT_EQ(Ids(two.Take(1, 50)), Numbered("e", 50));
}

TEST_P(BusDeliveryTest, OpeningAnUndeclaredLaneIsNotFound) {
  Declare({});
  auto consumer = bus().NewConsumer();
  EXPECT_EQ(consumer->Open(1, "nobody/x").code(), absl::StatusCode::kNotFound);
}

TEST_P(BusDeliveryTest, ASingletonIsOpenOnce) {
  LaneSpec spec = MakeLane("a/x");
  spec.mode = Mode::kSingleton;
  Declare({spec});
  auto one = bus().NewConsumer();
  auto two = bus().NewConsumer();
  ASSERT_TRUE(one->Open(1, "a/x").ok());
  EXPECT_EQ(two->Open(1, "a/x").code(), absl::StatusCode::kFailedPrecondition);
  one.reset();
  EXPECT_TRUE(Eventually([&] { return two->Open(1, "a/x").ok(); }));
}

TEST_P(BusDeliveryTest, EveryModeGivesALaneEachEvent) {
  std::vector<LaneSpec> specs;
  for (const Mode mode : {Mode::kPool, Mode::kSingleton, Mode::kBroadcast}) {
    specs.push_back(MakeLane("route/" + std::to_string(static_cast<int>(mode))));
    specs.back().mode = mode;
  }
  Declare(specs);
  auto reader = NewReader();
  for (LaneId lane = 0; lane < 3; ++lane) reader->Open(lane, "route/" + std::to_string(lane), 100);
  PublishIds(bus(), Numbered("e", 10));
  for (LaneId lane = 0; lane < 3; ++lane) {
    const std::vector<Delivery> deliveries = reader->Take(lane, 10);
    EXPECT_EQ(Ids(deliveries), Numbered("e", 10));
    reader->FinishAll(deliveries);
  }
}

TEST_P(BusDeliveryTest, SingletonLanesOfOneFilterShareTheEvents) {
  LaneSpec a = MakeLane("a/x", "story.#");
  a.mode = Mode::kSingleton;
  LaneSpec b = a;
  b.name = "b/y";
  Declare({a, b});
  EXPECT_EQ(PublishOne(bus(), MakeEvent("e0")).matched, 1u);
  auto reader = NewReader();
  reader->Open(1, "a/x", 50);
  reader->Open(2, "b/y", 50);
  PublishIds(bus(), {"e1", "e2", "e3", "e4", "e5"});
  std::vector<std::string> all;
  ASSERT_TRUE(Eventually([&] {
    reader->Pump();
    return reader->waiting(1) + reader->waiting(2) == 6;
  }));
  for (const LaneId lane : {1u, 2u}) {
    std::vector<Delivery> part = reader->Take(lane, reader->waiting(lane));
    for (const std::string& id : Ids(part)) all.push_back(id);
    reader->FinishAll(part);
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, Numbered("e", 6));
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
}

TEST_P(BusDeliveryTest, ASharedSingletonGoesOnWithTheLaneThatStays) {
  LaneSpec a = MakeLane("a/x", "story.#");
  a.mode = Mode::kSingleton;
  LaneSpec b = a;
  b.name = "b/y";
  Declare({a, b});
  PublishIds(bus(), {"1", "2"});
  Declare({b});
  PublishIds(bus(), {"3"});
  auto reader = NewReader();
  reader->Open(2, "b/y", 50);
  EXPECT_EQ(Ids(reader->Take(2, 3)), (std::vector<std::string>{"1", "2", "3"}));
}

TEST_P(BusDeliveryTest, AnUnreliableLaneGetsWhatComesWhileItIsOpen) {
  LaneSpec spec = MakeLane("a/x", "story.#");
  spec.reliable = false;
  Declare({spec});
  EXPECT_EQ(PublishOne(bus(), MakeEvent("before")).matched, 0u);
  auto reader = NewReader();
  reader->OpenUnreliable(1, "a/x", 100);
  EXPECT_EQ(PublishOne(bus(), MakeEvent("during")).matched, 1u);
  const Delivery delivery = reader->TakeOne(1);
  EXPECT_EQ(delivery.event.id(), "during");
  reader->Finish(delivery, End::kDone);
  EXPECT_EQ(InfoOf(bus(), "a/x").backlog, 0u);
  PublishIds(bus(), {"lost"});
  EXPECT_EQ(reader->TakeOne(1).event.id(), "lost");
  reader->consumer().Close(1);
  EXPECT_EQ(PublishOne(bus(), MakeEvent("while closed")).matched, 0u);
  reader->OpenUnreliable(1, "a/x", 100);
  PublishIds(bus(), {"again"});
  EXPECT_EQ(reader->TakeOne(1).event.id(), "again");
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
}

TEST_P(BusDeliveryTest, AnUnreliableLaneRetriesWhileItIsOpen) {
  LaneSpec spec = MakeLane("a/x", "story.#");
  spec.reliable = false;
  Declare({spec});
  auto reader = NewReader();
  reader->OpenUnreliable(1, "a/x", 100);
  PublishIds(bus(), {"e", "f"});
  reader->Finish(reader->TakeOne(1), End::kRetry, [&](Settlement* s) {
    s->attempts = 1;
    s->due = clock().Now() + std::chrono::seconds(5);
  });
  reader->Finish(reader->TakeOne(1), End::kReturned);
  EXPECT_EQ(reader->TakeOne(1).event.id(), "f");
  EXPECT_TRUE(reader->NothingOn(1, kProbe));
  clock().Advance(std::chrono::seconds(6));
  const Delivery again = reader->TakeOne(1);
  EXPECT_EQ(again.event.id(), "e");
  EXPECT_EQ(again.attempts, 1u);
  reader->Finish(again, End::kDead);
  EXPECT_EQ(InfoOf(bus(), "a/x").dead, 1u);
}

class BusFromTest : public BusContract {
 protected:
  // Ten events, a second apart; their offsets.
  std::vector<uint64_t> PublishTen() {
    std::vector<uint64_t> offsets;
    for (int i = 0; i < 10; ++i) {
      offsets.push_back(PublishOne(bus(), MakeEvent("e" + std::to_string(i))).offset);
      clock().Advance(std::chrono::seconds(1));
    }
    return offsets;
  }
  // What a new lane with this beginning gets before an event "new".
  std::vector<std::string> ReadFrom(From from, size_t expected) {
    LaneSpec spec = MakeLane("late/x", "story.#");
    spec.from = from;
    Declare({spec});
    EXPECT_EQ(InfoOf(bus(), "late/x").backlog, expected);
    PublishIds(bus(), {"new"});
    auto reader = NewReader();
    reader->Open(1, "late/x", 100);
    std::vector<std::string> ids = Ids(reader->Take(1, expected + 1));
    EXPECT_TRUE(reader->NothingOn(1, kProbe));
    EXPECT_EQ(ids.back(), "new");
    ids.pop_back();
    return ids;
  }
};
OUTBOARD_EVERY_BUS_WITH_A_LOG(BusFromTest);

TEST_P(BusFromTest, NextSkipsWhatIsThere) {
  PublishTen();
  EXPECT_TRUE(ReadFrom({From::Kind::kNext}, 0).empty());
}

TEST_P(BusFromTest, FirstReadsAllThatIsKept) {
  PublishTen();
  EXPECT_EQ(ReadFrom({From::Kind::kFirst}, 10), Numbered("e", 10));
}

TEST_P(BusFromTest, LastReadsTheNewest) {
  PublishTen();
  EXPECT_EQ(ReadFrom({From::Kind::kLast}, 1), std::vector<std::string>{"e9"});
}

TEST_P(BusFromTest, OffsetReadsFromThere) {
  const std::vector<uint64_t> offsets = PublishTen();
  EXPECT_EQ(ReadFrom({From::Kind::kOffset, offsets[8]}, 2), (std::vector<std::string>{"e8", "e9"}));
}

TEST_P(BusFromTest, AnOffsetInTheFutureWaitsForIt) {
  LaneSpec spec = MakeLane("late/x", "story.#");
  spec.from = {From::Kind::kOffset, bus().NextOffset() + 2};
  Declare({spec});
  auto reader = NewReader();
  reader->Open(1, "late/x", 100);
  PublishIds(bus(), {"1", "2", "3"});
  EXPECT_EQ(reader->TakeOne(1).event.id(), "3");
}

TEST_P(BusFromTest, TimeReadsWhatWasAcceptedThenOrLater) {
  const Time start = clock().Now();
  PublishTen();
  const From from{From::Kind::kTime, 0, start + std::chrono::milliseconds(6500)};
  EXPECT_EQ(ReadFrom(from, 3), (std::vector<std::string>{"e7", "e8", "e9"}));
}

TEST_P(BusFromTest, ATimeInTheFutureWaitsForIt) {
  LaneSpec spec = MakeLane("late/x", "story.#");
  spec.from = {From::Kind::kTime, 0, clock().Now() + std::chrono::seconds(10)};
  Declare({spec});
  auto reader = NewReader();
  reader->Open(1, "late/x", 100);
  EXPECT_EQ(PublishOne(bus(), MakeEvent("early")).matched, 0u);
  clock().Advance(std::chrono::seconds(10));
  EXPECT_EQ(PublishOne(bus(), MakeEvent("then")).matched, 1u);
  EXPECT_EQ(reader->TakeOne(1).event.id(), "then");
}

TEST_P(BusFromTest, AKnownLaneGoesOnWhereItWas) {
  LaneSpec spec = MakeLane("a/x", "story.#");
  Declare({spec});
  auto reader = NewReader();
  reader->Open(1, "a/x", 100);
  PublishIds(bus(), {"1", "2"});
  reader->FinishAll(reader->Take(1, 2));
  reader->consumer().Close(1);
  PublishIds(bus(), {"3"});
  spec.from = {From::Kind::kFirst};
  Declare({spec});
  reader->Open(1, "a/x", 100);
  EXPECT_EQ(reader->TakeOne(1).event.id(), "3");
}

TEST_P(BusFromTest, TheLogCanBeRead) {
  const std::vector<uint64_t> offsets = PublishTen();
  const absl::StatusOr<std::vector<LoggedEvent>> events = bus().ReadLog(offsets[3], 4);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ((*events)[i].offset, offsets[3 + i]);
    EXPECT_EQ((*events)[i].event.id(), "e" + std::to_string(3 + i));
  }
  EXPECT_EQ((*events)[1].accepted_at - (*events)[0].accepted_at, std::chrono::seconds(1));
  EXPECT_TRUE(bus().ReadLog(bus().NextOffset(), 10)->empty());
}

}  // namespace
}  // namespace outboard::bus

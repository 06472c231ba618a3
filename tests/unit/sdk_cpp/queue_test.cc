#include "src/queue.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace outboard::internal {
namespace {

std::shared_ptr<Batch> MakeBatch(uint64_t first_id, const std::vector<std::string_view>& keys) {
  auto batch = std::make_shared<Batch>();
  for (const std::string_view key : keys) {
    Delivery delivery;
    delivery.id = first_id++;
    delivery.order_key = key;
    batch->deliveries.push_back(delivery);
  }
  return batch;
}

uint64_t TakeId(DeliveryQueue& queue, Claim* claim) {
  return queue.Take(claim, /*wait=*/false) == DeliveryQueue::Taken::kOne ? claim->delivery().id : 0;
}

TEST(ArrivalQueueTest, HandsOutInTheOrderOfArrival) {
  ArrivalQueue queue;
  queue.Push(MakeBatch(1, {"", "", ""}));
  queue.Push(MakeBatch(4, {"", ""}));
  Claim claim;
  for (uint64_t id = 1; id <= 5; ++id) EXPECT_EQ(TakeId(queue, &claim), id);
  EXPECT_EQ(TakeId(queue, &claim), 0u);
}

TEST(ArrivalQueueTest, ASecondThreadTakesTheNextOfTheSameFrame) {
  ArrivalQueue queue;
  queue.Push(MakeBatch(1, {"", "", ""}));
  Claim slow, fast;
  EXPECT_EQ(TakeId(queue, &slow), 1u);
  EXPECT_EQ(TakeId(queue, &fast), 2u);
  EXPECT_EQ(TakeId(queue, &fast), 3u);
}

TEST(ArrivalQueueTest, ThreadsTakeEachOnce) {
  ArrivalQueue queue;
  std::mutex mutex;
  std::multiset<uint64_t> seen;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Claim claim;
      while (queue.Take(&claim, /*wait=*/true) == DeliveryQueue::Taken::kOne) {
        std::lock_guard lock(mutex);
        seen.insert(claim.delivery().id);
        if (seen.size() == 5000) queue.Stop();
      }
    });
  }
  for (uint64_t first = 1; first <= 5000; first += 10) {
    queue.Push(MakeBatch(first, std::vector<std::string_view>(10)));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen.size(), 5000u);
  EXPECT_EQ(std::set<uint64_t>(seen.begin(), seen.end()).size(), 5000u);
}

TEST(KeyedQueueTest, OneOfAKeyAtATimeAndOthersBesideIt) {
  KeyedQueue queue;
  queue.Push(MakeBatch(1, {"a", "a", "b", ""}));
  Claim a, b, none, next;
  EXPECT_EQ(TakeId(queue, &a), 1u);
  EXPECT_EQ(TakeId(queue, &b), 3u);
  EXPECT_EQ(TakeId(queue, &none), 4u);
  EXPECT_EQ(TakeId(queue, &next), 0u);
  EXPECT_TRUE(queue.Finish(a, true).empty());
  EXPECT_EQ(TakeId(queue, &next), 2u);
}

TEST(KeyedQueueTest, AFailureReleasesTheRestOfItsKeyInHand) {
  KeyedQueue queue;
  queue.Push(MakeBatch(1, {"a", "b", "a", "a", "b"}));
  Claim a, b, next;
  ASSERT_EQ(TakeId(queue, &a), 1u);
  ASSERT_EQ(TakeId(queue, &b), 2u);
  const std::vector<Claim> released = queue.Finish(a, false);
  ASSERT_EQ(released.size(), 2u);
  EXPECT_EQ(released[0].delivery().id, 3u);
  EXPECT_EQ(released[1].delivery().id, 4u);
  queue.Finish(b, true);
  EXPECT_EQ(TakeId(queue, &next), 5u);
  queue.Push(MakeBatch(6, {"a"}));
  EXPECT_EQ(TakeId(queue, &next), 6u);
}

TEST(KeyedQueueTest, TheSameKeyOfAnotherRouteIsAnotherKey) {
  KeyedQueue queue;
  auto batch = MakeBatch(1, {"a", "a"});
  batch->deliveries[1].route = "other";
  queue.Push(batch);
  Claim first, second;
  EXPECT_EQ(TakeId(queue, &first), 1u);
  EXPECT_EQ(TakeId(queue, &second), 2u);
}

}  // namespace
}  // namespace outboard::internal

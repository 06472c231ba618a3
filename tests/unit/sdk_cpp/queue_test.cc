#include "src/queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
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

std::vector<uint64_t> Ids(const std::vector<Claim>& claims) {
  std::vector<uint64_t> ids;
  for (const Claim& claim : claims) ids.push_back(claim.delivery().id);
  return ids;
}

std::vector<Claim> TakeMany(DeliveryQueue& queue, size_t most) {
  std::vector<Claim> claims;
  EXPECT_EQ(queue.TakeMany(most, &claims), DeliveryQueue::Taken::kOne);
  return claims;
}

using List = std::vector<uint64_t>;

TEST(ArrivalQueueTest, ManyAreTakenAcrossFramesUpToTheMost) {
  ArrivalQueue queue;
  queue.Push(MakeBatch(1, {"", "", ""}));
  queue.Push(MakeBatch(4, {"", ""}));
  EXPECT_EQ(Ids(TakeMany(queue, 4)), (List{1, 2, 3, 4}));
  EXPECT_EQ(Ids(TakeMany(queue, 4)), List{5});
  queue.Stop();
  std::vector<Claim> none;
  EXPECT_EQ(queue.TakeMany(4, &none), DeliveryQueue::Taken::kStopped);
}

TEST(KeyedQueueTest, ManyHaveRunsOfAKeyInTheOrderOfArrival) {
  KeyedQueue queue;
  queue.Push(MakeBatch(1, {"a", "b", "a", "", "b", "a"}));
  EXPECT_EQ(Ids(TakeMany(queue, 10)), (List{1, 2, 3, 4, 5, 6}));
}

TEST(KeyedQueueTest, WhatDoesNotFitInAManyWaitsForItsKey) {
  KeyedQueue queue;
  queue.Push(MakeBatch(1, {"a", "b", "a", "a", "c", "b"}));
  const std::vector<Claim> first = TakeMany(queue, 3);
  EXPECT_EQ(Ids(first), (List{1, 2, 3}));
  const std::vector<Claim> other = TakeMany(queue, 3);
  EXPECT_EQ(Ids(other), List{5}) << "keys a and b are in hand";
  queue.Push(MakeBatch(7, {"a"}));
  EXPECT_TRUE(queue.FinishMany(first, {}).empty());
  EXPECT_EQ(Ids(TakeMany(queue, 10)), (List{4, 6, 7}));
}

TEST(KeyedQueueTest, AFailureInAManyReleasesTheRestOfItsKeyOnly) {
  KeyedQueue queue;
  queue.Push(MakeBatch(1, {"a", "b", "", "a", "b"}));
  const std::vector<Claim> claims = TakeMany(queue, 3);
  EXPECT_EQ(Ids(claims), (List{1, 2, 3}));
  EXPECT_EQ(Ids(queue.FinishMany(claims, {OrderOf(claims[0])})), List{4});
  EXPECT_EQ(Ids(TakeMany(queue, 3)), List{5});
}

TEST(KeyedQueueTest, ThreadsThatTakeManyKeepTheOrderOfEachKey) {
  constexpr uint64_t kAll = 5000;
  static constexpr std::string_view kKeys[] = {"a", "b", "c", "d", "e"};
  KeyedQueue queue;
  std::mutex mutex;
  std::map<std::string_view, List> seen;
  uint64_t done = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      std::vector<Claim> claims;
      while (queue.TakeMany(7, &claims) == DeliveryQueue::Taken::kOne) {
        {
          std::lock_guard lock(mutex);
          for (const Claim& claim : claims) {
            seen[claim.delivery().order_key].push_back(claim.delivery().id);
          }
          done += claims.size();
        }
        EXPECT_TRUE(queue.FinishMany(claims, {}).empty());
        claims.clear();
        std::lock_guard lock(mutex);
        if (done == kAll) queue.Stop();
      }
    });
  }
  for (uint64_t first = 1; first <= kAll; first += 10) {
    std::vector<std::string_view> keys;
    for (uint64_t id = first; id < first + 10; ++id) keys.push_back(kKeys[id % 5]);
    queue.Push(MakeBatch(first, keys));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, kAll);
  for (const auto& [key, ids] : seen) EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end())) << key;
}

}  // namespace
}  // namespace outboard::internal

#include "host/ingress/order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace outboard::ingress {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class OrderTest : public testing::Test {
 protected:
  void Go(uint64_t place) {
    order_.Go(place, [this, place] { gone_.push_back(place); });
  }

  Order order_;
  std::vector<uint64_t> gone_;
};

TEST_F(OrderTest, WhoIsReadyFirstWaitsForThoseBeforeIt) {
  const uint64_t first = order_.Enter(), second = order_.Enter(), third = order_.Enter();
  Go(third);
  Go(second);
  EXPECT_THAT(gone_, IsEmpty());
  Go(first);
  EXPECT_THAT(gone_, ElementsAre(first, second, third));
  const uint64_t fourth = order_.Enter();
  Go(fourth);
  EXPECT_THAT(gone_, ElementsAre(first, second, third, fourth));
}

TEST_F(OrderTest, OneThatBecomesReadyMeanwhileIsTakenAlong) {
  const uint64_t first = order_.Enter(), second = order_.Enter();
  order_.Go(first, [&] {
    Go(second);
    EXPECT_THAT(gone_, IsEmpty()) << "one after another";
    gone_.push_back(first);
  });
  EXPECT_THAT(gone_, ElementsAre(first, second));
}

TEST_F(OrderTest, HoldsBetweenThreads) {
  constexpr uint64_t kCount = 2000;
  for (uint64_t i = 0; i < kCount; ++i) order_.Enter();
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 2; ++t) {
    threads.emplace_back([this, t] {
      for (uint64_t i = t; i < kCount; i += 2) Go(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(gone_.size(), kCount);
  for (uint64_t i = 0; i < kCount; ++i) ASSERT_EQ(gone_[i], i);
}

}  // namespace
}  // namespace outboard::ingress

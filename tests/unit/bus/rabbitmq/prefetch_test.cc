#include "host/bus/rabbitmq/prefetch.h"

#include <gtest/gtest.h>

namespace outboard::bus::rabbitmq {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): of literals only.

constexpr uint64_t kBudget = 16 << 20;
constexpr Steady kBegin{};

void Deliver(Prefetch* prefetch, int count, size_t bytes) {
  for (int i = 0; i < count; ++i) prefetch->Delivered(bytes);
}

TEST(PrefetchTest, SmallMessagesNeverChangeIt) {
  Prefetch prefetch(1000, kBudget);
  EXPECT_EQ(prefetch.now(), 1000);
  Deliver(&prefetch, 10'000, 600);
  EXPECT_EQ(prefetch.Change(uint64_t{1000} * 600, kBegin), std::nullopt);
  EXPECT_EQ(prefetch.Change(0, kBegin + 1h), std::nullopt);
}

TEST(PrefetchTest, LargeOnesAreFewAsSoonAsTheyExceedTheBudget) {
  Prefetch prefetch(1000, kBudget);
  Deliver(&prefetch, 10, 1 << 20);
  EXPECT_EQ(prefetch.Change(uint64_t{10} << 20, kBegin), std::nullopt) << "within the budget";
  Deliver(&prefetch, 10, 1 << 20);
  EXPECT_EQ(prefetch.Change(uint64_t{20} << 20, kBegin), 16);
  EXPECT_EQ(prefetch.now(), 16);
  EXPECT_EQ(prefetch.Change(uint64_t{17} << 20, kBegin + 1h), std::nullopt) << "it is as it should";
}

TEST(PrefetchTest, OneMessageIsTheLeast) {
  Prefetch prefetch(1000, 1000);
  Deliver(&prefetch, 2, 1 << 20);
  EXPECT_EQ(prefetch.Change(2 << 20, kBegin), 1);
}

TEST(PrefetchTest, WithSmallerMessagesItGrowsAgainSeldom) {
  Prefetch prefetch(1000, kBudget);
  Deliver(&prefetch, 20, 1 << 20);
  ASSERT_EQ(prefetch.Change(uint64_t{20} << 20, kBegin), 16);
  Deliver(&prefetch, 100, 1000);
  EXPECT_EQ(prefetch.Change(16'000, kBegin + 1s), std::nullopt);
  const std::optional<uint16_t> grown = prefetch.Change(16'000, kBegin + 11s);
  ASSERT_TRUE(grown);
  EXPECT_GT(*grown, 32);
  Deliver(&prefetch, 1000, 1000);
  EXPECT_EQ(prefetch.Change(16'000, kBegin + 12s), std::nullopt);
  EXPECT_EQ(prefetch.Change(16'000, kBegin + 22s), 1000);
}

TEST(PrefetchTest, SizesThatVaryDoNotChangeItAgainAndAgain) {
  Prefetch prefetch(1000, kBudget);
  int changes = 0;
  for (int round = 0; round < 1000; ++round) {
    Deliver(&prefetch, 10, round % 2 == 0 ? 100'000 : 50'000);
    changes += prefetch.Change(kBudget + 1, kBegin + round * 1s).has_value() ? 1 : 0;
  }
  EXPECT_LE(changes, 2);
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

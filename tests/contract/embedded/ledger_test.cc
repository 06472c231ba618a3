#include "host/bus/embedded/ledger.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace outboard::bus {
namespace {

using Offsets = std::vector<uint64_t>;

Ledger::Progress At(uint64_t offset) { return {offset, offset, offset, {}}; }

TEST(LedgerTest, EventsThatEndInOrderMoveTheCursor) {
  Ledger ledger(At(10), {});
  ledger.Open(Time{});
  ledger.Take({10, 12, 15}, 20, Time{});
  EXPECT_EQ(ledger.Now().cursor, 10u);
  ledger.End(0);
  EXPECT_EQ(ledger.Now().cursor, 12u);
  ledger.End(1);
  ledger.End(2);
  EXPECT_EQ(ledger.Now().cursor, 20u);
  EXPECT_TRUE(ledger.Now().unsettled.empty());
  ledger.Trim();
  EXPECT_EQ(ledger.Now().cursor, 20u);
  EXPECT_EQ(ledger.cursor(), 20u);
}

TEST(LedgerTest, WhatEndsOutOfOrderIsRememberedAboveTheCursor) {
  Ledger ledger(At(1), {});
  ledger.Open(Time{});
  ledger.Take({1, 2, 3, 4, 5}, 6, Time{});
  ledger.End(1);
  ledger.End(3);
  const Ledger::Progress now = ledger.Now();
  EXPECT_EQ(now.cursor, 1u);
  EXPECT_EQ(now.ended_to, 5u);
  EXPECT_EQ(now.unsettled, (Offsets{1, 3}));
  EXPECT_EQ(now.taken_to, 6u);
}

TEST(LedgerTest, FindsWhatHasNotEnded) {
  Ledger ledger(At(7), {});
  EXPECT_EQ(ledger.Find(0), 0u) << "not open";
  ledger.Open(Time{});
  ledger.Take({7, 9}, 10, Time{});
  EXPECT_EQ(ledger.Find(1), 9u);
  ledger.End(1);
  EXPECT_EQ(ledger.Find(1), 0u);
  ledger.Unend(1);
  EXPECT_EQ(ledger.Find(1), 9u);
  EXPECT_EQ(ledger.Find(2), 0u);
  ledger.End(0);
  ledger.Trim();
  EXPECT_EQ(ledger.Find(0), 0u);
  EXPECT_EQ(ledger.Find(1), 9u);
}

TEST(LedgerTest, OpeningAgainHandsOutWhatWasUnsettledFirst) {
  Ledger ledger(At(1), {});
  ledger.Open(Time{});
  ledger.Take({1, 2, 3, 4, 5}, 6, Time{});
  ledger.End(1);
  ledger.End(3);
  ledger.Trim();
  ledger.Close();
  const Ledger::Progress at = ledger.Open(Time{});
  EXPECT_EQ(at.unsettled, (Offsets{1, 3}));
  EXPECT_EQ(at.ended_to, 5u);
  EXPECT_EQ(ledger.Find(0), 1u);
  EXPECT_EQ(ledger.Find(1), 3u);
  ledger.End(1);
  EXPECT_EQ(ledger.Now().unsettled, (Offsets{1}));
  EXPECT_EQ(ledger.Now().ended_to, 5u);
  ledger.Take({5}, 6, Time{});
  ledger.End(0);
  EXPECT_EQ(ledger.Now().cursor, 5u);
}

TEST(LedgerTest, StragglersAreThoseThatMuchHasPassed) {
  Ledger ledger(At(1), {.ended_above = 4, .distance = 100, .age = Duration(0)});
  ledger.Open(Time{});
  ledger.Take({1, 2, 3, 4, 5, 6, 7, 8}, 9, Time{});
  for (const uint64_t seq : {1, 2, 4, 5}) ledger.End(seq);
  EXPECT_TRUE(ledger.Stragglers(Time{}, false).empty());
  ledger.End(6);
  EXPECT_EQ(ledger.Stragglers(Time{}, false), (Offsets{0, 3}));
}

TEST(LedgerTest, StragglersAreAlsoThoseThatTheLogHasLeftFarBehind) {
  Ledger ledger(At(1), {.ended_above = 4, .distance = 100, .age = Duration(0)});
  ledger.Open(Time{});
  ledger.Take({1, 50}, 101, Time{});
  EXPECT_TRUE(ledger.Stragglers(Time{}, false).empty());
  ledger.Take({}, 102, Time{});
  EXPECT_EQ(ledger.Stragglers(Time{}, false), (Offsets{0}));
}

TEST(LedgerTest, WhatIsYoungIsNoStragglerHoweverFarTheLogHasGone) {
  const Time now = Time(std::chrono::seconds(100));
  Ledger ledger(At(1), {});
  ledger.Open(Time{});
  ledger.Take({1}, 1'000'000, now);
  EXPECT_TRUE(ledger.Stragglers(now + std::chrono::seconds(9), false).empty());
  EXPECT_EQ(ledger.Stragglers(now + std::chrono::seconds(10), false), (Offsets{0}));
}

TEST(LedgerTest, FewerMayEndAboveWhenSpaceIsNeeded) {
  Ledger ledger(At(1), {.ended_above = 128, .distance = 1000, .age = Duration(0)});
  ledger.Open(Time{});
  ledger.Take({1, 2, 3, 4}, 5, Time{});
  for (const uint64_t seq : {1, 2, 3}) ledger.End(seq);
  EXPECT_TRUE(ledger.Stragglers(Time{}, false).empty());
  EXPECT_EQ(ledger.Stragglers(Time{}, true), (Offsets{0}));
}

// Whatever happens: what Now() says to be waiting is what has not ended.
TEST(LedgerTest, SaysExactlyWhatIsWaiting) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    Ledger ledger(At(1), {.ended_above = 5, .distance = 40, .age = Duration(0)});
    std::set<uint64_t> ended;      // Offsets.
    std::vector<uint64_t> by_seq;  // Offset of each sequence number.
    uint64_t pos = 1;
    const auto open = [&] {
      const Ledger::Progress at = ledger.Open(Time{});
      by_seq = at.unsettled;
      pos = std::max(at.cursor, at.ended_to);
    };
    open();
    for (int step = 0; step < 200; ++step) {
      switch (random() % 8) {
        case 0: {
          ledger.Close();
          open();
          break;
        }
        case 1:
        case 2: {
          Offsets taken;
          for (uint64_t n = random() % 5; n > 0; --n) {
            taken.push_back(pos);
            by_seq.push_back(pos++);
          }
          ledger.Take(taken, pos, Time{});
          break;
        }
        case 3: ledger.Trim(); break;
        case 4:
          for (const uint64_t seq : ledger.Stragglers(Time{}, false)) {
            ledger.End(seq);
            ended.insert(by_seq[seq]);
          }
          break;
        default: {
          if (by_seq.empty()) break;
          const uint64_t seq = random() % by_seq.size();
          const bool waiting = !ended.contains(by_seq[seq]);
          ASSERT_EQ(ledger.Find(seq), waiting ? by_seq[seq] : 0) << "seed " << seed;
          if (waiting) {
            ledger.End(seq);
            ended.insert(by_seq[seq]);
          }
        }
      }
      const Ledger::Progress now = ledger.Now();
      ASSERT_EQ(now.cursor, ledger.cursor());
      const std::set<uint64_t> unsettled(now.unsettled.begin(), now.unsettled.end());
      for (uint64_t offset = 1; offset < pos; ++offset) {
        const bool waiting = offset >= now.ended_to || unsettled.contains(offset);
        const bool has_ended = offset < now.cursor || !waiting;
        ASSERT_EQ(has_ended, ended.contains(offset)) << "seed " << seed << " offset " << offset;
      }
    }
  }
}

}  // namespace
}  // namespace outboard::bus

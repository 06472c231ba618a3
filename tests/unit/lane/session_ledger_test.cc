#include "host/lane/session_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

namespace outboard::lane {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Found = SessionLedger::Found;

class SessionLedgerTest : public ::testing::Test {
 protected:
  SessionLedgerTest() {
    options_.time_limit = seconds(30);
    options_.progress_cap = minutes(2);
  }

  static SessionUp Up(uint32_t concurrency = 0) {
    SessionUp up;
    up.session = 7;
    up.concurrency = concurrency;
    return up;
  }
  SessionLedger Ledger(SessionUp up = Up()) { return SessionLedger(std::move(up), options_); }

  // One frame of so many deliveries.
  void Send(SessionLedger& ledger, int count, Key* key = nullptr, size_t bytes = 10) {
    ledger.BeginFrame();
    for (int i = 0; i < count; ++i) {
      Item& item = items_.emplace_back();
      item.key = key;
      item.bytes = bytes;
      ledger.Add(&item);
    }
    ledger.StartTurns(now_);
  }
  void Answer(SessionLedger& ledger, uint64_t from, uint64_t to) {
    for (uint64_t id = from; id <= to; ++id) ledger.Answer(id, now_);
    ledger.StartTurns(now_);
  }
  std::vector<uint64_t> Expire(SessionLedger& ledger) {
    std::vector<uint64_t> ids;
    for (const SessionLedger::Expired& e : ledger.TakeExpired(now_)) ids.push_back(e.id);
    return ids;
  }

  DispatcherOptions options_;
  std::deque<Item> items_;
  Time now_{seconds(1000)};
};

// ---- Room
// ----------------------------------------------------------------------------------------

TEST_F(SessionLedgerTest, BeginsWithASmallWindow) {
  EXPECT_EQ(Ledger(Up(0)).window(now_), 16u);
  EXPECT_EQ(Ledger(Up(5)).window(now_), 10u);
}

TEST_F(SessionLedgerTest, TheWindowIsTwiceWhatWasAnsweredInTheLastFiftyMilliseconds) {
  SessionLedger ledger = Ledger();
  Send(ledger, 16);
  Answer(ledger, 1, 16);
  EXPECT_EQ(ledger.window(now_), 32u);
  now_ += milliseconds(30);
  Send(ledger, 4);
  Answer(ledger, 17, 20);
  EXPECT_EQ(ledger.window(now_), 40u);
  now_ += milliseconds(30);
  EXPECT_EQ(ledger.window(now_), 16u) << "the first sixteen are forgotten";
  now_ += seconds(60);
  EXPECT_EQ(ledger.window(now_), 16u);
}

TEST_F(SessionLedgerTest, TheWindowNeverPassesTheLimits) {
  SessionUp up = Up();
  up.max_in_flight = 12;
  EXPECT_EQ(Ledger(up).window(now_), 12u);
  options_.session_deliveries = 9;
  EXPECT_EQ(Ledger(up).window(now_), 9u);
  EXPECT_EQ(Ledger().window(now_), 9u);
}

TEST_F(SessionLedgerTest, ThePluginLowersItsWindow) {
  SessionLedger ledger = Ledger();
  Send(ledger, 5);
  ledger.SetPluginWindow(4);
  EXPECT_EQ(ledger.Room(now_), 0u) << "below what is in flight";
  Answer(ledger, 1, 2);
  EXPECT_EQ(ledger.Room(now_), 1u);
  ledger.SetPluginWindow(0);
  EXPECT_TRUE(ledger.paused());
  EXPECT_EQ(ledger.Room(now_), 0u);
  ledger.SetPluginWindow(100);
  EXPECT_EQ(ledger.window(now_), 16u) << "above what the host gives";
}

TEST_F(SessionLedgerTest, OneDeliveryOfAnySizeMayFlyAlone) {
  options_.session_bytes = 100;
  SessionLedger ledger = Ledger();
  EXPECT_TRUE(ledger.FitsBytes(5000));
  Send(ledger, 1, nullptr, 60);
  EXPECT_TRUE(ledger.FitsBytes(40));
  EXPECT_FALSE(ledger.FitsBytes(41));
  Answer(ledger, 1, 1);
  EXPECT_TRUE(ledger.FitsBytes(5000));
}

// ---- Deliveries
// ----------------------------------------------------------------------------------

TEST_F(SessionLedgerTest, CountsIdsFromOne) {
  SessionLedger ledger = Ledger();
  EXPECT_EQ(ledger.next_id(), 1u);
  Send(ledger, 3);
  EXPECT_EQ(ledger.next_id(), 4u);
  Answer(ledger, 1, 3);
  EXPECT_EQ(ledger.next_id(), 4u);
}

TEST_F(SessionLedgerTest, TellsOpenLateAndUnknownAnswers) {
  SessionLedger ledger = Ledger();
  Send(ledger, 2);
  EXPECT_EQ(ledger.Answer(0, now_).found, Found::kUnknown);
  EXPECT_EQ(ledger.Answer(3, now_).found, Found::kUnknown);
  const SessionLedger::Taken second = ledger.Answer(2, now_);
  EXPECT_EQ(second.found, Found::kOpen);
  EXPECT_EQ(second.item, &items_[1]);
  EXPECT_EQ(ledger.Answer(2, now_).found, Found::kLate);
  EXPECT_EQ(ledger.Answer(1, now_).item, &items_[0]);
  EXPECT_EQ(ledger.Answer(1, now_).found, Found::kLate) << "forgotten by now";
}

TEST_F(SessionLedgerTest, AFrameIsOpenWhileOneOfItsDeliveriesIs) {
  SessionLedger ledger = Ledger();
  Send(ledger, 2);
  Send(ledger, 1);
  EXPECT_EQ(ledger.open_frames(), 2u);
  Answer(ledger, 2, 3);
  EXPECT_EQ(ledger.open_frames(), 1u);
  Answer(ledger, 1, 1);
  EXPECT_EQ(ledger.open_frames(), 0u);
}

TEST_F(SessionLedgerTest, KeepsAnOldUnansweredOneAmongManyAnswered) {
  SessionLedger ledger = Ledger();
  Send(ledger, 1);
  for (uint64_t id = 2; id < 5000; ++id) {
    Send(ledger, 1);
    Answer(ledger, id, id);
  }
  EXPECT_EQ(ledger.unanswered(), 1u);
  EXPECT_EQ(ledger.Answer(4000, now_).found, Found::kLate);
  const SessionLedger::Taken first = ledger.Answer(1, now_);
  EXPECT_EQ(first.found, Found::kOpen);
  EXPECT_EQ(first.item, &items_[0]);
  EXPECT_EQ(ledger.Answer(1, now_).found, Found::kLate);
  EXPECT_EQ(ledger.open_frames(), 0u);
}

TEST_F(SessionLedgerTest, AnOldUnansweredOneStillExpiresAmongManyAnswered) {
  SessionLedger ledger = Ledger();
  Send(ledger, 1);
  for (uint64_t id = 2; id < 5000; ++id) {
    Send(ledger, 1);
    Answer(ledger, id, id);
  }
  now_ += seconds(30);
  EXPECT_THAT(Expire(ledger), ElementsAre(1));
  EXPECT_EQ(ledger.Answer(1, now_).found, Found::kExpired);
}

// ---- Time
// ----------------------------------------------------------------------------------------

TEST_F(SessionLedgerTest, TimeRunsForAllWithoutAConcurrency) {
  SessionLedger ledger = Ledger(Up(0));
  Send(ledger, 3);
  EXPECT_EQ(ledger.NextTime(), now_ + seconds(30));
  now_ += seconds(29);
  EXPECT_THAT(Expire(ledger), IsEmpty());
  now_ += seconds(1);
  EXPECT_THAT(Expire(ledger), ElementsAre(1, 2, 3));
}

TEST_F(SessionLedgerTest, TimeRunsForTheOldestOnly) {
  SessionLedger ledger = Ledger(Up(2));
  Send(ledger, 4);
  now_ += seconds(10);
  Answer(ledger, 1, 1);  // Now it is the turn of 3.
  now_ += seconds(20);
  EXPECT_THAT(Expire(ledger), ElementsAre(2));
  ledger.StartTurns(now_);  // 2 still occupies the component.
  now_ += seconds(10);
  EXPECT_THAT(Expire(ledger), ElementsAre(3));
  Answer(ledger, 2, 2);  // Now it is the turn of 4.
  now_ += seconds(29);
  EXPECT_THAT(Expire(ledger), IsEmpty());
  now_ += seconds(1);
  EXPECT_THAT(Expire(ledger), ElementsAre(4));
}

TEST_F(SessionLedgerTest, TimeRunsForTheOldestOfEachKeyOfAnInOrderComponent) {
  SessionUp up = Up(0);
  up.in_order = true;
  SessionLedger ledger = Ledger(up);
  Key k, m;
  Send(ledger, 2, &k);  // 1, 2
  Send(ledger, 1, &m);  // 3
  Send(ledger, 1);      // 4, of no key
  now_ += seconds(10);
  Answer(ledger, 1, 1);
  now_ += seconds(20);
  EXPECT_THAT(Expire(ledger), ElementsAre(3, 4));
  now_ += seconds(10);
  EXPECT_THAT(Expire(ledger), ElementsAre(2));
}

TEST_F(SessionLedgerTest, AnExpiredOneKeepsItsCreditButNotItsFrame) {
  SessionLedger ledger = Ledger();
  Key key;
  Send(ledger, 1, &key);
  now_ += seconds(30);
  EXPECT_THAT(Expire(ledger), ElementsAre(1));
  EXPECT_EQ(ledger.unanswered(), 1u);
  EXPECT_EQ(ledger.open_frames(), 0u);
  const SessionLedger::Taken late = ledger.Answer(1, now_);
  EXPECT_EQ(late.found, Found::kExpired);
  EXPECT_EQ(late.item, nullptr);
  EXPECT_EQ(late.key, &key);
  EXPECT_EQ(ledger.unanswered(), 0u);
}

TEST_F(SessionLedgerTest, ProgressRenewsTheTimeUpToTheCap) {
  SessionLedger ledger = Ledger();
  Send(ledger, 1);
  for (int i = 0; i < 5; ++i) {
    now_ += seconds(20);
    EXPECT_THAT(Expire(ledger), IsEmpty());
    EXPECT_TRUE(ledger.Progress(1, now_));
  }
  now_ += seconds(19);  // 119 s after the turn came.
  EXPECT_TRUE(ledger.Progress(1, now_));
  EXPECT_THAT(Expire(ledger), IsEmpty());
  now_ += seconds(1);
  EXPECT_THAT(Expire(ledger), ElementsAre(1));
}

TEST_F(SessionLedgerTest, ACapBelowTheTimeLimitTakesNothingAway) {
  options_.progress_cap = seconds(1);
  SessionLedger ledger = Ledger();
  Send(ledger, 1);
  now_ += seconds(10);
  ledger.Progress(1, now_);
  now_ += seconds(19);
  EXPECT_THAT(Expire(ledger), IsEmpty());
  now_ += seconds(1);
  EXPECT_THAT(Expire(ledger), ElementsAre(1));
}

TEST_F(SessionLedgerTest, ProgressOfWhatIsOverOrNotYetRunningIsNoMistake) {
  SessionLedger ledger = Ledger(Up(1));
  Send(ledger, 2);
  EXPECT_TRUE(ledger.Progress(2, now_));
  Answer(ledger, 1, 1);
  EXPECT_TRUE(ledger.Progress(1, now_));
  EXPECT_FALSE(ledger.Progress(0, now_));
  EXPECT_FALSE(ledger.Progress(3, now_));
}

TEST_F(SessionLedgerTest, IsStuckOneTimeLimitAfterADeadline) {
  SessionLedger ledger = Ledger();
  Send(ledger, 1);
  now_ += seconds(30);
  Expire(ledger);
  EXPECT_EQ(ledger.NextTime(), now_ + seconds(30));
  bool at_once = false;
  now_ += seconds(29);
  EXPECT_FALSE(ledger.IsStuck(now_, &at_once));
  now_ += seconds(1);
  EXPECT_TRUE(ledger.IsStuck(now_, &at_once));
  EXPECT_TRUE(at_once);
}

TEST_F(SessionLedgerTest, IsNotStuckAtOnceIfItShowedLifeMeanwhile) {
  SessionLedger ledger = Ledger();
  Send(ledger, 1);
  now_ += seconds(30);
  Expire(ledger);
  Send(ledger, 1);
  now_ += seconds(10);
  Answer(ledger, 2, 2);
  now_ += seconds(20);
  bool at_once = true;
  EXPECT_TRUE(ledger.IsStuck(now_, &at_once));
  EXPECT_FALSE(at_once);
}

TEST_F(SessionLedgerTest, IsNotStuckIfTheExpiredOneWasAnswered) {
  SessionLedger ledger = Ledger();
  Send(ledger, 1);
  now_ += seconds(30);
  Expire(ledger);
  now_ += seconds(29);
  Answer(ledger, 1, 1);
  now_ += seconds(60);
  bool at_once = false;
  EXPECT_FALSE(ledger.IsStuck(now_, &at_once));
  EXPECT_EQ(ledger.NextTime(), kNever);
}

// ---- End
// -----------------------------------------------------------------------------------------

TEST_F(SessionLedgerTest, TheRestIsWhatIsUnansweredAndTheKeysOfWhatExpired) {
  SessionLedger ledger = Ledger(Up(1));
  Key key;
  Send(ledger, 1, &key);
  Send(ledger, 3);
  now_ += seconds(30);
  Expire(ledger);
  Answer(ledger, 3, 3);
  const SessionLedger::Rest rest = ledger.TakeRest();
  EXPECT_THAT(rest.open, ElementsAre(&items_[1], &items_[3]));
  ASSERT_EQ(rest.owed.size(), 1u);
  EXPECT_EQ(rest.owed[0].first, &key);
  EXPECT_EQ(ledger.unanswered(), 0u);
  EXPECT_EQ(ledger.Answer(2, now_).found, Found::kLate);
  EXPECT_EQ(ledger.Answer(5, now_).found, Found::kUnknown);
}

}  // namespace
}  // namespace outboard::lane

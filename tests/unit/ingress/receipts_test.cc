#include "host/ingress/receipts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace outboard::ingress {
namespace {

using Results = std::vector<Result>;
using std::chrono::hours;

class ReceiptsTest : public testing::Test {
 protected:
  static Results Confirmed(std::vector<uint32_t> reporting) {
    Results results(reporting.size());
    for (size_t i = 0; i < reporting.size(); ++i) results[i].reporting = reporting[i];
    return results;
  }
  std::future<Results> Await(const std::shared_ptr<Receipts::Wait>& wait, Results results,
                             Duration within = hours(1)) {
    auto promise = std::make_shared<std::promise<Results>>();
    receipts_->Await(wait, std::move(results), clock_.Now() + within,
                     [promise](Results got) { promise->set_value(std::move(got)); });
    return promise->get_future();
  }
  static bool IsReady(const std::future<Results>& future) {
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  static bus::Receipt Done(const std::string& lane, int64_t offset = 0) {
    return {lane, bus::End::kDone, {bus::Offset(offset), std::nullopt}, ""};
  }

  RealClock clock_;
  TaskThread thread_{&clock_};
  std::optional<Receipts> receipts_{std::in_place, &clock_, &thread_, 5};
};

TEST_F(ReceiptsTest, AnswersOnceEachLaneHasToldItsEnd) {
  const auto wait = receipts_->Begin(2);
  wait->OnReceipt(0, Done("b"));  // Before the bus has answered.
  auto answer = Await(wait, Confirmed({2, 1}));
  EXPECT_FALSE(IsReady(answer));
  wait->OnReceipt(1, Done("a", 7));
  wait->OnReceipt(0, Done("b"));  // It got it twice.
  EXPECT_FALSE(IsReady(answer));
  wait->OnReceipt(0, {"a", bus::End::kDead, {}, "NO_ROOM"});
  const Results results = answer.get();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].receipts,
            (std::vector<bus::Receipt>{{"a", bus::End::kDead, {}, "NO_ROOM"}, Done("b")}));
  EXPECT_EQ(results[1].receipts, (std::vector<bus::Receipt>{Done("a", 7)}));
  wait->OnReceipt(0, Done("a"));  // Nobody waits any more.
}

TEST_F(ReceiptsTest, TheLastOfALaneCounts) {
  const auto wait = receipts_->Begin(1);
  wait->OnReceipt(0, Done("a", 1));
  auto answer = Await(wait, Confirmed({2}));
  wait->OnReceipt(0, Done("a", 2));
  wait->OnReceipt(0, Done("b", 3));
  EXPECT_EQ(answer.get()[0].receipts, (std::vector<bus::Receipt>{Done("a", 2), Done("b", 3)}));
}

TEST_F(ReceiptsTest, WaitsForNothingThatNoLaneTells) {
  Results results = Confirmed({0, 3});
  results[1].status = absl::UnavailableError("full");
  auto answer = Await(receipts_->Begin(2), std::move(results));
  EXPECT_TRUE(IsReady(answer));
}

TEST_F(ReceiptsTest, AnswersWithWhatCameWhenTheTimeIsOver) {
  const auto slow = receipts_->Begin(1);
  const auto quick = receipts_->Begin(1);
  auto patient = Await(slow, Confirmed({1}));
  auto hasty = Await(quick, Confirmed({2}), std::chrono::milliseconds(5));
  quick->OnReceipt(0, Done("a"));
  EXPECT_EQ(hasty.get()[0].receipts, (std::vector<bus::Receipt>{Done("a")}));
  EXPECT_FALSE(IsReady(patient));
  slow->OnReceipt(0, Done("a"));
  EXPECT_EQ(patient.get()[0].receipts.size(), 1u);
}

TEST_F(ReceiptsTest, EventsThatDidNotGoToTheBusAreNotCounted) {
  const auto wait = receipts_->Begin(3);
  wait->OnlyThese({2});
  Results results = Confirmed({0, 0, 1});
  results[0].status = absl::InvalidArgumentError("no");
  results[1].stage = "screen";  // Dropped.
  auto answer = Await(wait, std::move(results));
  wait->OnReceipt(7, Done("a"));
  wait->OnReceipt(0, Done("a", 9));
  EXPECT_EQ(answer.get()[2].receipts, (std::vector<bus::Receipt>{Done("a", 9)}));
}

TEST_F(ReceiptsTest, IsBoundedAndGivesRoomBack) {
  auto many = receipts_->Begin(9);  // Alone.
  ASSERT_NE(many, nullptr);
  EXPECT_EQ(receipts_->Begin(1), nullptr);
  many.reset();
  auto four = receipts_->Begin(4);
  EXPECT_EQ(receipts_->Begin(2), nullptr);
  auto answer = Await(four, Confirmed({1, 0, 0, 0}));
  std::weak_ptr<bus::ReceiptSink> seen = four;
  four.reset();
  EXPECT_EQ(receipts_->Begin(2), nullptr);
  seen.lock()->OnReceipt(0, Done("a"));
  EXPECT_TRUE(IsReady(answer));
  EXPECT_TRUE(seen.expired());
  EXPECT_NE(receipts_->Begin(2), nullptr);
}

TEST_F(ReceiptsTest, APublisherThatHasGoneKeepsNoRoom) {
  const auto before = receipts_->Begin(2);
  before->GiveUp();  // The bus has not answered yet.
  EXPECT_TRUE(IsReady(Await(before, Confirmed({1, 1}))));
  auto wait = receipts_->Begin(3);
  auto answer = Await(wait, Confirmed({1, 1, 1}));
  wait->OnReceipt(1, Done("a"));
  wait->GiveUp();
  EXPECT_EQ(answer.get()[1].receipts.size(), 1u);
  wait->GiveUp();
  wait.reset();
  EXPECT_NE(receipts_->Begin(3), nullptr);
}

TEST_F(ReceiptsTest, ALaneThatIsNotCountedEndsNoWait) {
  const auto wait = receipts_->Begin(2);
  auto answer = Await(wait, Confirmed({1, 1}));
  wait->OnReceipt(0, Done("a"));
  wait->OnReceipt(0, Done("b"));
  EXPECT_FALSE(IsReady(answer));
  wait->OnReceipt(1, Done("a"));
  EXPECT_EQ(answer.get()[0].receipts.size(), 2u);
}

TEST_F(ReceiptsTest, OfARequestSomeEventsMayNotBePublished) {
  const auto wait = receipts_->Begin(5);  // Of which one was valid.
  auto answer = Await(wait, Confirmed({1}));
  wait->OnReceipt(0, Done("a"));
  EXPECT_EQ(answer.get().size(), 1u);
}

TEST(ReceiptsLifeTest, MayEndWhileATimeIsUp) {
  RealClock clock;
  for (int i = 0; i < 200; ++i) {
    Receipts receipts(&clock, nullptr);
    std::optional<TaskThread> thread(std::in_place, &clock);
    Receipts timed(&clock, &*thread);
    timed.Await(
        timed.Begin(1),
        [] {
          Results results(1);
          results[0].reporting = 1;
          return results;
        }(),
        clock.Now() + Duration(i * 10), [](const Results&) {});
    thread.reset();  // As in Ingress: first the timers, then this.
  }
}

TEST_F(ReceiptsTest, StopAnswersAllAndKeepsNobodyWaiting) {
  const auto wait = receipts_->Begin(1);
  auto answer = Await(wait, Confirmed({2}));
  wait->OnReceipt(0, Done("a"));
  receipts_->Stop();
  EXPECT_EQ(answer.get()[0].receipts.size(), 1u);
  EXPECT_TRUE(IsReady(Await(receipts_->Begin(1), Confirmed({2}))));
  receipts_.reset();
  wait->OnReceipt(0, Done("b"));  // The bus may be later than that.
}

TEST_F(ReceiptsTest, ManyThreadsTellAndAsk) {
  receipts_.emplace(&clock_, &thread_, 1000);
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const auto wait = receipts_->Begin(1);
        ASSERT_NE(wait, nullptr);
        std::thread teller;
        if (i % 50 == 0) {
          teller = std::thread([wait] { wait->OnReceipt(0, Done("a")); });
        } else {
          wait->OnReceipt(0, Done("a"));
        }
        receipts_->Await(wait, Confirmed({1}), clock_.Now() + std::chrono::milliseconds(i % 3),
                         [&](const Results&) { ++answered; });
        if (teller.joinable()) teller.join();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  receipts_->Stop();
  EXPECT_EQ(answered, 2000);
}

}  // namespace
}  // namespace outboard::ingress

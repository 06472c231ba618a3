#include "host/http/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

#include "tests/unit/metrics/sample_snapshot.h"

namespace outboard::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Stands still until told; any thread.
class StillClock final : public Clock {
 public:
  Time Now() const override { return Time(Duration(now_.load())); }
  void Advance(Duration d) { now_ += d.count(); }

 private:
  std::atomic<int64_t> now_{1'000'000};
};

class PagesTest : public testing::Test {
 protected:
  Answer Get(Page page) {
    std::promise<Answer> promise;
    EXPECT_TRUE(pages_.Ask(page, [&promise](const Answer& answer) { promise.set_value(answer); }));
    return promise.get_future().get();
  }

  StillClock clock_;
  std::atomic<int> taken_{0};
  std::shared_future<void> may_take_;  // Set: a snapshot waits for it.
  Pages pages_{[this] {
                 ++taken_;
                 if (may_take_.valid()) may_take_.wait();
                 return admin::SampleSnapshot();
               },
               &clock_};
};

TEST_F(PagesTest, MakesAllPages) {
  const Answer metrics = Get(Page::kMetrics);
  EXPECT_EQ(metrics.status, 200u);
  EXPECT_STREQ(metrics.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(*metrics.body, HasSubstr("\noutboard_draining 0\n"));
  EXPECT_EQ(Get(Page::kReady).status, 200u);
  EXPECT_THAT(*Get(Page::kReady).body, StartsWith("ready\n"));
  EXPECT_EQ(Get(Page::kStrictReady).status, 503u);
  EXPECT_THAT(*Get(Page::kStrictReady).body, StartsWith("not ready: "));
}

TEST_F(PagesTest, OneSnapshotServesAllForAMoment) {
  const Answer first = Get(Page::kMetrics);
  clock_.Advance(Pages::kFresh - Duration(1));
  EXPECT_EQ(Get(Page::kMetrics).body, first.body);  // The same string, not made again.
  Get(Page::kReady);
  EXPECT_EQ(taken_, 1);
  clock_.Advance(Duration(1));
  Get(Page::kReady);
  EXPECT_EQ(taken_, 2);
  EXPECT_NE(Get(Page::kMetrics).body, first.body);
}

TEST_F(PagesTest, TakesOneSnapshotAtATimeAndLetsFewWait) {
  std::promise<void> go;
  may_take_ = go.get_future().share();
  std::vector<std::future<Answer>> answers;
  const auto ask = [this, &answers] {
    auto promise = std::make_shared<std::promise<Answer>>();
    answers.push_back(promise->get_future());
    return pages_.Ask(Page::kMetrics, [promise](const Answer& a) { promise->set_value(a); });
  };
  for (size_t i = 0; i < Pages::kMaxWaiting; ++i) EXPECT_TRUE(ask());
  EXPECT_FALSE(ask());
  answers.pop_back();
  go.set_value();
  for (std::future<Answer>& answer : answers) EXPECT_EQ(answer.get().status, 200u);
  EXPECT_EQ(taken_, 1);
  pages_.Stop();  // All are counted down.
}

TEST_F(PagesTest, ThoseWhoWaitAtTheEndAreAnswered) {
  std::promise<void> go;
  may_take_ = go.get_future().share();
  std::atomic<int> answered{0};
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(pages_.Ask(Page::kReady, [&answered](const Answer&) { ++answered; }));
  }
  go.set_value();
  pages_.Stop();
  EXPECT_EQ(answered, 3);
  EXPECT_FALSE(pages_.Ask(Page::kReady, [](const Answer&) { FAIL(); }));
}

}  // namespace
}  // namespace outboard::http

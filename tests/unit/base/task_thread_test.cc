#include "host/base/task_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

namespace outboard {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using ::testing::ElementsAre;

TEST(TaskThreadTest, RunsTasksInTheOrderOfPosting) {
  const RealClock clock;
  TaskThread thread(&clock);
  std::vector<int> ran;
  for (int i = 0; i < 100; ++i) thread.Post([&ran, i] { ran.push_back(i); });
  thread.Run([] {});
  ASSERT_EQ(ran.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ran[i], i);
}

TEST(TaskThreadTest, RunWaitsUntilItsTaskRanOnTheThread) {
  const RealClock clock;
  TaskThread thread(&clock);
  std::thread::id id;
  thread.Run([&] { id = std::this_thread::get_id(); });
  EXPECT_NE(id, std::thread::id());
  EXPECT_NE(id, std::this_thread::get_id());
}

TEST(TaskThreadTest, RunsWhatWasPostedBeforeItsEnd) {
  int ran = 0;
  {
    const RealClock clock;
    TaskThread thread(&clock);
    for (int i = 0; i < 10; ++i) thread.Post([&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 10);
}

TEST(TaskThreadTest, ATaskMayPostAnother) {
  const RealClock clock;
  TaskThread thread(&clock);
  std::promise<int> done;
  thread.Post([&] { thread.Post([&] { done.set_value(7); }); });
  EXPECT_EQ(done.get_future().get(), 7);
}

TEST(TaskThreadTest, RunsTimersInTheOrderOfTheirTimes) {
  const RealClock clock;
  TaskThread thread(&clock);
  std::vector<std::string> ran;
  std::promise<void> done;
  thread.Run([&] {
    const Time now = clock.Now();
    thread.At(now + milliseconds(3), [&] {
      ran.push_back("third");
      done.set_value();
    });
    thread.At(now + milliseconds(1), [&] { ran.push_back("second"); });
    thread.At(now - hours(1), [&] { ran.push_back("first"); });
  });
  done.get_future().wait();
  EXPECT_THAT(ran, ElementsAre("first", "second", "third"));
}

TEST(TaskThreadTest, ATimerNeverRunsBeforeItsTime) {
  const RealClock clock;
  TaskThread thread(&clock);
  std::promise<Duration> early;
  thread.Run([&] {
    const Time when = clock.Now() + milliseconds(2);
    thread.At(when, [&, when] { early.set_value(when - clock.Now()); });
  });
  EXPECT_LE(early.get_future().get(), Duration::zero());
}

TEST(TaskThreadTest, ATimerMaySetTheNext) {
  const RealClock clock;
  TaskThread thread(&clock);
  std::promise<void> done;
  int count = 0;
  std::function<void()> tick = [&] {
    if (++count == 5) return done.set_value();
    thread.At(clock.Now(), tick);
  };
  thread.Run(tick);
  done.get_future().wait();
  EXPECT_EQ(count, 5);
}

TEST(TaskThreadTest, ForgetsTimersAtItsEnd) {
  bool ran = false;
  {
    const RealClock clock;
    TaskThread thread(&clock);
    thread.Run([&] { thread.At(clock.Now() + hours(1), [&] { ran = true; }); });
  }
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace outboard

#include "host/base/mailbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace outboard {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

bool Readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, 0) == 1;
}

TEST(WakeupTest, IsReadableFromSignalToClear) {
  Wakeup wakeup;
  EXPECT_FALSE(Readable(wakeup.fd()));
  wakeup.Signal();
  wakeup.Signal();
  EXPECT_TRUE(Readable(wakeup.fd()));
  wakeup.Clear();
  EXPECT_FALSE(Readable(wakeup.fd()));
}

TEST(WakeupTest, ClearWithoutASignalReturnsAtOnce) {
  Wakeup wakeup;
  wakeup.Clear();
  EXPECT_FALSE(Readable(wakeup.fd()));
}

TEST(MailboxTest, GivesAllItemsInTheOrderOfPosting) {
  Mailbox<int> mailbox;
  mailbox.Post(1);
  mailbox.Post(2);
  mailbox.Post(3);
  std::vector<int> got = {99};
  mailbox.Drain(&got);
  EXPECT_THAT(got, ElementsAre(1, 2, 3));
  mailbox.Drain(&got);
  EXPECT_THAT(got, IsEmpty());
}

TEST(MailboxTest, IsReadableWhileItHoldsItems) {
  Mailbox<int> mailbox;
  std::vector<int> got;
  EXPECT_FALSE(Readable(mailbox.fd()));
  mailbox.Post(1);
  EXPECT_TRUE(Readable(mailbox.fd()));
  mailbox.Drain(&got);
  EXPECT_FALSE(Readable(mailbox.fd()));
  mailbox.Post(2);
  EXPECT_TRUE(Readable(mailbox.fd())) << "a post after a drain must wake again";
}

TEST(MailboxTest, TakesItemsThatCanOnlyMove) {
  Mailbox<std::unique_ptr<int>> mailbox;
  mailbox.Post(std::make_unique<int>(7));
  std::vector<std::unique_ptr<int>> got;
  mailbox.Drain(&got);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(*got[0], 7);
}

// The reader sleeps in poll() between drains: a lost wakeup hangs this test.
TEST(MailboxTest, LosesNothingAndKeepsEachPostersOrder) {
  constexpr int kPosters = 3;
  constexpr int kItems = 5'000;
  Mailbox<std::pair<int, int>> mailbox;
  std::vector<std::thread> posters;
  for (int id = 0; id < kPosters; ++id) {
    posters.emplace_back([&mailbox, id] {
      for (int i = 0; i < kItems; ++i) mailbox.Post({id, i});
    });
  }
  std::vector<int> next(kPosters, 0);
  std::vector<std::pair<int, int>> got;
  for (int total = 0; total < kPosters * kItems; total += static_cast<int>(got.size())) {
    pollfd p{mailbox.fd(), POLLIN, 0};
    ASSERT_EQ(poll(&p, 1, -1), 1);
    mailbox.Drain(&got);
    for (const auto& [id, i] : got) EXPECT_EQ(i, next[id]++);
  }
  for (std::thread& poster : posters) poster.join();
  EXPECT_THAT(next, ElementsAre(kItems, kItems, kItems));
}

}  // namespace
}  // namespace outboard

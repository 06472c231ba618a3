#include "host/bus/rabbitmq/ack_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace outboard::bus::rabbitmq {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class AckWindowTest : public ::testing::Test {
 protected:
  void Deliver(uint64_t upto) {
    for (; next_ <= upto; ++next_) window_.Delivered(next_, now_ + Duration(next_));
  }
  void Settle(std::initializer_list<uint64_t> tags) {
    for (const uint64_t tag : tags) window_.Settle(tag, now_);
  }
  // "..4": up to 4; "6": that one.
  std::vector<std::string> Take(bool everything = false) {
    std::deque<AckWindow::Ack> acks;
    window_.Take(now_, everything, &acks);
    std::vector<std::string> texts;
    for (const AckWindow::Ack& ack : acks)
      texts.push_back((ack.multiple ? ".." : "") + std::to_string(ack.tag));
    return texts;
  }

  AckWindow window_{3, milliseconds(20)};
  Time now_{std::chrono::seconds(1000)};
  uint64_t next_ = 1;
};

TEST_F(AckWindowTest, AcknowledgesInOneGoWhatEndedInOrder) {
  Deliver(5);
  Settle({1, 2, 3});
  EXPECT_THAT(Take(), ElementsAre("..3"));
  EXPECT_THAT(Take(), IsEmpty());
  EXPECT_EQ(window_.unsettled(), 2u);
}

TEST_F(AckWindowTest, WaitsForASlowOneWhileFewAndYoungOnesAreAboveIt) {
  Deliver(5);
  Settle({2, 3});
  EXPECT_THAT(Take(), IsEmpty());
  EXPECT_EQ(window_.next_due(), now_ + milliseconds(20));
  Settle({1});
  EXPECT_THAT(Take(), ElementsAre("..3"));
  EXPECT_EQ(window_.next_due(), kNever);
}

TEST_F(AckWindowTest, AcknowledgesOneByOneWhatIsOldAboveASlowOne) {
  Deliver(5);
  Settle({2, 4});
  now_ += milliseconds(20);
  EXPECT_THAT(Take(), ElementsAre("2", "4"));
  Settle({3});
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(AckWindowTest, AcknowledgesOneByOneWhatIsManyAboveASlowOne) {
  Deliver(5);
  Settle({2, 3, 4});
  EXPECT_THAT(Take(), ElementsAre("2", "3", "4"));
}

TEST_F(AckWindowTest, NeverNamesATagAgainThatWasAcknowledgedByItself) {
  Deliver(5);
  Settle({2, 3, 4});
  Take();
  Settle({1});
  EXPECT_THAT(Take(), ElementsAre("..1"))
      << "the broker refuses a tag that it does not know any more";
  Settle({5});
  EXPECT_THAT(Take(), ElementsAre("..5"));
}

TEST_F(AckWindowTest, MultipleCoversThoseThatWereSettledSince) {
  Deliver(6);
  Settle({2, 3, 4});
  Take();
  Settle({5});
  Settle({1});
  EXPECT_THAT(Take(), ElementsAre("..5"));
}

TEST_F(AckWindowTest, TakesEverythingBeforeTheEnd) {
  Deliver(5);
  Settle({1, 3});
  EXPECT_THAT(Take(true), ElementsAre("..1", "3"));
}

TEST_F(AckWindowTest, ASecondEndOfATagIsNone) {
  Deliver(3);
  Settle({2});
  Settle({2, 7});
  EXPECT_EQ(window_.unsettled(), 2u);
}

TEST_F(AckWindowTest, KnowsWhenTheOldestWasAccepted) {
  EXPECT_EQ(window_.oldest(), kNever);
  Deliver(3);
  EXPECT_EQ(window_.oldest(), now_ + Duration(1));
  Settle({1});
  EXPECT_EQ(window_.oldest(), now_ + Duration(2));
}

TEST_F(AckWindowTest, KnowsHowLongTheOldestIsHeld) {
  EXPECT_EQ(window_.held_since(), kNever);
  window_.Delivered(1, {}, now_);
  window_.Delivered(2, {}, now_ + milliseconds(5));
  Settle({2});
  EXPECT_EQ(window_.held_since(), now_);
  window_.Delivered(3, {}, now_ + milliseconds(7));
  Settle({1});
  EXPECT_EQ(window_.held_since(), now_ + milliseconds(7));
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

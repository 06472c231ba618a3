#include "host/ingress/bound.h"

#include <gtest/gtest.h>

namespace outboard::ingress {
namespace {

class BoundTest : public testing::Test {
 protected:
  Room NewRoom() { return Room(bound_); }

  std::shared_ptr<Bound> bound_ = std::make_shared<Bound>(Load{100, 10});
};

TEST_F(BoundTest, RefusesWhatIsBeyondBytesOrEvents) {
  Room first = NewRoom(), second = NewRoom();
  EXPECT_TRUE(first.Take({60, 6}));
  EXPECT_FALSE(second.Take({41, 0}));
  EXPECT_FALSE(second.Take({0, 5}));
  EXPECT_TRUE(second.Take({40, 4}));
  EXPECT_EQ(bound_->under_way(), (Load{100, 10}));
  EXPECT_FALSE(first.Take({1, 0}));
}

TEST_F(BoundTest, ARequestGivesBackAllThatItTook) {
  {
    Room room = NewRoom();
    EXPECT_TRUE(room.Take({10, 0}));
    EXPECT_TRUE(room.Take({10, 1}));
    room.TakeAnyway({200, 1});
    EXPECT_EQ(bound_->under_way(), (Load{220, 2}));
    Room moved = std::move(room);
    room.GiveBack();  // Has none of it any more.
    EXPECT_EQ(bound_->under_way(), (Load{220, 2}));
    moved = NewRoom();
    EXPECT_EQ(bound_->under_way(), Load{});
  }
  EXPECT_EQ(bound_->under_way(), Load{});
}

TEST_F(BoundTest, ARequestThatIsAloneIsNeverRefused) {
  Room large = NewRoom(), small = NewRoom();
  EXPECT_TRUE(large.Take({80, 0}));
  EXPECT_TRUE(large.Take({80, 20}));
  EXPECT_FALSE(small.Take({1, 1}));
  large.GiveBack();
  EXPECT_TRUE(small.Take({1, 1}));
  EXPECT_FALSE(large.Take({100, 0}));
}

TEST_F(BoundTest, CallsThoseWhoWaitOnceThereIsRoom) {
  int called = 0;
  const auto call = [&] { ++called; };
  EXPECT_FALSE(bound_->CallWhenRoom(call));
  Room room = NewRoom(), more = NewRoom();
  room.TakeAnyway({100, 0});
  more.TakeAnyway({50, 0});
  EXPECT_TRUE(bound_->CallWhenRoom(call));
  EXPECT_TRUE(bound_->CallWhenRoom(call));
  more.GiveBack();
  EXPECT_EQ(called, 0);
  room.GiveBack();
  EXPECT_EQ(called, 2);
}

TEST_F(BoundTest, NobodyIsLeftWaiting) {
  int called = 0;
  const auto call = [&] { ++called; };
  Room room = NewRoom();
  room.TakeAnyway({100, 0});
  EXPECT_TRUE(bound_->CallWhenRoom(call));
  bound_->StopWaiting();
  EXPECT_EQ(called, 1);
  EXPECT_FALSE(bound_->CallWhenRoom(call));
}

}  // namespace
}  // namespace outboard::ingress

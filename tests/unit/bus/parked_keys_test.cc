#include "host/bus/parked_keys.h"

#include <gtest/gtest.h>

namespace outboard::bus {
namespace {

TEST(ParkedKeysTest, WhatStandsBehindWaitsAndNothingElse) {
  ParkedKeys keys;
  EXPECT_TRUE(keys.empty());
  EXPECT_FALSE(keys.Waits("a", 1));
  keys.Hold("a", 5);
  EXPECT_FALSE(keys.empty());
  EXPECT_FALSE(keys.Waits("a", 4));
  EXPECT_FALSE(keys.Waits("a", 5)) << "the event itself";
  EXPECT_TRUE(keys.Waits("a", 6));
  EXPECT_FALSE(keys.Waits("b", 6));
}

TEST(ParkedKeysTest, TheFirstOfSeveralCounts) {
  ParkedKeys keys;
  keys.Hold("a", 9);
  keys.Hold("a", 5);
  keys.Hold("a", 5);
  EXPECT_EQ(keys.FreeUpTo("a"), 5u);
  keys.Free("a", 5);
  EXPECT_EQ(keys.FreeUpTo("a"), 5u) << "it was held twice";
  keys.Free("a", 5);
  EXPECT_EQ(keys.FreeUpTo("a"), 9u);
  EXPECT_FALSE(keys.Waits("a", 9));
  keys.Free("a", 9);
  EXPECT_EQ(keys.FreeUpTo("a"), ParkedKeys::kEverywhere);
  EXPECT_TRUE(keys.empty());
}

TEST(ParkedKeysTest, WhatIsNotHeldIsFreedInVain) {
  ParkedKeys keys;
  keys.Free("a", 5);
  keys.Hold("a", 5);
  keys.Free("a", 6);
  EXPECT_TRUE(keys.Waits("a", 6));
}

}  // namespace
}  // namespace outboard::bus

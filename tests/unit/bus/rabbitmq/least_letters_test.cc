#include "host/bus/rabbitmq/least_letters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::bus::rabbitmq {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

DeadLetter Letter(uint64_t id) {
  DeadLetter letter;
  letter.id = id;
  letter.raw = std::to_string(id);
  return letter;
}

std::vector<std::string> Raw(const std::vector<DeadLetter>& letters) {
  std::vector<std::string> raw;
  for (const DeadLetter& letter : letters) raw.push_back(letter.raw);
  return raw;
}

TEST(LeastLettersTest, KeepsThoseOfTheLeastIdsInTheirOrder) {
  LeastLetters letters(3);
  for (const uint64_t id : {50, 20, 90, 10, 60, 40, 30}) letters.Add(Letter(id));
  EXPECT_THAT(Raw(letters.Take()), ElementsAre("10", "20", "30"));
}

TEST(LeastLettersTest, NeverHoldsMoreThanItIsAskedFor) {
  LeastLetters letters(10);
  for (uint64_t i = 0; i < 10'000; ++i) {
    letters.Add(Letter(i * 7919 % 10'000));
    ASSERT_LE(letters.size(), 10u);
  }
  EXPECT_EQ(letters.Take().back().id, 9u);
}

TEST(LeastLettersTest, WantsOnlyWhatItWouldKeep) {
  LeastLetters letters(1);
  EXPECT_TRUE(letters.Wants(7));
  letters.Add(Letter(7));
  EXPECT_FALSE(letters.Wants(8));
  EXPECT_TRUE(letters.Wants(6));
}

TEST(LeastLettersTest, FewerThanTheLimitAreAllThere) {
  LeastLetters letters(SIZE_MAX);
  for (const uint64_t id : {3, 1, 2}) letters.Add(Letter(id));
  EXPECT_THAT(Raw(letters.Take()), ElementsAre("1", "2", "3"));
}

TEST(LeastLettersTest, OfNoneThereAreNone) {
  LeastLetters letters(0);
  letters.Add(Letter(1));
  EXPECT_THAT(letters.Take(), IsEmpty());
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

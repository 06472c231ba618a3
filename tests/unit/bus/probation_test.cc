#include "host/bus/probation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace outboard::bus {
namespace {

using ::testing::HasSubstr;
using ::testing::KilledBySignal;

class ProbationTest : public ::testing::Test {
 protected:
  ProbationTest()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ProbationTest() override { std::filesystem::remove_all(folder_); }

  // A host that dies of this signal while it reads these bytes; empty: while it reads nothing.
  void Die(const std::string& bytes, int signal = SIGABRT) {
    EXPECT_EXIT(
        {
          Probation host(&clock_);
          host.Begin(folder_);
          if (host.on() && !bytes.empty()) host.Try("log 7", bytes, [&] { raise(signal); });
          raise(signal);
        },
        KilledBySignal(signal), "");
  }

  bool FileIsThere() const { return std::filesystem::exists(folder_ / "host-runs"); }

  ManualClock clock_;
  const std::filesystem::path folder_;
};

TEST_F(ProbationTest, IsNotForAFirstStartNorAfterAGoodEnd) {
  for (int life = 0; life < 2; ++life) {
    Probation host(&clock_);
    host.Begin(folder_);
    EXPECT_FALSE(host.on());
    EXPECT_TRUE(FileIsThere());
    host.EndWell();
  }
  EXPECT_FALSE(FileIsThere());
}

TEST_F(ProbationTest, IsOverAfterTheFirstDeliveries) {
  Die("");
  Probation host(&clock_);
  host.Begin(folder_);
  uint64_t read = 0;
  EXPECT_FALSE(host.Try(
      "log 1", "looked at", [&] { ++read; }, false));
  EXPECT_EQ(host.left(), Probation::kDeliveries);
  while (host.on()) EXPECT_FALSE(host.Try("log 1", "a", [&] { ++read; }));
  EXPECT_EQ(read, 1 + Probation::kDeliveries);
  EXPECT_EQ(host.convictions(), 0u);
}

TEST_F(ProbationTest, ConvictsWhatTwoHostsDiedOf) {
  Die("");
  for (int deaths = 0; deaths < 2; ++deaths) {
    {
      Probation host(&clock_);
      host.Begin(folder_);
      EXPECT_FALSE(host.Try("log 7", "poison", [] {})) << "after " << deaths;
    }
    Die("poison");
  }
  Probation host(&clock_);
  host.Begin(folder_);
  const std::optional<DeadReason> why = host.Try("log 7", "poison", [] { FAIL(); });
  ASSERT_TRUE(why);
  EXPECT_EQ(why->reason, kHostCrash);
  EXPECT_THAT(why->message, HasSubstr("2 hosts"));
  EXPECT_THAT(why->detail, HasSubstr("SIGABRT"));
  EXPECT_THAT(why->detail, HasSubstr(OUTBOARD_VERSION));
  EXPECT_EQ(host.convictions(), 1u);
  // Of another lane too, but nothing else is meant by it.
  EXPECT_TRUE(host.Try("log 7", "poison", [] { FAIL(); }));
  EXPECT_FALSE(host.Try("log 8", "poison", [] {}));
  EXPECT_FALSE(host.Try("log 7", "other", [] {}));
}

TEST_F(ProbationTest, WhoLooksOnIsNotShownItEitherAndCountsNoConviction) {
  Die("");
  for (int deaths = 0; deaths < 2; ++deaths) Die("poison");
  Probation host(&clock_);
  host.Begin(folder_);
  EXPECT_TRUE(host.Try(
      "log 7", "poison", [] { FAIL(); }, false));
  EXPECT_EQ(host.convictions(), 0u);
  EXPECT_TRUE(host.Try("log 7", "poison", [] { FAIL(); }));
  EXPECT_EQ(host.convictions(), 1u);
}

TEST_F(ProbationTest, CountsAHostThatCouldNotSayHowItEnded) {
  Die("");
  Die("poison", SIGKILL);
  Die("poison", SIGKILL);
  Probation host(&clock_);
  host.Begin(folder_);
  const std::optional<DeadReason> why = host.Try("log 7", "poison", [] { FAIL(); });
  ASSERT_TRUE(why);
  EXPECT_THAT(why->detail, HasSubstr("without a signal"));
}

TEST_F(ProbationTest, BlamesNothingThatWasReadBefore) {
  for (int deaths = 0; deaths < 4; ++deaths) Die("");
  Probation host(&clock_);
  host.Begin(folder_);
  EXPECT_FALSE(host.Try("log 7", "innocent", [] {}));
}

TEST_F(ProbationTest, AStartThatFailsInOrderForgetsNothing) {
  Die("");
  Die("poison");
  {
    Probation gives_up(&clock_);
    gives_up.Begin(folder_);
  }
  Die("poison");
  Probation host(&clock_);
  host.Begin(folder_);
  EXPECT_TRUE(host.Try("log 7", "poison", [] { FAIL(); }));
}

TEST_F(ProbationTest, AGoodEndForgetsAll) {
  Die("");
  Die("poison");
  {
    Probation host(&clock_);
    host.Begin(folder_);
    host.EndWell();
  }
  Die("");
  Die("poison");
  Probation host(&clock_);
  host.Begin(folder_);
  EXPECT_FALSE(host.Try("log 7", "poison", [] {}));
}

TEST_F(ProbationTest, AFileOfAnotherFormTellsThatAHostRan) {
  std::ofstream(folder_ / "host-runs") << "something else";
  Probation host(&clock_);
  host.Begin(folder_);
  EXPECT_TRUE(host.on());
  EXPECT_FALSE(host.Try("log 7", "poison", [] {}));
}

TEST_F(ProbationTest, IsNotThereWhereTheFileCannotBe) {
  Probation host(&clock_);
  host.Begin(folder_ / "missing");
  EXPECT_FALSE(host.on());
}

TEST_F(ProbationTest, ReadsOneAtATimeWhateverTheShard) {
  Die("");
  Probation host(&clock_);
  host.Begin(folder_);
  int read = 0;  // Not atomic: only one thread is there at a time.
  const auto shard = [&] {
    for (int i = 0; i < 2000; ++i) host.Try("log", "bytes", [&] { ++read; });
  };
  std::thread other(shard);
  shard();
  other.join();
  EXPECT_EQ(read, 4000);
  EXPECT_EQ(host.left(), Probation::kDeliveries - 4000);
}

}  // namespace
}  // namespace outboard::bus

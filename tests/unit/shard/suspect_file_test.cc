#include "host/shard/suspect_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace outboard::shard {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SuspectFileTest : public ::testing::Test {
 protected:
  SuspectFileTest() { std::filesystem::remove(path_); }
  ~SuspectFileTest() override { std::filesystem::remove(path_); }

  const std::string path_ = ::testing::TempDir() + "outboard-suspects";
  const lane::KnownSuspect one_{7, Time(Duration(1'700'000'000'000'001)), 1, 30, "v 1\n\xff"};
  const lane::KnownSuspect two_{~uint64_t{0}, Time(Duration(5)), 2, 1, ""};
};

TEST_F(SuspectFileTest, IsReadAsItWasWritten) {
  {
    SuspectFile file(path_);
    EXPECT_THAT(file.Of("search"), IsEmpty());
    file.Write("search", {one_, two_});
    file.Write("notifier", {two_});
  }
  {
    SuspectFile file(path_);
    EXPECT_THAT(file.Of("search"), ElementsAre(one_, two_));
    EXPECT_THAT(file.Of("notifier"), ElementsAre(two_));
    file.Write("search", {});
  }
  SuspectFile file(path_);
  EXPECT_THAT(file.Of("search"), IsEmpty());
  EXPECT_THAT(file.Of("notifier"), ElementsAre(two_));
}

TEST_F(SuspectFileTest, OfWhatIsNotOfItsFormTakesWhatIs) {
  std::ofstream(path_) << "outboard-suspects 1\nsearch 7 1\nnonsense\nsearch 8 1 2 3 v1\nsearch 9";
  SuspectFile file(path_);
  EXPECT_THAT(file.Of("search"), ElementsAre(lane::KnownSuspect{8, Time(Duration(3)), 1, 2, "v1"}));
  std::ofstream(path_) << "outboard-suspects 2\nsearch 8 1 2 3 v1\n";
  EXPECT_THAT(SuspectFile(path_).Of("search"), IsEmpty());
}

TEST_F(SuspectFileTest, ServesThisLifeWhereTheFolderIsGone) {
  SuspectFile file("/nowhere/suspects");
  file.Write("search", {one_});
  EXPECT_THAT(file.Of("search"), ElementsAre(one_));
}

}  // namespace
}  // namespace outboard::shard

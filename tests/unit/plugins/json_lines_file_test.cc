#include "plugins/common/json_lines_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

namespace outboard::common {
namespace {

using nlohmann::json;

class JsonLinesFileTest : public ::testing::Test {
 protected:
  JsonLinesFileTest() {
    char folder[] = "/tmp/outboard-audit-XXXXXX";
    folder_ = mkdtemp(folder);
    path_ = folder_ + "/audit.jsonl";
  }
  ~JsonLinesFileTest() override { std::filesystem::remove_all(folder_); }
  void Put(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  std::string Contents(const std::string& suffix = "") {
    std::ifstream in(path_ + suffix);
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
  }

  std::string folder_, path_;
};

TEST_F(JsonLinesFileTest, AppendsToWhatIsThere) {
  Put("{\"id\":0}\n");
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, true), "");
  EXPECT_EQ(file.Append("{\"id\":1}\n"), "");
  EXPECT_EQ(Contents(), "{\"id\":0}\n{\"id\":1}\n");
}

TEST_F(JsonLinesFileTest, CutsATornLineOff) {
  Put("{\"id\":0}\n{\"id\":1,\"da");
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  EXPECT_EQ(Contents(), "{\"id\":0}\n");
}

TEST_F(JsonLinesFileTest, CompletesALineThatLacksItsNewlineOnly) {
  Put("{\"id\":0}\n{\"id\":1}");
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  EXPECT_EQ(Contents(), "{\"id\":0}\n{\"id\":1}\n");
}

TEST_F(JsonLinesFileTest, MendsALongTornLineWithoutAnyNewline) {
  Put("{\"x\":\"" + std::string(300'000, 'y'));
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  EXPECT_EQ(Contents(), "");
}

TEST_F(JsonLinesFileTest, MendsWhatAnotherWriterTore) {
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  EXPECT_EQ(file.Append("{\"id\":1}\n"), "");
  Put("{\"id\":2,");
  EXPECT_EQ(file.Append("{\"id\":3}\n"), "");
  EXPECT_EQ(Contents(), "{\"id\":1}\n{\"id\":3}\n");
}

TEST_F(JsonLinesFileTest, TwoWritersKeepEachLineWhole) {
  const auto write_all = [this](int writer) {
    JsonLinesFile file;
    ASSERT_EQ(file.Open(path_, false), "");
    for (int i = 0; i < 2000; ++i) {
      ASSERT_EQ(
          file.Append("{\"w\":" + std::to_string(writer) + ",\"i\":" + std::to_string(i) + "}\n"),
          "");
    }
  };
  std::thread other([&] { write_all(1); });
  write_all(2);
  other.join();
  std::ifstream in(path_);
  int lines = 0, next[3] = {0, 0, 0};
  for (std::string line; std::getline(in, line); ++lines) {
    const json parsed = json::parse(line);
    EXPECT_EQ(parsed["i"], next[parsed["w"].get<int>()]++);
  }
  EXPECT_EQ(lines, 4000);
}

TEST_F(JsonLinesFileTest, AFullDiskIsAnErrorAndLeavesNoHalfLine) {
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  ASSERT_EQ(file.Append("{\"id\":1}\n"), "");
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{12, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string fault = file.Append("{\"id\":2}\n");
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_NE(fault.find("cannot write to " + path_), std::string::npos) << fault;
  EXPECT_EQ(Contents(), "{\"id\":1}\n");
  EXPECT_EQ(file.Append("{\"id\":2}\n"), "");
  EXPECT_EQ(Contents(), "{\"id\":1}\n{\"id\":2}\n");
}

TEST_F(JsonLinesFileTest, ALargeFileIsPutAsideAndSoManyAreKept) {
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, true, {20, 2}), "");
  off_t position = -1;
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(file.Append("{\"id\":" + std::to_string(i) + "}\n", &position), "");
    EXPECT_EQ(position, i % 2 == 0 ? 0 : 9);
  }
  EXPECT_EQ(Contents(), "{\"id\":6}\n{\"id\":7}\n");
  EXPECT_EQ(Contents(".1"), "{\"id\":4}\n{\"id\":5}\n");
  EXPECT_EQ(Contents(".2"), "{\"id\":2}\n{\"id\":3}\n");
  EXPECT_NE(access((path_ + ".3").c_str(), F_OK), 0);
}

TEST_F(JsonLinesFileTest, LinesThatAreLargerThanAFileMayBeStillGoIntoOne) {
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false, {5, 1}), "");
  ASSERT_EQ(file.Append("{\"id\":0}\n"), "");
  ASSERT_EQ(file.Append("{\"id\":1}\n{\"id\":2}\n"), "");
  EXPECT_EQ(Contents(), "{\"id\":1}\n{\"id\":2}\n");
}

TEST_F(JsonLinesFileTest, AFileThatWasRenamedOrRemovedIsBegunAnew) {
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  ASSERT_EQ(file.Append("{\"id\":0}\n"), "");
  ASSERT_EQ(rename(path_.c_str(), (path_ + ".1").c_str()), 0);
  ASSERT_EQ(file.Append("{\"id\":1}\n"), "");
  EXPECT_EQ(Contents(), "{\"id\":1}\n");
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ASSERT_EQ(file.Append("{\"id\":2}\n"), "");
  EXPECT_EQ(Contents(), "{\"id\":2}\n");
  EXPECT_EQ(Contents(".1"), "{\"id\":0}\n");
}

TEST_F(JsonLinesFileTest, TwoWritersThatRotateLoseNoLine) {
  constexpr int kLines = 300;
  const auto write_all = [this](int writer) {
    JsonLinesFile file;
    ASSERT_EQ(file.Open(path_, false, {200, 100}), "");
    for (int i = 0; i < kLines; ++i) {
      ASSERT_EQ(
          file.Append("{\"w\":" + std::to_string(writer) + ",\"i\":" + std::to_string(i) + "}\n"),
          "");
    }
  };
  std::thread other([&] { write_all(1); });
  write_all(2);
  other.join();
  int lines = 0;
  for (int i = 0; i <= 100; ++i) {
    const std::string text = Contents(i == 0 ? "" : "." + std::to_string(i));
    EXPECT_LE(text.size(), 200u);
    lines += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }
  EXPECT_EQ(lines, 2 * kLines);
}

TEST_F(JsonLinesFileTest, SaysWhyItCannotOpen) {
  JsonLinesFile file;
  EXPECT_NE(file.Open(folder_ + "/none/x", false).find("No such file"), std::string::npos);
  EXPECT_NE(file.Open(folder_, false), "");
  EXPECT_EQ(JsonLinesFile().Append("{}\n"), "no file is open");
}

}  // namespace
}  // namespace outboard::common

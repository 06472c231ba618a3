#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "plugins/producers/file/sink.h"
#include "tests/unit/plugins/batch.h"

namespace outboard::file {
namespace {

using Kind = Verdict::Kind;

class SinkTest : public ::testing::Test {
 protected:
  SinkTest() {
    char folder[] = "/tmp/outboard-file-XXXXXX";
    folder_ = mkdtemp(folder);
    config_.path = folder_ + "/events.jsonl";
  }
  ~SinkTest() override { std::filesystem::remove_all(folder_); }

  std::vector<Verdict> Put(const std::vector<NewEvent>& events) {
    Sink sink(config_);
    EXPECT_EQ(sink.Open(), "");
    return testing::PutBatch([&](std::span<BatchItem> batch) { sink.Put(batch); }, events);
  }
  std::string Contents(const std::string& suffix = "") {
    std::ifstream in(config_.path + suffix);
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
  }

  std::string folder_;
  Config config_;
};

NewEvent Say(std::string_view id, std::string_view data = "d") {
  return NewEvent("t").Source("s").Id(id).Data(data);
}

std::string LineOf(std::string_view id) {
  return R"({"specversion":"1.0","id":")" + std::string(id) +
         R"(","source":"s","type":"t","data":"d"})" + "\n";
}

TEST_F(SinkTest, EachEventIsALineAndItsOffsetIsWhereItBegins) {
  const std::vector<Verdict> verdicts = Put({Say("1"), Say("22"), Say("3")});
  EXPECT_EQ(Contents(), LineOf("1") + LineOf("22") + LineOf("3"));
  EXPECT_EQ(std::get<int64_t>(*verdicts[0].offset()), 0);
  EXPECT_EQ(std::get<int64_t>(*verdicts[1].offset()), static_cast<int64_t>(LineOf("1").size()));
  EXPECT_EQ(std::get<int64_t>(*verdicts[2].offset()),
            static_cast<int64_t>(LineOf("1").size() + LineOf("22").size()));
  EXPECT_TRUE(verdicts[2].accepted_at());
}

TEST_F(SinkTest, ABatchIsCutWhereTheFileIsFull) {
  config_.rotation = {static_cast<off_t>(2 * LineOf("1").size()), 5};
  const std::vector<Verdict> verdicts = Put({Say("1"), Say("2"), Say("3"), Say("4"), Say("5")});
  EXPECT_EQ(Contents(".2"), LineOf("1") + LineOf("2"));
  EXPECT_EQ(Contents(".1"), LineOf("3") + LineOf("4"));
  EXPECT_EQ(Contents(), LineOf("5"));
  EXPECT_EQ(std::get<int64_t>(*verdicts[4].offset()), 0);
}

TEST_F(SinkTest, WhatCannotBeWrittenIsRetried) {
  Sink sink(config_);
  ASSERT_EQ(sink.Open(), "");
  std::filesystem::remove(config_.path);
  std::filesystem::create_directory(config_.path);
  const auto verdicts =
      testing::PutBatch([&](std::span<BatchItem> batch) { sink.Put(batch); }, {Say("1"), Say("2")});
  for (const Verdict& verdict : verdicts) {
    EXPECT_EQ(verdict.reason(), "WRITE_FAILED");
    EXPECT_NE(verdict.message().find("Is a directory"), std::string::npos) << verdict.message();
  }
}

TEST(FileConfigTest, ReadsAGoodOneAndNamesFaults) {
  Config config;
  EXPECT_TRUE(
      ReadConfig(R"({"path": "x", "fsync": "each", "max_size": "1MiB", "keep": 3})", &config)
          .empty());
  EXPECT_TRUE(config.fsync_each);
  EXPECT_EQ(config.rotation.max_size, 1 << 20);
  EXPECT_EQ(config.rotation.keep, 3);
  EXPECT_EQ(ReadConfig(R"({"path": "x", "keep": 3})", &config)[0].message,
            "says nothing without max_size: give both");
  EXPECT_EQ(ReadConfig(R"({"max_size": 5, "fsync": "all"})", &config).size(), 3u);
}

}  // namespace
}  // namespace outboard::file

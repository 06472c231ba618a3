#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "outboard/testing.h"
#include "plugins/producers/sqlite/store.h"
#include "tests/unit/plugins/batch.h"

namespace outboard::sqlite {
namespace {

using Kind = Verdict::Kind;

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    char folder[] = "/tmp/outboard-sqlite-XXXXXX";
    folder_ = mkdtemp(folder);
    config_.path = folder_ + "/bus.db";
  }
  ~StoreTest() override { std::filesystem::remove_all(folder_); }

  std::vector<Verdict> Put(const std::vector<NewEvent>& events, const std::string& key = "") {
    if (!store_) {
      store_ = std::make_unique<Store>(config_);
      EXPECT_EQ(store_->Open(), "");
    }
    return testing::PutBatch([this](std::span<BatchItem> batch) { store_->Put(batch); }, events,
                             key);
  }
  std::vector<std::string> Rows(const char* sql) {
    Database database;
    Statement statement;
    EXPECT_TRUE(database.Open(config_.path) && database.Prepare(sql, &statement));
    std::vector<std::string> rows;
    while (statement.Step() == SQLITE_ROW) rows.emplace_back(statement.Text(0));
    return rows;
  }
  std::vector<std::string> Data() { return Rows("SELECT data FROM hermesmessages ORDER BY msgid"); }

  std::string folder_;
  Config config_;
  std::unique_ptr<Store> store_;
};

NewEvent Say(std::string_view id, std::string_view data) {
  return NewEvent("t").Source("s").Id(id).Data(data);
}

TEST_F(StoreTest, ABatchIsRowsInItsOrderAndOffsetsAreRowNumbers) {
  const std::vector<Verdict> verdicts = Put({Say("1", "a"), Say("2", "b"), Say("3", "")});
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(std::get<int64_t>(*verdicts[i].offset()), i + 1);
    EXPECT_EQ(verdicts[i].accepted_at(), verdicts[0].accepted_at());
  }
  EXPECT_EQ(Data(), (std::vector<std::string>{"a", "b", ""}));
}

TEST_F(StoreTest, WhatIsThereAlreadyIsAcceptedAtItsPlace) {
  NewEvent timed = Say("2", "b").Time(Timestamp(std::chrono::seconds(7)));
  const std::vector<Verdict> first = Put({Say("1", "a"), timed});
  store_.reset();
  const std::vector<Verdict> again = Put({timed, Say("3", "c"), Say("1", "a"), Say("3", "c")});
  EXPECT_EQ(std::get<int64_t>(*again[0].offset()), 2);
  EXPECT_EQ(std::get<int64_t>(*again[1].offset()), 3);
  EXPECT_EQ(std::get<int64_t>(*again[2].offset()), 1);
  EXPECT_EQ(std::get<int64_t>(*again[3].offset()), 3);
  const auto apart = *again[0].accepted_at() - *first[1].accepted_at();
  EXPECT_LT(std::chrono::abs(apart), std::chrono::microseconds(1)) << "a double is that exact";
  EXPECT_EQ(Data(), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(StoreTest, DataThatIsNoTextIsRejectedAndHoldsItsKeyBack) {
  const auto verdicts = Put({Say("1", "a"), Say("2", "\xff"), Say("3", "c")}, "key");
  EXPECT_EQ(verdicts[0].kind(), Kind::kDone);
  EXPECT_EQ(verdicts[1].reason(), "NOT_TEXT");
  EXPECT_EQ(verdicts[2].kind(), Kind::kRelease);
  EXPECT_EQ(Data(), std::vector<std::string>{"a"});
}

TEST_F(StoreTest, TheWholeEventWhereAsked) {
  config_.cloudevents = true;
  EXPECT_EQ(Put({Say("1", "\xff")})[0].kind(), Kind::kDone);
  EXPECT_EQ(Data()[0],
            R"({"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"/w=="})");
}

TEST_F(StoreTest, AFailureFailsTheBatchAndIsOverWithItsCause) {
  Put({Say("1", "a")});
  Database other;
  ASSERT_TRUE(other.Open(config_.path) &&
              other.Execute("CREATE TRIGGER full BEFORE INSERT ON hermesmessages "
                            "WHEN new.data = 'c' BEGIN SELECT raise(ABORT, 'no room'); END"));
  const std::vector<Verdict> verdicts = Put({Say("2", "b"), Say("3", "c")});
  for (const Verdict& verdict : verdicts) {
    EXPECT_EQ(verdict.kind(), Kind::kRetry);
    EXPECT_EQ(verdict.reason(), "WRITE_FAILED");
    EXPECT_NE(verdict.message().find("no room"), std::string::npos) << verdict.message();
  }
  EXPECT_EQ(Data(), std::vector<std::string>{"a"});
  ASSERT_TRUE(other.Execute("DROP TRIGGER full"));
  EXPECT_EQ(Put({Say("2", "b"), Say("3", "c")})[1].kind(), Kind::kDone);
  EXPECT_EQ(Data(), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(StoreTest, AFileThatWasRemovedIsMadeAgain) {
  Put({Say("1", "a")});
  for (const char* suffix : {"", "-wal", "-shm"}) unlink((config_.path + suffix).c_str());
  EXPECT_EQ(Put({Say("2", "b")})[0].kind(), Kind::kDone);
  EXPECT_EQ(Data(), std::vector<std::string>{"b"});
}

TEST_F(StoreTest, OldRowsGoWithTheirIdentitiesAndNumbersAreNotUsedAgain) {
  Put({Say("1", "a"), Say("2", "b")});
  store_.reset();
  Database other;
  ASSERT_TRUE(other.Open(config_.path) &&
              other.Execute("UPDATE hermesmessages SET timestamp = timestamp - 7200"));
  config_.retention = std::chrono::hours(1);
  EXPECT_EQ(std::get<int64_t>(*Put({Say("3", "c")})[0].offset()), 3);
  EXPECT_EQ(Data(), std::vector<std::string>{"c"});
  EXPECT_EQ(Rows("SELECT msgid FROM outboard_identities"), std::vector<std::string>{"3"});
}

TEST_F(StoreTest, SaysWhyItCannotOpen) {
  config_.path = folder_ + "/none/bus.db";
  EXPECT_NE(Store(config_).Open().find("unable to open database file"), std::string::npos);
  config_.path = folder_ + "/text";
  std::ofstream(config_.path) << std::string(1000, 'x');
  EXPECT_NE(Store(config_).Open().find("file is not a database"), std::string::npos);
}

TEST(SqliteConfigTest, ReadsAGoodOneAndNamesFaults) {
  Config config;
  EXPECT_TRUE(
      ReadConfig(R"({"path": "x", "format": "cloudevents", "retention": "7d"})", &config).empty());
  EXPECT_TRUE(config.cloudevents);
  EXPECT_EQ(config.retention, std::chrono::hours(168));
  EXPECT_EQ(ReadConfig(R"({"format": "x", "retention": 7, "uri": "x"})", &config).size(), 4u);
}

}  // namespace
}  // namespace outboard::sqlite

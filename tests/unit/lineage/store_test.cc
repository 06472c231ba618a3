#include "host/lineage/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/unit/lineage/made.h"

namespace outboard::lineage {
namespace {

using std::chrono::hours;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// One that any thread may read.
class TestClock final : public Clock {
 public:
  Time Now() const override { return Time(Duration(now_.load())); }
  void Advance(Duration d) { now_ += d.count(); }

 private:
  std::atomic<int64_t> now_{1'700'000'000'000'000};
};

class LineageStoreTest : public ::testing::Test {
 protected:
  LineageStoreTest() {
    char folder[] = "/tmp/outboard-lineage-XXXXXX";
    folder_ = mkdtemp(folder);
    options_.folder = folder_;
    options_.clock = &clock_;
  }
  ~LineageStoreTest() override { std::filesystem::remove_all(folder_); }

  void Open() {
    store_ = nullptr;
    auto store = Store::Open(options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void Add(const std::string& id, const std::vector<std::string>& emits = {}) {
    lane::Record record = MadeRecord(id, clock_.Now());
    for (const std::string& emit : emits) record.emits.push_back(MadeEvent(emit));
    std::vector<Store::Entry> entries;
    entries.push_back({"stories/mail", std::move(record)});
    store_->Add(std::move(entries));
  }
  Store::Found Find(const absl::flat_hash_set<std::string>& ids) {
    absl::StatusOr<Store::Found> found = store_->Find(ids);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? *std::move(found) : Store::Found();
  }
  size_t Kept() {
    absl::flat_hash_set<std::string> ids;
    for (int i = 0; i < 1000; ++i) ids.insert(absl::StrCat("e", i));
    return Find(ids).rows.size();
  }
  std::string File(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
  TestClock clock_;
  StoreOptions options_;
  std::unique_ptr<Store> store_;
};

TEST_F(LineageStoreTest, WhatWasAddedIsFoundAtOnce) {
  Open();
  Add("e1");
  Add("e2");
  Add("e1");
  EXPECT_THAT(Find({"e1"}).rows, SizeIs(2));
  EXPECT_THAT(Find({"e"}).rows, IsEmpty());
  EXPECT_EQ(Find({"e1"}).since, clock_.Now());
  EXPECT_EQ(store_->counters().written, 3u);
}

TEST_F(LineageStoreTest, TheEventThatEmittedAnotherIsItsParent) {
  Open();
  Add("e1", {"c1", "c2"});
  Add("c1");
  const Store::Found found = Find({"c1"});
  EXPECT_THAT(found.rows, SizeIs(1));
  ASSERT_THAT(found.parents, SizeIs(1));
  EXPECT_EQ(found.parents[0].id, "e1");
}

TEST_F(LineageStoreTest, ManyIdsAreFoundAsWellAsFew) {
  Open();
  absl::flat_hash_set<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    Add(absl::StrCat("e", i));
    if (i % 2 == 0) ids.insert(absl::StrCat("e", i));
  }
  EXPECT_THAT(Find(ids).rows, SizeIs(50));
}

TEST_F(LineageStoreTest, ItOutlivesItsProcess) {
  Open();
  Add("e1");
  Open();
  Add("e2");
  EXPECT_THAT(Find({"e1"}).rows, SizeIs(1));
  EXPECT_THAT(Find({"e2"}).rows, SizeIs(1));
}

TEST_F(LineageStoreTest, ALineThatWasCutOffIsLeftOutAndHarmsNoOther) {
  Open();
  Add("e1");
  store_ = nullptr;
  std::ofstream(File("lineage.jsonl"), std::ios::app) << R"({"lane":"stories/mail","id":"e2)";
  Open();
  Add("e3");
  EXPECT_THAT(Find({"e1"}).rows, SizeIs(1));
  EXPECT_THAT(Find({"e2"}).rows, IsEmpty());
  EXPECT_THAT(Find({"e3"}).rows, SizeIs(1));
}

TEST_F(LineageStoreTest, AStartOnWhatIsThereLeavesItAsItIs) {
  Open();
  Add("e1");
  Open();
  std::string first;
  std::getline(std::ifstream(File("lineage.jsonl")) >> std::noskipws, first);
  EXPECT_THAT(first, testing::HasSubstr("e1")) << "a new file lacks no end of line";
  EXPECT_FALSE(std::filesystem::exists(File("lineage.1.jsonl"))) << "it is neither full nor old";
}

TEST_F(LineageStoreTest, AFileIsAsOldAsItsFirstLineThatCanBeRead) {
  Open();
  Add("e1");
  store_ = nullptr;
  std::string lines;
  std::getline(std::ifstream(File("lineage.jsonl")), lines);
  std::ofstream(File("lineage.jsonl")) << "\n{\"lane\":\n" << lines << "\n";
  Open();
  EXPECT_FALSE(std::filesystem::exists(File("lineage.1.jsonl")));
  clock_.Advance(options_.age / 2 + hours(1));
  Open();
  EXPECT_TRUE(std::filesystem::exists(File("lineage.1.jsonl")));
  EXPECT_THAT(Find({"e1"}).rows, SizeIs(1));
}

TEST_F(LineageStoreTest, TheNewestRowsAreKept) {
  options_.rows = 100;
  Open();
  for (int i = 0; i < 1000; ++i) Add(absl::StrCat("e", i));
  EXPECT_LE(Kept(), 100u);
  EXPECT_GE(Kept(), 50u);
  EXPECT_THAT(Find({"e999"}).rows, SizeIs(1));
  EXPECT_THAT(Find({"e0"}).rows, IsEmpty());
  Open();
  for (int i = 0; i < 100; ++i) Add(absl::StrCat("e", i));
  EXPECT_LE(Kept(), 100u) << "those of the process before count";
  EXPECT_THAT(Find({"e99"}).rows, SizeIs(1));
}

TEST_F(LineageStoreTest, RowsThatAreLongAreFewer) {
  options_.bytes = 4096;
  Open();
  for (int i = 0; i < 1000; ++i) {
    Add(absl::StrCat("e", i));
    if (i % 10 == 0) Kept();  // Writes them.
  }
  EXPECT_THAT(Find({"e999"}).rows, SizeIs(1));
  store_ = nullptr;  // Between two files there is none for a moment.
  EXPECT_LE(std::filesystem::file_size(File("lineage.jsonl")) +
                std::filesystem::file_size(File("lineage.1.jsonl")),
            8192u);
}

TEST_F(LineageStoreTest, OldRowsAreNotFoundAndGoWithTheirFile) {
  options_.age = hours(10);
  Open();
  Add("e1");
  Find({});  // Writes it.
  clock_.Advance(hours(11));
  EXPECT_THAT(Find({"e1"}).rows, IsEmpty());
  EXPECT_EQ(Find({"e1"}).since, std::nullopt);
  Add("e2");
  Find({});
  EXPECT_TRUE(std::filesystem::exists(File("lineage.1.jsonl")));
  clock_.Advance(hours(11));
  Add("e3");
  Find({});
  clock_.Advance(hours(11));
  Open();
  EXPECT_FALSE(std::filesystem::exists(File("lineage.1.jsonl")));
}

TEST_F(LineageStoreTest, BeyondItsBoundRowsAreDroppedAndCounted) {
  options_.max_waiting = 4;
  options_.gather = hours(1);
  Open();
  std::vector<Store::Entry> entries;
  for (int i = 0; i < 10; ++i)
    entries.push_back({"stories/mail", MadeRecord(absl::StrCat("e", i), clock_.Now())});
  store_->Add(std::move(entries));
  EXPECT_EQ(Kept(), 4u);
  EXPECT_EQ(store_->counters().dropped, 6u);
  EXPECT_EQ(store_->counters().written, 4u);
}

TEST_F(LineageStoreTest, LargeEventsFillItSooner) {
  options_.max_waiting_bytes = 1;
  Open();
  Add("e1");
  EXPECT_EQ(store_->counters().dropped, 1u);
}

TEST_F(LineageStoreTest, ADiskThatFailsCostsRowsAndNothingElse) {
  ASSERT_EQ(symlink("/dev/full", File("lineage.jsonl").c_str()), 0);
  Open();
  Add("e1");
  EXPECT_THAT(Find({"e1"}).rows, IsEmpty());
  EXPECT_EQ(store_->counters().dropped, 1u);
  EXPECT_EQ(store_->counters().written, 0u);
}

TEST_F(LineageStoreTest, ADiskThatIsFullCostsNoRowThatIsThere) {
  options_.rows = 100;
  Open();
  for (int i = 0; i < 20; ++i) Add(absl::StrCat("e", i));
  EXPECT_EQ(Kept(), 20u);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit full = before;
  full.rlim_cur = std::filesystem::file_size(File("lineage.jsonl")) + 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  for (int i = 20; i < 400; ++i) {
    Add(absl::StrCat("e", i));
    if (i % 10 == 0) Find({});  // Writes them.
  }
  const size_t kept = Kept();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(kept, 20u);
  EXPECT_EQ(store_->counters().dropped, 380u);
  Add("e400");
  EXPECT_EQ(Kept(), 21u) << "it works again";
}

TEST_F(LineageStoreTest, WithoutAFolderItSaysSo) {
  options_.folder = folder_ + "/gone";
  const auto store = Store::Open(options_);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(store.status().message()), testing::HasSubstr("host.lineage"));
}

}  // namespace
}  // namespace outboard::lineage

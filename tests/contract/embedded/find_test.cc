#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "host/base/status.h"
#include "host/bus/embedded/embedded_bus.h"
#include "host/bus/embedded/sqlite.h"
#include "host/bus/probation.h"
#include "tests/contract/bus_harness.h"

// Events by id, where the embedded bus has more to say than others, or must not look.
namespace outboard::bus {
namespace {

class EmbeddedFindTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/outboard-find-XXXXXX";
    root_ = mkdtemp(folder);
    options_.path = root_;
    options_.clock = &clock_;
    options_.synchronous = Synchronous::kOff;
    bus_ = EmbeddedBus::Open(options_).value();
    LaneSpec spec = MakeLane("a/x", "story.#");
    spec.parking.by = "source";
    ASSERT_TRUE(bus_->Declare({spec, MakeLane("probe/probe", "probe")}).ok());
    reader_ = std::make_unique<Reader>(*bus_, clock_);
    reader_->Open(1, "a/x", 1000);
    reader_->Open(2, "probe/probe", 1000);
  }
  void TearDown() override {
    reader_.reset();
    bus_.reset();
    std::filesystem::remove_all(root_);
  }

  void Bury(const Delivery& delivery, const std::string& reason) {
    reader_->Finish(delivery, End::kDead, [&](Settlement* settlement) {
      settlement->dead = std::make_unique<DeadReason>(DeadReason{reason, "", ""});
    });
  }
  std::vector<FoundEvents::One> Find(const absl::flat_hash_set<std::string>& ids) {
    absl::StatusOr<FoundEvents> found = bus_->FindEvents(ids);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? found->found : std::vector<FoundEvents::One>();
  }
  DeadLetter OldestLetter() { return bus_->ListDead({}, 0, 1, nullptr).value().at(0); }
  absl::Status InFile(const std::string& sql) {
    OUTBOARD_ASSIGN_OR_RETURN(auto db, Db::Open(root_ + "/bus.sqlite", SQLITE_OPEN_READWRITE, ""));
    return db->Exec(sql);
  }

  std::string root_;
  TestClock clock_;
  EmbeddedBusOptions options_;
  std::unique_ptr<EmbeddedBus> bus_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(EmbeddedFindTest, WhatWaitsBehindALetterNamesIt) {
  PublishIds(*bus_, {"e0", "e1"});
  const std::vector<Delivery> got = reader_->Take(1, 2);
  Bury(got[1], "NO");
  PublishIds(*bus_, {"e2"});
  ASSERT_TRUE(reader_->NothingOn(1, 2));
  ASSERT_EQ(InfoOf(*bus_, "a/x").parked, 1u);
  const std::vector<FoundEvents::One> found = Find({"e2"});
  ASSERT_EQ(found.size(), 1u);
  ASSERT_EQ(found[0].standings.size(), 1u);
  const Standing& standing = found[0].standings[0];
  EXPECT_EQ(standing.where, Standing::Where::kHeld);
  EXPECT_EQ(standing.due, std::nullopt);
  EXPECT_EQ(standing.key, "source=storyboard");
  EXPECT_EQ(standing.letter, OldestLetter().id);
  ASSERT_EQ(Find({"e0"}).size(), 1u);
  EXPECT_EQ(Find({"e0"})[0].standings[0].letter, 0u) << "it does not stand behind the letter";
}

TEST_F(EmbeddedFindTest, WhatHostsDiedOfIsNotDecoded) {
  PublishIds(*bus_, {"e1", "e2"});
  Bury(reader_->TakeOne(1), kHostCrash);
  EXPECT_GT(OldestLetter().offset, 0u) << "by which it is known";
  EXPECT_TRUE(OldestLetter().event.empty());
  EXPECT_TRUE(Find({"e1"}).empty());
  EXPECT_EQ(Find({"e1", "e2"}).size(), 1u);
  EXPECT_EQ(bus_->PurgeDead({}).value(), 1u);
  EXPECT_EQ(Find({"e1", "e2"}).size(), 1u) << "its letter is gone, it is as deadly";
}

TEST_F(EmbeddedFindTest, ARowThatIsNoEventHidesNoOther) {
  PublishIds(*bus_, {"e1", "e2"});
  // An id and nothing else.
  ASSERT_EQ(InFile("UPDATE log SET event=X'0A026531' WHERE \"offset\"=1"), absl::OkStatus());
  EXPECT_EQ(Find({"e1", "e2"}).size(), 1u);
}

}  // namespace
}  // namespace outboard::bus

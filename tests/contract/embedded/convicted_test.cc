#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "host/base/status.h"
#include "host/bus/embedded/embedded_bus.h"
#include "host/bus/embedded/sqlite.h"
#include "host/bus/probation.h"
#include "tests/contract/bus_harness.h"

// What hosts died of stays in the log of the embedded bus, and nothing decodes it again.
namespace outboard::bus {
namespace {

using ::testing::ElementsAre;

class EmbeddedConvictedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/outboard-convicted-XXXXXX";
    root_ = mkdtemp(folder);
    options_.path = root_;
    options_.clock = &clock_;
    options_.synchronous = Synchronous::kOff;
    Open();
  }
  void TearDown() override {
    reader_.reset();
    bus_.reset();
    std::filesystem::remove_all(root_);
  }

  void Open() {
    reader_.reset();
    bus_.reset();
    bus_ = EmbeddedBus::Open(options_).value();
    Declare();
    reader_ = std::make_unique<Reader>(*bus_, clock_);
    reader_->Open(1, "a/x", 1000);
    reader_->Open(9, "probe/probe", 1000);
  }
  void Declare(std::vector<LaneSpec> others = {MakeLane("b/x", "story.#")}) {
    others.push_back(MakeLane("a/x", "story.#"));
    others.push_back(MakeLane("probe/probe", "probe"));
    ASSERT_EQ(bus_->Declare(others), absl::OkStatus());
  }

  // e1 was convicted when lane a/x came to it; e2 is done there.
  void ConvictFirst() {
    PublishIds(*bus_, {"e1", "e2"});
    const std::vector<Delivery> got = reader_->Take(1, 2);
    reader_->Finish(got[0], End::kDead, [](Settlement* settlement) {
      settlement->dead = std::make_unique<DeadReason>(DeadReason{kHostCrash, "2 hosts died", ""});
    });
    reader_->Finish(got[1], End::kDone);
  }
  std::vector<std::string> Logged(size_t limit = 100) {
    const auto events = bus_->ReadLog(0, limit);
    EXPECT_TRUE(events.ok()) << events.status();
    std::vector<std::string> ids;
    if (!events.ok()) return ids;
    for (const LoggedEvent& logged : *events) ids.emplace_back(logged.event.id());
    return ids;
  }
  std::vector<DeadLetter> Letters(const std::string& lane) {
    return bus_->ListDead({.lane = lane}, 0, 100, nullptr).value();
  }
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

TEST_F(EmbeddedConvictedTest, TheLogIsShownWithoutItThoughItsLetterWasPurged) {
  ConvictFirst();
  EXPECT_THAT(Logged(), ElementsAre("e2"));
  ASSERT_EQ(bus_->PurgeDead({}).value(), 1u);
  EXPECT_THAT(Logged(), ElementsAre("e2"));
  Open();
  EXPECT_THAT(Logged(), ElementsAre("e2"));
}

TEST_F(EmbeddedConvictedTest, AReplayTriesItAnew) {
  ConvictFirst();
  ASSERT_EQ(bus_->ReplayDead({}).value(), 1u);
  EXPECT_EQ(reader_->TakeOne(1).event.id(), "e1");
  EXPECT_THAT(Logged(), ElementsAre("e1", "e2"));
  Open();
  EXPECT_THAT(Logged(), ElementsAre("e1", "e2"));
}

TEST_F(EmbeddedConvictedTest, ALaneThatComesToItLaterDoesNotReadIt) {
  ConvictFirst();
  ASSERT_EQ(bus_->PurgeDead({}).value(), 1u);
  Open();  // It is in memory no more, and no probation is on.
  reader_->Open(2, "b/x", 1000);
  EXPECT_EQ(reader_->TakeOne(2).event.id(), "e2");
  ASSERT_TRUE(Eventually([&] {
    reader_->Pump();
    return Letters("b/x").size() == 1;
  }));
  EXPECT_EQ(Letters("b/x")[0].why.reason, kHostCrash);
  EXPECT_TRUE(Letters("b/x")[0].event.empty());
  EXPECT_FALSE(Letters("b/x")[0].raw.empty());
}

TEST_F(EmbeddedConvictedTest, ANewLaneCountsItAsItsOwn) {
  ConvictFirst();
  LaneSpec late = MakeLane("late/x", "nothing.of.this.kind");
  late.from.kind = From::Kind::kFirst;
  Declare({late});
  // Of which types it is nobody looks.
  EXPECT_EQ(InfoOf(*bus_, "late/x").backlog, 1u);
}

TEST_F(EmbeddedConvictedTest, AForgottenLaneGivesItAwayUnread) {
  ConvictFirst();
  Declare({});  // b/x has come to neither.
  ASSERT_EQ(bus_->ForgetLane("b/x", Remainder::kToDead).value().to_dead, 2u);
  const std::vector<DeadLetter> letters = Letters("b/x");
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(letters[0].why.reason, kHostCrash);
  EXPECT_TRUE(letters[0].event.empty());
  EXPECT_EQ(letters[1].why.reason, "LANE_FORGOTTEN");
  EXPECT_EQ(letters[1].event.id(), "e2");
}

TEST_F(EmbeddedConvictedTest, AnEarlierLetterOfItIsNotDecodedEither) {
  PublishIds(*bus_, {"e1"});
  reader_->Open(2, "b/x", 1000);
  reader_->Finish(reader_->TakeOne(2), End::kDead);
  ASSERT_FALSE(Letters("b/x").at(0).event.empty());
  reader_->Finish(reader_->TakeOne(1), End::kDead, [](Settlement* settlement) {
    settlement->dead = std::make_unique<DeadReason>(DeadReason{kHostCrash, "", ""});
  });
  EXPECT_TRUE(Letters("b/x").at(0).event.empty());
  EXPECT_FALSE(Letters("b/x").at(0).raw.empty());
}

TEST_F(EmbeddedConvictedTest, WhatWasReplayedAndEndedAnotherHostIsConvictedAgain) {
  ConvictFirst();
  ASSERT_EQ(bus_->ReplayDead({}).value(), 1u);
  reader_->Finish(reader_->TakeOne(1), End::kDead, [](Settlement* settlement) {
    settlement->dead = std::make_unique<DeadReason>(DeadReason{kHostCrash, "", ""});
  });
  Open();
  EXPECT_THAT(Logged(), ElementsAre("e2"));
}

TEST_F(EmbeddedConvictedTest, AnEditThatHostsDiedOfIsShownAsItsBytes) {
  PublishIds(*bus_, {"e1"});
  reader_->Finish(reader_->TakeOne(1), End::kDead);
  const Event edited = MakeEvent("e1", "story.post", "storyboard", "of this hosts die");
  ASSERT_EQ(bus_->EditDead(Letters("a/x").at(0).id, edited), absl::OkStatus());
  ASSERT_EQ(bus_->ReplayDead({}).value(), 1u);
  reader_->Finish(reader_->TakeOne(1), End::kDead, [](Settlement* settlement) {
    settlement->dead = std::make_unique<DeadReason>(DeadReason{kHostCrash, "", ""});
  });
  const DeadLetter letter = Letters("a/x").at(0);
  EXPECT_TRUE(letter.edited.empty());
  EXPECT_EQ(letter.raw, edited.bytes());
  EXPECT_THAT(Logged(), ElementsAre("e1")) << "as it was published nobody died of it";
}

TEST_F(EmbeddedConvictedTest, ARowThatIsNoEventIsLeftOutOfTheLog) {
  PublishIds(*bus_, {"e1", "e2", "e3"});
  // An id and nothing else.
  ASSERT_EQ(InFile("UPDATE log SET event=X'0A026531' WHERE \"offset\"=1"), absl::OkStatus());
  EXPECT_THAT(Logged(1), ElementsAre("e2"));
  EXPECT_THAT(Logged(), ElementsAre("e2", "e3"));
}

// In probation, before any lane has come to it.
TEST_F(EmbeddedConvictedTest, WhatTheProbationKnowsIsNotDecodedByWhoLooksOn) {
  reader_.reset();
  PublishIds(*bus_, {"e1", "e2"});
  const std::string bytes(bus_->ReadLog(1, 1).value().at(0).event.bytes());
  const std::filesystem::path file = root_ + "/host-runs", cut = root_ + "/cut";
  std::ofstream(file) << "a host ran";
  // As if two hosts had been cut off while they read it.
  for (int deaths = 0; deaths < 2; ++deaths) {
    {
      Probation host(&clock_);
      host.Begin(root_);
      ASSERT_FALSE(host.Try("log 1", bytes, [&] { std::filesystem::copy_file(file, cut); }));
    }
    std::filesystem::rename(cut, file);
  }
  Probation probation(&clock_);
  probation.Begin(root_);
  ASSERT_TRUE(probation.on());
  options_.probation = &probation;
  bus_.reset();
  bus_ = EmbeddedBus::Open(options_).value();
  LaneSpec late = MakeLane("late/x", "nothing.of.this.kind");
  late.from.kind = From::Kind::kFirst;
  Declare({late});
  EXPECT_EQ(InfoOf(*bus_, "late/x").backlog, 1u);
  EXPECT_THAT(Logged(), ElementsAre("e2"));
  ASSERT_EQ(bus_->ForgetLane("b/x", Remainder::kToDead).value().to_dead, 2u);
  EXPECT_EQ(Letters("b/x").at(0).why.reason, kHostCrash);
  EXPECT_EQ(probation.convictions(), 0u) << "none was a delivery";
  EXPECT_EQ(probation.left(), Probation::kDeliveries);
  bus_.reset();  // Before its probation.
}

}  // namespace
}  // namespace outboard::bus

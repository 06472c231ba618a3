#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "host/bus/embedded/embedded_bus.h"
#include "tests/chaos/bus/fault_vfs.h"
#include "tests/contract/bus_harness.h"

// What only the embedded bus has: its file, its limits.
namespace outboard::bus {
namespace {

class EmbeddedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/outboard-file-XXXXXX";
    root_ = mkdtemp(folder);
    options_.path = root_;
    options_.clock = &clock_;
  }
  void TearDown() override {
    reader_.reset();
    bus_.reset();
    std::filesystem::remove_all(root_);
  }

  std::string file() const { return root_ + "/bus.sqlite"; }
  void Open() {
    reader_.reset();
    bus_.reset();
    auto bus = EmbeddedBus::Open(options_);
    ASSERT_TRUE(bus.ok()) << bus.status();
    bus_ = *std::move(bus);
  }
  absl::Status OpenFails() {
    auto bus = EmbeddedBus::Open(options_);
    EXPECT_FALSE(bus.ok());
    return bus.status();
  }
  void Declare(std::vector<LaneSpec> lanes) {
    const absl::Status status = bus_->Declare(lanes);
    ASSERT_TRUE(status.ok()) << status;
  }
  Reader& reader() {
    if (!reader_) reader_ = std::make_unique<Reader>(*bus_, clock_);
    return *reader_;
  }
  // Publishes and settles `n` events of 1 kB on lane 1.
  void Flow(size_t n) {
    for (size_t i = 0; i < n; i += 100) {
      std::vector<Event> events;
      for (size_t j = 0; j < 100; ++j) {
        events.push_back(
            MakeEvent("f" + std::to_string(i + j), "story.post", "s", std::string(1000, 'x')));
      }
      for (const PublishResult& result : PublishAll(*bus_, std::move(events))) {
        ASSERT_TRUE(result.status.ok()) << result.status;
      }
      reader().Credit(1, 1000);
      reader().FinishAll(reader().Take(1, 100));
    }
  }
  uint64_t LogFirst() {
    const auto events = bus_->ReadLog(0, 1);
    EXPECT_TRUE(events.ok()) << events.status();
    return events->empty() ? 0 : events->front().offset;
  }
  // Changes the file from outside, as a person with sqlite3 would.
  void Sql(const std::string& sql) {
    auto db = Db::Open(file(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "");
    ASSERT_TRUE(db.ok()) << db.status();
    const absl::Status status = (*db)->Exec(sql);
    ASSERT_TRUE(status.ok()) << status;
  }
  int64_t Number(const std::string& path, const std::string& sql) {
    auto db = Db::Open(path, SQLITE_OPEN_READWRITE, "");
    EXPECT_TRUE(db.ok()) << db.status();
    auto number = (*db)->Number(sql);
    EXPECT_TRUE(number.ok()) << number.status();
    return number.value_or(-1);
  }

  TestClock clock_;
  std::string root_;
  EmbeddedBusOptions options_;
  std::unique_ptr<EmbeddedBus> bus_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(EmbeddedFileTest, IsMarkedAsOurs) {
  Open();
  bus_.reset();
  EXPECT_EQ(Number(file(), "PRAGMA application_id"), kApplicationId);
  EXPECT_EQ(Number(file(), "PRAGMA user_version"), 5);
  EXPECT_EQ(Number(file(), "SELECT value FROM meta WHERE key='clean'"), 1);
}

TEST_F(EmbeddedFileTest, EveryTableAndColumnIsDocumented) {
  std::ifstream in(std::string(OUTBOARD_DOCS) + "/reference/embedded-file.md");
  const std::string page((std::istreambuf_iterator<char>(in)), {});
  ASSERT_FALSE(page.empty());
  Open();
  auto db = Db::Open(file(), SQLITE_OPEN_READWRITE, "");
  ASSERT_TRUE(db.ok()) << db.status();
  Stmt columns;
  ASSERT_TRUE(
      columns
          .Prepare(**db,
                   "SELECT s.name, c.name FROM sqlite_schema s, pragma_table_info(s.name) c "
                   "WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite_%'")
          .ok());
  int n = 0;
  for (; *columns.Step(); ++n) {
    const std::string table = columns.Text(0), column = columns.Text(1);
    EXPECT_NE(page.find("**`" + table + "`**"), std::string::npos) << table;
    const bool obvious = table == "meta" || column == "id" || column == "lane" ||
                         column == "name" || column == "queue" || column == "event";
    if (!obvious) {
      EXPECT_NE(page.find("`" + column + "`"), std::string::npos) << table << "." << column;
    }
  }
  EXPECT_GT(n, 30);
}

TEST_F(EmbeddedFileTest, IsOpenOnceAndSaysByWhom) {
  Open();
  const absl::Status status = OpenFails();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(status.message()).find("process " + std::to_string(getpid())),
            std::string::npos)
      << status;
  bus_.reset();
  Open();
}

TEST_F(EmbeddedFileTest, AnotherProgramsFileIsLeftAlone) {
  Sql("CREATE TABLE t(x); PRAGMA application_id=7");
  const absl::Status status = OpenFails();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(status.message()).find("another program"), std::string::npos) << status;
  EXPECT_EQ(Number(file(), "SELECT count(*) FROM sqlite_schema"), 1);
}

TEST_F(EmbeddedFileTest, AFileThatIsNoSqliteIsLeftAlone) {
  std::ofstream(file()) << std::string(10'000, 'x');
  EXPECT_EQ(OpenFails().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(std::filesystem::file_size(file()), 10'000u);
}

TEST_F(EmbeddedFileTest, ANewerFileIsRefused) {
  Open();
  bus_.reset();
  Sql("PRAGMA user_version=6");
  const absl::Status status = OpenFails();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(status.message()).find("newer Outboard (file version 6"), std::string::npos)
      << status;
}

TEST_F(EmbeddedFileTest, ADamagedFileIsRefused) {
  Open();
  Declare({MakeLane("a/x")});
  bus_.reset();
  // Everything behind the first page, which has the schema's root.
  const auto size = std::filesystem::file_size(file());
  std::fstream out(file(), std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(8192);
  out << std::string(size - 8192, '\x7f');
  out.close();
  const absl::Status status = OpenFails();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_NE(std::string(status.message()).find(file()), std::string::npos) << status;
}

TEST_F(EmbeddedFileTest, RowsThatCannotBeAreRefused) {
  Open();
  bus_.reset();
  for (const char* row : {"queue VALUES(9223372036854775807, 1, 1, 1, '', 0, 0)",
                          "held VALUES(9223372036854775807, 1, 1, 1, 1, 1, x'00', '', NULL, NULL)",
                          "segment VALUES(1, 5, 4, 0, '[]')",
                          "segment VALUES(1, 1, 5, 0, '[]'), (1, 4, NULL, 0, '[]')",
                          "lane VALUES('a/b', 7, 1, 'pool', 1, 0)"}) {
    Sql("INSERT INTO queue VALUES(1, 1, 1, 1, '', 0, 0)");
    Sql(absl::StrCat("INSERT INTO ", row));
    EXPECT_EQ(OpenFails().code(), absl::StatusCode::kDataLoss) << row;
    Sql("DELETE FROM queue; DELETE FROM segment; DELETE FROM lane; DELETE FROM held");
  }
}

TEST_F(EmbeddedFileTest, AFolderThatCannotBeMadeIsNamed) {
  options_.path = "/proc/nowhere";
  const absl::Status status = OpenFails();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(status.message()).find("/proc/nowhere"), std::string::npos) << status;
}

TEST_F(EmbeddedFileTest, AnOlderFileIsCopiedAsideAndMigrated) {
  Open();
  Declare({MakeLane("a/x")});
  PublishIds(*bus_, {"1", "2"});
  bus_.reset();
  Schema next = CurrentSchema();
  const int now = next.version;
  next.version += 2;
  next.migrations.push_back("ALTER TABLE lane ADD COLUMN note TEXT NOT NULL DEFAULT 'one'");
  next.migrations.push_back("UPDATE lane SET note = note || ' two'");
  {
    auto db = OpenForWriting(file(), "", Synchronous::kFull, next);
    ASSERT_TRUE(db.ok()) << db.status();
    EXPECT_EQ(*(*db)->Number("PRAGMA user_version"), now + 2);
    EXPECT_EQ(*(*db)->Number("SELECT count(*) FROM lane WHERE note = 'one two'"), 1);
    EXPECT_EQ(*(*db)->Number("SELECT count(*) FROM log"), 2);
  }
  const std::string copy = file() + ".v" + std::to_string(now);
  EXPECT_EQ(Number(copy, "PRAGMA user_version"), now);
  EXPECT_EQ(Number(copy, "SELECT count(*) FROM log"), 2);
  EXPECT_EQ(OpenFails().code(), absl::StatusCode::kFailedPrecondition) << "it is newer now";
}

TEST_F(EmbeddedFileTest, AMigrationThatFailsChangesNothing) {
  Open();
  bus_.reset();
  Schema next = CurrentSchema();
  const int now = next.version;
  next.version += 2;
  next.migrations.push_back("CREATE TABLE extra(x)");
  next.migrations.push_back("INSERT INTO nowhere VALUES(1)");
  EXPECT_FALSE(OpenForWriting(file(), "", Synchronous::kFull, next).ok());
  next.migrations.pop_back();
  EXPECT_EQ(OpenForWriting(file(), "", Synchronous::kFull, next).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Number(file(), "PRAGMA user_version"), now);
  EXPECT_EQ(Number(file(), "SELECT count(*) FROM sqlite_schema WHERE name='extra'"), 0);
  Open();
}

TEST_F(EmbeddedFileTest, WhatProducersSaidGoesWithTheEvent) {
  options_.retention.keep_bytes = 10'000;
  Open();
  Declare({MakeLane("a/x")});
  reader().Open(1, "a/x", 1000);
  PublishIds(*bus_, {"1"});
  reader().Finish(reader().TakeOne(1), End::kDone, [](Settlement* settlement) {
    settlement->placed = std::make_unique<Placed>(Placed{Offset(int64_t{7}), std::nullopt});
  });
  EXPECT_EQ(Number(file(), "SELECT at FROM placed"), 7);
  Flow(5'000);
  EXPECT_TRUE(Eventually([&] { return LogFirst() > 1; }));
  EXPECT_EQ(Number(file(), "SELECT count(*) FROM placed"), 0);
}

TEST_F(EmbeddedFileTest, SettledEventsGoWhenTheyAreMany) {
  options_.retention.keep_bytes = 100'000;
  Open();
  Declare({MakeLane("a/x")});
  reader().Open(1, "a/x", 1000);
  Flow(10'000);
  EXPECT_TRUE(Eventually([&] { return LogFirst() > 5'000; }));
  EXPECT_LT(bus_->Info().bytes, 6u << 20);
  EXPECT_EQ(bus_->NextOffset(), 10'001u);
}

TEST_F(EmbeddedFileTest, SettledEventsGoWhenTheyAreOld) {
  options_.retention.keep_age = std::chrono::hours(1);
  Open();
  Declare({MakeLane("a/x")});
  reader().Open(1, "a/x", 1000);
  Flow(1'000);
  clock_.Advance(std::chrono::hours(2));
  Flow(5'000);
  EXPECT_TRUE(Eventually([&] { return LogFirst() == 1'001; })) << LogFirst();
}

TEST_F(EmbeddedFileTest, NothingGoesThatALaneStillNeeds) {
  options_.retention.keep_bytes = 0;
  options_.retention.keep_age = Duration(0);
  Open();
  Declare(
      {MakeLane("a/x"), MakeLane("slow/x"), MakeLane("orphan/x"), MakeLane("other/x", "task.*")});
  reader().Open(1, "a/x", 1000);
  Flow(100);
  Declare({MakeLane("a/x"), MakeLane("slow/x"), MakeLane("other/x", "task.*")});
  Flow(5'000);
  EXPECT_EQ(LogFirst(), 1u);
  EXPECT_EQ(InfoOf(*bus_, "orphan/x").backlog, 100u);
  reader().Open(2, "slow/x", 10'000);
  reader().FinishAll(reader().Take(2, 5'100));
  ASSERT_TRUE(bus_->ForgetLane("orphan/x", Remainder::kToDead).ok());
  EXPECT_EQ(InfoOf(*bus_, "a/x").backlog, 0u);
  Flow(2'100);
  reader().Credit(2, 10'000);
  reader().FinishAll(reader().Take(2, 2'100));
  Flow(2'100);
  // A lane that none of the events is for holds nothing up, open or not.
  EXPECT_TRUE(Eventually([&] { return LogFirst() > 5'000; })) << LogFirst();
  EXPECT_EQ(bus_->ListDead({}, 0, 1, nullptr)->at(0).event.id(), "f0");
}

TEST_F(EmbeddedFileTest, AFullBusRefusesUntilThereIsRoomAndNamesTheLane) {
  options_.retention.max_bytes = 2 << 20;
  Open();
  Declare({MakeLane("quick/x"), MakeLane("slow/x")});
  reader().Open(1, "quick/x", 1000);
  std::vector<Event> events;
  for (int i = 0; i < 100; ++i) {
    events.push_back(MakeEvent("e", "story.post", "s", std::string(1000, 'x')));
  }
  PublishResult refused;
  size_t accepted = 0, handled = 0;
  for (int i = 0; i < 100 && refused.status.ok(); ++i) {
    for (PublishResult& result : PublishAll(*bus_, events)) {
      accepted += result.status.ok();
      if (!result.status.ok()) refused = std::move(result);
    }
    reader().Credit(1, 1000);
    reader().FinishAll(reader().Take(1, accepted - handled));
    handled = accepted;
  }
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(std::string(refused.status.message()).find("slow/x"), std::string::npos)
      << refused.status;
  EXPECT_GT(accepted, 1'000u);
  const BusInfo info = bus_->Info();
  ASSERT_EQ(info.warnings.size(), 1u);
  EXPECT_NE(info.warnings[0].find("slow/x"), std::string::npos) << info.warnings[0];
  EXPECT_LE(info.bytes, 3u << 20);

  // Emits may go a little beyond: they are what drains the bus.
  reader().Open(2, "slow/x", 10'000);
  const std::vector<Delivery> waiting = reader().Take(2, accepted);
  reader().Finish(waiting[0], End::kDone,
                  [](Settlement* s) { s->emits = {MakeEvent("emitted", "nobody.cares")}; });
  reader().FinishAll({waiting.begin() + 1, waiting.end()});
  EXPECT_TRUE(Eventually([&] { return PublishOne(*bus_, events[0]).status.ok(); }));
}

TEST_F(EmbeddedFileTest, BytesThatAreNoEventBecomeADeadLetter) {
  Open();
  Declare({MakeLane("a/x")});
  PublishIds(*bus_, {"1", "2", "3"});
  bus_.reset();
  Sql("UPDATE log SET event = x'ffffff' WHERE \"offset\" = 2");
  Open();
  reader().Open(1, "a/x", 10);
  EXPECT_EQ(Ids(reader().Take(1, 2)), (std::vector<std::string>{"1", "3"}));
  uint64_t total = 0;
  ASSERT_TRUE(Eventually([&] {
    reader().Pump();
    return bus_->ListDead({}, 0, 10, &total).ok() && total == 1;
  }));
  const auto letters = bus_->ListDead({}, 0, 10, nullptr);
  EXPECT_EQ((*letters)[0].raw, "\xff\xff\xff");
  EXPECT_TRUE((*letters)[0].event.empty());
  EXPECT_EQ((*letters)[0].why.reason, "UNDECODABLE");
  EXPECT_EQ(InfoOf(*bus_, "a/x").backlog, 2u);
}

// An event may move to a row between the moment when a lane is opened and its first Poll.
TEST_F(EmbeddedFileTest, WhatMovesWhileALaneIsBeingOpenedComesOnce) {
  options_.limits = {1, 1, Duration(0)};
  Open();
  Declare({MakeLane("a/x")});
  PublishIds(*bus_, Numbered("e", 10));
  reader().Open(1, "a/x", 10);
  std::vector<Delivery> deliveries = reader().Take(1, 10);
  reader().Finish(deliveries[9], End::kDone);
  reader().consumer().Close(1);
  reader().Open(1, "a/x", 100);
  PublishIds(*bus_, {"more"});
  deliveries = reader().Take(1, 10);
  EXPECT_EQ(deliveries.back().event.id(), "more");
  reader().FinishAll(deliveries);
  EXPECT_EQ(InfoOf(*bus_, "a/x").backlog, 0u);
  EXPECT_EQ(reader().waiting(1), 0u);
}

// Neither a file that cannot be opened nor one that cannot be read ends the host, or loses a lane.
TEST_F(EmbeddedFileTest, AConsumerThatCannotReadYetReadsLater) {
  FaultVfs vfs;
  options_.vfs = vfs.name();
  options_.limits = {1, 1, Duration(0)};
  Open();
  Declare({MakeLane("a/x")});
  PublishIds(*bus_, Numbered("e", 10));
  const auto open_while_it_fails = [&] {
    vfs.FailReads(true);
    reader().Open(1, "a/x", 100);
    bus_->Info();  // The writer has heard of it.
    reader().Pump();
    EXPECT_EQ(reader().waiting(1), 0u);
    EXPECT_EQ(reader().consumer().NextDue(), clock_.Now() + std::chrono::seconds(1));
    vfs.FailReads(false);
    clock_.Advance(std::chrono::seconds(1));
  };
  open_while_it_fails();
  const std::vector<Delivery> deliveries = reader().Take(1, 10);
  reader().Finish(deliveries[9], End::kDone);  // The others move to rows.
  reader().consumer().Close(1);
  open_while_it_fails();
  EXPECT_EQ(Ids(reader().Take(1, 9)), Numbered("e", 9));
  reader_.reset();
  bus_.reset();
}

TEST_F(EmbeddedFileTest, ASlowEventDoesNotKeepTheBusFull) {
  options_.retention.max_bytes = 2 << 20;
  Open();
  Declare({MakeLane("a/x")});
  reader().Open(1, "a/x", 1000);
  PublishIds(*bus_, {"slow"});
  const Delivery slow = reader().TakeOne(1);
  Flow(5'000);
  EXPECT_EQ(InfoOf(*bus_, "a/x").backlog, 1u);
  reader().Finish(slow, End::kDone);
  EXPECT_EQ(InfoOf(*bus_, "a/x").backlog, 0u);
}

TEST_F(EmbeddedFileTest, OtherSyncModesWorkToo) {
  for (const Synchronous mode : {Synchronous::kNormal, Synchronous::kOff}) {
    options_.synchronous = mode;
    Open();
    Declare({MakeLane("a/x")});
    reader().Open(1, "a/x", 1000);
    Flow(200);
    EXPECT_EQ(InfoOf(*bus_, "a/x").backlog, 0u);
  }
}

TEST_F(EmbeddedFileTest, KeepsTheWriteAheadLogShort) {
  Open();
  Declare({MakeLane("a/x")});
  reader().Open(1, "a/x", 1000);
  Flow(50'000);
  EXPECT_LT(std::filesystem::file_size(file() + "-wal"), 64u << 20);
  EXPECT_EQ(InfoOf(*bus_, "a/x").backlog, 0u);
}

}  // namespace
}  // namespace outboard::bus

#include "host/bus/embedded/schema.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"

namespace outboard::bus {
namespace {

// Times are microseconds since 1970, UTC. The comments stay in the file, for people who look with
// sqlite3.
constexpr char kCreate[] = R"sql(
CREATE TABLE meta(
  key TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE log( -- every event that was accepted, in order
  "offset" INTEGER PRIMARY KEY,
  accepted_us INTEGER NOT NULL,
  sum_bytes INTEGER NOT NULL, -- of all events up to and with this one, ever
  event BLOB NOT NULL -- outboard.event.v1.Event
);
CREATE TABLE queue( -- what a lane consumes; lanes of mode singleton with one filter share one
  id INTEGER PRIMARY KEY,
  cursor INTEGER NOT NULL, -- nothing below it in the log is waiting
  ended_to INTEGER NOT NULL, -- between cursor and this only `unsettled` is waiting
  taken_to INTEGER NOT NULL, -- below this, events may have been handed out
  unsettled TEXT NOT NULL, -- offsets such as 12,15-19
  backlog INTEGER NOT NULL, -- events that have not ended, those in `held` too
  held INTEGER NOT NULL -- rows in `held`
);
CREATE TABLE segment( -- which events of the log a queue takes
  queue INTEGER NOT NULL,
  begin_offset INTEGER NOT NULL,
  end_offset INTEGER, -- NULL: still takes new ones
  not_before_us INTEGER NOT NULL,
  filters TEXT NOT NULL, -- JSON
  PRIMARY KEY(queue, begin_offset)
) WITHOUT ROWID;
CREATE TABLE lane(
  name TEXT PRIMARY KEY,
  queue INTEGER NOT NULL,
  declared INTEGER NOT NULL, -- 0: an orphan
  mode TEXT NOT NULL,
  reliable INTEGER NOT NULL,
  dead INTEGER NOT NULL -- rows in `dead`
) WITHOUT ROWID;
CREATE TABLE held( -- events that outstayed the cursor: retries, replayed letters, slow ones
  id INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL,
  "offset" INTEGER NOT NULL, -- their place in the log; 0: not known
  accepted_us INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  due_us INTEGER, -- NULL: was handed out when it moved here
  event BLOB NOT NULL
);
CREATE INDEX held_due ON held(queue, due_us, accepted_us);
CREATE TABLE dead( -- dead letters
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  lane TEXT NOT NULL,
  reason TEXT NOT NULL,
  message TEXT NOT NULL,
  detail TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  accepted_us INTEGER NOT NULL,
  died_us INTEGER NOT NULL,
  event BLOB NOT NULL
);
CREATE INDEX dead_lane ON dead(lane, id);
)sql";
constexpr char kSinceVersion2[] = R"sql(
CREATE TABLE placed( -- where producers put events, as they said
  "offset" INTEGER NOT NULL, -- of the event in the log, which keeps it as long as the event
  lane TEXT NOT NULL,
  at, -- offset in the other system, in its own type; NULL: it has none
  at_us INTEGER, -- when, by the clock of the other system; NULL: unknown
  PRIMARY KEY("offset", lane)
) WITHOUT ROWID;
ALTER TABLE dead ADD COLUMN "offset" INTEGER NOT NULL DEFAULT 0; -- 0: not known
)sql";

constexpr char kSinceVersion3[] = R"sql(
ALTER TABLE held ADD COLUMN history TEXT NOT NULL DEFAULT ''; -- turns that did not end well, a line of JSON each
ALTER TABLE dead ADD COLUMN version TEXT NOT NULL DEFAULT ''; -- of the plugin that had it last
ALTER TABLE dead ADD COLUMN history TEXT NOT NULL DEFAULT ''; -- as in held
)sql";

constexpr char kSinceVersion4[] = R"sql(
ALTER TABLE held ADD COLUMN original BLOB; -- where `event` is what people made of it; NULL: it is not
ALTER TABLE dead ADD COLUMN edited BLOB; -- what a replay gives back; NULL: `event`
)sql";

constexpr char kSinceVersion5[] = R"sql(
ALTER TABLE held ADD COLUMN parked TEXT; -- key by which it waits behind a dead letter, such as subject=story/1; NULL: it does not
ALTER TABLE dead ADD COLUMN key TEXT; -- later events of this key wait for it; NULL: none does
DROP INDEX held_due;
CREATE INDEX held_due ON held(queue, due_us, "offset");
CREATE INDEX held_parked ON held(queue, parked, "offset") WHERE parked IS NOT NULL;
CREATE INDEX dead_key ON dead(lane, key, "offset") WHERE key IS NOT NULL;
)sql";

absl::Status Create(Db& db, const Schema& schema) {
  // Set before the first table: 8 KiB hold some 20 events of the usual size.
  OUTBOARD_RETURN_IF_ERROR(db.Exec("PRAGMA page_size=8192"));
  return db.Exec(absl::StrCat("BEGIN IMMEDIATE;", schema.create, "PRAGMA application_id=",
                              kApplicationId, ";PRAGMA user_version=", schema.version, ";COMMIT"));
}

absl::Status CopyAside(Db& db, const std::string& to, const std::string& vfs) {
  unlink(to.c_str());
  OUTBOARD_ASSIGN_OR_RETURN(auto copy,
                            Db::Open(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs));
  sqlite3_backup* backup = sqlite3_backup_init(copy->handle(), "main", db.handle(), "main");
  if (backup == nullptr) return copy->Error("copy aside");
  sqlite3_backup_step(backup, -1);
  if (sqlite3_backup_finish(backup) != SQLITE_OK) return copy->Error("copy aside");
  return absl::OkStatus();
}

absl::Status Migrate(Db& db, int64_t from, const std::string& vfs, const Schema& schema) {
  const std::string copy = absl::StrCat(db.path(), ".v", from);
  OUTBOARD_RETURN_IF_ERROR(CopyAside(db, copy, vfs));
  std::string sql = "BEGIN IMMEDIATE;";
  for (int64_t version = from; version < schema.version; ++version) {
    if (static_cast<size_t>(version) >= schema.migrations.size() ||
        schema.migrations[version].empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat(db.path(), ": no way from version ", version, " to ", schema.version));
    }
    absl::StrAppend(&sql, schema.migrations[version], ";");
  }
  absl::StrAppend(&sql, "PRAGMA user_version=", schema.version, ";COMMIT");
  if (absl::Status status = db.Exec(sql); !status.ok()) {
    (void)db.Exec("ROLLBACK");
    return status;
  }
  LogInfo("bus", "migrated the file of the embedded bus",
          {{"from", absl::StrCat(from)}, {"to", absl::StrCat(schema.version)}, {"copy", copy}});
  return absl::OkStatus();
}

absl::Status CheckAndPrepare(Db& db, const std::string& vfs, const Schema& schema) {
  OUTBOARD_ASSIGN_OR_RETURN(const int64_t application, db.Number("PRAGMA application_id"));
  OUTBOARD_ASSIGN_OR_RETURN(const int64_t version, db.Number("PRAGMA user_version"));
  OUTBOARD_ASSIGN_OR_RETURN(const int64_t tables, db.Number("SELECT count(*) FROM sqlite_schema"));
  if (application == 0 && version == 0 && tables == 0) return Create(db, schema);
  if (application != kApplicationId) {
    return absl::FailedPreconditionError(
        absl::StrCat(db.path(),
                     ": this SQLite file is another program's: give the host a data "
                     "folder of its own"));
  }
  if (version > schema.version) {
    return absl::FailedPreconditionError(
        absl::StrCat(db.path(), ": written by a newer Outboard (file version ", version,
                     ", this one knows up to ", schema.version, "): install that one again"));
  }
  return version < schema.version ? Migrate(db, version, vfs, schema) : absl::OkStatus();
}

}  // namespace

const Schema& CurrentSchema() {
  static const Schema* const schema = new Schema{
      5,
      absl::StrCat(kCreate, kSinceVersion2, kSinceVersion3, kSinceVersion4, kSinceVersion5),
      {"", kSinceVersion2, kSinceVersion3, kSinceVersion4, kSinceVersion5}};
  return *schema;
}

absl::StatusOr<std::unique_ptr<Db>> OpenForWriting(const std::string& path, const std::string& vfs,
                                                   Synchronous synchronous, const Schema& schema) {
  OUTBOARD_ASSIGN_OR_RETURN(auto db,
                            Db::Open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs));
  const char* level = synchronous == Synchronous::kFull     ? "FULL"
                      : synchronous == Synchronous::kNormal ? "NORMAL"
                                                            : "OFF";
  OUTBOARD_RETURN_IF_ERROR(db->Exec(absl::StrCat("PRAGMA synchronous=", level)));
  OUTBOARD_RETURN_IF_ERROR(CheckAndPrepare(*db, vfs, schema));
  OUTBOARD_RETURN_IF_ERROR(db->Exec("PRAGMA journal_mode=WAL"));
  // The writer checkpoints itself; the log is kept short between bursts.
  OUTBOARD_RETURN_IF_ERROR(db->Exec(
      "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-4096;"
      "PRAGMA temp_store=MEMORY"));
  return db;
}

absl::StatusOr<std::unique_ptr<Db>> OpenForReading(const std::string& path,
                                                   const std::string& vfs) {
  OUTBOARD_ASSIGN_OR_RETURN(auto db, Db::Open(path, SQLITE_OPEN_READWRITE, vfs));
  OUTBOARD_RETURN_IF_ERROR(db->Exec("PRAGMA query_only=1; PRAGMA cache_size=-1024"));
  return db;
}

}  // namespace outboard::bus

#include "host/bus/embedded/store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/embedded/filter_text.h"

namespace outboard::bus {
namespace {

constexpr int64_t kSynchronousFull = 2;
constexpr const char* kModes[] = {"pool", "singleton", "broadcast"};

Mode ModeFromText(absl::string_view text) {
  if (text == "singleton") return Mode::kSingleton;
  return text == "broadcast" ? Mode::kBroadcast : Mode::kPool;
}

// SQLite keeps each in its own type.
void BindOffset(const Offset& offset, int index, Stmt* stmt) {
  if (const auto* number = std::get_if<int64_t>(&offset)) {
    stmt->Bind(index, *number);
  } else if (const auto* real = std::get_if<double>(&offset)) {
    stmt->BindDouble(index, *real);
  } else if (const auto* text = std::get_if<std::string>(&offset)) {
    stmt->BindText(index, *text);
  } else if (const auto* bytes = std::get_if<Bytes>(&offset)) {
    stmt->BindBlob(index, bytes->value);
  } else {
    stmt->BindNull(index);
  }
}

// Empty: NULL.
void BindKey(const std::string& key, int index, Stmt* stmt) {
  if (key.empty()) {
    stmt->BindNull(index);
  } else {
    stmt->BindText(index, key);
  }
}

}  // namespace

absl::Status Damaged(const Db& db, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat(db.path(), ": ", what, ": restore the file from a backup"));
}

std::pair<std::string, Placed> ReadPlaced(const Stmt& read) {
  Placed placed;
  switch (read.Type(1)) {
    case SQLITE_INTEGER: placed.offset = read.Int(1); break;
    case SQLITE_FLOAT: placed.offset = read.Double(1); break;
    case SQLITE_TEXT: placed.offset = read.Text(1); break;
    case SQLITE_BLOB: placed.offset = Bytes{read.Text(1)}; break;
    default: break;
  }
  if (!read.IsNull(2)) placed.at = FromMicros(read.Int(2));
  return {read.Text(0), std::move(placed)};
}

absl::StatusOr<std::unique_ptr<Store>> Store::Create(std::unique_ptr<Db> db) {
  std::unique_ptr<Store> store(new Store(std::move(db)));
  OUTBOARD_RETURN_IF_ERROR(store->PrepareAll());
  OUTBOARD_ASSIGN_OR_RETURN(const int64_t last_held,
                            store->db_->Number("SELECT coalesce(max(id), 0) FROM held"));
  if (last_held == INT64_MAX) return Damaged(*store->db_, "a held event has the last id there is");
  store->next_held_ = last_held + 1;
  OUTBOARD_ASSIGN_OR_RETURN(const int64_t page_size, store->db_->Number("PRAGMA page_size"));
  store->page_size_ = static_cast<uint64_t>(page_size);
  OUTBOARD_ASSIGN_OR_RETURN(const int64_t synchronous, store->db_->Number("PRAGMA synchronous"));
  store->full_ = synchronous == kSynchronousFull;
  sqlite3_wal_hook(
      store->db_->handle(),
      [](void* self, sqlite3*, const char*, int pages) {
        Store* store = static_cast<Store*>(self);
        store->wal_pages_ = pages;
        store->unsynced_ = store->sync_ == Sync::kLater;
        return SQLITE_OK;
      },
      store.get());
  return store;
}

absl::Status Store::PrepareAll() {
  const std::pair<Stmt*, const char*> statements[] = {
      {&begin_, "BEGIN IMMEDIATE"},
      {&commit_, "COMMIT"},
      {&rollback_, "ROLLBACK"},
      {&insert_log_, "INSERT INTO log VALUES(?1, ?2, ?3, ?4)"},
      {&delete_log_, "DELETE FROM log WHERE \"offset\" < ?1"},
      {&save_placed_, "INSERT OR REPLACE INTO placed VALUES(?1, ?2, ?3, ?4)"},
      {&delete_placed_, "DELETE FROM placed WHERE \"offset\" < ?1"},
      {&offset_of_held_, "SELECT \"offset\" FROM held WHERE id=?1"},
      {&read_mark_, "SELECT sum_bytes, accepted_us FROM log WHERE \"offset\" = ?1"},
      {&page_count_, "PRAGMA page_count"},
      {&free_count_, "PRAGMA freelist_count"},
      {&save_queue_,
       "UPDATE queue SET cursor=?2, ended_to=?3, taken_to=?4, unsettled=?5, backlog=?6, held=?7 "
       "WHERE id=?1"},
      {&save_lane_,
       "INSERT INTO lane VALUES(?1, ?2, ?3, ?4, ?5, (SELECT count(*) FROM dead WHERE lane=?1)) "
       "ON CONFLICT(name) DO UPDATE SET queue=?2, declared=?3, mode=?4, reliable=?5"},
      {&hold_,
       "INSERT INTO held SELECT ?1, ?2, \"offset\", accepted_us, ?4, ?5, event, ?6, NULL, ?7 FROM "
       "log "
       "WHERE \"offset\"=?3"},
      {&reschedule_,
       "UPDATE held SET attempts=?2, due_us=?3, history=substr(history || ?4, -3000) WHERE id=?1"},
      {&park_, "UPDATE held SET due_us=CASE WHEN ?2 IS NULL THEN 0 END, parked=?2 WHERE id=?1"},
      {&unpark_,
       "UPDATE held SET due_us=0, parked=NULL WHERE queue=?1 AND parked=?2 AND \"offset\"<=?3"},
      {&unpark_all_, "UPDATE held SET due_us=0, parked=NULL WHERE queue=?1 AND parked IS NOT NULL"},
      {&delete_held_, "DELETE FROM held WHERE id=?1"},
      {&bury_log_,
       "INSERT INTO dead SELECT NULL, ?1, ?3, ?4, ?5, ?6, accepted_us, ?7, event, \"offset\", ?8, "
       "?9, NULL, ?10 FROM log WHERE \"offset\"=?2"},
      {&bury_held_,
       "INSERT INTO dead SELECT NULL, ?1, ?3, ?4, ?5, ?6, accepted_us, ?7, "
       "coalesce(original, event), \"offset\", ?8, substr(history || ?9, -3000), "
       "CASE WHEN original IS NOT NULL THEN event END, ?10 FROM held WHERE id=?2"},
      {&bury_bytes_,
       "INSERT INTO dead VALUES(NULL, ?1, ?3, ?4, ?5, ?6, ?10, ?7, ?2, 0, ?8, ?9, NULL, NULL)"},
      {&count_dead_, "UPDATE lane SET dead=dead+?2 WHERE name=?1"},
      {&exhume_,
       "INSERT INTO held SELECT ?1, ?3, \"offset\", accepted_us, 0, "
       "CASE WHEN ?4 IS NULL THEN 0 END, coalesce(edited, event), "
       "history, CASE WHEN edited IS NOT NULL THEN event END, ?4 FROM dead WHERE id=?2"},
      {&delete_dead_, "DELETE FROM dead WHERE id=?1"},
      {&edit_dead_, "UPDATE dead SET edited=?2 WHERE id=?1"},
      {&set_meta_, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)"},
  };
  for (const auto& [stmt, sql] : statements) OUTBOARD_RETURN_IF_ERROR(stmt->Prepare(*db_, sql));
  return absl::OkStatus();
}

absl::Status Store::Begin(Sync sync) {
  if (sync_lost_) {
    // After a failed sync the kernel may hold pages for clean that never reached the disk, and the
    // next sync says nothing of them. What was committed since the last good one is still read
    // right, so it goes into the file, and the write-ahead log begins anew.
    OUTBOARD_RETURN_IF_ERROR(Checkpoint(SQLITE_CHECKPOINT_TRUNCATE));
    sync_lost_ = unsynced_ = false;
  }
  if (full_ && sync != sync_) OUTBOARD_RETURN_IF_ERROR(SetSync(sync));
  return begin_.Run();
}

// Of the connection, so never within a transaction. SQLite does it while it prepares the statement:
// one that is kept does nothing.
absl::Status Store::SetSync(Sync sync) {
  OUTBOARD_RETURN_IF_ERROR(
      db_->Exec(sync == Sync::kNow ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
  sync_ = sync;
  return absl::OkStatus();
}

absl::Status Store::Commit() {
  absl::Status status = commit_.Run();
  if (!status.ok() && sqlite3_extended_errcode(db_->handle()) == SQLITE_IOERR_FSYNC) {
    sync_lost_ |= unsynced_;
  }
  return status;
}

void Store::Rollback() {
  if (sqlite3_get_autocommit(db_->handle()) == 0) (void)rollback_.Run();
}

// A statement that must change a row.
absl::Status Store::RunOne(Stmt& stmt, absl::string_view what) {
  OUTBOARD_RETURN_IF_ERROR(stmt.Run());
  if (sqlite3_changes(db_->handle()) == 1) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(db_->path(), ": ", what, " is not there"));
}

absl::Status Store::InsertLog(uint64_t offset, Time accepted_at, uint64_t sum_bytes,
                              absl::string_view event) {
  return insert_log_.Bind(1, offset)
      .Bind(2, ToMicros(accepted_at))
      .Bind(3, sum_bytes)
      .BindBlob(4, event)
      .Run();
}

absl::Status Store::DeleteLogBelow(uint64_t offset) {
  OUTBOARD_RETURN_IF_ERROR(delete_placed_.Bind(1, offset).Run());
  return delete_log_.Bind(1, offset).Run();
}

absl::Status Store::SavePlaced(uint64_t offset, const std::string& lane, const Placed& placed) {
  save_placed_.Bind(1, offset).BindText(2, lane);
  BindOffset(placed.offset, 3, &save_placed_);
  if (placed.at) {
    save_placed_.Bind(4, ToMicros(*placed.at));
  } else {
    save_placed_.BindNull(4);
  }
  return save_placed_.Run();
}

absl::StatusOr<LogEnds> Store::Ends() {
  LogEnds ends;
  Stmt first, last;
  OUTBOARD_RETURN_IF_ERROR(first.Prepare(
      *db_, "SELECT \"offset\", sum_bytes, length(event) FROM log ORDER BY \"offset\" LIMIT 1"));
  OUTBOARD_RETURN_IF_ERROR(last.Prepare(
      *db_, "SELECT \"offset\", sum_bytes, accepted_us FROM log ORDER BY \"offset\" DESC LIMIT 1"));
  OUTBOARD_ASSIGN_OR_RETURN(const bool any, first.Step());
  if (!any) {
    ends.first = ends.next;
    return ends;
  }
  ends.first = first.UInt(0);
  ends.sum_before = first.UInt(1) - first.UInt(2);
  OUTBOARD_RETURN_IF_ERROR(last.Step().status());
  ends.next = last.UInt(0) + 1;
  ends.sum_all = last.UInt(1);
  ends.last_accepted = FromMicros(last.Int(2));
  return ends;
}

absl::Status Store::ReadMark(uint64_t offset, uint64_t* sum_bytes, Time* accepted_at) {
  ResetAtEnd reset(read_mark_);
  OUTBOARD_ASSIGN_OR_RETURN(const bool row, read_mark_.Bind(1, offset).Step());
  if (!row) return absl::NotFoundError(absl::StrCat("no event at ", offset));
  *sum_bytes = read_mark_.UInt(0);
  *accepted_at = FromMicros(read_mark_.Int(1));
  return absl::OkStatus();
}

absl::Status Store::SaveQueue(int64_t id, const Ledger::Progress& at, const Queue::Counts& counts) {
  const std::string unsettled = OffsetsToText(at.unsettled);
  return RunOne(save_queue_.Bind(1, id)
                    .Bind(2, at.cursor)
                    .Bind(3, at.ended_to)
                    .Bind(4, at.taken_to)
                    .BindText(5, unsettled)
                    .Bind(6, counts.backlog)
                    .Bind(7, counts.held),
                "a queue");
}

absl::Status Store::InsertQueue(const QueueRow& row) {
  Stmt insert;
  OUTBOARD_RETURN_IF_ERROR(insert.Prepare(*db_, "INSERT INTO queue VALUES(?1, 0, 0, 0, '', 0, 0)"));
  OUTBOARD_RETURN_IF_ERROR(insert.Bind(1, row.id).Run());
  OUTBOARD_RETURN_IF_ERROR(SaveQueue(row.id, row.at, row.counts));
  return SaveSegments(row.id, row.segments);
}

absl::Status Store::DeleteQueue(int64_t id) {
  for (const char* sql : {"DELETE FROM held WHERE queue=?1", "DELETE FROM segment WHERE queue=?1",
                          "DELETE FROM queue WHERE id=?1"}) {
    Stmt stmt;
    OUTBOARD_RETURN_IF_ERROR(stmt.Prepare(*db_, sql));
    OUTBOARD_RETURN_IF_ERROR(stmt.Bind(1, id).Run());
  }
  return absl::OkStatus();
}

absl::Status Store::SaveSegments(int64_t queue, const Segments& segments) {
  Stmt clear, insert;
  OUTBOARD_RETURN_IF_ERROR(clear.Prepare(*db_, "DELETE FROM segment WHERE queue=?1"));
  OUTBOARD_RETURN_IF_ERROR(clear.Bind(1, queue).Run());
  OUTBOARD_RETURN_IF_ERROR(insert.Prepare(*db_, "INSERT INTO segment VALUES(?1, ?2, ?3, ?4, ?5)"));
  for (const Segment& segment : segments) {
    const std::string filters = FiltersToText(segment.filters);
    insert.Bind(1, queue).Bind(2, segment.begin).Bind(4, ToMicros(segment.not_before));
    if (segment.end == kNoEnd) {
      insert.BindNull(3);
    } else {
      insert.Bind(3, segment.end);
    }
    OUTBOARD_RETURN_IF_ERROR(insert.BindText(5, filters).Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<QueueRow>> Store::ReadQueues() {
  std::vector<QueueRow> rows;
  Stmt queues, segments;
  OUTBOARD_RETURN_IF_ERROR(queues.Prepare(
      *db_,
      "SELECT id, cursor, ended_to, taken_to, unsettled, backlog, held, (SELECT count(*) FROM "
      "held h WHERE h.queue=q.id AND h.parked IS NOT NULL) FROM queue q"));
  OUTBOARD_RETURN_IF_ERROR(segments.Prepare(
      *db_,
      "SELECT begin_offset, end_offset, not_before_us, filters FROM segment WHERE queue=?1 "
      "ORDER BY begin_offset"));
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, queues.Step());
    if (!more) return rows;
    QueueRow row;
    row.id = queues.Int(0);
    row.at = {queues.UInt(1), queues.UInt(2), queues.UInt(3), {}};
    OUTBOARD_ASSIGN_OR_RETURN(row.at.unsettled, OffsetsFromText(queues.Bytes(4)));
    row.counts = {queues.UInt(5), queues.UInt(6), queues.UInt(7)};
    ResetAtEnd reset(segments);
    segments.Bind(1, row.id);
    for (;;) {
      OUTBOARD_ASSIGN_OR_RETURN(const bool segment, segments.Step());
      if (!segment) break;
      OUTBOARD_ASSIGN_OR_RETURN(auto filters, FiltersFromText(segments.Bytes(3)));
      const uint64_t before = row.segments.empty() ? 0 : row.segments.back().end;
      row.segments.push_back({segments.UInt(0), segments.IsNull(1) ? kNoEnd : segments.UInt(1),
                              FromMicros(segments.Int(2)), std::move(filters)});
      if (row.segments.back().begin < before || row.segments.back().end < row.segments.back().begin)
        return Damaged(*db_, "segments of a queue overlap");
    }
    rows.push_back(std::move(row));
  }
}

absl::Status Store::SaveLane(const LaneRow& row) {
  return save_lane_.BindText(1, row.name)
      .Bind(2, row.queue)
      .Bind(3, row.declared ? 1 : 0)
      .BindText(4, kModes[static_cast<int>(row.mode)])
      .Bind(5, row.reliable ? 1 : 0)
      .Run();
}

absl::Status Store::DeleteLane(const std::string& name) {
  Stmt stmt;
  OUTBOARD_RETURN_IF_ERROR(stmt.Prepare(*db_, "DELETE FROM lane WHERE name=?1"));
  return stmt.BindText(1, name).Run();
}

absl::StatusOr<std::vector<LaneRow>> Store::ReadLanes() {
  std::vector<LaneRow> rows;
  Stmt stmt;
  OUTBOARD_RETURN_IF_ERROR(
      stmt.Prepare(*db_, "SELECT name, queue, declared, mode, reliable FROM lane"));
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, stmt.Step());
    if (!more) return rows;
    rows.push_back({stmt.Text(0), stmt.Int(1), stmt.Int(2) != 0, ModeFromText(stmt.Bytes(3)),
                    stmt.Int(4) != 0});
  }
}

absl::StatusOr<int64_t> Store::HoldFromLog(int64_t queue, uint64_t offset, uint32_t attempts,
                                           const Time* due, absl::string_view history,
                                           const std::string& parked) {
  const int64_t row = next_held_++;
  hold_.Bind(1, row).Bind(2, queue).Bind(3, offset).Bind(4, uint64_t{attempts});
  if (due == nullptr) {
    hold_.BindNull(5);
  } else {
    hold_.Bind(5, ToMicros(*due));
  }
  hold_.BindText(6, history);
  BindKey(parked, 7, &hold_);
  OUTBOARD_RETURN_IF_ERROR(RunOne(hold_, "an event of the log"));
  return row;
}

absl::Status Store::Reschedule(int64_t row, uint32_t attempts, Time due,
                               absl::string_view history) {
  reschedule_.Bind(1, row).Bind(2, uint64_t{attempts}).Bind(3, ToMicros(due)).BindText(4, history);
  return RunOne(reschedule_, "a held event");
}

absl::Status Store::Park(int64_t row, const std::string& key) {
  BindKey(key, 2, &park_.Bind(1, row));
  return RunOne(park_, "a held event");
}

absl::StatusOr<uint64_t> Store::Unpark(int64_t queue, const std::string& key, uint64_t up_to) {
  unpark_.Bind(1, queue).BindText(2, key).Bind(3, std::min<uint64_t>(up_to, INT64_MAX));
  OUTBOARD_RETURN_IF_ERROR(unpark_.Run());
  return static_cast<uint64_t>(sqlite3_changes(db_->handle()));
}

absl::Status Store::UnparkAll(int64_t queue) { return unpark_all_.Bind(1, queue).Run(); }

absl::Status Store::DeleteHeld(int64_t row) {
  return RunOne(delete_held_.Bind(1, row), "a held event");
}

absl::StatusOr<uint64_t> Store::OffsetOfHeld(int64_t row) {
  ResetAtEnd reset(offset_of_held_);
  OUTBOARD_ASSIGN_OR_RETURN(const bool there, offset_of_held_.Bind(1, row).Step());
  if (!there) return absl::NotFoundError(absl::StrCat(db_->path(), ": a held event is not there"));
  return offset_of_held_.UInt(0);
}

absl::Status Store::BuryFromLog(const std::string& lane, uint64_t offset, const Death& death) {
  BindDeath(death, bury_log_.BindText(1, lane).Bind(2, offset));
  BindKey(death.key, 10, &bury_log_);
  OUTBOARD_RETURN_IF_ERROR(RunOne(bury_log_, "an event of the log"));
  return CountDead(lane, 1);
}

absl::Status Store::BuryFromHeld(const std::string& lane, int64_t row, const Death& death) {
  BindDeath(death, bury_held_.BindText(1, lane).Bind(2, row));
  BindKey(death.key, 10, &bury_held_);
  OUTBOARD_RETURN_IF_ERROR(RunOne(bury_held_, "a held event"));
  return CountDead(lane, 1);
}

absl::Status Store::BuryBytes(const std::string& lane, absl::string_view event, Time accepted_at,
                              const Death& death) {
  BindDeath(death, bury_bytes_.BindText(1, lane).BindBlob(2, event));
  OUTBOARD_RETURN_IF_ERROR(RunOne(bury_bytes_.Bind(10, ToMicros(accepted_at)), "a letter"));
  return CountDead(lane, 1);
}

void Store::BindDeath(const Death& death, Stmt& stmt) {
  const DeadReason& why = death.why;
  stmt.BindText(3, why.reason).BindText(4, why.message).BindText(5, why.detail);
  stmt.Bind(6, uint64_t{death.attempts}).Bind(7, ToMicros(death.at));
  stmt.BindText(8, why.version).BindText(9, death.history);
}

absl::Status Store::CountDead(const std::string& lane, int64_t more) {
  return count_dead_.BindText(1, lane).Bind(2, more).Run();
}

absl::Status Store::Exhume(int64_t letter, int64_t queue, const std::string& parked) {
  BindKey(parked, 4, &exhume_.Bind(1, next_held_++).Bind(2, letter).Bind(3, queue));
  return RunOne(exhume_, "a dead letter");
}

absl::Status Store::DeleteDead(int64_t letter) {
  return RunOne(delete_dead_.Bind(1, letter), "a dead letter");
}

absl::Status Store::EditDead(uint64_t letter, absl::string_view event) {
  edit_dead_.Bind(1, letter);
  return RunOne(event.empty() ? edit_dead_.BindNull(2) : edit_dead_.BindBlob(2, event),
                absl::StrCat("dead letter ", letter));
}

absl::StatusOr<int64_t> Store::Meta(const std::string& key, int64_t otherwise) {
  Stmt stmt;
  OUTBOARD_RETURN_IF_ERROR(stmt.Prepare(*db_, "SELECT value FROM meta WHERE key=?1"));
  OUTBOARD_ASSIGN_OR_RETURN(const bool row, stmt.BindText(1, key).Step());
  return row ? stmt.Int(0) : otherwise;
}

absl::Status Store::SetMeta(const std::string& key, int64_t value) {
  return set_meta_.BindText(1, key).Bind(2, value).Run();
}

absl::Status Store::DeleteMeta(const std::string& key) {
  Stmt stmt;
  OUTBOARD_RETURN_IF_ERROR(stmt.Prepare(*db_, "DELETE FROM meta WHERE key=?1"));
  return stmt.BindText(1, key).Run();
}

absl::Status Store::Probe() {
  // Two transactions: pages that one makes and frees are never written.
  absl::Status status;
  for (const char* sql : {"INSERT OR REPLACE INTO meta VALUES('probe', zeroblob(65536))",
                          "DELETE FROM meta WHERE key = 'probe'"}) {
    if (status.ok()) status = Begin();
    if (status.ok()) status = db_->Exec(sql);
    if (status.ok()) status = Commit();
  }
  if (!status.ok()) Rollback();
  return status;
}

absl::Status Store::EndProbe() { return db_->Exec("DELETE FROM meta WHERE key = 'probe'"); }

absl::StatusOr<uint64_t> Store::UsedBytes() {
  ResetAtEnd reset_pages(page_count_);
  ResetAtEnd reset_free(free_count_);
  OUTBOARD_RETURN_IF_ERROR(page_count_.Step().status());
  OUTBOARD_RETURN_IF_ERROR(free_count_.Step().status());
  return (page_count_.UInt(0) - free_count_.UInt(0)) * page_size_;
}

absl::Status Store::Checkpoint(int mode) {
  int left = 0, moved = 0;
  const int code = sqlite3_wal_checkpoint_v2(db_->handle(), nullptr, mode, &left, &moved);
  if (code != SQLITE_OK) {
    if (code == SQLITE_IOERR_FSYNC) sync_lost_ |= unsynced_;
    return db_->Error("checkpoint");
  }
  wal_pages_ = left - moved;
  return absl::OkStatus();
}

}  // namespace outboard::bus

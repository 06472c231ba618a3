#include "host/bus/embedded/log_reader.h"

#include "absl/strings/str_cat.h"
#include "host/bus/embedded/schema.h"

namespace outboard::bus {
namespace {

HeldRow RowOf(const Stmt& stmt) {
  HeldRow row;
  row.id = stmt.Int(0);
  row.offset = stmt.UInt(2);
  row.accepted_at = FromMicros(stmt.Int(3));
  row.attempts = static_cast<uint32_t>(stmt.Int(4));
  absl::StatusOr<Event> event = Event::FromChecked(stmt.Text(5));
  if (event.ok()) row.event = *std::move(event);
  return row;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::Create(const std::string& path,
                                                             const std::string& vfs, Tail* tail) {
  std::unique_ptr<LogReader> reader(new LogReader(tail));
  OUTBOARD_ASSIGN_OR_RETURN(reader->db_, OpenForReading(path, vfs));
  OUTBOARD_RETURN_IF_ERROR(reader->log_.Prepare(
      *reader->db_,
      "SELECT \"offset\", accepted_us, event FROM log WHERE \"offset\" >= ?1 AND \"offset\" < ?2 "
      "ORDER BY \"offset\" LIMIT ?3"));
  OUTBOARD_RETURN_IF_ERROR(
      reader->one_.Prepare(*reader->db_, "SELECT event FROM log WHERE \"offset\" = ?1"));
  OUTBOARD_RETURN_IF_ERROR(
      reader->row_.Prepare(*reader->db_, "SELECT event FROM held WHERE id = ?1"));
  OUTBOARD_RETURN_IF_ERROR(reader->held_.Prepare(
      *reader->db_,
      "SELECT id, due_us, \"offset\", accepted_us, attempts, event FROM held "
      "WHERE queue = ?1 AND due_us IS NOT NULL ORDER BY due_us, accepted_us, id"));
  OUTBOARD_RETURN_IF_ERROR(reader->moved_.Prepare(
      *reader->db_,
      "SELECT id, \"offset\", accepted_us, attempts FROM held "
      "WHERE queue = ?1 AND due_us IS NULL AND id < ?2 ORDER BY \"offset\", id"));
  return reader;
}

absl::StatusOr<Event> LogReader::ReadOne(uint64_t offset) { return ReadEvent(one_, offset); }

absl::StatusOr<Event> LogReader::ReadRow(int64_t row) {
  return ReadEvent(row_, static_cast<uint64_t>(row));
}

absl::StatusOr<Event> LogReader::ReadEvent(Stmt& stmt, uint64_t key) {
  ResetAtEnd reset(stmt);
  OUTBOARD_ASSIGN_OR_RETURN(const bool row, stmt.Bind(1, key).Step());
  if (!row) return absl::NotFoundError(absl::StrCat("no event at ", key));
  absl::StatusOr<Event> event = Event::FromChecked(stmt.Text(0));
  return event.ok() ? *std::move(event) : Event();
}

HeldRow LogReader::Current() const { return RowOf(held_); }

absl::StatusOr<std::vector<HeldRow>> LogReader::ReadMoved(int64_t queue, int64_t below) {
  ResetAtEnd reset(moved_);
  moved_.Bind(1, queue).Bind(2, below);
  std::vector<HeldRow> rows;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, moved_.Step());
    if (!more) return rows;
    HeldRow row;
    row.id = moved_.Int(0);
    row.offset = moved_.UInt(1);
    row.accepted_at = FromMicros(moved_.Int(2));
    row.attempts = static_cast<uint32_t>(moved_.Int(3));
    rows.push_back(std::move(row));
  }
}

}  // namespace outboard::bus

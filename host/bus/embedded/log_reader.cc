#include "host/bus/embedded/log_reader.h"

#include "absl/strings/str_cat.h"
#include "host/bus/embedded/schema.h"

namespace outboard::bus {

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::Create(const std::string& path,
                                                             const std::string& vfs, Tail* tail,
                                                             const Caution* caution) {
  std::unique_ptr<LogReader> reader(new LogReader(tail, caution));
  OUTBOARD_ASSIGN_OR_RETURN(reader->db_, OpenForReading(path, vfs));
  OUTBOARD_RETURN_IF_ERROR(reader->log_.Prepare(
      *reader->db_,
      "SELECT \"offset\", accepted_us, event FROM log WHERE \"offset\" >= ?1 AND \"offset\" < ?2 "
      "ORDER BY \"offset\" LIMIT ?3"));
  OUTBOARD_RETURN_IF_ERROR(reader->one_.Prepare(
      *reader->db_, "SELECT event, \"offset\" FROM log WHERE \"offset\" = ?1"));
  OUTBOARD_RETURN_IF_ERROR(
      reader->row_.Prepare(*reader->db_, "SELECT event, \"offset\" FROM held WHERE id = ?1"));
  OUTBOARD_RETURN_IF_ERROR(reader->held_.Prepare(
      *reader->db_,
      "SELECT id, due_us, \"offset\", accepted_us, attempts, event FROM held "
      "WHERE queue = ?1 AND due_us IS NOT NULL ORDER BY due_us, \"offset\", id"));
  OUTBOARD_RETURN_IF_ERROR(
      reader->moved_.Prepare(*reader->db_,
                             "SELECT id, \"offset\", accepted_us, attempts FROM held "
                             "WHERE queue = ?1 AND due_us IS NULL AND parked IS NULL AND id < ?2 "
                             "ORDER BY \"offset\", id"));
  return reader;
}

Event LogReader::Decode(absl::string_view bytes) {
  absl::StatusOr<Event> event = Event::FromChecked(std::string(bytes));
  if (event.ok()) return *std::move(event);
  why_empty_ = {"UNDECODABLE", "the file of the bus has no well-formed event here", ""};
  return Event();
}

absl::StatusOr<Event> LogReader::ReadOne(uint64_t offset) { return ReadEvent(kLog, one_, offset); }

absl::StatusOr<Event> LogReader::ReadRow(int64_t row) {
  return ReadEvent(kHeld, row_, static_cast<uint64_t>(row));
}

absl::StatusOr<Event> LogReader::ReadEvent(const char* table, Stmt& stmt, uint64_t key) {
  ResetAtEnd reset(stmt);
  OUTBOARD_ASSIGN_OR_RETURN(const bool row, stmt.Bind(1, key).Step());
  if (!row) return absl::NotFoundError(absl::StrCat("no event at ", key));
  Event event;
  Read(table, key, stmt.UInt(1), stmt.Bytes(0), [&](bool read) {
    if (read) event = Decode(stmt.Bytes(0));
  });
  return event;
}

HeldRow LogReader::Current() {
  HeldRow row;
  row.id = held_.Int(0);
  row.offset = held_.UInt(2);
  row.accepted_at = FromMicros(held_.Int(3));
  row.attempts = static_cast<uint32_t>(held_.Int(4));
  Read(kHeld, static_cast<uint64_t>(row.id), row.offset, held_.Bytes(5), [&](bool read) {
    if (read) row.event = Decode(held_.Bytes(5));
  });
  return row;
}

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

#include "host/bus/embedded/sqlite.h"

#include "absl/strings/str_cat.h"
#include "host/base/status.h"

namespace outboard::bus {
namespace {

absl::StatusCode CodeOf(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL: return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return absl::StatusCode::kDataLoss;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
    case SQLITE_IOERR: return absl::StatusCode::kUnavailable;
    default: return absl::StatusCode::kInternal;
  }
}

absl::string_view FixOf(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL: return ": the disk is full, make space";
    case SQLITE_CORRUPT: return ": the file is damaged, restore it from a backup";
    case SQLITE_NOTADB: return ": this is no SQLite file";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: return ": check that the folder exists and this user may write to it";
    case SQLITE_IOERR: return ": the disk or its file system failed, or the file may not grow";
    default: return "";
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Db>> Db::Open(const std::string& path, int flags,
                                             const std::string& vfs) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX,
                                   vfs.empty() ? nullptr : vfs.c_str());
  if (handle == nullptr) return absl::UnavailableError("out of memory");
  std::unique_ptr<Db> db(new Db(handle, path));
  if (code != SQLITE_OK) return db->Error("open");
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, 5000);
  return db;
}

Db::~Db() { sqlite3_close(db_); }

absl::Status Db::Error(absl::string_view doing) const {
  const int code = sqlite3_errcode(db_);
  return absl::Status(CodeOf(code),
                      absl::StrCat(path_, ": ", doing, ": ", sqlite3_errmsg(db_), FixOf(code)));
}

absl::Status Db::Exec(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK)
    return absl::OkStatus();
  return Error(absl::StrCat("'", sql.substr(0, 40), "'"));
}

absl::StatusOr<int64_t> Db::Number(const std::string& sql) {
  Stmt stmt;
  OUTBOARD_RETURN_IF_ERROR(stmt.Prepare(*this, sql));
  OUTBOARD_ASSIGN_OR_RETURN(const bool row, stmt.Step());
  return row ? stmt.Int(0) : 0;
}

absl::Status Stmt::Prepare(Db& db, const std::string& sql) {
  db_ = &db;
  sqlite3_finalize(stmt_);
  stmt_ = nullptr;
  if (sqlite3_prepare_v3(db.handle(), sql.c_str(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &stmt_, nullptr) == SQLITE_OK) {
    return absl::OkStatus();
  }
  return db.Error(absl::StrCat("'", sql.substr(0, 60), "'"));
}

absl::StatusOr<bool> Stmt::Step() {
  const int code = sqlite3_step(stmt_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return db_->Error("step");
}

absl::Status Stmt::Run() {
  const int code = sqlite3_step(stmt_);
  absl::Status status;
  if (code != SQLITE_DONE && code != SQLITE_ROW) status = db_->Error("write");
  sqlite3_reset(stmt_);
  return status;
}

}  // namespace outboard::bus

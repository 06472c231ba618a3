#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outboard::bus {

// One connection to an SQLite file. One thread at a time.
class Db {
 public:
  // `flags` as sqlite3_open_v2; `vfs` empty: the default one.
  static absl::StatusOr<std::unique_ptr<Db>> Open(const std::string& path, int flags,
                                                  const std::string& vfs);
  ~Db();
  Db(const Db&) = delete;
  Db& operator=(const Db&) = delete;

  sqlite3* handle() const { return db_; }
  const std::string& path() const { return path_; }
  // Runs statements without results.
  absl::Status Exec(const std::string& sql);
  // The first column of the first row; 0 if there is no row.
  absl::StatusOr<int64_t> Number(const std::string& sql);
  // What went wrong last. RESOURCE_EXHAUSTED: disk full. DATA_LOSS: corrupt or no database.
  // UNAVAILABLE: the rest of I/O.
  absl::Status Error(absl::string_view doing) const;

 private:
  Db(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}

  sqlite3* const db_;
  const std::string path_;
};

// A prepared statement of one Db, which outlives it. Bind, Step until it says no, then Reset. Bound
// text and blobs must live until Reset.
class Stmt {
 public:
  Stmt() = default;
  ~Stmt() { sqlite3_finalize(stmt_); }
  Stmt(const Stmt&) = delete;
  Stmt& operator=(const Stmt&) = delete;

  absl::Status Prepare(Db& db, const std::string& sql);

  Stmt& Bind(int index, int64_t value) {
    sqlite3_bind_int64(stmt_, index, value);
    return *this;
  }
  Stmt& Bind(int index, uint64_t value) { return Bind(index, static_cast<int64_t>(value)); }
  Stmt& Bind(int index, int value) { return Bind(index, static_cast<int64_t>(value)); }
  Stmt& BindText(int index, absl::string_view text) {
    sqlite3_bind_text(stmt_, index, text.data() == nullptr ? "" : text.data(),
                      static_cast<int>(text.size()), SQLITE_STATIC);
    return *this;
  }
  Stmt& BindBlob(int index, absl::string_view bytes) {
    sqlite3_bind_blob(stmt_, index, bytes.data() == nullptr ? "" : bytes.data(),
                      static_cast<int>(bytes.size()), SQLITE_STATIC);
    return *this;
  }
  Stmt& BindDouble(int index, double value) {
    sqlite3_bind_double(stmt_, index, value);
    return *this;
  }
  Stmt& BindNull(int index) {
    sqlite3_bind_null(stmt_, index);
    return *this;
  }

  // True: a row is there.
  absl::StatusOr<bool> Step();
  // SQLITE_ROW, SQLITE_DONE or an error: for hot loops.
  int StepCode() { return sqlite3_step(stmt_); }
  void Reset() { sqlite3_reset(stmt_); }
  // Steps once and resets: for statements without results.
  absl::Status Run();

  int64_t Int(int column) const { return sqlite3_column_int64(stmt_, column); }
  uint64_t UInt(int column) const { return static_cast<uint64_t>(Int(column)); }
  double Double(int column) const { return sqlite3_column_double(stmt_, column); }
  // SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB or SQLITE_NULL.
  int Type(int column) const { return sqlite3_column_type(stmt_, column); }
  bool IsNull(int column) const { return Type(column) == SQLITE_NULL; }
  // Valid until the next Step or Reset.
  absl::string_view Bytes(int column) const {
    const void* data = sqlite3_column_blob(stmt_, column);
    return {static_cast<const char*>(data),
            static_cast<size_t>(sqlite3_column_bytes(stmt_, column))};
  }
  std::string Text(int column) const { return std::string(Bytes(column)); }

 private:
  Db* db_ = nullptr;
  sqlite3_stmt* stmt_ = nullptr;
};

// Resets a statement when the scope ends, so that no snapshot stays open.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Stmt& stmt) : stmt_(stmt) {}
  ~ResetAtEnd() { stmt_.Reset(); }

 private:
  Stmt& stmt_;
};

}  // namespace outboard::bus

#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace outboard::sqlite {

// One prepared statement. Used again and again: bind, step until done, Reset().
class Statement {
 public:
  Statement() = default;
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(Statement&& other) noexcept : statement_(other.statement_) {
    other.statement_ = nullptr;
  }
  Statement& operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    return *this;
  }

  // Bound values must live until Reset().
  void Bind(int place, std::string_view text);
  void BindBlob(int place, const void* bytes, size_t size);
  void Bind(int place, int64_t number) { sqlite3_bind_int64(statement_, place, number); }
  void Bind(int place, double number) { sqlite3_bind_double(statement_, place, number); }

  // SQLITE_ROW, SQLITE_DONE, or what went wrong.
  int Step() { return sqlite3_step(statement_); }
  int64_t Integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string_view Text(int column) const;
  double Real(int column) const { return sqlite3_column_double(statement_, column); }
  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  void Reset() { sqlite3_reset(statement_); }

 private:
  friend class Database;
  sqlite3_stmt* statement_ = nullptr;
};

// One connection to a file. Its statements die before it. One thread at a time.
class Database {
 public:
  Database() = default;
  ~Database() { Close(); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // These say whether it went well; LastError() what did not.
  bool Open(const std::string& path);
  bool Execute(const char* sql);
  bool Prepare(const char* sql, Statement* statement);
  void Close();

  bool is_open() const { return connection_ != nullptr; }
  int64_t last_row() const { return sqlite3_last_insert_rowid(connection_); }
  int changes() const { return sqlite3_changes(connection_); }
  bool busy() const;
  std::string LastError() const;

 private:
  sqlite3* connection_ = nullptr;
};

}  // namespace outboard::sqlite

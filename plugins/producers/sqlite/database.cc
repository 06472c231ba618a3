#include "plugins/producers/sqlite/database.h"

#include <utility>

namespace outboard::sqlite {

void Statement::Bind(int place, std::string_view text) {
  sqlite3_bind_text64(statement_, place, text.data() == nullptr ? "" : text.data(), text.size(),
                      SQLITE_STATIC, SQLITE_UTF8);
}

void Statement::BindBlob(int place, const void* bytes, size_t size) {
  sqlite3_bind_blob64(statement_, place, bytes, size, SQLITE_STATIC);
}

std::string_view Statement::Text(int column) const {
  const void* text = sqlite3_column_text(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return {static_cast<const char*>(text), static_cast<size_t>(size)};
}

bool Database::Open(const std::string& path) {
  Close();
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  return sqlite3_open_v2(path.c_str(), &connection_, kFlags, nullptr) == SQLITE_OK;
}

bool Database::Execute(const char* sql) {
  return sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

bool Database::Prepare(const char* sql, Statement* statement) {
  Statement prepared;
  if (sqlite3_prepare_v3(connection_, sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared.statement_,
                         nullptr) != SQLITE_OK) {
    return false;
  }
  *statement = std::move(prepared);
  return true;
}

void Database::Close() {
  sqlite3_close_v2(connection_);
  connection_ = nullptr;
}

bool Database::busy() const { return (sqlite3_errcode(connection_) & 0xff) == SQLITE_BUSY; }

std::string Database::LastError() const { return sqlite3_errmsg(connection_); }

}  // namespace outboard::sqlite

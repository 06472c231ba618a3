#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "host/bus/embedded/sqlite.h"

namespace outboard::bus {

// "OutB": what `PRAGMA application_id` says in our files.
inline constexpr int kApplicationId = 0x4F757442;

// How the file looks in one version, and how each older one becomes the next.
// docs/reference/embedded-file.md.
struct Schema {
  int version = 0;
  std::string create;                   // SQL that makes a new file.
  std::vector<std::string> migrations;  // [v]: SQL from version v to v + 1.
};
const Schema& CurrentSchema();

enum class Synchronous { kFull, kNormal, kOff };

// Opens the file for writing, makes it if it is not there, migrates it if it is older: a copy is
// left beside it, named <file>.v<version>, and all steps are one transaction. FAILED_PRECONDITION:
// made by a newer version, or not ours. DATA_LOSS: damaged, or no SQLite file at all. Nothing is
// changed then.
absl::StatusOr<std::unique_ptr<Db>> OpenForWriting(const std::string& path, const std::string& vfs,
                                                   Synchronous synchronous, const Schema& schema);
// A connection that only reads, with little memory. The file is open for writing in this process.
absl::StatusOr<std::unique_ptr<Db>> OpenForReading(const std::string& path, const std::string& vfs);

}  // namespace outboard::bus

#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "host/base/mutex.h"

namespace outboard::bus {

// A file system for SQLite that fails as disks do. Files lie in the real file system; beside that
// it knows which writes were synced, so that it can say what a power loss at any moment would have
// left. Registered under name() while it lives; all connections are closed before. Any thread.
class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  const std::string& name() const { return name_; }

  // Every write, truncate and sync fails with this SQLite code until it is SQLITE_OK again.
  void FailWrites(int code) { fail_ = code; }
  // Every sync fails, and what it was for is never written, though it can be read: as the kernel
  // does it when the disk fails.
  void LoseSyncs(bool on) { lose_syncs_ = on; }
  // Nothing can be opened or read.
  void FailReads(bool on) { fail_reads_ = on; }
  // All files together may have at most this many bytes; beyond it SQLITE_FULL. 0: no limit.
  void SetQuota(uint64_t bytes) { quota_ = bytes; }

  // The power goes at the n-th write or sync from now: what is left is decided by `seed`, and from
  // then on all fails.
  void CrashAt(uint64_t n, uint64_t seed);
  bool crashed() const { return crashed_; }
  // Ends the power now, if it has not gone yet.
  void CrashNow();
  // Writes what the power loss left into the folder, by the files' base names.
  void WriteSurvivors(const std::string& folder);

  uint64_t operations() const { return operations_; }
  uint64_t syncs() const { return syncs_; }

  // What SQLite's calls do; see fault_vfs.cc.
  struct Change {
    uint64_t offset = 0;
    std::string bytes;      // Written, unless
    bool truncate = false;  // the file was cut at `offset`.
  };
  struct Model {
    std::string path;
    std::string synced;
    std::vector<Change> unsynced;
    uint64_t size = 0;
    bool there = true;
  };
  std::shared_ptr<Model> Find(const std::string& path) OUTBOARD_EXCLUDES(mu_);
  void Forget(const std::string& path) OUTBOARD_EXCLUDES(mu_);
  int Written(Model* model, Change change) OUTBOARD_EXCLUDES(mu_);
  int Synced(Model* model) OUTBOARD_EXCLUDES(mu_);
  bool Readable() const { return !crashed_ && !fail_reads_; }
  sqlite3_vfs* real() const { return real_; }

 private:
  int Count() OUTBOARD_REQUIRES(mu_);
  void Crash() OUTBOARD_REQUIRES(mu_);
  uint64_t Total() const OUTBOARD_REQUIRES(mu_);

  std::string name_;
  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs vfs_{};
  std::atomic<int> fail_{SQLITE_OK};
  std::atomic<bool> lose_syncs_{false};
  std::atomic<bool> fail_reads_{false};
  std::atomic<uint64_t> quota_{0};
  std::atomic<bool> crashed_{false};
  std::atomic<uint64_t> operations_{0};
  std::atomic<uint64_t> syncs_{0};
  Mutex mu_;
  uint64_t crash_at_ OUTBOARD_GUARDED_BY(mu_) = 0;
  std::mt19937_64 random_ OUTBOARD_GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<Model>> models_ OUTBOARD_GUARDED_BY(mu_);
  std::map<std::string, std::string> survivors_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::bus

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/lane/record.h"
#include "host/lineage/row.h"

namespace outboard::lineage {

struct StoreOptions {
  std::string folder;       // Is there. The files are lineage.jsonl and lineage.1.jsonl.
  uint64_t rows = 100'000;  // At most so many are kept, the newest, and at least half of them.
  Duration age = std::chrono::hours(24 * 7);  // Older ones are not found, and go with their file.
  const Clock* clock = nullptr;               // Not owned, any thread. Required.
  uint64_t bytes = 256 << 20;                 // Of both files, however few rows that are.
  // Waiting to be written; beyond it rows are dropped and counted.
  size_t max_waiting = 16'384;
  size_t max_waiting_bytes = 32 << 20;               // Of events.
  Duration gather = std::chrono::milliseconds(100);  // Rows are written together.
};

// Records in two files: one that grows, and the one before it. What was written outlives the
// process; when that is killed the last `gather` is lost, and a line that was cut off is left out.
// A failed disk costs rows and holds up nobody.
class Store {
 public:
  // UNAVAILABLE: the files cannot be made.
  static absl::StatusOr<std::unique_ptr<Store>> Open(StoreOptions options);
  // Writes what waits.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  struct Entry {
    std::string lane;
    lane::Record record;
  };
  // Any thread; never waits for a disk.
  void Add(std::vector<Entry> entries) OUTBOARD_EXCLUDES(mu_);

  struct Found {
    std::vector<Row> rows;      // Of these events, in the order of writing.
    std::vector<Row> parents;   // In which one of these events was emitted.
    std::optional<Time> since;  // Of the oldest row that is kept; nothing: there is none.
  };
  // With all that was added before. Any thread; reads the files.
  absl::StatusOr<Found> Find(const absl::flat_hash_set<std::string>& ids)
      OUTBOARD_EXCLUDES(mu_, file_mu_);

  struct Counters {
    uint64_t written = 0;
    uint64_t dropped = 0;  // There was no room for them, or the disk failed.
  };
  Counters counters() const { return {written_.load(), dropped_.load()}; }

 private:
  explicit Store(StoreOptions options);
  absl::Status OpenFile() OUTBOARD_EXCLUDES(file_mu_);
  void Run() OUTBOARD_EXCLUDES(mu_, file_mu_);
  void WriteWaiting() OUTBOARD_EXCLUDES(mu_) OUTBOARD_REQUIRES(file_mu_);
  void Tidy() OUTBOARD_REQUIRES(file_mu_);
  absl::Status Append(const std::string& lines) OUTBOARD_REQUIRES(file_mu_);
  absl::Status BeginFile() OUTBOARD_REQUIRES(file_mu_);
  std::string PathOf(int number) const;

  const StoreOptions options_;
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> dropped_{0};

  Mutex file_mu_;  // Before mu_.
  int fd_ OUTBOARD_GUARDED_BY(file_mu_) = -1;
  uint64_t rows_ OUTBOARD_GUARDED_BY(file_mu_) = 0;  // In the file that grows,
  uint64_t bytes_ OUTBOARD_GUARDED_BY(file_mu_) = 0;
  Time begun_ OUTBOARD_GUARDED_BY(file_mu_){};  // whose first row is of then.
  // No row of the other one is younger; nothing: there is no other.
  std::optional<Time> former_last_ OUTBOARD_GUARDED_BY(file_mu_);
  bool cut_off_ OUTBOARD_GUARDED_BY(file_mu_) = false;  // The last line may lack its end.
  bool failing_ OUTBOARD_GUARDED_BY(file_mu_) = false;

  Mutex mu_;
  CondVar work_;
  std::vector<Entry> waiting_ OUTBOARD_GUARDED_BY(mu_);
  size_t waiting_bytes_ OUTBOARD_GUARDED_BY(mu_) = 0;
  bool stop_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace outboard::lineage

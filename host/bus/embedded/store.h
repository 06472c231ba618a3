#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/bus/bus.h"
#include "host/bus/embedded/queue.h"
#include "host/bus/embedded/sqlite.h"

namespace outboard::bus {

// A lane as the file has it.
struct LaneRow {
  std::string name;
  int64_t queue = 0;
  bool declared = false;
  Mode mode = Mode::kPool;
  bool reliable = true;
};
// A queue as the file has it.
struct QueueRow {
  int64_t id = 0;
  Ledger::Progress at;
  Queue::Counts counts;
  Segments segments;
};
// How a lane gave an event up.
struct Death {
  DeadReason why;
  Time at{};
  uint32_t attempts = 0;
  std::string history = {};  // What is added to it; as in attempts.h.
  std::string key = {};      // Later events of it wait; empty: none does.
};
// Where the log begins and ends. sum_before: bytes ever accepted before `first`.
struct LogEnds {
  uint64_t first = 0;
  uint64_t next = 1;
  Time last_accepted{};
  uint64_t sum_before = 0;
  uint64_t sum_all = 0;
};

inline int64_t ToMicros(Time time) { return time.time_since_epoch().count(); }
inline Time FromMicros(int64_t micros) { return Time(Duration(micros)); }

// When a committed transaction is on disk. A crash of the process takes neither back.
enum class Sync {
  kNow,    // When Commit returns, as far as the file was opened with FULL.
  kLater,  // With the next one that is kNow, or a checkpoint: a power loss takes it and all since.
};

// DATA_LOSS, with the fix.
absl::Status Damaged(const Db& db, absl::string_view what);

// What producers said of an event, by lane; `read` has the columns lane, at and at_us.
std::pair<std::string, Placed> ReadPlaced(const Stmt& read);

// The file as its writer sees it: one connection, every statement prepared. Knows rows, not rules.
// One thread.
class Store {
 public:
  static absl::StatusOr<std::unique_ptr<Store>> Create(std::unique_ptr<Db> db);

  absl::Status Begin(Sync sync = Sync::kNow);
  absl::Status Commit();
  // Also when nothing has begun.
  void Rollback();

  absl::Status InsertLog(uint64_t offset, Time accepted_at, uint64_t sum_bytes,
                         absl::string_view event);
  absl::Status DeleteLogBelow(uint64_t offset);
  absl::StatusOr<LogEnds> Ends();
  // sum_bytes and accepted_us of an event in the log. NOT_FOUND.
  absl::Status ReadMark(uint64_t offset, uint64_t* sum_bytes, Time* accepted_at);

  // Where a producer put an event of the log; what it said before is replaced.
  absl::Status SavePlaced(uint64_t offset, const std::string& lane, const Placed& placed);

  absl::Status SaveQueue(int64_t id, const Ledger::Progress& at, const Queue::Counts& counts);
  absl::Status InsertQueue(const QueueRow& row);
  absl::Status DeleteQueue(int64_t id);  // With its segments and held rows.
  absl::Status SaveSegments(int64_t queue, const Segments& segments);
  absl::StatusOr<std::vector<QueueRow>> ReadQueues();

  absl::Status SaveLane(const LaneRow& row);
  absl::Status DeleteLane(const std::string& name);
  absl::StatusOr<std::vector<LaneRow>> ReadLanes();

  // Copies an event of the log to a row of its own; due: nothing while it is handed out, or parked
  // behind a dead letter of this key.
  absl::StatusOr<int64_t> HoldFromLog(int64_t queue, uint64_t offset, uint32_t attempts,
                                      const Time* due, absl::string_view history,
                                      const std::string& parked = "");
  // The row waits behind a dead letter of this key; empty: it is due at once.
  absl::Status Park(int64_t row, const std::string& key);
  // Rows of this key up to this place are due at once; how many. The second: all of the queue.
  absl::StatusOr<uint64_t> Unpark(int64_t queue, const std::string& key, uint64_t up_to);
  absl::Status UnparkAll(int64_t queue);
  int64_t next_held() const { return next_held_; }
  // Adds to the row's history.
  absl::Status Reschedule(int64_t row, uint32_t attempts, Time due, absl::string_view history);
  absl::Status DeleteHeld(int64_t row);
  // Where in the log a held event was; 0: nowhere, it is a replayed letter. NOT_FOUND.
  absl::StatusOr<uint64_t> OffsetOfHeld(int64_t row);

  // Dead letters; each also counts in the lane's row. NOT_FOUND: the event is not there.
  absl::Status BuryFromLog(const std::string& lane, uint64_t offset, const Death& death);
  absl::Status BuryFromHeld(const std::string& lane, int64_t row, const Death& death);
  absl::Status BuryBytes(const std::string& lane, absl::string_view event, Time accepted_at,
                         const Death& death);
  absl::Status CountDead(const std::string& lane, int64_t more);
  // The letter's event becomes a held row of the queue, due at once, or parked behind an older
  // letter of this key.
  absl::Status Exhume(int64_t letter, int64_t queue, const std::string& parked);
  absl::Status DeleteDead(int64_t letter);
  // What the letter's replay gives back; empty: its own event. NOT_FOUND.
  absl::Status EditDead(uint64_t letter, absl::string_view event);

  absl::StatusOr<int64_t> Meta(const std::string& key, int64_t otherwise);
  absl::Status SetMeta(const std::string& key, int64_t value);
  absl::Status DeleteMeta(const std::string& key);

  // Writes some pages and takes them away again: OK if the disk has room and works.
  absl::Status Probe();
  // What a probe that was cut off has left.
  absl::Status EndProbe();
  // Bytes in use in the file.
  absl::StatusOr<uint64_t> UsedBytes();
  // Pages in the write-ahead log after the last commit.
  int wal_pages() const { return wal_pages_; }
  // Moves the write-ahead log into the file as far as readers let it.
  absl::Status Checkpoint() { return Checkpoint(SQLITE_CHECKPOINT_PASSIVE); }
  Db& db() { return *db_; }

 private:
  explicit Store(std::unique_ptr<Db> db) : db_(std::move(db)) {}
  absl::Status PrepareAll();
  absl::Status RunOne(Stmt& stmt, absl::string_view what);
  absl::Status Checkpoint(int mode);
  absl::Status SetSync(Sync sync);
  static void BindDeath(const Death& death, Stmt& stmt);

  std::unique_ptr<Db> db_;  // Before the statements, which it outlives.
  Stmt begin_, commit_, rollback_;
  Stmt insert_log_, delete_log_, read_mark_, page_count_, free_count_;
  Stmt save_placed_, delete_placed_, offset_of_held_;
  Stmt save_queue_, save_lane_;
  Stmt hold_, reschedule_, delete_held_, park_, unpark_, unpark_all_;
  Stmt bury_log_, bury_held_, bury_bytes_, count_dead_, exhume_, delete_dead_, edit_dead_,
      set_meta_;
  int64_t next_held_ = 1;
  uint64_t page_size_ = 0;
  bool full_ = false;       // The file was opened with FULL.
  Sync sync_ = Sync::kNow;  // Of the transaction under way, or the next.
  bool unsynced_ = false;   // Something since the last sync was committed with kLater.
  bool sync_lost_ = false;  // A sync failed while that was so.
  int wal_pages_ = 0;
};

}  // namespace outboard::bus

#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/base/mutex.h"
#include "host/bus/bus.h"
#include "host/bus/embedded/books.h"
#include "host/bus/embedded/lock_file.h"
#include "host/bus/embedded/schema.h"
#include "host/bus/embedded/tail.h"
#include "host/bus/embedded/writer.h"
#include "host/bus/probation.h"

namespace outboard::bus {

struct EmbeddedBusOptions {
  std::string path;  // A folder; made if it is not there. The file is `bus.sqlite` in it.
  Synchronous synchronous = Synchronous::kFull;
  Retention retention;
  const Clock* clock = nullptr;    // Not owned, any thread. Required.
  Probation* probation = nullptr;  // Not owned. Null: there is none.
  // For tests: SQLite's VFS, empty for the default one; at how many pages of 8 KiB the write-ahead
  // log moves into the file; after how many events retention is looked at; how many
  // dead letters one step of a replay or a purge is about; when events that outstay others move to
  // rows of their own.
  std::string vfs;
  int checkpoint_pages = 2048;
  uint64_t tidy_every = 2048;
  int64_t dead_step = 2000;
  Ledger::Limits limits;
};

// The durable bus of one host: an SQLite file. What a publish or a settlement was confirmed for is
// on disk; docs/reference/embedded-file.md says how. One process at a time.
class EmbeddedBus final : public Bus {
 public:
  // FAILED_PRECONDITION: in use, of a newer version, or another program's file. DATA_LOSS: damaged.
  // UNAVAILABLE: not accessible.
  static absl::StatusOr<std::unique_ptr<EmbeddedBus>> Open(EmbeddedBusOptions options);
  // Consumers are gone by then. Publishes and settlements under way are still made.
  ~EmbeddedBus() override;

  absl::Status Declare(const std::vector<LaneSpec>& lanes) override;
  std::unique_ptr<Consumer> NewConsumer() override;
  void PublishWithReceipts(std::vector<Event> events, std::weak_ptr<ReceiptSink> sink,
                           PublishDone done) override;
  BusInfo Info() override;
  absl::StatusOr<std::vector<LaneInfo>> Lanes() override;
  absl::StatusOr<std::map<std::string, uint64_t>> DeadCounts() override;
  absl::StatusOr<Forgotten> ForgetLane(const std::string& name, Remainder remainder) override;
  absl::StatusOr<std::vector<DeadLetter>> ListDead(const DeadFilter& filter, uint64_t after,
                                                   size_t limit, uint64_t* total) override;
  absl::Status ForEachDead(const DeadFilter& filter,
                           const std::function<void(const DeadLetter&)>& visit) override;
  absl::StatusOr<Replayed> ReplayBatch(const DeadFilter& filter, size_t limit) override;
  absl::Status EditDead(uint64_t id, const Event& event) override;
  absl::StatusOr<uint64_t> PurgeDead(const DeadFilter& filter) override;
  absl::StatusOr<std::vector<LoggedEvent>> ReadLog(uint64_t from, size_t limit) override;
  absl::StatusOr<FoundEvents> FindEvents(const absl::flat_hash_set<std::string>& ids) override;
  uint64_t NextOffset() override { return tail_.next(); }

 private:
  EmbeddedBus(EmbeddedBusOptions options, std::string file, LockFile lock);
  absl::Status Start();
  absl::StatusOr<bool> ReadDead(const DeadFilter& filter, uint64_t* after, size_t limit,
                                const std::function<void(DeadLetter)>& found)
      OUTBOARD_EXCLUDES(reader_mu_);
  absl::StatusOr<LaneInfo> Describe(const Lane& lane, bool owns_queue)
      OUTBOARD_REQUIRES(reader_mu_);
  absl::StatusOr<std::optional<Time>> OldestInLog(int64_t queue, const Segments& segments,
                                                  const std::vector<uint64_t>& unsettled,
                                                  uint64_t ended_to) OUTBOARD_REQUIRES(reader_mu_);
  // find_events.cc
  struct HeldRow;
  absl::Status FindInLog(const absl::flat_hash_set<std::string>& ids, FoundEvents* out)
      OUTBOARD_EXCLUDES(reader_mu_);
  absl::StatusOr<std::vector<HeldRow>> FindHeld(const absl::flat_hash_set<std::string>& ids)
      OUTBOARD_EXCLUDES(reader_mu_);
  absl::Status AddLetter(const HeldRow& row, Standing* standing) OUTBOARD_EXCLUDES(reader_mu_);
  absl::Status AddStandings(const std::vector<HeldRow>& held, FoundEvents* out)
      OUTBOARD_EXCLUDES(reader_mu_);

  const EmbeddedBusOptions options_;
  const std::string file_;
  const LockFile lock_;
  Catalog catalog_;
  Tail tail_;
  Caution caution_{options_.probation};
  Mutex reader_mu_;
  std::unique_ptr<Db> reader_ OUTBOARD_GUARDED_BY(reader_mu_);
  // For each queue: nothing of it in the log below this, from where the search began.
  std::unordered_map<int64_t, uint64_t> searched_ OUTBOARD_GUARDED_BY(reader_mu_);
  std::unique_ptr<Writer> writer_;  // Ends first.
};

}  // namespace outboard::bus

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/bus/bus.h"
#include "host/bus/embedded/caution.h"
#include "host/bus/embedded/matcher.h"
#include "host/bus/embedded/queue.h"
#include "host/bus/embedded/store.h"
#include "host/bus/embedded/tail.h"
#include "host/bus/receipts.h"

namespace outboard::bus {

// What is kept how long.
struct Retention {
  uint64_t max_bytes = 10ull << 30;                // Of the file; publishing is refused beyond it.
  uint64_t keep_bytes = 1ull << 30;                // Of events that all lanes have settled,
  Duration keep_age = std::chrono::hours(24 * 7);  // and how long.
};

// Everything that the writer's thread owns: the file, the queues, where the log ends. No locks but
// the catalog's.
struct Books {
  std::unique_ptr<Store> store;
  Catalog* catalog = nullptr;
  Tail* tail = nullptr;
  Caution* caution = nullptr;
  const Clock* clock = nullptr;
  Retention retention;
  Ledger::Limits limits;
  int checkpoint_pages = 0;
  uint64_t tidy_every = 0;

  std::vector<std::unique_ptr<Queue>>
      queues;  // By number, which the matcher uses; those that are gone stay.
  int64_t next_queue_id = 1;
  Matcher matcher;            // Queues that take new events.
  uint64_t first_offset = 1;  // Of the log.
  uint64_t next_offset = 1;   // As committed.
  uint64_t sum_bytes = 0;     // Of all events ever.
  uint64_t used_bytes = 0;    // Of the file.
  Time last_accepted{};
  Receipts receipts;

  // Reads all from the file.
  absl::Status Load();
  Queue* AddQueue(QueueRow row, bool reliable);
  // After segments changed.
  void RebuildMatcher();

  // The time at which an event accepted now counts; never goes back.
  Time Accept();
  // The file is nearly as large as it may be.
  bool pressed() const { return used_bytes > retention.max_bytes / 10 * 9; }
  // Nothing of the log below this is needed by any queue.
  uint64_t NeededFrom() const;
  // Where the queue stands, if events in the log wait for it.
  static uint64_t NeededFrom(const Queue& queue, uint64_t next_offset);
  // A lane that consumes the queue, a declared one if there is any.
  std::string LaneOf(const Queue& queue) const;
  // The lane that holds most of the log; empty if none does.
  std::string SlowestLane() const;
  // Dead letters that events of their keys wait behind, of each queue.
  absl::Status LoadLetters();
  // Makes a dead letter of the event of a row of `held`, or where `row` is 0 at an offset of the
  // log. What hosts died of is convicted: also where the letter is purged.
  absl::Status Bury(const std::string& lane, uint64_t offset, int64_t row, const Death& death);
  // What is convicted may be decoded again, once this transaction and Caution say so.
  absl::Status Acquit(uint64_t offset);
  absl::Status LoadConvicted();
  // Runs `work` as one transaction.
  template <typename Fn>
  absl::Status InTransaction(Fn work) {
    absl::Status status = store->Begin();
    if (status.ok()) status = work();
    if (status.ok()) status = store->Commit();
    if (!status.ok()) store->Rollback();
    return status;
  }
};

// Bus::Declare.
absl::Status DeclareLanes(Books& books, const std::vector<LaneSpec>& lanes);

// Bus::ForgetLane, in steps of bounded size: call until `*finished`. Adds to `forgotten`.
absl::Status ForgetSome(Books& books, const std::string& name, Remainder remainder,
                        Forgotten* forgotten, bool* finished);

// How far a walk over dead letters has come. It is about those that are there at its first step:
// what dies later, a second time too, is none of its business.
struct DeadWalk {
  int64_t step = 0;                // At most so many letters a step; > 0.
  uint64_t after = 0;              // Letters up to this id are behind it.
  std::optional<uint64_t> last{};  // The greatest id that it is about; the first step sets it.
  uint64_t count = 0;              // Letters that were given back or deleted.
  uint64_t stayed = 0;             // Letters that were not, as no route makes their lanes.
  uint64_t found = 0;              // The greatest id of all these.
  bool finished = false;           // There are no more.
};

// Bus::ReplayDead and PurgeDead, in steps: call until walk->finished.
absl::Status ReplaySome(Books& books, const DeadFilter& filter, DeadWalk* walk);
absl::Status PurgeSome(Books& books, const DeadFilter& filter, DeadWalk* walk);
// FAILED_PRECONDITION if the filter names a lane, or the id of a letter of a lane, that is not
// declared.
absl::Status CheckReplay(Books& books, const DeadFilter& filter);

// Deletes a bounded part of what need not be kept any more. True: there is more to delete.
absl::StatusOr<bool> DeleteSettled(Books& books);

// What SQL finds of a DeadFilter: all but the group and what is asked of the event.
class DeadCondition {
 public:
  // Values are bound from number `first` on.
  DeadCondition(const DeadFilter& filter, int first);
  const std::string& sql() const { return sql_; }
  void Bind(Stmt* stmt) const;
  // The filter takes every row that SQL finds.
  static bool IsWhole(const DeadFilter& filter);

 private:
  void Add(absl::string_view before, std::variant<uint64_t, int64_t, std::string> value);

  const int first_;
  std::string sql_ = "1";
  std::vector<std::variant<uint64_t, int64_t, std::string>> values_;
};

// Columns of a letter, and the letter in a row of them.
inline constexpr char kDeadColumns[] =
    "id, lane, reason, message, detail, attempts, accepted_us, died_us, event, \"offset\", "
    "version, "
    "history, edited";
// Decodes nothing that is convicted.
DeadLetter ReadLetter(const Stmt& row, const Caution& caution);

}  // namespace outboard::bus

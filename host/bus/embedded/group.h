#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/bus/bus.h"
#include "host/bus/embedded/books.h"
#include "host/bus/embedded/inbox.h"

namespace outboard::bus {

// Publishes of one caller.
struct PublishCall {
  std::vector<Event> events;
  std::weak_ptr<ReceiptSink> sink;
  Bus::PublishDone done;
  std::vector<PublishResult> results;
};

// What goes into one transaction: publishes, settlements with emits, retries and dead letters,
// cursors. Commit makes all of it or nothing; where it cannot be made whole, it tries once more
// without what adds to the log, so that a full disk can drain. Belongs to the writer's thread.
class Group {
 public:
  explicit Group(Books& books) : books_(books) {}

  std::vector<PublishCall> calls;
  std::vector<std::unique_ptr<SettleBatch>> batches;

  // Fills in the results of calls and batches. OK if all of it was made.
  absl::Status Commit();
  // What the log has got; null if nothing. After Commit.
  std::shared_ptr<const Tail::Chunk> TakeChunk() { return std::move(chunk_); }
  // For the next group.
  void Clear();

 private:
  absl::Status Attempt(bool with_new);
  bool OnlyEnds() const;
  absl::Status WriteAll(bool with_new);
  absl::Status Append(const Event& event, uint64_t reserve, PublishResult* result);
  absl::Status RoomFor(uint64_t bytes, uint64_t reserve);
  void ApplyTaken();
  absl::Status Apply(SettleBatch& batch, Ending& ending, bool with_new);
  absl::Status ApplyExtra(SettleBatch& batch, Ending& ending, bool with_new);
  absl::Status Retry(const Ending& ending, const Settlement& settlement, uint64_t offset,
                     int64_t row);
  absl::Status Park(const Ending& ending, Extra* extra, uint64_t offset, int64_t row);
  // In the log, of an event there or in a row.
  absl::StatusOr<uint64_t> PlaceOf(uint64_t offset, int64_t row);
  absl::Status Emit(const std::vector<Event>& emits);
  absl::Status Bury(const Ending& ending, const Extra& extra, uint64_t offset, int64_t row);
  absl::Status Record(const Ending& ending, const Extra& extra, uint64_t offset, int64_t row,
                      bool with_new);
  void NoteReceipt(const Ending& ending, const Extra* extra, uint64_t offset);
  absl::Status MoveStragglers(Queue* queue);
  void EndInLog(Queue* queue, uint64_t seq);
  void EndMissing(const Ending& ending, const absl::Status& status);
  void EndRow(Queue* queue, const Ending& ending);
  void Touch(Queue* queue);
  void Made();
  void Undo();

  Books& books_;
  std::shared_ptr<Tail::Chunk> chunk_;
  std::vector<Queue*> dirty_;
  std::vector<std::pair<Queue*, uint64_t>> ended_;       // Sequence numbers ended in ledgers.
  std::vector<std::pair<Queue*, uint64_t>> moved_here_;  // Moved to rows.
  std::vector<std::pair<Queue*, uint64_t>> moved_away_;  // Their rows are gone or retries now.
  struct Letter {
    Queue* queue;
    std::string key;
    uint64_t place;
  };
  std::vector<Letter> letters_here_;                    // That hold their keys.
  std::vector<std::pair<uint64_t, Receipt>> receipts_;  // By offset, for who waits.
  uint64_t sum_bytes_ = 0;
  size_t unsynced_ends_ = 0;  // Since the last group that was synced.
  absl::Status no_room_;      // Made once a group.
};

}  // namespace outboard::bus

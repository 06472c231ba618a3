#include "host/bus/embedded/group.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/attempts.h"

namespace outboard::bus {
namespace {

// What a row costs beside the event's bytes.
constexpr uint64_t kRowOverhead = 32;

// How many ends a power loss may take back.
constexpr size_t kMaxUnsyncedEnds = 65'536;

// What callers are told: the codes of the port. A status of its own for each, since they go to
// other threads.
absl::Status ForCallers(const absl::Status& status) {
  if (status.ok()) return absl::OkStatus();
  if (absl::IsResourceExhausted(status)) return absl::ResourceExhaustedError(status.message());
  return absl::UnavailableError(status.message());
}

}  // namespace

absl::Status Group::Commit() {
  ApplyTaken();
  const bool settles = std::any_of(batches.begin(), batches.end(),
                                   [](const auto& batch) { return !batch->endings.empty(); });
  if (calls.empty() && !settles && dirty_.empty()) return absl::OkStatus();
  absl::Status status = Attempt(true);
  if (status.ok()) return status;
  absl::Status failed = ForCallers(status);
  for (PublishCall& call : calls) {
    call.results.clear();
    call.results.resize(call.events.size());
    for (PublishResult& result : call.results) result.status = ForCallers(failed);
  }
  if (batches.empty()) return failed;
  (void)books_.store->Checkpoint();  // May make room in the write-ahead log.
  const absl::Status again = Attempt(false);
  for (auto& batch : batches) {
    batch->status = ForCallers(again);
    for (Extra& extra : batch->extras) {
      if (again.ok() && !extra.settlement.emits.empty()) extra.status = ForCallers(failed);
    }
  }
  return failed;
}

// Nothing but plain ends: no publishes, emits, retries, dead letters. Where a producer put an event
// goes the way of its end.
//
// Such a group need not be on disk when it is answered, which spares a sync for which a publish
// would have to wait: a power loss that takes it back makes its events come again. It takes all
// that followed back as well, since the write-ahead log is one chain. So whatever relies on such an
// end is either synced, and the end with it, or gone too: a publish confirmed later, retention that
// deletes the event from the log, the mark of a clean end (a synced transaction of its own). A
// checkpoint syncs the write-ahead log before it writes to the file.
bool Group::OnlyEnds() const {
  return calls.empty() && std::all_of(batches.begin(), batches.end(), [](const auto& batch) {
           return std::all_of(batch->extras.begin(), batch->extras.end(), [](const Extra& extra) {
             return (extra.settlement.end == End::kDone || extra.settlement.end == End::kDropped) &&
                    extra.settlement.emits.empty();
           });
         });
}

absl::Status Group::Attempt(bool with_new) {
  const bool later = OnlyEnds() && unsynced_ends_ < kMaxUnsyncedEnds;
  absl::Status status = books_.store->Begin(later ? Sync::kLater : Sync::kNow);
  if (status.ok()) status = WriteAll(with_new);
  if (status.ok()) status = books_.store->Commit();
  if (status.ok()) {
    if (!later) unsynced_ends_ = 0;
    for (const auto& batch : batches) unsynced_ends_ += later ? batch->endings.size() : 0;
    Made();
  } else {
    books_.store->Rollback();
    Undo();
  }
  return status;
}

absl::Status Group::WriteAll(bool with_new) {
  sum_bytes_ = books_.sum_bytes;
  no_room_ = absl::OkStatus();
  if (with_new) {
    for (PublishCall& call : calls) {
      call.results.assign(call.events.size(), PublishResult{});
      for (size_t i = 0; i < call.events.size(); ++i) {
        OUTBOARD_RETURN_IF_ERROR(Append(call.events[i], 0, &call.results[i]));
      }
    }
  }
  for (auto& batch : batches) {
    for (Ending& ending : batch->endings) {
      absl::Status status = Apply(*batch, ending, with_new);
      if (absl::IsNotFound(status)) {
        EndMissing(ending, status);
      } else if (!status.ok()) {
        return status;
      }
    }
  }
  for (size_t i = 0; i < dirty_.size(); ++i) {
    Queue* queue = dirty_[i];
    if (queue->gone) continue;
    OUTBOARD_RETURN_IF_ERROR(MoveStragglers(queue));
    OUTBOARD_RETURN_IF_ERROR(books_.store->SaveQueue(queue->id, queue->ledger.Now(), queue->now));
  }
  return absl::OkStatus();
}

void Group::Clear() {
  calls.clear();
  batches.clear();
  chunk_ = nullptr;
}

// Facts, not rows: they hold whether the transaction does or not.
void Group::ApplyTaken() {
  const Time now = books_.clock->Now();
  for (auto& batch : batches) {
    for (const SettleBatch::Taken& taken : batch->taken) {
      Queue* queue = taken.queue;
      // Closed and opened by another meanwhile: its ledger is not about these any more.
      if (queue->holder.inbox != batch->from || queue->holder.slot != taken.slot) continue;
      queue->ledger.Take(taken.offsets, taken.scanned_to, now);
      if (!queue->ledger.Stragglers(now, books_.pressed()).empty()) Touch(queue);
    }
  }
}

absl::Status Group::RoomFor(uint64_t bytes, uint64_t reserve) {
  const uint64_t used = books_.used_bytes + (sum_bytes_ - books_.sum_bytes);
  if (used + bytes <= books_.retention.max_bytes + reserve) return absl::OkStatus();
  if (no_room_.ok()) {
    const std::string lane = books_.SlowestLane();
    no_room_ = absl::ResourceExhaustedError(
        absl::StrCat("the bus holds ", used, " of at most ", books_.retention.max_bytes, " bytes",
                     lane.empty() ? "" : absl::StrCat(", most of them for lane '", lane, "'"),
                     ": let it catch up, forget it, or raise bus.max_bytes"));
  }
  return ForCallers(no_room_);
}

// An event that does not fit is refused alone; an error means that nothing more can be written.
absl::Status Group::Append(const Event& event, uint64_t reserve, PublishResult* result) {
  result->status = RoomFor(event.size() + kRowOverhead, reserve);
  if (!result->status.ok()) return absl::OkStatus();
  if (!chunk_) {
    chunk_ = std::make_shared<Tail::Chunk>();
    chunk_->first = books_.next_offset;
    chunk_->accepted_at = books_.Accept();
  }
  const uint64_t offset = chunk_->end();
  sum_bytes_ += event.size();
  OUTBOARD_RETURN_IF_ERROR(
      books_.store->InsertLog(offset, chunk_->accepted_at, sum_bytes_, event.bytes()));
  chunk_->events.push_back(event);
  chunk_->bytes += event.size();
  result->offset = offset;
  for (const uint32_t number : books_.matcher.Match(event.source(), event.type())) {
    Queue* queue = books_.queues[number].get();
    if (offset < queue->takes_from || chunk_->accepted_at < queue->not_before) continue;
    if (queue->reliable) {
      ++queue->now.backlog;
      ++result->reporting;
    } else if (queue->holder.inbox != nullptr) {
      ++queue->matched_now;
    } else {
      continue;
    }
    ++result->matched;
    Touch(queue);
  }
  return absl::OkStatus();
}

void Group::Touch(Queue* queue) {
  if (queue->dirty) return;
  queue->dirty = true;
  dirty_.push_back(queue);
}

void Group::EndInLog(Queue* queue, uint64_t seq) {
  queue->ledger.End(seq);
  ended_.emplace_back(queue, seq);
}

absl::Status Group::Apply(SettleBatch& batch, Ending& ending, bool with_new) {
  Queue* queue = ending.queue;
  if (queue->gone) return absl::OkStatus();
  Touch(queue);
  if (ending.extra != Ending::kNoExtra) return ApplyExtra(batch, ending, with_new);
  if (const uint64_t offset = ending.kind == KeyKind::kLog ? queue->ledger.Find(ending.key) : 0;
      offset != 0) {
    NoteReceipt(ending, nullptr, offset);
    EndInLog(queue, ending.key);
    --queue->now.backlog;
    return absl::OkStatus();
  }
  int64_t row = static_cast<int64_t>(ending.key);
  if (ending.kind == KeyKind::kLog) {
    const auto moved = queue->moved.find(ending.key);
    if (moved == queue->moved.end()) return absl::OkStatus();  // Ended before.
    row = moved->second;
  }
  if (!books_.receipts.empty()) {
    OUTBOARD_ASSIGN_OR_RETURN(const uint64_t offset, books_.store->OffsetOfHeld(row));
    NoteReceipt(ending, nullptr, offset);
  }
  OUTBOARD_RETURN_IF_ERROR(books_.store->DeleteHeld(row));
  EndRow(queue, ending);
  --queue->now.backlog;
  return absl::OkStatus();
}

// Its row is not in the file, which is damaged or was edited: it has ended, and holds up nothing.
void Group::EndMissing(const Ending& ending, const absl::Status& status) {
  LogError("bus", "a settled event is not in the file", {{"error", std::string(status.message())}});
  Queue* queue = ending.queue;
  if (ending.kind == KeyKind::kLog && queue->ledger.Find(ending.key) != 0) {
    EndInLog(queue, ending.key);
  }
  if (queue->now.backlog > 0) --queue->now.backlog;
}

// The row of a delivery is gone.
void Group::EndRow(Queue* queue, const Ending& ending) {
  --queue->now.held;
  if (ending.kind == KeyKind::kLog) moved_away_.emplace_back(queue, ending.key);
}

absl::Status Group::ApplyExtra(SettleBatch& batch, Ending& ending, bool with_new) {
  Queue* queue = ending.queue;
  Extra& extra = batch.extras[ending.extra];
  Settlement& settlement = extra.settlement;
  extra.status = absl::OkStatus();
  if (!settlement.emits.empty()) {
    if (!with_new) return absl::OkStatus();
    uint64_t bytes = 0;
    for (const Event& emit : settlement.emits) bytes += emit.size() + kRowOverhead;
    // Emits may use more than publishers: otherwise a full bus could not be drained.
    extra.status = RoomFor(bytes, books_.retention.max_bytes / 10);
    if (!extra.status.ok()) return absl::OkStatus();
  }
  // Where the event is: in the log, in a row, or nowhere (unreliable).
  uint64_t offset = 0;
  int64_t row = 0;
  if (ending.kind == KeyKind::kRow) {
    row = static_cast<int64_t>(ending.key);
  } else if (ending.kind == KeyKind::kLog) {
    offset = queue->ledger.Find(ending.key);
    if (offset == 0) {
      const auto moved = queue->moved.find(ending.key);
      if (moved == queue->moved.end()) return absl::OkStatus();  // Ended before.
      row = moved->second;
    }
  }
  if (ending.end == End::kRetry && !extra.key.empty()) return Park(ending, &extra, offset, row);
  if (ending.end == End::kRetry) return Retry(ending, settlement, offset, row);
  OUTBOARD_RETURN_IF_ERROR(Emit(settlement.emits));
  if (ending.end == End::kDead) OUTBOARD_RETURN_IF_ERROR(Bury(ending, extra, offset, row));
  OUTBOARD_RETURN_IF_ERROR(Record(ending, extra, offset, row, with_new));
  if (offset != 0) {
    EndInLog(queue, ending.key);
  } else if (row != 0) {
    OUTBOARD_RETURN_IF_ERROR(books_.store->DeleteHeld(row));
    EndRow(queue, ending);
  } else {
    return absl::OkStatus();
  }
  --queue->now.backlog;
  return absl::OkStatus();
}

// Where a producer put the event, and for who waits how it ended.
absl::Status Group::Record(const Ending& ending, const Extra& extra, uint64_t offset, int64_t row,
                           bool with_new) {
  const std::unique_ptr<Placed>& placed = extra.settlement.placed;
  if (row != 0 && (placed || !books_.receipts.empty())) {
    OUTBOARD_ASSIGN_OR_RETURN(offset, books_.store->OffsetOfHeld(row));
  }
  // Where there is no room for it the end counts more.
  if (offset != 0 && placed && with_new) {
    OUTBOARD_RETURN_IF_ERROR(books_.store->SavePlaced(offset, extra.lane, *placed));
  }
  NoteReceipt(ending, &extra, offset);
  return absl::OkStatus();
}

void Group::NoteReceipt(const Ending& ending, const Extra* extra, uint64_t offset) {
  if (!books_.receipts.Expects(offset)) return;
  Receipt receipt;
  if (extra != nullptr) receipt = Receipt::Of(extra->settlement);
  receipt.end = ending.end;
  receipt.lane =
      extra == nullptr || extra->lane.empty() ? books_.LaneOf(*ending.queue) : extra->lane;
  receipts_.emplace_back(offset, std::move(receipt));
}

absl::Status Group::Retry(const Ending& ending, const Settlement& settlement, uint64_t offset,
                          int64_t row) {
  Queue* queue = ending.queue;
  const std::string history = ToHistory(settlement.tried.get());
  if (row != 0) {
    OUTBOARD_RETURN_IF_ERROR(
        books_.store->Reschedule(row, settlement.attempts, settlement.due, history));
    if (ending.kind == KeyKind::kLog) moved_away_.emplace_back(queue, ending.key);
    return absl::OkStatus();
  }
  OUTBOARD_RETURN_IF_ERROR(
      books_.store->HoldFromLog(queue->id, offset, settlement.attempts, &settlement.due, history)
          .status());
  EndInLog(queue, ending.key);
  ++queue->now.held;
  return absl::OkStatus();
}

// Behind a dead letter of its key; if that is gone by now, it is due at once.
absl::Status Group::Park(const Ending& ending, Extra* extra, uint64_t offset, int64_t row) {
  Queue* queue = ending.queue;
  OUTBOARD_ASSIGN_OR_RETURN(const uint64_t place, PlaceOf(offset, row));
  extra->parked = queue->letters.Waits(extra->key, place);
  const std::string key = extra->parked ? extra->key : "";
  if (row != 0) {
    OUTBOARD_RETURN_IF_ERROR(books_.store->Park(row, key));
    if (ending.kind == KeyKind::kLog) moved_away_.emplace_back(queue, ending.key);
  } else {
    const Time at_once{};
    OUTBOARD_RETURN_IF_ERROR(books_.store
                                 ->HoldFromLog(queue->id, offset, extra->settlement.attempts,
                                               extra->parked ? nullptr : &at_once, "", key)
                                 .status());
    EndInLog(queue, ending.key);
    ++queue->now.held;
  }
  queue->now.parked += extra->parked ? 1 : 0;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Group::PlaceOf(uint64_t offset, int64_t row) {
  if (row == 0) return offset;
  return books_.store->OffsetOfHeld(row);
}

absl::Status Group::Emit(const std::vector<Event>& emits) {
  for (const Event& emit : emits) {
    PublishResult ignored;
    OUTBOARD_RETURN_IF_ERROR(Append(emit, kNoEnd / 2, &ignored));
  }
  return absl::OkStatus();
}

absl::Status Group::Bury(const Ending& ending, const Extra& extra, uint64_t offset, int64_t row) {
  const Settlement& settlement = extra.settlement;
  const Death death{settlement.dead ? *settlement.dead : DeadReason{"UNKNOWN", "", ""},
                    books_.clock->Now(), settlement.attempts, ToHistory(settlement.tried.get()),
                    extra.key};
  if (offset == 0 && row == 0)
    return books_.store->BuryBytes(extra.lane, extra.event.bytes(), extra.accepted_at, death);
  OUTBOARD_RETURN_IF_ERROR(books_.Bury(extra.lane, offset, row, death));
  if (extra.key.empty()) return absl::OkStatus();
  OUTBOARD_ASSIGN_OR_RETURN(const uint64_t place, PlaceOf(offset, row));
  ending.queue->letters.Hold(extra.key, place);
  letters_here_.push_back({ending.queue, extra.key, place});
  return absl::OkStatus();
}

absl::Status Group::MoveStragglers(Queue* queue) {
  for (const uint64_t seq : queue->ledger.Stragglers(books_.clock->Now(), books_.pressed())) {
    OUTBOARD_ASSIGN_OR_RETURN(
        const int64_t row,
        books_.store->HoldFromLog(queue->id, queue->ledger.Find(seq), 0, nullptr, ""));
    EndInLog(queue, seq);
    queue->moved[seq] = row;
    moved_here_.emplace_back(queue, seq);
    ++queue->now.held;
  }
  return absl::OkStatus();
}

void Group::Made() {
  for (auto& [offset, receipt] : receipts_) {
    const Receipts::Listener listener = books_.receipts.Take(offset);
    if (listener.sink) listener.sink->OnReceipt(listener.event, std::move(receipt));
  }
  for (const PublishCall& call : calls) {
    if (call.sink.expired()) continue;
    for (size_t i = 0; i < call.results.size(); ++i) {
      const PublishResult& result = call.results[i];
      if (result.status.ok()) books_.receipts.Expect(result.offset, call.sink, i, result.reporting);
    }
  }
  for (const auto& [queue, seq] : moved_away_) queue->moved.erase(seq);
  for (Queue* queue : dirty_) {
    queue->saved = queue->now;
    queue->in_memory += queue->matched_now;
    queue->matched_now = 0;
    queue->dirty = false;
    queue->ledger.Trim();
  }
  if (chunk_) {
    books_.next_offset = chunk_->end();
    books_.sum_bytes = sum_bytes_;
  }
  receipts_.clear();
  dirty_.clear();
  ended_.clear();
  moved_here_.clear();
  moved_away_.clear();
  letters_here_.clear();
}

void Group::Undo() {
  for (const Letter& letter : letters_here_) letter.queue->letters.Free(letter.key, letter.place);
  for (const auto& [queue, seq] : ended_) queue->ledger.Unend(seq);
  for (const auto& [queue, seq] : moved_here_) queue->moved.erase(seq);
  for (Queue* queue : dirty_) {
    queue->now = queue->saved;
    queue->matched_now = 0;
    queue->dirty = false;
  }
  chunk_ = nullptr;
  receipts_.clear();
  dirty_.clear();
  ended_.clear();
  moved_here_.clear();
  moved_away_.clear();
  letters_here_.clear();
}

}  // namespace outboard::bus

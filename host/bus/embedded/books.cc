#include "host/bus/embedded/books.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"

namespace outboard::bus {
namespace {

// Keys of `meta`; an offset of the log follows.
constexpr char kConvicted[] = "convicted ";

}  // namespace

absl::Status Books::Load() {
  OUTBOARD_ASSIGN_OR_RETURN(const LogEnds ends, store->Ends());
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<QueueRow> queue_rows, store->ReadQueues());
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<LaneRow> lane_rows, store->ReadLanes());
  OUTBOARD_ASSIGN_OR_RETURN(used_bytes, store->UsedBytes());
  OUTBOARD_ASSIGN_OR_RETURN(const int64_t clean, store->Meta("clean", 0));
  first_offset = ends.first;
  next_offset = ends.next;
  sum_bytes = ends.sum_all;
  last_accepted = ends.last_accepted;
  tail->Start(next_offset);

  std::map<int64_t, bool> reliable;
  for (const LaneRow& lane : lane_rows) reliable[lane.queue] = lane.reliable;
  std::map<int64_t, Queue*> by_id;
  for (QueueRow row : queue_rows) {
    // What may have been handed out before the host was cut off is not known.
    if (clean == 0) row.at.taken_to = next_offset;
    const int64_t id = row.id;
    if (id == INT64_MAX) return Damaged(store->db(), "a queue has the last id there is");
    by_id[id] = AddQueue(std::move(row), !reliable.contains(id) || reliable[id]);
  }
  {
    MutexLock lock(catalog->mu());
    for (const LaneRow& row : lane_rows) {
      if (!by_id.contains(row.queue)) {
        return Damaged(store->db(), absl::StrCat("lane '", row.name, "' has no queue"));
      }
      catalog->lanes()[row.name] = {
          row.name, row.mode, row.reliable, row.declared, by_id.at(row.queue), false};
    }
  }
  RebuildMatcher();
  OUTBOARD_RETURN_IF_ERROR(LoadConvicted());
  return LoadLetters();
}

absl::Status Books::LoadConvicted() {
  Stmt read;
  OUTBOARD_RETURN_IF_ERROR(read.Prepare(
      store->db(), absl::StrCat("SELECT value FROM meta WHERE key GLOB '", kConvicted, "*'")));
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, read.Step());
    if (!more) return absl::OkStatus();
    caution->Convict(read.UInt(0));
  }
}

absl::Status Books::Bury(const std::string& lane, uint64_t offset, int64_t row,
                         const Death& death) {
  OUTBOARD_RETURN_IF_ERROR(row == 0 ? store->BuryFromLog(lane, offset, death)
                                    : store->BuryFromHeld(lane, row, death));
  if (death.why.reason != kHostCrash) return absl::OkStatus();
  if (row != 0) {
    // What people made of it is in no log.
    OUTBOARD_ASSIGN_OR_RETURN(
        const int64_t place,
        store->db().Number(absl::StrCat(
            "SELECT CASE WHEN original IS NULL THEN \"offset\" END FROM held WHERE id=", row)));
    offset = static_cast<uint64_t>(place);
  }
  if (offset == 0) return absl::OkStatus();
  // Though the transaction may come to nothing: hosts died of it.
  caution->Convict(offset);
  return store->SetMeta(absl::StrCat(kConvicted, offset), static_cast<int64_t>(offset));
}

absl::Status Books::Acquit(uint64_t offset) {
  return store->DeleteMeta(absl::StrCat(kConvicted, offset));
}

absl::Status Books::LoadLetters() {
  for (const auto& queue : queues) queue->letters = ParkedKeys();
  Stmt read;
  OUTBOARD_RETURN_IF_ERROR(
      read.Prepare(store->db(), "SELECT lane, key, \"offset\" FROM dead WHERE key IS NOT NULL"));
  MutexLock lock(catalog->mu());
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, read.Step());
    if (!more) return absl::OkStatus();
    const auto lane = catalog->lanes().find(read.Text(0));
    if (lane != catalog->lanes().end())
      lane->second.queue->letters.Hold(read.Text(1), read.UInt(2));
  }
}

Queue* Books::AddQueue(QueueRow row, bool reliable) {
  next_queue_id = std::max(next_queue_id, row.id + 1);
  auto queue = std::make_unique<Queue>(row.id, reliable, Ledger(std::move(row.at), limits),
                                       std::move(row.segments));
  queue->now = queue->saved = row.counts;
  queues.push_back(std::move(queue));
  return queues.back().get();
}

void Books::RebuildMatcher() {
  matcher = Matcher();
  for (uint32_t number = 0; number < queues.size(); ++number) {
    if (queues[number]->gone) continue;
    const auto segments = queues[number]->segments();
    if (segments->empty() || segments->back().end != kNoEnd) continue;
    queues[number]->takes_from = segments->back().begin;
    queues[number]->not_before = segments->back().not_before;
    matcher.Set(number, segments->back().filters);
  }
}

Time Books::Accept() {
  last_accepted = std::max(last_accepted, clock->Now());
  return last_accepted;
}

uint64_t Books::NeededFrom(const Queue& queue, uint64_t next_offset) {
  if (queue.gone || !queue.reliable || queue.saved.backlog <= queue.saved.held) return next_offset;
  return queue.ledger.cursor();
}

uint64_t Books::NeededFrom() const {
  uint64_t needed = next_offset;
  for (const auto& queue : queues) needed = std::min(needed, NeededFrom(*queue, next_offset));
  return needed;
}

std::string Books::SlowestLane() const {
  const Queue* slowest = nullptr;
  uint64_t needed = next_offset;
  for (const auto& queue : queues) {
    const uint64_t from = NeededFrom(*queue, next_offset);
    if (from >= needed) continue;
    needed = from;
    slowest = queue.get();
  }
  return slowest == nullptr ? "" : LaneOf(*slowest);
}

std::string Books::LaneOf(const Queue& queue) const {
  std::string orphan;
  MutexLock lock(catalog->mu());
  for (const auto& [name, lane] : catalog->lanes()) {
    if (lane.queue != &queue) continue;
    if (lane.declared) return name;
    orphan = name;
  }
  return orphan;
}

}  // namespace outboard::bus

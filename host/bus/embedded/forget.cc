#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/embedded/books.h"
#include "host/bus/lane_groups.h"

namespace outboard::bus {
namespace {

constexpr uint64_t kForgetStep = 2000;
const DeadReason kForgotten = {"LANE_FORGOTTEN", "its lane was forgotten", ""};

// The letter of what hosts died of says that first: it is not decoded then.
Death DeathAt(const Books& books, uint64_t offset, uint32_t attempts = 0) {
  return {books.caution->WhyNot(offset).value_or(kForgotten), books.clock->Now(), attempts};
}

const Segment* SegmentOf(const Segments& segments, uint64_t offset) {
  for (const Segment& segment : segments) {
    if (offset >= segment.begin && offset < segment.end) return &segment;
  }
  return nullptr;
}

// Buries what waits in the log from at->ended_to on, at most `limit`; moves at->ended_to on.
absl::Status BuryLog(Books& books, const std::string& lane, const Queue& queue, uint64_t limit,
                     Ledger::Progress* at, uint64_t* buried) {
  const auto segments = queue.segments();
  Stmt scan;
  OUTBOARD_RETURN_IF_ERROR(scan.Prepare(
      books.store->db(),
      "SELECT \"offset\", accepted_us, event FROM log WHERE \"offset\">=?1 ORDER BY \"offset\" "
      "LIMIT ?2"));
  scan.Bind(1, at->ended_to).Bind(2, limit);
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, scan.Step());
    if (!more) return absl::OkStatus();
    const uint64_t offset = scan.UInt(0);
    at->ended_to = offset + 1;
    const Segment* segment = SegmentOf(*segments, offset);
    if (segment == nullptr || FromMicros(scan.Int(1)) < segment->not_before) continue;
    std::optional<DeadReason> deadly;
    const Event event = books.caution->Peek(offset, scan.Bytes(2), &deadly);
    if (!event.empty() && !AnyMatches(segment->filters, event.source(), event.type())) continue;
    OUTBOARD_RETURN_IF_ERROR(
        books.Bury(lane, offset, 0, {deadly.value_or(kForgotten), books.clock->Now()}));
    ++*buried;
  }
}

absl::Status BuryHeld(Books& books, const std::string& lane, const Queue& queue, uint64_t limit,
                      uint64_t* buried, uint64_t* parked) {
  struct Row {
    int64_t id;
    uint64_t offset;
    uint32_t attempts;
  };
  std::vector<Row> rows;
  Stmt scan;
  OUTBOARD_RETURN_IF_ERROR(
      scan.Prepare(books.store->db(),
                   "SELECT id, \"offset\", attempts, parked IS NOT NULL FROM held WHERE queue=?1 "
                   "LIMIT ?2"));
  scan.Bind(1, queue.id).Bind(2, limit);
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, scan.Step());
    if (!more) break;
    rows.push_back({scan.Int(0), scan.UInt(1), static_cast<uint32_t>(scan.Int(2))});
    *parked += scan.UInt(3);
  }
  scan.Reset();
  for (const Row& row : rows) {
    OUTBOARD_RETURN_IF_ERROR(
        books.Bury(lane, row.offset, row.id, DeathAt(books, row.offset, row.attempts)));
    OUTBOARD_RETURN_IF_ERROR(books.store->DeleteHeld(row.id));
  }
  *buried += rows.size();
  return absl::OkStatus();
}

// One step of turning what a queue has into dead letters.
absl::Status BurySome(Books& books, const std::string& lane, Queue* queue, uint64_t* buried) {
  Ledger::Progress at = queue->ledger.Now();
  Queue::Counts counts = queue->saved;
  uint64_t from_log = 0, from_held = 0, parked = 0;
  const absl::Status status = books.InTransaction([&]() -> absl::Status {
    while (!at.unsettled.empty() && from_log < kForgetStep) {
      const uint64_t offset = at.unsettled.front();
      OUTBOARD_RETURN_IF_ERROR(books.Bury(lane, offset, 0, DeathAt(books, offset)));
      at.unsettled.erase(at.unsettled.begin());
      ++from_log;
    }
    if (at.unsettled.empty()) {
      OUTBOARD_RETURN_IF_ERROR(BuryLog(books, lane, *queue, kForgetStep, &at, &from_log));
    }
    at.cursor = at.unsettled.empty() ? at.ended_to : at.unsettled.front();
    OUTBOARD_RETURN_IF_ERROR(BuryHeld(books, lane, *queue, kForgetStep, &from_held, &parked));
    counts.parked -= std::min(counts.parked, parked);
    counts.held -= std::min(counts.held, from_held);
    counts.backlog -= std::min(counts.backlog, from_log + from_held);
    if (at.ended_to >= books.next_offset) counts.backlog = counts.held;
    return books.store->SaveQueue(queue->id, at, counts);
  });
  if (!status.ok()) return status;
  queue->ledger = Ledger(at, books.limits);
  queue->saved = queue->now = counts;
  *buried += from_log + from_held;
  return absl::OkStatus();
}

}  // namespace

absl::Status ForgetSome(Books& books, const std::string& name, Remainder remainder,
                        Forgotten* forgotten, bool* finished) {
  *finished = true;
  Queue* queue = nullptr;
  bool shared = false;
  {
    MutexLock lock(books.catalog->mu());
    const auto& lanes = books.catalog->lanes();
    const auto it = lanes.find(name);
    if (it == lanes.end()) {
      return absl::NotFoundError(absl::StrCat("no lane is called '", name,
                                              "': `outboard lane list` shows which there are"));
    }
    if (it->second.declared || it->second.open) {
      return absl::FailedPreconditionError(absl::StrCat(
          "lane '", name, "' is in use: take its route out of the configuration first"));
    }
    queue = it->second.queue;
    for (const auto& [other, lane] : lanes) shared |= other != name && lane.queue == queue;
  }
  const uint64_t left = shared ? 0 : queue->saved.backlog;
  if (left > 0 && remainder == Remainder::kRefuse) {
    return absl::FailedPreconditionError(
        absl::StrCat("lane '", name, "' has ", left,
                     " events left: discard them (--discard) or make "
                     "them dead letters (--to-dead)"));
  }
  if (left > 0 && remainder == Remainder::kToDead) {
    *finished = false;
    return BurySome(books, name, queue, &forgotten->to_dead);
  }
  OUTBOARD_RETURN_IF_ERROR(books.InTransaction([&]() -> absl::Status {
    OUTBOARD_RETURN_IF_ERROR(books.store->DeleteLane(name));
    return shared ? absl::OkStatus() : books.store->DeleteQueue(queue->id);
  }));
  forgotten->discarded += left;
  {
    MutexLock lock(books.catalog->mu());
    books.catalog->lanes().erase(name);
  }
  queue->gone = !shared;
  return absl::OkStatus();
}

}  // namespace outboard::bus

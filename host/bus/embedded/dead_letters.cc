#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/status.h"
#include "host/bus/attempts.h"
#include "host/bus/dead_filter.h"
#include "host/bus/embedded/books.h"
#include "host/bus/embedded/inbox.h"
#include "host/bus/probation.h"

namespace outboard::bus {
namespace {

constexpr int64_t kCheckStep = 2000;
constexpr int kKeyColumn = 13;  // Behind kDeadColumns.

bool Takes(const DeadFilter& filter, const DeadLetter& letter) {
  return TakesLetter(filter, letter) && TakesEvent(filter, letter.event);
}

struct Letter {
  int64_t id = 0;
  std::string lane;
  std::string key;  // Events of it that stand behind `place` wait for the letter; empty: none do.
  uint64_t place = 0;
};

// Letters that leave the file, and what waited behind them. Unless they are gone in the end, they
// hold their keys again.
class Leaving {
 public:
  ~Leaving() {
    for (const auto& [queue, gone] : freed_) {
      for (const auto& [key, place] : gone) queue->letters.Hold(key, place);
    }
  }
  void Add(Queue* queue, const Letter& letter) {
    if (letter.key.empty()) return;
    queue->letters.Free(letter.key, letter.place);
    freed_[queue].emplace_back(letter.key, letter.place);
  }
  // Where the queue's counts of parked rows change.
  int64_t& parked(Queue* queue) { return parked_[queue]; }
  absl::Status Unpark(Store& store) {
    for (const auto& [queue, gone] : freed_) {
      std::set<std::string> keys;
      for (const auto& [key, place] : gone) keys.insert(key);
      for (const std::string& key : keys) {
        OUTBOARD_ASSIGN_OR_RETURN(const uint64_t rows,
                                  store.Unpark(queue->id, key, queue->letters.FreeUpTo(key)));
        parked_[queue] -= static_cast<int64_t>(rows);
      }
    }
    return absl::OkStatus();
  }
  // They are gone; `others`: queues that have new rows.
  void Tell(const std::map<Queue*, uint64_t>& others) {
    for (const auto& [queue, n] : others) freed_[queue];
    for (auto& [queue, gone] : freed_) {
      const int64_t parked = parked_[queue];
      queue->saved.parked = queue->now.parked =
          static_cast<uint64_t>(static_cast<int64_t>(queue->saved.parked) + parked);
      if (queue->holder.inbox) queue->holder.inbox->PostReplayed({queue, std::move(gone), parked});
    }
    freed_.clear();
  }

 private:
  std::map<Queue*, std::vector<std::pair<std::string, uint64_t>>> freed_;
  std::map<Queue*, int64_t> parked_;
};

// The letters among the next step's rows, which are behind the walk then. A walk that begins finds
// out where it ends.
absl::StatusOr<std::vector<Letter>> FindLetters(Books& books, const DeadFilter& filter,
                                                DeadWalk* walk) {
  if (!walk->last) {
    OUTBOARD_ASSIGN_OR_RETURN(const int64_t last,
                              books.store->db().Number("SELECT coalesce(max(id), 0) FROM dead"));
    walk->last = static_cast<uint64_t>(last);
  }
  const bool whole = DeadCondition::IsWhole(filter);
  const DeadCondition condition(filter, 4);
  Stmt stmt;
  OUTBOARD_RETURN_IF_ERROR(stmt.Prepare(
      books.store->db(), absl::StrCat("SELECT ", whole ? "id, lane" : kDeadColumns,
                                      ", key, \"offset\" FROM dead WHERE id > ?1 AND id <= ?2 AND ",
                                      condition.sql(), " ORDER BY id LIMIT ?3")));
  stmt.Bind(1, walk->after).Bind(2, *walk->last).Bind(3, walk->step);
  condition.Bind(&stmt);
  std::vector<Letter> letters;
  walk->finished = true;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, stmt.Step());
    if (!more) return letters;
    walk->finished = false;
    walk->after = stmt.UInt(0);
    const int key = whole ? 2 : kKeyColumn;
    if (whole || Takes(filter, ReadLetter(stmt, *books.caution)))
      letters.push_back({stmt.Int(0), stmt.Text(1), stmt.Text(key), stmt.UInt(key + 1)});
  }
}

std::map<std::string, Queue*> LanesOf(Books& books, bool declared_only) {
  std::map<std::string, Queue*> lanes;
  MutexLock lock(books.catalog->mu());
  for (const auto& [name, lane] : books.catalog->lanes()) {
    if (lane.declared || !declared_only) lanes[name] = lane.queue;
  }
  return lanes;
}

absl::Status NotDeclared(const std::string& lane) {
  return absl::FailedPreconditionError(
      absl::StrCat("lane '", lane,
                   "' is not declared: configure its route again before its letters are replayed"));
}

}  // namespace

DeadCondition::DeadCondition(const DeadFilter& filter, int first) : first_(first) {
  if (!filter.lane.empty()) Add("lane=", filter.lane);
  if (!filter.reason.empty()) Add("reason=", filter.reason);
  if (!filter.version.empty()) Add("version=", filter.version);
  if (!filter.route.empty()) Add("substr(lane, 1, instr(lane, '/') - 1)=", filter.route);
  if (!filter.target.empty()) Add("substr(lane, instr(lane, '/') + 1)=", filter.target);
  if (filter.died_after) Add("died_us>=", ToMicros(*filter.died_after));
  if (filter.died_before) Add("died_us<", ToMicros(*filter.died_before));
  if (filter.after != 0) Add("id>", filter.after);
  if (filter.up_to != 0) Add("id<=", filter.up_to);
  if (filter.ids.empty()) return;
  absl::StrAppend(&sql_, " AND id IN (",
                  absl::StrJoin(filter.ids, ",",
                                [](std::string* out, uint64_t id) {
                                  absl::StrAppend(out, static_cast<int64_t>(id));
                                }),
                  ")");
}

void DeadCondition::Add(absl::string_view before,
                        std::variant<uint64_t, int64_t, std::string> value) {
  absl::StrAppend(&sql_, " AND ", before, "?", first_ + static_cast<int>(values_.size()));
  values_.push_back(std::move(value));
}

void DeadCondition::Bind(Stmt* stmt) const {
  int at = first_;
  for (const auto& value : values_) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      stmt->BindText(at++, *text);
    } else if (const auto* number = std::get_if<uint64_t>(&value)) {
      stmt->Bind(at++, *number);
    } else {
      stmt->Bind(at++, std::get<int64_t>(value));
    }
  }
}

bool DeadCondition::IsWhole(const DeadFilter& filter) {
  return filter.group.empty() && !AsksForEvent(filter);
}

DeadLetter ReadLetter(const Stmt& row, const Caution& caution) {
  DeadLetter letter;
  letter.id = row.UInt(0);
  letter.lane = row.Text(1);
  letter.why = {row.Text(2), row.Text(3), row.Text(4), row.Text(10)};
  letter.attempts = static_cast<uint32_t>(row.Int(5));
  letter.accepted_at = FromMicros(row.Int(6));
  letter.died_at = FromMicros(row.Int(7));
  letter.offset = row.UInt(9);
  letter.history = FromHistory(row.Text(11));
  std::string edited = row.Text(12);
  const bool crashed = letter.why.reason == kHostCrash;
  if (crashed || caution.Convicted(letter.offset)) {
    // What hosts died of: a replay gave the edited event back.
    letter.raw = crashed && !edited.empty() ? std::move(edited) : row.Text(8);
    return letter;
  }
  if (!edited.empty()) letter.edited = Event::FromChecked(std::move(edited)).value_or(Event());
  absl::StatusOr<Event> event = Event::FromChecked(row.Text(8));
  if (event.ok()) {
    letter.event = *std::move(event);
  } else {
    letter.raw = row.Text(8);
  }
  return letter;
}

absl::Status CheckReplay(Books& books, const DeadFilter& filter) {
  const std::map<std::string, Queue*> declared = LanesOf(books, true);
  if (!filter.lane.empty() && !declared.contains(filter.lane)) return NotDeclared(filter.lane);
  if (filter.ids.empty()) return absl::OkStatus();
  for (DeadWalk walk{.step = kCheckStep};;) {
    OUTBOARD_ASSIGN_OR_RETURN(const std::vector<Letter> letters, FindLetters(books, filter, &walk));
    if (walk.finished) return absl::OkStatus();
    for (const Letter& letter : letters) {
      if (!declared.contains(letter.lane)) return NotDeclared(letter.lane);
    }
  }
}

absl::Status ReplaySome(Books& books, const DeadFilter& filter, DeadWalk* walk) {
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<Letter> letters, FindLetters(books, filter, walk));
  if (letters.empty()) return absl::OkStatus();
  const std::map<std::string, Queue*> declared = LanesOf(books, true);
  std::map<Queue*, uint64_t> more;
  uint64_t moved = 0;
  Leaving leaving;
  std::vector<uint64_t> acquitted;  // Before somebody reads the new rows.
  for (const Letter& letter : letters) {
    const auto lane = declared.find(letter.lane);
    if (lane == declared.end()) continue;
    leaving.Add(lane->second, letter);
    if (!books.caution->Convicted(letter.place)) continue;
    books.caution->Acquit(letter.place);
    acquitted.push_back(letter.place);
  }
  const absl::Status status = books.InTransaction([&]() -> absl::Status {
    for (const uint64_t offset : acquitted) OUTBOARD_RETURN_IF_ERROR(books.Acquit(offset));
    for (const Letter& letter : letters) {
      const auto lane = declared.find(letter.lane);
      if (lane == declared.end()) continue;
      Queue* queue = lane->second;
      const bool waits = !letter.key.empty() && queue->letters.Waits(letter.key, letter.place);
      OUTBOARD_RETURN_IF_ERROR(books.store->Exhume(letter.id, queue->id, waits ? letter.key : ""));
      OUTBOARD_RETURN_IF_ERROR(books.store->DeleteDead(letter.id));
      OUTBOARD_RETURN_IF_ERROR(books.store->CountDead(letter.lane, -1));
      leaving.parked(queue) += waits ? 1 : 0;
      ++more[queue];
      ++moved;
    }
    OUTBOARD_RETURN_IF_ERROR(leaving.Unpark(*books.store));
    for (const auto& [queue, n] : more) {
      const Queue::Counts counts{queue->saved.backlog + n, queue->saved.held + n};
      OUTBOARD_RETURN_IF_ERROR(books.store->SaveQueue(queue->id, queue->ledger.Now(), counts));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) {
    for (const uint64_t offset : acquitted) books.caution->Convict(offset);
    return status;
  }
  for (const auto& [queue, n] : more) {
    queue->saved.backlog += n;
    queue->saved.held += n;
    queue->now = queue->saved;
  }
  leaving.Tell(more);
  walk->count += moved;
  walk->stayed += letters.size() - moved;
  walk->found = static_cast<uint64_t>(letters.back().id);
  return absl::OkStatus();
}

absl::Status PurgeSome(Books& books, const DeadFilter& filter, DeadWalk* walk) {
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<Letter> letters, FindLetters(books, filter, walk));
  if (letters.empty()) return absl::OkStatus();
  const std::map<std::string, Queue*> lanes = LanesOf(books, false);
  Leaving leaving;
  for (const Letter& letter : letters) {
    if (const auto lane = lanes.find(letter.lane); lane != lanes.end())
      leaving.Add(lane->second, letter);
  }
  OUTBOARD_RETURN_IF_ERROR(books.InTransaction([&]() -> absl::Status {
    for (const Letter& letter : letters) {
      OUTBOARD_RETURN_IF_ERROR(books.store->DeleteDead(letter.id));
      OUTBOARD_RETURN_IF_ERROR(books.store->CountDead(letter.lane, -1));
    }
    return leaving.Unpark(*books.store);
  }));
  leaving.Tell({});
  walk->count += letters.size();
  return absl::OkStatus();
}

}  // namespace outboard::bus

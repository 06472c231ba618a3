#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/embedded/books.h"
#include "host/bus/embedded/inbox.h"

namespace outboard::bus {
namespace {

constexpr int64_t kCheckStep = 2000;

struct Letter {
  int64_t id = 0;
  std::string lane;
};

// The next step's letters. A walk that begins finds out where it ends.
absl::StatusOr<std::vector<Letter>> FindLetters(Books& books, const DeadFilter& filter,
                                                DeadWalk* walk) {
  if (!walk->last) {
    OUTBOARD_ASSIGN_OR_RETURN(const int64_t last,
                              books.store->db().Number("SELECT coalesce(max(id), 0) FROM dead"));
    walk->last = static_cast<uint64_t>(last);
  }
  Stmt stmt;
  OUTBOARD_RETURN_IF_ERROR(stmt.Prepare(
      books.store->db(), absl::StrCat("SELECT id, lane FROM dead WHERE id > ?1 AND id <= ?2 AND ",
                                      DeadCondition(filter, 4), " ORDER BY id LIMIT ?3")));
  stmt.Bind(1, walk->after).Bind(2, *walk->last).Bind(3, walk->step);
  BindDeadFilter(filter, 4, &stmt);
  std::vector<Letter> letters;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, stmt.Step());
    if (!more) return letters;
    letters.push_back({stmt.Int(0), stmt.Text(1)});
  }
}

std::map<std::string, Queue*> DeclaredLanes(Books& books) {
  std::map<std::string, Queue*> declared;
  MutexLock lock(books.catalog->mu());
  for (const auto& [name, lane] : books.catalog->lanes()) {
    if (lane.declared) declared[name] = lane.queue;
  }
  return declared;
}

absl::Status NotDeclared(const std::string& lane) {
  return absl::FailedPreconditionError(
      absl::StrCat("lane '", lane,
                   "' is not declared: configure its route again before its letters are replayed"));
}

}  // namespace

std::string DeadCondition(const DeadFilter& filter, int first) {
  std::string sql = "1";
  if (!filter.lane.empty()) absl::StrAppend(&sql, " AND lane=?", first);
  if (!filter.reason.empty()) absl::StrAppend(&sql, " AND reason=?", first + 1);
  if (!filter.ids.empty()) {
    absl::StrAppend(&sql, " AND id IN (");
    for (size_t i = 0; i < filter.ids.size(); ++i) {
      absl::StrAppend(&sql, i > 0 ? "," : "", static_cast<int64_t>(filter.ids[i]));
    }
    absl::StrAppend(&sql, ")");
  }
  return sql;
}

void BindDeadFilter(const DeadFilter& filter, int first, Stmt* stmt) {
  if (!filter.lane.empty()) stmt->BindText(first, filter.lane);
  if (!filter.reason.empty()) stmt->BindText(first + 1, filter.reason);
}

absl::Status CheckReplay(Books& books, const DeadFilter& filter) {
  const std::map<std::string, Queue*> declared = DeclaredLanes(books);
  if (!filter.lane.empty() && !declared.contains(filter.lane)) return NotDeclared(filter.lane);
  if (filter.ids.empty()) return absl::OkStatus();
  for (DeadWalk walk{.step = kCheckStep};;) {
    OUTBOARD_ASSIGN_OR_RETURN(const std::vector<Letter> letters, FindLetters(books, filter, &walk));
    if (letters.empty()) return absl::OkStatus();
    for (const Letter& letter : letters) {
      if (!declared.contains(letter.lane)) return NotDeclared(letter.lane);
    }
    walk.after = static_cast<uint64_t>(letters.back().id);
  }
}

absl::Status ReplaySome(Books& books, const DeadFilter& filter, DeadWalk* walk) {
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<Letter> letters, FindLetters(books, filter, walk));
  walk->finished = letters.empty();
  if (letters.empty()) return absl::OkStatus();
  const std::map<std::string, Queue*> declared = DeclaredLanes(books);
  std::map<Queue*, uint64_t> more;
  uint64_t moved = 0;
  OUTBOARD_RETURN_IF_ERROR(books.InTransaction([&]() -> absl::Status {
    for (const Letter& letter : letters) {
      const auto lane = declared.find(letter.lane);
      if (lane == declared.end()) continue;
      OUTBOARD_RETURN_IF_ERROR(books.store->Exhume(letter.id, lane->second->id));
      OUTBOARD_RETURN_IF_ERROR(books.store->DeleteDead(letter.id));
      OUTBOARD_RETURN_IF_ERROR(books.store->CountDead(letter.lane, -1));
      ++more[lane->second];
      ++moved;
    }
    for (const auto& [queue, n] : more) {
      const Queue::Counts counts{queue->saved.backlog + n, queue->saved.held + n};
      OUTBOARD_RETURN_IF_ERROR(books.store->SaveQueue(queue->id, queue->ledger.Now(), counts));
    }
    return absl::OkStatus();
  }));
  for (const auto& [queue, n] : more) {
    queue->saved.backlog += n;
    queue->saved.held += n;
    queue->now = queue->saved;
    if (queue->holder.inbox) queue->holder.inbox->PostReplayed(queue);
  }
  walk->count += moved;
  walk->after = static_cast<uint64_t>(letters.back().id);
  return absl::OkStatus();
}

absl::Status PurgeSome(Books& books, const DeadFilter& filter, DeadWalk* walk) {
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<Letter> letters, FindLetters(books, filter, walk));
  walk->finished = letters.empty();
  if (letters.empty()) return absl::OkStatus();
  OUTBOARD_RETURN_IF_ERROR(books.InTransaction([&]() -> absl::Status {
    for (const Letter& letter : letters) {
      OUTBOARD_RETURN_IF_ERROR(books.store->DeleteDead(letter.id));
      OUTBOARD_RETURN_IF_ERROR(books.store->CountDead(letter.lane, -1));
    }
    return absl::OkStatus();
  }));
  walk->count += letters.size();
  walk->after = static_cast<uint64_t>(letters.back().id);
  return absl::OkStatus();
}

}  // namespace outboard::bus

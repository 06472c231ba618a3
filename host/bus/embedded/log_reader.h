#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/status.h"
#include "host/bus/embedded/caution.h"
#include "host/bus/embedded/sqlite.h"
#include "host/bus/embedded/store.h"
#include "host/bus/embedded/tail.h"

namespace outboard::bus {

// A row of `held`.
struct HeldRow {
  int64_t id = 0;
  uint64_t offset = 0;
  Time accepted_at{};
  uint32_t attempts = 0;
  Event event;  // Empty: could not be decoded.
};

// Reads the log and held events for one thread, on a connection of its own; the newest events from
// memory.
class LogReader {
 public:
  static absl::StatusOr<std::unique_ptr<LogReader>> Create(const std::string& path,
                                                           const std::string& vfs, Tail* tail,
                                                           const Caution* caution);

  // Calls fn(offset, accepted_at, event) for the events in [from, to) in order until it returns
  // false; an empty event could not be decoded. `*next`: where to go on. `to` is not beyond what is
  // committed.
  template <typename Fn>
  absl::Status Read(uint64_t from, uint64_t to, uint64_t* next, Fn fn) {
    *next = from;
    bool go_on = true;
    while (go_on && *next < to) {
      if (const std::shared_ptr<const Tail::Chunk> chunk = tail_->Find(*next)) {
        while (go_on && *next < to && *next < chunk->end()) {
          const Event& event = chunk->events[*next - chunk->first];
          const uint64_t offset = (*next)++;
          Read(kLog, offset, offset, event.bytes(), [&](bool read) {
            go_on = fn(offset, chunk->accepted_at, read ? Event(event) : Event());
          });
        }
      } else {
        OUTBOARD_RETURN_IF_ERROR(ReadFile(to, next, &go_on, fn));
      }
    }
    return absl::OkStatus();
  }

  // The event at an offset, or of a held row; empty: it could not be decoded. NOT_FOUND.
  absl::StatusOr<Event> ReadOne(uint64_t offset);
  absl::StatusOr<Event> ReadRow(int64_t row);

  // Calls fn(row id, place, due) for the queue's rows in the order of their due times, then of
  // their places, until it returns false; it may call Current().
  template <typename Fn>
  absl::Status ReadHeld(int64_t queue, Fn fn) {
    ResetAtEnd reset(held_);
    held_.Bind(1, queue);
    for (;;) {
      OUTBOARD_ASSIGN_OR_RETURN(const bool more, held_.Step());
      if (!more || !fn(held_.Int(0), held_.UInt(2), FromMicros(held_.Int(1))))
        return absl::OkStatus();
    }
  }
  HeldRow Current();
  // Rows below an id that were handed out when they moved, by place, without their events: what a
  // consumer starts with.
  absl::StatusOr<std::vector<HeldRow>> ReadMoved(int64_t queue, int64_t below);

  // Why the last empty event is none.
  const DeadReason& why_empty() const { return why_empty_; }

 private:
  // Rows of one statement run, so that a snapshot is not kept for long.
  static constexpr int kRows = 4096;

  LogReader(Tail* tail, const Caution* caution) : tail_(tail), caution_(caution) {}
  absl::StatusOr<Event> ReadEvent(const char* table, Stmt& stmt, uint64_t key);
  // Empty: could not be decoded.
  Event Decode(absl::string_view bytes);
  // Calls use(true), or use(false) for what is not to be read: see why_empty.
  template <typename Fn>
  void Read(const char* table, uint64_t key, uint64_t offset, absl::string_view bytes, Fn use) {
    std::optional<DeadReason> why = caution_->Read(table, key, offset, bytes, [&] { use(true); });
    if (!why) return;
    why_empty_ = *std::move(why);
    use(false);
  }
  template <typename Fn>
  absl::Status ReadFile(uint64_t to, uint64_t* next, bool* go_on, Fn& fn) {
    ResetAtEnd reset(log_);
    log_.Bind(1, *next).Bind(2, to).Bind(3, kRows);
    int rows = 0;
    for (; *go_on; ++rows) {
      const int code = log_.StepCode();
      if (code == SQLITE_DONE) break;
      if (code != SQLITE_ROW) return db_->Error("read the log");
      const uint64_t offset = log_.UInt(0);
      *next = offset + 1;
      Read(kLog, offset, offset, log_.Bytes(2), [&](bool read) {
        Event event = read ? Decode(log_.Bytes(2)) : Event();
        *go_on = fn(offset, FromMicros(log_.Int(1)), std::move(event));
      });
    }
    if (*go_on && rows < kRows) *next = to;  // What is missing was deleted.
    return absl::OkStatus();
  }

  Tail* const tail_;
  const Caution* const caution_;
  DeadReason why_empty_;
  std::unique_ptr<Db> db_;
  Stmt log_, one_, row_, held_, moved_;
};

}  // namespace outboard::bus

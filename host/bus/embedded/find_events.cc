// Events by id, for people: the log has no index on ids, so all of it is read.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/embedded/embedded_bus.h"
#include "host/bus/embedded/filter_text.h"
#include "host/bus/lane_groups.h"
#include "host/event/wire_reader.h"

namespace outboard::bus {
namespace {

// Rows that are read at once: neither who reads nor the writer's checkpoint waits for all of them.
constexpr uint64_t kPage = 10'000;

// Of bytes that were checked, without copying them.
absl::string_view IdOf(absl::string_view event) {
  event_wire::Reader reader(event);
  for (event_wire::Field field; !reader.done() && reader.Next(&field);) {
    if (field.tag == event_wire::tag::kId) return field.payload;
  }
  return "";
}

// What the file has of a queue.
struct QueueAt {
  bool reliable = true;
  uint64_t ended_to = 0;
  std::set<uint64_t> unsettled;
  std::vector<std::string> lanes;
  std::shared_ptr<const Segments> segments;

  bool Takes(const LoggedEvent& logged) const {
    return std::any_of(segments->begin(), segments->end(), [&](const Segment& segment) {
      return logged.offset >= segment.begin && logged.offset < segment.end &&
             logged.accepted_at >= segment.not_before &&
             AnyMatches(segment.filters, logged.event.source(), logged.event.type());
    });
  }
  bool Ended(uint64_t offset) const { return offset < ended_to && !unsettled.contains(offset); }
};

}  // namespace

struct EmbeddedBus::HeldRow {
  int64_t queue = 0;
  LoggedEvent logged;
  uint32_t attempts = 0;
  std::optional<Time> due;
  std::string parked;  // The key by which it waits behind a dead letter; empty: it does not.
};

absl::StatusOr<FoundEvents> EmbeddedBus::FindEvents(const absl::flat_hash_set<std::string>& ids) {
  FoundEvents out;
  out.has_log = true;
  OUTBOARD_RETURN_IF_ERROR(FindInLog(ids, &out));
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<HeldRow> held, FindHeld(ids));
  // Those that only rows of their own have: the log needs them no longer.
  for (const HeldRow& row : held) {
    const bool known = std::any_of(out.found.begin(), out.found.end(), [&](const auto& one) {
      return one.logged.offset == row.logged.offset &&
             one.logged.event.source() == row.logged.event.source() &&
             one.logged.event.id() == row.logged.event.id();
    });
    if (!known) out.found.push_back({row.logged, {}});
  }
  OUTBOARD_RETURN_IF_ERROR(AddStandings(held, &out));
  return out;
}

// What hosts died of is not decoded to be found.
absl::Status EmbeddedBus::FindInLog(const absl::flat_hash_set<std::string>& ids, FoundEvents* out) {
  for (uint64_t next = 0, rows = kPage; rows == kPage;) {
    MutexLock lock(reader_mu_);
    Stmt read, placed;
    OUTBOARD_RETURN_IF_ERROR(
        read.Prepare(*reader_,
                     "SELECT \"offset\", accepted_us, event FROM log WHERE \"offset\" >= ?1 "
                     "ORDER BY \"offset\" LIMIT ?2"));
    OUTBOARD_RETURN_IF_ERROR(
        placed.Prepare(*reader_, "SELECT lane, at, at_us FROM placed WHERE \"offset\" = ?1"));
    read.Bind(1, next).Bind(2, kPage);
    for (rows = 0;; ++rows) {
      OUTBOARD_ASSIGN_OR_RETURN(const bool more, read.Step());
      if (!more) break;
      next = read.UInt(0) + 1;
      if (out->searched++ == 0) out->oldest = FromMicros(read.Int(1));
      if (caution_.Convicted(read.UInt(0)) || !ids.contains(IdOf(read.Bytes(2)))) continue;
      Event event = caution_.Peek(read.UInt(0), read.Bytes(2));
      if (event.empty()) continue;  // Others are still to be found.
      LoggedEvent& logged = out->found.emplace_back().logged;
      logged.offset = read.UInt(0);
      logged.accepted_at = FromMicros(read.Int(1));
      logged.event = std::move(event);
      ResetAtEnd reset(placed);
      placed.Bind(1, logged.offset);
      for (;;) {
        OUTBOARD_ASSIGN_OR_RETURN(const bool one, placed.Step());
        if (!one) break;
        logged.placed.insert(ReadPlaced(placed));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<EmbeddedBus::HeldRow>> EmbeddedBus::FindHeld(
    const absl::flat_hash_set<std::string>& ids) {
  std::vector<HeldRow> out;
  int64_t after = 0;
  for (uint64_t rows = kPage; rows == kPage;) {
    MutexLock lock(reader_mu_);
    Stmt read;
    OUTBOARD_RETURN_IF_ERROR(
        read.Prepare(*reader_,
                     "SELECT id, queue, \"offset\", accepted_us, attempts, due_us, event, "
                     "coalesce(parked, '') FROM held WHERE id > ?1 ORDER BY id LIMIT ?2"));
    read.Bind(1, after).Bind(2, kPage);
    for (rows = 0;; ++rows) {
      OUTBOARD_ASSIGN_OR_RETURN(const bool more, read.Step());
      if (!more) break;
      after = read.Int(0);
      if (caution_.Convicted(read.UInt(2)) || !ids.contains(IdOf(read.Bytes(6)))) continue;
      absl::StatusOr<Event> event = absl::NotFoundError("not to be decoded");
      const auto decode = [&] { event = Event::FromChecked(read.Text(6)); };
      (void)caution_.Read(kHeld, read.UInt(0), read.UInt(2), read.Bytes(6), decode, false);
      if (!event.ok()) continue;
      HeldRow& row = out.emplace_back();
      row.queue = read.Int(1);
      row.logged = {read.UInt(2), FromMicros(read.Int(3)), *std::move(event)};
      row.attempts = static_cast<uint32_t>(read.UInt(4));
      if (!read.IsNull(5)) row.due = FromMicros(read.Int(5));
      row.parked = read.Text(7);
    }
  }
  return out;
}

// The oldest letter of the key that the row waits behind.
absl::Status EmbeddedBus::AddLetter(const HeldRow& row, Standing* standing) {
  standing->key = row.parked;
  MutexLock lock(reader_mu_);
  Stmt read;
  OUTBOARD_RETURN_IF_ERROR(
      read.Prepare(*reader_,
                   "SELECT id, \"offset\" FROM dead WHERE lane = ?1 AND key = ?2 AND "
                   "\"offset\" <= ?3 ORDER BY \"offset\", id LIMIT 1"));
  uint64_t oldest = 0;
  for (const std::string& lane : standing->lanes) {
    ResetAtEnd reset(read);
    read.BindText(1, lane).BindText(2, row.parked).Bind(3, row.logged.offset);
    OUTBOARD_ASSIGN_OR_RETURN(const bool one, read.Step());
    if (!one || (standing->letter != 0 && read.UInt(1) >= oldest)) continue;
    standing->letter = read.UInt(0);
    oldest = read.UInt(1);
  }
  return absl::OkStatus();
}

absl::Status EmbeddedBus::AddStandings(const std::vector<HeldRow>& held, FoundEvents* out) {
  if (out->found.empty()) return absl::OkStatus();
  std::map<int64_t, QueueAt> queues;
  {
    MutexLock lock(catalog_.mu());
    for (const auto& [name, lane] : catalog_.lanes()) {
      QueueAt& queue = queues[lane.queue->id];
      queue.reliable = lane.queue->reliable;
      queue.segments = lane.queue->segments();
      queue.lanes.insert(lane.declared ? queue.lanes.begin() : queue.lanes.end(), name);
    }
  }
  {
    MutexLock lock(reader_mu_);
    Stmt read;
    OUTBOARD_RETURN_IF_ERROR(read.Prepare(*reader_, "SELECT id, ended_to, unsettled FROM queue"));
    for (;;) {
      OUTBOARD_ASSIGN_OR_RETURN(const bool more, read.Step());
      if (!more) break;
      const auto queue = queues.find(read.Int(0));
      if (queue == queues.end()) continue;
      queue->second.ended_to = read.UInt(1);
      OUTBOARD_ASSIGN_OR_RETURN(const auto unsettled, OffsetsFromText(read.Bytes(2)));
      queue->second.unsettled.insert(unsettled.begin(), unsettled.end());
    }
  }
  for (FoundEvents::One& one : out->found) {
    for (const auto& [id, queue] : queues) {
      Standing standing;
      standing.lanes = queue.lanes;
      const auto row = std::find_if(held.begin(), held.end(), [&, id = id](const HeldRow& row) {
        return row.queue == id && row.logged.offset == one.logged.offset &&
               row.logged.event.id() == one.logged.event.id() &&
               row.logged.event.source() == one.logged.event.source();
      });
      if (row != held.end()) {
        standing.where = Standing::Where::kHeld;
        standing.attempts = row->attempts;
        standing.due = row->due;
        if (!row->parked.empty()) OUTBOARD_RETURN_IF_ERROR(AddLetter(*row, &standing));
      } else if (one.logged.offset == 0 || !queue.Takes(one.logged)) {
        continue;
      } else if (!queue.reliable) {
        standing.where = Standing::Where::kUnkept;
      } else if (queue.Ended(one.logged.offset)) {
        standing.where = Standing::Where::kEnded;
      }
      one.standings.push_back(std::move(standing));
    }
  }
  return absl::OkStatus();
}

}  // namespace outboard::bus

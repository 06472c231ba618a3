#include "host/bus/embedded/embedded_bus.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/dead_filter.h"
#include "host/bus/embedded/embedded_consumer.h"
#include "host/bus/embedded/filter_text.h"
#include "host/bus/embedded/log_reader.h"
#include "host/bus/lane_groups.h"

namespace outboard::bus {
namespace {

// How many rows wait behind a letter, as one more column.
constexpr char kWaiting[] =
    ", CASE WHEN key IS NOT NULL THEN (SELECT count(*) FROM held h WHERE h.queue = (SELECT queue "
    "FROM lane WHERE name = dead.lane) AND h.parked = dead.key AND h.\"offset\" > "
    "dead.\"offset\") END";
constexpr int kWaitingColumn = 13;

}  // namespace

absl::StatusOr<std::unique_ptr<EmbeddedBus>> EmbeddedBus::Open(EmbeddedBusOptions options) {
  OUTBOARD_CHECK(options.clock != nullptr);
  std::error_code error;
  std::filesystem::create_directories(options.path, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat(options.path, ": ", error.message(),
                                               ": check that this user may write there"));
  }
  OUTBOARD_ASSIGN_OR_RETURN(LockFile lock, LockFile::Take(absl::StrCat(options.path, "/bus.lock")));
  std::string file = absl::StrCat(options.path, "/bus.sqlite");
  std::unique_ptr<EmbeddedBus> bus(
      new EmbeddedBus(std::move(options), std::move(file), std::move(lock)));
  OUTBOARD_RETURN_IF_ERROR(bus->Start());
  return bus;
}

EmbeddedBus::EmbeddedBus(EmbeddedBusOptions options, std::string file, LockFile lock)
    : options_(std::move(options)), file_(std::move(file)), lock_(std::move(lock)) {}

EmbeddedBus::~EmbeddedBus() = default;

absl::Status EmbeddedBus::Start() {
  OUTBOARD_ASSIGN_OR_RETURN(
      auto db, OpenForWriting(file_, options_.vfs, options_.synchronous, CurrentSchema()));
  OUTBOARD_ASSIGN_OR_RETURN(auto store, Store::Create(std::move(db)));
  Books books;
  books.store = std::move(store);
  books.catalog = &catalog_;
  books.tail = &tail_;
  books.caution = &caution_;
  books.clock = options_.clock;
  books.retention = options_.retention;
  books.limits = options_.limits;
  books.tidy_every = options_.tidy_every;
  books.checkpoint_pages = options_.checkpoint_pages;
  OUTBOARD_RETURN_IF_ERROR(books.Load());
  // From now on an end without leave is one that the next start can see.
  OUTBOARD_RETURN_IF_ERROR(books.InTransaction([&] { return books.store->SetMeta("clean", 0); }));
  OUTBOARD_RETURN_IF_ERROR(books.store->EndProbe());
  {
    MutexLock lock(reader_mu_);
    OUTBOARD_ASSIGN_OR_RETURN(reader_, OpenForReading(file_, options_.vfs));
  }
  writer_ = std::make_unique<Writer>(std::move(books));
  return absl::OkStatus();
}

std::unique_ptr<Consumer> EmbeddedBus::NewConsumer() {
  return std::make_unique<EmbeddedConsumer>(writer_.get(), &catalog_, &tail_, [this] {
    return LogReader::Create(file_, options_.vfs, &tail_, &caution_);
  });
}

absl::Status EmbeddedBus::Declare(const std::vector<LaneSpec>& lanes) {
  return writer_->Call([&](Books& books) { return DeclareLanes(books, lanes); });
}

void EmbeddedBus::PublishWithReceipts(std::vector<Event> events, std::weak_ptr<ReceiptSink> sink,
                                      PublishDone done) {
  writer_->Publish({std::move(events), std::move(sink), std::move(done), {}});
}

BusInfo EmbeddedBus::Info() {
  BusInfo info;
  info.kind = "embedded";
  info.location = file_;
  const absl::Status error = writer_->last_error();
  info.connected = error.ok();
  if (!error.ok()) info.warnings.emplace_back(error.message());
  (void)writer_->Call([&](Books& books) {
    info.bytes = books.used_bytes;
    info.events = books.next_offset - books.first_offset;
    const uint64_t max = books.retention.max_bytes;
    if (books.used_bytes < max / 5 * 4) return absl::OkStatus();
    const std::string lane = books.SlowestLane();
    info.warnings.push_back(
        absl::StrCat("the bus is ", books.used_bytes * 100 / std::max<uint64_t>(max, 1),
                     " % full (", books.used_bytes, " of ", max, " bytes)",
                     lane.empty() ? "" : absl::StrCat(", held by lane '", lane, "'"),
                     ": let it catch up, forget it, or raise bus.max_bytes"));
    return absl::OkStatus();
  });
  return info;
}

absl::StatusOr<Forgotten> EmbeddedBus::ForgetLane(const std::string& name, Remainder remainder) {
  Forgotten forgotten;
  for (bool finished = false; !finished;) {
    OUTBOARD_RETURN_IF_ERROR(writer_->Call(
        [&](Books& books) { return ForgetSome(books, name, remainder, &forgotten, &finished); }));
  }
  return forgotten;
}

absl::StatusOr<Replayed> EmbeddedBus::ReplayBatch(const DeadFilter& filter, size_t limit) {
  OUTBOARD_RETURN_IF_ERROR(writer_->Call([&](Books& books) { return CheckReplay(books, filter); }));
  DeadWalk walk{.step = options_.dead_step};
  while (!walk.finished && walk.count + walk.stayed < limit) {
    const size_t left = limit - walk.count - walk.stayed;
    walk.step = std::min(options_.dead_step, static_cast<int64_t>(std::min<size_t>(left, 1 << 30)));
    OUTBOARD_RETURN_IF_ERROR(
        writer_->Call([&](Books& books) { return ReplaySome(books, filter, &walk); }));
  }
  return Replayed{walk.count, walk.stayed, walk.found};
}

absl::Status EmbeddedBus::EditDead(uint64_t id, const Event& event) {
  return writer_->Call([&](Books& books) {
    return books.InTransaction([&] { return books.store->EditDead(id, event.bytes()); });
  });
}

absl::StatusOr<uint64_t> EmbeddedBus::PurgeDead(const DeadFilter& filter) {
  DeadWalk walk{.step = options_.dead_step};
  while (!walk.finished) {
    OUTBOARD_RETURN_IF_ERROR(
        writer_->Call([&](Books& books) { return PurgeSome(books, filter, &walk); }));
  }
  return walk.count;
}

absl::StatusOr<std::vector<DeadLetter>> EmbeddedBus::ListDead(const DeadFilter& filter,
                                                              uint64_t after, size_t limit,
                                                              uint64_t* total) {
  std::vector<DeadLetter> letters;
  if (!DeadCondition::IsWhole(filter)) {
    uint64_t matched = 0;
    OUTBOARD_RETURN_IF_ERROR(ForEachDead(filter, [&](const DeadLetter& letter) {
      ++matched;
      if (letter.id > after && letters.size() < limit) letters.push_back(letter);
    }));
    if (total != nullptr) *total = matched;
    return letters;
  }
  if (total != nullptr) {
    MutexLock lock(reader_mu_);
    const DeadCondition condition(filter, 1);
    Stmt count;
    OUTBOARD_RETURN_IF_ERROR(
        count.Prepare(*reader_, absl::StrCat("SELECT count(*) FROM dead WHERE ", condition.sql())));
    condition.Bind(&count);
    OUTBOARD_RETURN_IF_ERROR(count.Step().status());
    *total = count.UInt(0);
  }
  OUTBOARD_RETURN_IF_ERROR(ReadDead(filter, &after, limit, [&](DeadLetter letter) {
                             letters.push_back(std::move(letter));
                           }).status());
  return letters;
}

// In pages, so that neither who reads nor the writer waits for all of them.
absl::Status EmbeddedBus::ForEachDead(const DeadFilter& filter,
                                      const std::function<void(const DeadLetter&)>& visit) {
  for (uint64_t after = 0;;) {
    OUTBOARD_ASSIGN_OR_RETURN(
        const bool more,
        ReadDead(filter, &after, static_cast<size_t>(options_.dead_step), [&](const DeadLetter& l) {
          if (TakesLetter(filter, l) && TakesEvent(filter, l.event)) visit(l);
        }));
    if (!more) return absl::OkStatus();
  }
}

// At most `limit` rows behind `*after`, which is the last one then; false: there were fewer.
absl::StatusOr<bool> EmbeddedBus::ReadDead(const DeadFilter& filter, uint64_t* after, size_t limit,
                                           const std::function<void(DeadLetter)>& found) {
  MutexLock lock(reader_mu_);
  const DeadCondition condition(filter, 3);
  Stmt list;
  OUTBOARD_RETURN_IF_ERROR(list.Prepare(
      *reader_, absl::StrCat("SELECT ", kDeadColumns, kWaiting, " FROM dead WHERE id > ?1 AND ",
                             condition.sql(), " ORDER BY id LIMIT ?2")));
  list.Bind(1, *after).Bind(2, static_cast<uint64_t>(std::min<size_t>(limit, 1u << 30)));
  condition.Bind(&list);
  for (size_t n = 0;; ++n) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, list.Step());
    if (!more) return n == limit;
    DeadLetter letter = ReadLetter(list, caution_);
    letter.waiting = list.UInt(kWaitingColumn);
    *after = letter.id;
    found(std::move(letter));
  }
}

absl::StatusOr<std::vector<LoggedEvent>> EmbeddedBus::ReadLog(uint64_t from, size_t limit) {
  MutexLock lock(reader_mu_);
  Stmt read;
  OUTBOARD_RETURN_IF_ERROR(
      read.Prepare(*reader_,
                   "SELECT \"offset\", accepted_us, event FROM log WHERE \"offset\" >= ?1 "
                   "ORDER BY \"offset\""));
  read.Bind(1, std::min<uint64_t>(from, INT64_MAX));
  Stmt placed;
  OUTBOARD_RETURN_IF_ERROR(
      placed.Prepare(*reader_, "SELECT lane, at, at_us FROM placed WHERE \"offset\" = ?1"));
  std::vector<LoggedEvent> events;
  while (events.size() < limit) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, read.Step());
    if (!more) break;
    Event event = caution_.Peek(read.UInt(0), read.Bytes(2));
    if (event.empty()) continue;
    events.push_back({read.UInt(0), FromMicros(read.Int(1)), std::move(event)});
    ResetAtEnd reset(placed);
    placed.Bind(1, events.back().offset);
    for (;;) {
      OUTBOARD_ASSIGN_OR_RETURN(const bool one, placed.Step());
      if (!one) break;
      events.back().placed.insert(ReadPlaced(placed));
    }
  }
  return events;
}

absl::StatusOr<std::vector<LaneInfo>> EmbeddedBus::Lanes() {
  std::vector<Lane> lanes;
  std::set<const Queue*> declared;
  {
    MutexLock lock(catalog_.mu());
    for (const auto& [name, lane] : catalog_.lanes()) {
      lanes.push_back(lane);
      if (lane.declared) declared.insert(lane.queue);
    }
  }
  std::vector<LaneInfo> infos;
  MutexLock lock(reader_mu_);
  OUTBOARD_RETURN_IF_ERROR(reader_->Exec("BEGIN"));
  absl::Status status;
  for (const Lane& lane : lanes) {
    // Of a shared queue of which another lane is still declared, an orphan has nothing.
    absl::StatusOr<LaneInfo> info = Describe(lane, lane.declared || !declared.contains(lane.queue));
    if (!info.ok()) {
      status = info.status();
      break;
    }
    infos.push_back(*std::move(info));
  }
  (void)reader_->Exec("COMMIT");
  if (!status.ok()) return status;
  return infos;
}

absl::StatusOr<std::map<std::string, uint64_t>> EmbeddedBus::DeadCounts() {
  std::map<std::string, uint64_t> counts;
  MutexLock lock(reader_mu_);
  Stmt read;
  OUTBOARD_RETURN_IF_ERROR(read.Prepare(*reader_, "SELECT name, dead FROM lane"));
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, read.Step());
    if (!more) return counts;
    counts[read.Text(0)] = read.UInt(1);
  }
}

absl::StatusOr<LaneInfo> EmbeddedBus::Describe(const Lane& lane, bool owns_queue) {
  LaneInfo info;
  info.name = lane.name;
  info.orphan = !lane.declared;
  Stmt row;
  OUTBOARD_RETURN_IF_ERROR(
      row.Prepare(*reader_,
                  "SELECT l.dead, q.backlog, q.held, q.unsettled, q.ended_to, q.cursor "
                  "FROM lane l JOIN queue q ON q.id = l.queue WHERE l.name = ?1"));
  OUTBOARD_ASSIGN_OR_RETURN(const bool there, row.BindText(1, lane.name).Step());
  if (!there) return info;  // Forgotten meanwhile.
  info.dead = row.UInt(0);
  if (!owns_queue) return info;
  info.park_full = lane.queue->park_full;
  const uint64_t held = row.UInt(2);
  info.backlog = row.UInt(1);
  if (held > 0) {
    Stmt count;
    OUTBOARD_RETURN_IF_ERROR(count.Prepare(*reader_,
                                           "SELECT sum(due_us > ?2), min(accepted_us), "
                                           "count(parked), count(DISTINCT parked) FROM held "
                                           "WHERE queue = ?1"));
    count.Bind(1, lane.queue->id).Bind(2, ToMicros(options_.clock->Now()));
    OUTBOARD_RETURN_IF_ERROR(count.Step().status());
    info.retrying = count.UInt(0);
    if (!count.IsNull(1)) info.oldest = FromMicros(count.Int(1));
    info.parked = count.UInt(2);
    info.parked_keys = count.UInt(3);
  }
  if (info.backlog > held) {
    OUTBOARD_ASSIGN_OR_RETURN(const auto unsettled, OffsetsFromText(row.Bytes(3)));
    OUTBOARD_ASSIGN_OR_RETURN(
        const std::optional<Time> in_log,
        OldestInLog(lane.queue->id, *lane.queue->segments(), unsettled, row.UInt(4)));
    if (in_log && (!info.oldest || *in_log < *info.oldest)) info.oldest = in_log;
  }
  info.backlog += static_cast<uint64_t>(std::max<int64_t>(0, lane.queue->in_memory.load()));
  return info;
}

absl::StatusOr<std::optional<Time>> EmbeddedBus::OldestInLog(int64_t queue,
                                                             const Segments& segments,
                                                             const std::vector<uint64_t>& unsettled,
                                                             uint64_t ended_to) {
  Stmt scan;
  OUTBOARD_RETURN_IF_ERROR(
      scan.Prepare(*reader_,
                   "SELECT \"offset\", accepted_us, event FROM log WHERE \"offset\" >= ?1 "
                   "ORDER BY \"offset\""));
  uint64_t& searched = searched_[queue];
  scan.Bind(1, unsettled.empty() ? std::max(searched, ended_to) : unsettled.front());
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, scan.Step());
    if (!more) return std::nullopt;
    const uint64_t offset = scan.UInt(0);
    const Time accepted_at = FromMicros(scan.Int(1));
    if (!unsettled.empty()) return accepted_at;
    for (const Segment& segment : segments) {
      if (offset < segment.begin || offset >= segment.end || accepted_at < segment.not_before) {
        continue;
      }
      const Event event = caution_.Peek(offset, scan.Bytes(2));
      if (!event.empty() && !AnyMatches(segment.filters, event.source(), event.type())) continue;
      searched = offset;
      return accepted_at;
    }
  }
}

}  // namespace outboard::bus

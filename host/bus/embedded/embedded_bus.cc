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
#include "host/bus/embedded/embedded_consumer.h"
#include "host/bus/embedded/filter_text.h"
#include "host/bus/embedded/log_reader.h"
#include "host/bus/lane_groups.h"

namespace outboard::bus {

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
    return LogReader::Create(file_, options_.vfs, &tail_);
  });
}

absl::Status EmbeddedBus::Declare(const std::vector<LaneSpec>& lanes) {
  return writer_->Call([&](Books& books) { return DeclareLanes(books, lanes); });
}

void EmbeddedBus::Publish(std::vector<Event> events, PublishDone done) {
  writer_->Publish(std::move(events), std::move(done));
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

absl::StatusOr<uint64_t> EmbeddedBus::ReplayDead(const DeadFilter& filter) {
  OUTBOARD_RETURN_IF_ERROR(writer_->Call([&](Books& books) { return CheckReplay(books, filter); }));
  DeadWalk walk{.step = options_.dead_step};
  while (!walk.finished) {
    OUTBOARD_RETURN_IF_ERROR(
        writer_->Call([&](Books& books) { return ReplaySome(books, filter, &walk); }));
  }
  return walk.count;
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
  MutexLock lock(reader_mu_);
  const std::string condition = DeadCondition(filter, 3);
  if (total != nullptr) {
    Stmt count;
    OUTBOARD_RETURN_IF_ERROR(
        count.Prepare(*reader_, absl::StrCat("SELECT count(*) FROM dead WHERE ", condition)));
    BindDeadFilter(filter, 3, &count);
    OUTBOARD_RETURN_IF_ERROR(count.Step().status());
    *total = count.UInt(0);
  }
  Stmt list;
  OUTBOARD_RETURN_IF_ERROR(list.Prepare(
      *reader_, absl::StrCat("SELECT id, lane, reason, message, detail, attempts, accepted_us, "
                             "died_us, event FROM dead WHERE id > ?1 AND ",
                             condition, " ORDER BY id LIMIT ?2")));
  list.Bind(1, after).Bind(2, static_cast<uint64_t>(std::min<size_t>(limit, 1u << 30)));
  BindDeadFilter(filter, 3, &list);
  std::vector<DeadLetter> letters;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, list.Step());
    if (!more) return letters;
    DeadLetter letter;
    letter.id = list.UInt(0);
    letter.lane = list.Text(1);
    letter.why = {list.Text(2), list.Text(3), list.Text(4)};
    letter.attempts = static_cast<uint32_t>(list.Int(5));
    letter.accepted_at = FromMicros(list.Int(6));
    letter.died_at = FromMicros(list.Int(7));
    absl::StatusOr<Event> event = Event::FromChecked(list.Text(8));
    if (event.ok()) {
      letter.event = *std::move(event);
    } else {
      letter.raw = list.Text(8);
    }
    letters.push_back(std::move(letter));
  }
}

absl::StatusOr<std::vector<LoggedEvent>> EmbeddedBus::ReadLog(uint64_t from, size_t limit) {
  MutexLock lock(reader_mu_);
  Stmt read;
  OUTBOARD_RETURN_IF_ERROR(
      read.Prepare(*reader_,
                   "SELECT \"offset\", accepted_us, event FROM log WHERE \"offset\" >= ?1 "
                   "ORDER BY \"offset\" LIMIT ?2"));
  read.Bind(1, std::min<uint64_t>(from, INT64_MAX));
  read.Bind(2, static_cast<uint64_t>(std::min<size_t>(limit, 1u << 30)));
  std::vector<LoggedEvent> events;
  for (;;) {
    OUTBOARD_ASSIGN_OR_RETURN(const bool more, read.Step());
    if (!more) return events;
    OUTBOARD_ASSIGN_OR_RETURN(Event event, Event::FromChecked(read.Text(2)));
    events.push_back({read.UInt(0), FromMicros(read.Int(1)), std::move(event)});
  }
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
  const uint64_t held = row.UInt(2);
  info.backlog = row.UInt(1);
  if (held > 0) {
    Stmt count;
    OUTBOARD_RETURN_IF_ERROR(count.Prepare(
        *reader_, "SELECT sum(due_us > ?2), min(accepted_us) FROM held WHERE queue = ?1"));
    count.Bind(1, lane.queue->id).Bind(2, ToMicros(options_.clock->Now()));
    OUTBOARD_RETURN_IF_ERROR(count.Step().status());
    info.retrying = count.UInt(0);
    if (!count.IsNull(1)) info.oldest = FromMicros(count.Int(1));
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
      const absl::StatusOr<Event> event = Event::FromChecked(scan.Text(2));
      if (event.ok() && !AnyMatches(segment.filters, event->source(), event->type())) continue;
      searched = offset;
      return accepted_at;
    }
  }
}

}  // namespace outboard::bus

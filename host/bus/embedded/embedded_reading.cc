#include <algorithm>
#include <utility>

#include "host/base/log.h"
#include "host/base/status.h"
#include "host/bus/embedded/embedded_consumer.h"
#include "host/bus/lane_groups.h"

// The way of events to lanes.
namespace outboard::bus {
namespace {

// What one Poll reads at most, so that a shard's other work is not held up.
constexpr int64_t kMaxRows = 8192;
constexpr int64_t kMaxPollBytes = 8 << 20;
constexpr Time kReplayed{};  // When the row of a replayed letter is due.
constexpr auto kComplainAgain = std::chrono::seconds(60);
// A queue that reads on without taking anything tells the writer so after this many events.
constexpr uint64_t kTellEvery = 16'384;

}  // namespace

void EmbeddedConsumer::Poll(Time now, Arrivals* out) {
  now_ = now;
  read_again_ = kNever;
  SendBatch();
  awake_ = false;
  inbox_->wants_more.store(false);
  inbox_->Drain(&mail_);
  for (auto& made : mail_.made) {
    TakeMade(*made, out);
    made->Clear();
    if (spare_.size() < 8) spare_.push_back(std::move(made));
  }
  // Letters are known before others of them are gone.
  for (Opened& opened : mail_.opened) {
    if (OpenQueue* queue = slots_[opened.slot].get()) {
      queue->holds = std::move(opened.letters);
      queue->parked = opened.parked;
    }
    to_activate_.push_back(std::move(opened));
  }
  for (QueueReplayed& replayed : mail_.replayed) TakeReplayed(replayed);
  mail_.made.clear();
  mail_.opened.clear();
  mail_.replayed.clear();
  for (Settled& settled : answered_) out->settled.push_back(std::move(settled));
  answered_.clear();

  if (!EnsureReader(now)) return;
  std::erase_if(to_activate_, [&](const Opened& opened) { return Activate(opened); });

  // First the log's end, then the versions: an event below the end is never matched with filters
  // older than it.
  committed_ = tail_->next();
  rows_left_ = kMaxRows;
  bytes_left_ = kMaxPollBytes;
  bool any_ready = false;
  for (OpenQueue* queue : open_) {
    if (!queue->active || queue->rests_until > now) continue;
    if (queue->version != queue->queue->version()) Refresh(queue);
    if (queue->full && queue->parked < queue->parking->limit) SetFull(queue, false);
    if (queue->ready() && queue->next_due <= now) HandOutDue(queue, now, out);
    if (queue->ready() && !queue->returned.empty()) HandOutReturned(queue, kNoEnd, out);
    if (queue->ready() && !queue->at_tail && ReadsLog(*queue)) CatchUp(queue, out);
    any_ready |= queue->ready() && ReadsLog(*queue);
  }
  if (any_ready) FollowTail(out);
  if (rows_left_ <= 0 || bytes_left_ <= 0) {
    WakeMyself();  // There may be more.
  } else {
    inbox_->wants_more.store(true);
    if (tail_->next() != committed_) WakeMyself();
  }
}

Time EmbeddedConsumer::NextDue() const {
  Time due = read_again_;
  for (const OpenQueue* queue : open_) {
    if (!queue->active || !queue->ready()) continue;
    due = std::min(due, std::max(queue->next_due, queue->rests_until));
    if (queue->rests_until > now_) due = std::min(due, queue->rests_until);
  }
  return due;
}

bool EmbeddedConsumer::EnsureReader(Time now) {
  if (reader_) return true;
  absl::StatusOr<std::unique_ptr<LogReader>> reader = make_reader_();
  if (reader.ok()) {
    reader_ = *std::move(reader);
    return true;
  }
  NoteReadError(reader.status(), now);
  return false;
}

bool EmbeddedConsumer::Activate(const Opened& opened) {
  OpenQueue* queue = slots_[opened.slot].get();
  if (queue == nullptr) return true;  // Closed meanwhile.
  if (absl::Status status = LoadMoved(queue, opened.rows_below); !status.ok()) {
    NoteReadError(status, now_);
    return false;
  }
  queue->active = true;
  queue->pos = std::max(opened.at.cursor, opened.at.ended_to);
  queue->maybe_below = opened.at.taken_to;
  for (const uint64_t offset : opened.at.unsettled) {
    Owed owed;
    owed.key = queue->next_seq++;
    owed.place = offset;
    owed.redelivered = true;
    queue->returned.emplace(offset, std::move(owed));
  }
  Refresh(queue);
  return true;
}

absl::Status EmbeddedConsumer::LoadMoved(OpenQueue* queue, int64_t below) {
  OUTBOARD_ASSIGN_OR_RETURN(const std::vector<HeldRow> rows,
                            reader_->ReadMoved(queue->queue->id, below));
  for (const HeldRow& row : rows) {
    Owed owed;
    owed.kind = KeyKind::kRow;
    owed.key = static_cast<uint64_t>(row.id);
    owed.place = row.offset;
    owed.accepted_at = row.accepted_at;
    owed.attempts = row.attempts;
    owed.redelivered = true;
    queue->rows_out.insert(row.id);
    queue->returned.emplace(row.offset, std::move(owed));
  }
  return absl::OkStatus();
}

// Its segments changed.
void EmbeddedConsumer::Refresh(OpenQueue* queue) {
  queue->version = queue->queue->version();
  queue->segments = queue->queue->segments();
  queue->parking = queue->queue->parking();
  if (queue->full) SetFull(queue, false);
  const Segments& segments = *queue->segments;
  if (!segments.empty() && segments.back().end == kNoEnd) {
    matcher_.Set(queue->slot, segments.back().filters);
  } else {
    matcher_.Remove(queue->slot);
  }
  if (queue->at_tail && !TakesTail(*queue)) LeaveTail(queue);
}

bool EmbeddedConsumer::TakesTail(const OpenQueue& queue) const {
  if (queue.segments->empty()) return false;
  const Segment& last = queue.segments->back();
  return last.end == kNoEnd && (queue.at_tail ? tail_pos_ : queue.pos) >= last.begin;
}

void EmbeddedConsumer::LeaveTail(OpenQueue* queue) {
  queue->at_tail = false;
  queue->pos = tail_pos_;
}

void EmbeddedConsumer::HandOut(OpenQueue* queue, Owed owed, Arrivals* out) {
  OpenQueue::Outlet& outlet = queue->NextOutlet();
  --outlet.credit;
  --queue->credit;
  Delivery& delivery = out->deliveries.emplace_back();
  delivery.lane = outlet.lane;
  delivery.event = owed.event;
  delivery.attempts = owed.attempts;
  delivery.redelivered = owed.redelivered;
  delivery.accepted_at = owed.accepted_at;
  const uint64_t number = queue->Add(std::move(owed), outlet.lane);
  delivery.tag = TagOf(queue->slot, number);
}

void EmbeddedConsumer::HandOutLogged(OpenQueue* queue, uint64_t offset, Time accepted_at,
                                     Event event, Arrivals* out) {
  Owed owed;
  owed.place = offset;
  owed.accepted_at = accepted_at;
  owed.redelivered = offset < queue->maybe_below;
  if (queue->queue->reliable) {
    owed.key = queue->next_seq++;
    TakenOf(queue).offsets.push_back(offset);
  } else {
    owed.kind = KeyKind::kMemory;
    owed.redelivered = false;
  }
  if (event.empty()) {
    BuryUndecodable(queue, std::move(owed));
    return;
  }
  owed.event = std::move(event);
  HandOutOrPark(queue, std::move(owed), out);
}

// Bytes that the file has, but that are no event, or end the host: a dead letter keeps them. Right
// after they were read.
void EmbeddedConsumer::BuryUndecodable(OpenQueue* queue, Owed owed) {
  if (owed.kind == KeyKind::kMemory) return;
  Settlement settlement;
  settlement.end = End::kDead;
  settlement.attempts = owed.attempts;
  settlement.dead = std::make_unique<DeadReason>(reader_->why_empty());
  SettleSilently(queue, std::move(owed), std::move(settlement), "");
}

bool EmbeddedConsumer::HandOutReturned(OpenQueue* queue, uint64_t below, Arrivals* out) {
  while (queue->ready() && !queue->returned.empty() && queue->returned.begin()->first < below) {
    Owed owed = std::move(queue->returned.begin()->second);
    if (owed.event.empty()) {
      const uint64_t key = owed.kind == KeyKind::kRow ? owed.key : owed.place;
      uint64_t next = 0;
      absl::Status status;
      if (owed.kind == KeyKind::kRow) {
        absl::StatusOr<Event> event = reader_->ReadRow(static_cast<int64_t>(key));
        status = event.status();
        if (event.ok()) owed.event = *std::move(event);
      } else {
        status = reader_->Read(key, key + 1, &next, [&](uint64_t, Time accepted_at, Event event) {
          owed.accepted_at = accepted_at;
          owed.event = std::move(event);
          return true;
        });
      }
      if (!status.ok()) {
        queue->returned.begin()->second = std::move(owed);
        NoteReadError(status, now_);
        Rest(queue);
        return false;
      }
    }
    queue->returned.erase(queue->returned.begin());
    if (owed.event.empty()) {
      BuryUndecodable(queue, std::move(owed));
    } else {
      HandOutOrPark(queue, std::move(owed), out);
    }
  }
  return queue->ready();
}

void EmbeddedConsumer::HandOutDue(OpenQueue* queue, Time now, Arrivals* out) {
  queue->next_due = kNever;
  while (queue->ready() && !queue->retrying.empty() && queue->retrying.begin()->first <= now) {
    Owed owed = std::move(queue->retrying.begin()->second);
    queue->retrying.erase(queue->retrying.begin());
    HandOut(queue, std::move(owed), out);
  }
  HandOutRows(queue, now, out);
  if (!queue->retrying.empty()) {
    queue->next_due = std::min(queue->next_due, queue->retrying.begin()->first);
  }
}

void EmbeddedConsumer::HandOutRows(OpenQueue* queue, Time now, Arrivals* out) {
  const absl::Status status = reader_->ReadHeld(queue->queue->id, [&](int64_t row, uint64_t place,
                                                                      Time due) {
    if (queue->rows_out.contains(row)) return true;
    // An event does not come again before the answer to how it ended.
    if (place != 0 && queue->retries_under_way.contains(place)) return true;
    // A replayed letter stands at its old place among what was given back.
    const bool replayed = due == kReplayed;
    if (due > now || !queue->ready() || !HandOutReturned(queue, replayed ? place : kNoEnd, out)) {
      queue->next_due = due;
      return false;
    }
    HeldRow held = reader_->Current();
    Owed owed;
    owed.kind = KeyKind::kRow;
    owed.key = static_cast<uint64_t>(row);
    owed.place = held.offset;
    owed.accepted_at = held.accepted_at;
    owed.attempts = held.attempts;
    owed.redelivered = true;
    owed.event = std::move(held.event);
    queue->rows_out.insert(row);
    if (owed.event.empty()) {
      BuryUndecodable(queue, std::move(owed));
    } else {
      HandOutOrPark(queue, std::move(owed), out);
    }
    return true;
  });
  if (!status.ok()) {
    NoteReadError(status, now);
    queue->next_due = now + kReadAgain;
    Rest(queue);
  }
}

// Reads the log for one queue that lags.
void EmbeddedConsumer::CatchUp(OpenQueue* queue, Arrivals* out) {
  const uint64_t before = queue->pos;
  while (queue->ready() && !queue->full && rows_left_ > 0 && bytes_left_ > 0) {
    const Segment* next = nullptr;
    for (const Segment& segment : *queue->segments) {
      if (queue->pos < segment.end) {
        next = &segment;
        break;
      }
    }
    // Up to where the tail takes over.
    uint64_t to = committed_;
    if (next != nullptr && next->end == kNoEnd) {
      to = std::min(committed_, std::max(tail_pos_, next->begin));
    }
    if (queue->pos >= to) break;
    if (next == nullptr || queue->pos < next->begin) {
      queue->pos = next == nullptr ? to : std::min(to, next->begin);
      continue;
    }
    if (absl::Status status = ReadSegment(queue, *next, std::min(to, next->end), out);
        !status.ok()) {
      NoteReadError(status, now_);
      break;
    }
  }
  if (queue->queue->reliable && queue->pos / kTellEvery != before / kTellEvery) TellProgress(queue);
}

void EmbeddedConsumer::TellProgress(OpenQueue* queue) {
  TakenOf(queue);
  tell_ = true;
}

absl::Status EmbeddedConsumer::ReadSegment(OpenQueue* queue, const Segment& segment, uint64_t to,
                                           Arrivals* out) {
  const bool newest = segment.end == kNoEnd;
  uint64_t next = queue->pos;
  uint64_t stopped_at = kNoEnd;
  absl::Status status =
      reader_->Read(queue->pos, to, &next, [&](uint64_t offset, Time accepted_at, Event event) {
        --rows_left_;
        bytes_left_ -= static_cast<int64_t>(event.size());
        bool takes = accepted_at >= segment.not_before;
        if (takes && !event.empty()) {
          if (newest) {
            const std::vector<uint32_t>& slots = matcher_.Match(event.source(), event.type());
            takes = std::binary_search(slots.begin(), slots.end(), queue->slot);
          } else {
            takes = AnyMatches(segment.filters, event.source(), event.type());
          }
        }
        if (takes && StopsAt(queue, offset, event)) {
          stopped_at = offset;
          return false;
        }
        if (takes) HandOutLogged(queue, offset, accepted_at, std::move(event), out);
        return queue->ready() && rows_left_ > 0 && bytes_left_ > 0;
      });
  queue->pos = std::min(next, stopped_at);
  return status;
}

bool EmbeddedConsumer::JoinTail() {
  bool anyone = false, with_ready = false;
  uint64_t foremost = 0;
  bool foremost_ready = false;
  for (OpenQueue* queue : open_) {
    if (!ReadsLog(*queue)) continue;
    if (queue->at_tail) {
      anyone = true;
      with_ready |= queue->ready();
    } else if (TakesTail(*queue) && queue->pos >= foremost) {
      foremost_ready = queue->ready() || (foremost_ready && queue->pos == foremost);
      foremost = queue->pos;
    }
  }
  // Nobody at the tail could go on, but somebody ahead of it could: the tail is there.
  if (!with_ready && foremost_ready && foremost > tail_pos_ && anyone) {
    for (OpenQueue* queue : open_) {
      if (queue->at_tail) LeaveTail(queue);
    }
    anyone = false;
  }
  if (!anyone && foremost > 0) tail_pos_ = foremost;
  for (OpenQueue* queue : open_) {
    if (!ReadsLog(*queue) || queue->at_tail || queue->pos != tail_pos_ || !TakesTail(*queue))
      continue;
    queue->at_tail = true;
    with_ready |= queue->ready();
  }
  return with_ready;
}

// One walk over the end of the log for all queues that keep up.
void EmbeddedConsumer::FollowTail(Arrivals* out) {
  const uint64_t before = tail_pos_;
  while (rows_left_ > 0 && bytes_left_ > 0 && JoinTail()) {
    uint64_t to = committed_;
    int ready = 0;  // Those at the tail.
    for (const OpenQueue* queue : open_) {
      if (!ReadsLog(*queue)) continue;
      if (queue->at_tail) {
        ready += queue->ready();
      } else if (queue->pos > tail_pos_ && TakesTail(*queue)) {
        to = std::min(to, queue->pos);
      }
    }
    if (tail_pos_ >= to) break;
    uint64_t next = tail_pos_;
    const absl::Status status = reader_->Read(
        tail_pos_, to, &next, [&](uint64_t offset, Time accepted_at, const Event& event) {
          --rows_left_;
          bytes_left_ -= static_cast<int64_t>(event.size());
          if (event.empty()) {
            reached_.clear();
            for (const OpenQueue* queue : open_) reached_.push_back(queue->slot);
          } else {
            reached_ = matcher_.Match(event.source(), event.type());
          }
          for (const uint32_t slot : reached_) {
            OpenQueue* queue = slots_[slot].get();
            if (!queue->at_tail || accepted_at < queue->segments->back().not_before) continue;
            if (!queue->ready() || StopsAt(queue, offset, event)) {
              ready -= queue->ready();
              queue->at_tail = false;
              queue->pos = offset;
              continue;
            }
            HandOutLogged(queue, offset, accepted_at, event, out);
            ready -= !queue->ready();
          }
          return ready > 0 && rows_left_ > 0 && bytes_left_ > 0;
        });
    tail_pos_ = next;
    if (!status.ok()) {
      NoteReadError(status, now_);
      break;
    }
  }
  if (tail_pos_ / kTellEvery == before / kTellEvery) return;
  for (OpenQueue* queue : open_) {
    if (queue->at_tail && queue->queue->reliable) TellProgress(queue);
  }
}

void EmbeddedConsumer::NoteReadError(const absl::Status& status, Time now) {
  if (now >= complain_at_) {
    LogError("bus", "cannot read", {{"error", std::string(status.message())}});
    complain_at_ = now + kComplainAgain;
  }
  read_again_ = now + kReadAgain;
}

}  // namespace outboard::bus

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "host/base/status.h"
#include "host/bus/embedded/books.h"
#include "host/bus/embedded/inbox.h"
#include "host/bus/lane_groups.h"

// Which lane has which queue after a declaration, and what each queue takes from then on.
namespace outboard::bus {
namespace {

class Declaration {
 public:
  Declaration(Books& books, const std::vector<LaneSpec>& specs) : books_(books), specs_(specs) {}

  absl::Status Make() {
    {
      MutexLock lock(books_.catalog->mu());
      lanes_ = books_.catalog->lanes();
    }
    Orphan();
    const std::vector<size_t> leaders = GroupLanes(specs_);
    for (size_t i = 0; i < specs_.size(); ++i) {
      if (leaders[i] == i) OUTBOARD_RETURN_IF_ERROR(PlanAlone(specs_[i]));
    }
    for (size_t i = 0; i < specs_.size(); ++i) {
      if (leaders[i] != i) PlanShared(specs_[i], specs_[leaders[i]]);
    }
    for (const auto& queue : books_.queues) PlanSegments(queue.get());
    PlanParking();
    OUTBOARD_RETURN_IF_ERROR(books_.InTransaction([&] { return Write(); }));
    Apply();
    return books_.LoadLetters();
  }

 private:
  struct NewQueue {
    QueueRow row;
    bool reliable;
    std::vector<std::string> lanes;
  };

  void Orphan() {
    std::set<std::string> named;
    for (const LaneSpec& spec : specs_) named.insert(spec.name);
    for (auto& [name, lane] : lanes_) {
      if (!named.contains(name)) lane.declared = false;
    }
  }

  bool ClaimedByOther(const Queue* queue, const std::string& name) const {
    const auto it = claimed_.find(queue);
    return it != claimed_.end() && it->second->name != name;
  }

  absl::Status PlanAlone(const LaneSpec& spec) {
    const bool is_new = !lanes_.contains(spec.name);
    Lane& lane = lanes_[spec.name];
    lane.name = spec.name;
    lane.mode = spec.mode;
    lane.declared = true;
    const bool reuse = !is_new && lane.queue != nullptr && !ClaimedByOther(lane.queue, spec.name) &&
                       Suits(*lane.queue, spec);
    // A durable queue with events left stays one until they are handled, whatever the lane says
    // now.
    lane.reliable = reuse ? lane.queue->reliable : spec.reliable;
    if (reuse) {
      claimed_[lane.queue] = &spec;
      return absl::OkStatus();
    }
    lane.queue = nullptr;
    return MakeQueue(spec, is_new ? spec.from : From{});
  }

  static bool Suits(const Queue& queue, const LaneSpec& spec) {
    return queue.reliable == spec.reliable || (queue.reliable && queue.saved.backlog > 0);
  }

  absl::Status MakeQueue(const LaneSpec& spec, const From& from) {
    NewQueue made;
    made.row.id = books_.next_queue_id + static_cast<int64_t>(new_queues_.size());
    made.reliable = spec.reliable;
    made.lanes.push_back(spec.name);
    Segment segment{books_.next_offset, kNoEnd, Time{}, spec.filters};
    if (spec.reliable || from.kind == From::Kind::kTime || from.kind == From::Kind::kOffset) {
      OUTBOARD_RETURN_IF_ERROR(Begin(from, &segment));
    }
    if (!spec.reliable) segment.begin = std::max(segment.begin, books_.next_offset);
    made.row.at.cursor = made.row.at.ended_to = made.row.at.taken_to = segment.begin;
    if (spec.reliable) {
      OUTBOARD_ASSIGN_OR_RETURN(made.row.counts.backlog, CountFrom(segment));
    }
    made.row.segments.push_back(std::move(segment));
    new_queues_.push_back(std::move(made));
    return absl::OkStatus();
  }

  absl::Status Begin(const From& from, Segment* segment) {
    switch (from.kind) {
      case From::Kind::kNext: break;
      case From::Kind::kFirst: segment->begin = books_.first_offset; break;
      case From::Kind::kLast:
        segment->begin = std::max(books_.first_offset, books_.next_offset - 1);
        break;
      case From::Kind::kOffset: segment->begin = std::max(books_.first_offset, from.offset); break;
      case From::Kind::kTime: {
        segment->not_before = from.time;
        uint64_t low = books_.first_offset, high = books_.next_offset;
        while (low < high) {
          const uint64_t middle = low + (high - low) / 2;
          uint64_t sum = 0;
          Time accepted{};
          OUTBOARD_RETURN_IF_ERROR(books_.store->ReadMark(middle, &sum, &accepted));
          (accepted < from.time ? low : high) = accepted < from.time ? middle + 1 : middle;
        }
        segment->begin = low;
        break;
      }
    }
    return absl::OkStatus();
  }

  // How many events of the log the segment takes.
  absl::StatusOr<uint64_t> CountFrom(const Segment& segment) {
    uint64_t count = 0;
    if (segment.begin >= books_.next_offset) return count;
    Stmt scan;
    OUTBOARD_RETURN_IF_ERROR(scan.Prepare(
        books_.store->db(),
        "SELECT \"offset\", event FROM log WHERE \"offset\" >= ?1 ORDER BY \"offset\""));
    scan.Bind(1, segment.begin);
    for (;;) {
      OUTBOARD_ASSIGN_OR_RETURN(const bool more, scan.Step());
      if (!more) return count;
      const Event event = books_.caution->Peek(scan.UInt(0), scan.Bytes(1));
      // What cannot be read becomes a dead letter of each lane that comes to it.
      count += event.empty() || AnyMatches(segment.filters, event.source(), event.type());
    }
  }

  void PlanShared(const LaneSpec& spec, const LaneSpec& leader) {
    Lane& lane = lanes_[spec.name];
    Queue* const shared = lanes_[leader.name].queue;
    lane.name = spec.name;
    lane.mode = spec.mode;
    lane.declared = true;
    lane.reliable = spec.reliable;
    // With events of its own left it finishes them first, takes no new ones, and joins at a later
    // declaration.
    if (lane.queue != nullptr && lane.queue != shared && lane.queue->saved.backlog > 0 &&
        !claimed_.contains(lane.queue)) {
      return;
    }
    lane.queue = shared;
    if (shared != nullptr) return;
    for (NewQueue& made : new_queues_) {
      if (made.lanes.front() == leader.name) made.lanes.push_back(spec.name);
    }
  }

  // What an existing queue takes from now on.
  void PlanSegments(Queue* queue) {
    if (queue->gone) return;
    Segments segments = *queue->segments();
    const Segments before = segments;
    const auto claim = claimed_.find(queue);
    const bool open = !segments.empty() && segments.back().end == kNoEnd;
    const bool same =
        open && claim != claimed_.end() && segments.back().filters == claim->second->filters;
    if (open && !same) segments.back().end = std::max(segments.back().begin, books_.next_offset);
    if (claim != claimed_.end() && !same) {
      segments.push_back({books_.next_offset, kNoEnd, Time{}, claim->second->filters});
    }
    const uint64_t cursor = queue->ledger.Now().cursor;
    std::erase_if(segments, [&](const Segment& s) { return s.end <= std::max(s.begin, cursor); });
    const bool takes = claim != claimed_.end();
    if (segments.size() != before.size() || (open && !same) || (takes && !same)) {
      new_segments_[queue] = std::move(segments);
    }
  }

  // Where nothing waits behind dead letters any more.
  void PlanParking() {
    for (const LaneSpec& spec : specs_) {
      Queue* queue = lanes_[spec.name].queue;
      if (queue != nullptr && spec.parking.by.empty() && queue->saved.parked > 0)
        unparked_.insert(queue);
    }
  }

  // Unreliable lanes leave nothing behind.
  bool Vanishes(const Lane& lane) const {
    return !lane.declared && !lane.reliable && !lane.open && lane.queue->saved.held == 0;
  }

  absl::Status Write() {
    Store& store = *books_.store;
    for (const NewQueue& made : new_queues_) OUTBOARD_RETURN_IF_ERROR(store.InsertQueue(made.row));
    for (const auto& [queue, segments] : new_segments_) {
      OUTBOARD_RETURN_IF_ERROR(store.SaveSegments(queue->id, segments));
    }
    for (const auto& [name, lane] : lanes_) {
      if (lane.queue != nullptr && Vanishes(lane)) {
        OUTBOARD_RETURN_IF_ERROR(store.DeleteLane(name));
        continue;
      }
      OUTBOARD_RETURN_IF_ERROR(
          store.SaveLane({name, QueueIdOf(lane), lane.declared, lane.mode, lane.reliable}));
    }
    for (const Queue* queue : unparked_) OUTBOARD_RETURN_IF_ERROR(store.UnparkAll(queue->id));
    for (const Queue* queue : Unused()) OUTBOARD_RETURN_IF_ERROR(store.DeleteQueue(queue->id));
    return absl::OkStatus();
  }

  int64_t QueueIdOf(const Lane& lane) const {
    if (lane.queue != nullptr) return lane.queue->id;
    for (const NewQueue& made : new_queues_) {
      if (std::find(made.lanes.begin(), made.lanes.end(), lane.name) != made.lanes.end()) {
        return made.row.id;
      }
    }
    return 0;
  }

  // Queues that no lane has any more.
  std::vector<Queue*> Unused() const {
    std::vector<Queue*> unused;
    for (const auto& item : books_.queues) {
      Queue* queue = item.get();
      if (queue->gone) continue;
      const bool used = std::any_of(lanes_.begin(), lanes_.end(), [&](const auto& item) {
        return item.second.queue == queue && !Vanishes(item.second);
      });
      if (!used) unused.push_back(queue);
    }
    return unused;
  }

  void Apply() {
    for (Queue* queue : Unused()) queue->gone = true;
    for (auto& [queue, segments] : new_segments_) queue->SetSegments(std::move(segments));
    for (NewQueue& made : new_queues_) {
      Queue* queue = books_.AddQueue(std::move(made.row), made.reliable);
      for (const std::string& name : made.lanes) lanes_[name].queue = queue;
    }
    for (const LaneSpec& spec : specs_) lanes_[spec.name].queue->SetParking(spec.parking);
    for (Queue* queue : unparked_) {
      const int64_t parked = static_cast<int64_t>(queue->saved.parked);
      queue->saved.parked = queue->now.parked = 0;
      if (queue->holder.inbox) queue->holder.inbox->PostReplayed({queue, {}, -parked});
    }
    std::erase_if(lanes_, [&](const auto& item) { return Vanishes(item.second); });
    {
      MutexLock lock(books_.catalog->mu());
      auto& lanes = books_.catalog->lanes();
      for (auto& [name, lane] : lanes_) {
        // Consumers may have opened or closed lanes meanwhile.
        if (const auto it = lanes.find(name); it != lanes.end()) lane.open = it->second.open;
      }
      lanes = std::move(lanes_);
    }
    books_.RebuildMatcher();
  }

  Books& books_;
  const std::vector<LaneSpec>& specs_;
  std::map<std::string, Lane> lanes_;                // As they will be.
  std::map<const Queue*, const LaneSpec*> claimed_;  // Queues that go on taking events.
  std::vector<NewQueue> new_queues_;
  std::map<Queue*, Segments> new_segments_;
  std::set<Queue*> unparked_;
};

}  // namespace

absl::Status DeclareLanes(Books& books, const std::vector<LaneSpec>& lanes) {
  OUTBOARD_RETURN_IF_ERROR(CheckLanes(lanes));
  return Declaration(books, lanes).Make();
}

}  // namespace outboard::bus

#include "host/admin/why.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/admin/receipt_proto.h"
#include "host/admin/time_proto.h"
#include "host/base/log.h"

namespace outboard::admin {
namespace {

using bus::Standing;
using lane::Waits;
using lineage::Row;

// What is known of one event with one lane.
struct LaneFacts {
  std::optional<Standing> standing;
  std::vector<const Row*> rows;  // Oldest first.
  std::vector<const shard::LaneEvent*> live;
  const bus::DeadLetter* letter = nullptr;  // The newest.
  const bus::Placed* placed = nullptr;
};

struct StoryFacts {
  std::string id, source, type, subject, traceparent;
  Time accepted_at{};
  uint64_t offset = 0;
  std::map<std::string, LaneFacts> lanes;
};

// ---- Whose each fact is

class Stories {
 public:
  explicit Stories(const WhyFacts& facts) : facts_(facts) {
    for (const bus::FoundEvents::One& one : facts.bus.found) AddLogged(one);
    for (const Row& row : facts.lineage.rows) {
      StoryFacts* story = Of(row.id, row.source, row.accepted_at);
      if (story == nullptr) continue;
      Describe(row.type, row.subject, row.traceparent, row.accepted_at, story);
      story->lanes[row.lane].rows.push_back(&row);
    }
    for (const shard::LaneEvent& event : facts.live) {
      const Event& e = event.view.event;
      StoryFacts* story = Of(e.id(), e.source(), event.view.accepted_at);
      if (story == nullptr) continue;
      Describe(e, event.view.accepted_at, story);
      story->lanes[event.lane].live.push_back(&event);
    }
    for (const bus::DeadLetter& letter : facts.letters) {
      StoryFacts* story = Of(letter.event.id(), letter.event.source(), letter.accepted_at);
      if (story == nullptr) continue;
      Describe(letter.event, letter.accepted_at, story);
      if (story->offset == 0) story->offset = letter.offset;
      AddLetter(letter, story);
    }
    for (const bus::DeadLetter& letter : facts.raw_letters) AddRaw(letter);
    for (StoryFacts& story : stories_) GiveSharedStandings(&story);
  }

  const std::vector<StoryFacts>& all() const { return stories_; }

 private:
  void AddLogged(const bus::FoundEvents::One& one) {
    const bus::LoggedEvent& logged = one.logged;
    if (!Wanted(logged.event.source())) return;
    StoryFacts& story = stories_.emplace_back();
    story.id = std::string(logged.event.id());
    story.source = std::string(logged.event.source());
    story.offset = logged.offset;
    Describe(logged.event, logged.accepted_at, &story);
    for (const Standing& standing : one.standings)
      story.lanes[standing.lanes.front()].standing = standing;
    for (const auto& [lane, placed] : logged.placed) story.lanes[lane].placed = &placed;
  }

  static void AddLetter(const bus::DeadLetter& letter, StoryFacts* story) {
    const bus::DeadLetter*& newest = story->lanes[letter.lane].letter;
    if (newest == nullptr || newest->id < letter.id) newest = &letter;
  }

  // It tells no id, but its place in the log.
  void AddRaw(const bus::DeadLetter& letter) {
    if (letter.offset == 0) return;
    for (StoryFacts& story : stories_) {
      if (story.offset == letter.offset) AddLetter(letter, &story);
    }
  }

  // An event may have been published twice: then by the time at which it was accepted.
  StoryFacts* Of(absl::string_view id, absl::string_view source, Time accepted_at) {
    if (!Wanted(source)) return nullptr;
    StoryFacts* only = nullptr;
    for (StoryFacts& story : stories_) {
      if (story.id != id || story.source != source) continue;
      only = &story;
      if (story.accepted_at == accepted_at) break;
    }
    if (only != nullptr) return only;
    stories_.emplace_back();
    stories_.back().id = std::string(id);
    stories_.back().source = std::string(source);
    return &stories_.back();
  }

  static void Describe(absl::string_view type, absl::string_view subject,
                       absl::string_view traceparent, Time accepted_at, StoryFacts* story) {
    if (!story->type.empty()) return;
    story->type = std::string(type);
    story->subject = std::string(subject);
    story->traceparent = std::string(traceparent);
    story->accepted_at = accepted_at;
  }
  static void Describe(const Event& event, Time accepted_at, StoryFacts* story) {
    if (!story->type.empty()) return;
    Describe(event.type(), event.attribute("subject").value_or(""),
             event.attribute("traceparent").value_or(""), accepted_at, story);
  }

  // What lanes of one queue share is the one's that had to do with it.
  static void GiveSharedStandings(StoryFacts* story) {
    std::vector<std::pair<std::string, Standing>> shared;
    for (const auto& [lane, facts] : story->lanes) {
      const bool knows_more = !facts.rows.empty() || !facts.live.empty() || facts.letter != nullptr;
      if (facts.standing && facts.standing->lanes.size() > 1 && !knows_more)
        shared.emplace_back(lane, *facts.standing);
    }
    for (const auto& [lane, standing] : shared) {
      for (const std::string& other : standing.lanes) {
        const auto it = story->lanes.find(other);
        if (other == lane || it == story->lanes.end()) continue;
        it->second.standing = standing;
        story->lanes.erase(lane);
        break;
      }
    }
  }

  bool Wanted(absl::string_view source) const {
    return facts_.source.empty() || source == facts_.source;
  }

  const WhyFacts& facts_;
  std::vector<StoryFacts> stories_;
};

// ---- One lane

std::string InstanceText(std::optional<uint32_t> instance, bool quarantine) {
  return instance ? absl::StrCat(quarantine ? "q" : "", *instance) : "";
}

const char* KindOf(Waits waits) {
  switch (waits) {
    case Waits::kAnswer: return "answer";
    case Waits::kKey: return "key";
    case Waits::kOwed: return "owed";
    case Waits::kRetry: return "retry";
    case Waits::kTrial: return "trial";
    case Waits::kAside: return "aside";
    case Waits::kCircuit: return "circuit";
    case Waits::kProbe: return "probe";
    case Waits::kSession: return "session";
    case Waits::kWindow: return "window";
    case Waits::kRoom: return "room";
    case Waits::kPaused: return "stopped";
    case Waits::kSettling: return "settling";
  }
  return "";
}

void SetWait(const shard::LaneEvent& event, host::v1::EventWait* out) {
  const lane::EventView& view = event.view;
  out->set_kind(KindOf(view.waits));
  out->set_component(event.component);
  out->set_event_id(view.behind);
  out->set_key(view.key);
  out->set_instance(InstanceText(view.instance, view.quarantine));
  out->set_ends(view.ends);
  if (view.since) SetTime(*view.since, out->mutable_since());
  if (view.until) SetTime(*view.until, out->mutable_until());
  out->set_detail(RedactSecrets(view.detail));
}

void AddTurn(const bus::Attempt& turn, host::v1::EventTurn* out) {
  SetTime(turn.at, out->mutable_at());
  out->set_component(turn.component);
  out->set_instance(InstanceText(turn.instance, turn.quarantine));
  out->set_outcome(turn.outcome);
  out->set_microseconds(static_cast<uint64_t>(std::max<int64_t>(turn.took.count(), 0)));
  out->set_reason(turn.reason);
  out->set_message(RedactSecrets(turn.message));
  out->set_plugin_version(turn.version);
}

// Those kept by the host; where it has none those that the bus keeps with a dead letter.
void AddTurns(const LaneFacts& facts, host::v1::LaneStory* out) {
  for (const Row* row : facts.rows) {
    for (const bus::Attempt& turn : row->turns) AddTurn(turn, out->add_turns());
  }
  if (facts.letter == nullptr || !out->turns().empty()) return;
  for (const bus::Attempt& turn : facts.letter->history) AddTurn(turn, out->add_turns());
}

void SetDead(const bus::DeadLetter& letter, host::v1::LaneStory* out) {
  out->set_state("dead");
  out->set_dead_id(letter.id);
  out->set_reason(letter.why.reason);
  out->set_message(RedactSecrets(letter.why.message));
  out->set_attempts(letter.attempts);
  SetTime(letter.died_at, out->mutable_ended_at());
}

// It has not ended, and no lane of this host has it in hand.
void SetQueued(const Standing& standing, const std::string& lane_state, host::v1::LaneStory* out) {
  out->set_attempts(standing.attempts);
  out->set_state(standing.due ? "retrying" : "waiting");
  host::v1::EventWait* wait = out->add_waits();
  if (standing.letter != 0) {
    wait->set_kind("letter");
    wait->set_key(standing.key);
    wait->set_dead_id(standing.letter);
    return;
  }
  if (standing.due) {
    wait->set_kind("retry");
    SetTime(*standing.due, wait->mutable_until());
  }
  const bool runs = lane_state.empty() || lane_state == "running";
  if (!runs || !standing.due) wait->set_kind(runs ? "queue" : lane_state);
}

void SetEnd(const Row& row, host::v1::LaneStory* out) {
  switch (*row.end) {
    case bus::End::kDone: out->set_state("done"); break;
    case bus::End::kDropped:
      out->set_state("dropped");
      out->set_reason(row.reason);
      break;
    case bus::End::kDead:
      out->set_state("replayed");
      out->set_reason(row.reason);
      out->set_message(RedactSecrets(row.message));
      break;
    case bus::End::kRetry:
    case bus::End::kReturned: return;
  }
  SetTime(row.at, out->mutable_ended_at());
}

// By the last thing that is known, where neither a lane, nor the bus, nor a letter tells.
void SetByRows(const LaneFacts& facts, bool ended, host::v1::LaneStory* out) {
  const Row* const last = facts.rows.empty() ? nullptr : facts.rows.back();
  out->set_state(ended ? "done" : facts.standing ? "unkept" : "unknown");
  out->set_straight_through(ended && last == nullptr && facts.placed == nullptr);
  if (last == nullptr) return;
  out->set_attempts(last->attempts);
  if (!last->end) return;
  if (*last->end != bus::End::kRetry) return SetEnd(*last, out);
  if (ended) return;
  out->set_state("retrying");
  host::v1::EventWait* wait = out->add_waits();
  wait->set_kind("retry");
  SetTime(last->due, wait->mutable_until());
}

// Of its last end alone: an end is kept before the bus has made it, which may refuse the emits, or
// be asked again after a kill.
void AddEmits(const LaneFacts& facts, host::v1::LaneStory* out) {
  const auto last = std::find_if(facts.rows.rbegin(), facts.rows.rend(),
                                 [](const Row* row) { return row->end.has_value(); });
  if (last == facts.rows.rend() || (*last)->end != bus::End::kDone) return;
  out->set_emitted_count((*last)->emitted);
  for (const lineage::Child& child : (*last)->emits) {
    host::v1::EventLink* link = out->add_emitted();
    link->set_event_id(child.id);
    link->set_source(child.source);
    link->set_type(child.type);
    link->set_lane((*last)->lane);
  }
}

void SetPlaced(const LaneFacts& facts, host::v1::LaneStory* out) {
  const bus::Placed* placed = facts.placed;
  for (const Row* row : facts.rows) {
    if (placed == nullptr && row->placed) placed = &*row->placed;
  }
  if (placed == nullptr) return;
  if (placed->offset.index() != 0) SetOffset(placed->offset, out->mutable_offset());
  if (placed->at) SetTime(*placed->at, out->mutable_placed_at());
}

void SetLane(const std::string& name, const LaneFacts& facts, const WhyFacts& all,
             host::v1::LaneStory* out) {
  out->set_lane(name);
  AddTurns(facts, out);
  AddEmits(facts, out);
  SetPlaced(facts, out);
  const bool ended = facts.standing && facts.standing->where == Standing::Where::kEnded;
  const bool unkept = facts.standing && facts.standing->where == Standing::Where::kUnkept;
  const auto state = all.lane_states.find(name);
  if (!facts.live.empty() && !ended) {
    out->set_state("waiting");
    for (const shard::LaneEvent* event : facts.live) {
      out->set_attempts(std::max(out->attempts(), event->view.attempts));
      if (event->view.waits == Waits::kRetry) out->set_state("retrying");
      SetWait(*event, out->add_waits());
    }
  } else if (facts.standing && !ended && !unkept) {
    SetQueued(*facts.standing, state == all.lane_states.end() ? "" : state->second, out);
  } else if (facts.letter != nullptr) {
    SetDead(*facts.letter, out);
  } else {
    SetByRows(facts, ended, out);
  }
}

void SetStory(const StoryFacts& facts, const WhyFacts& all, host::v1::EventStory* out) {
  out->set_event_id(facts.id);
  out->set_source(facts.source);
  out->set_type(facts.type);
  out->set_subject(facts.subject);
  out->set_trace_id(TraceIdOf(facts.traceparent));
  if (facts.accepted_at != Time()) SetTime(facts.accepted_at, out->mutable_accepted_at());
  out->set_offset(facts.offset);
  for (const auto& [name, lane] : facts.lanes) SetLane(name, lane, all, out->add_lanes());
  for (const Row& parent : all.lineage.parents) {
    const bool mine =
        std::any_of(parent.emits.begin(), parent.emits.end(), [&](const lineage::Child& child) {
          return child.id == facts.id && child.source == facts.source;
        });
    // The bus may have been asked for an end twice.
    const bool told = std::any_of(
        out->parents().begin(), out->parents().end(), [&](const host::v1::EventLink& link) {
          return link.event_id() == parent.id && link.source() == parent.source &&
                 link.lane() == parent.lane;
        });
    if (!mine || told) continue;
    host::v1::EventLink* link = out->add_parents();
    link->set_event_id(parent.id);
    link->set_source(parent.source);
    link->set_type(parent.type);
    link->set_lane(parent.lane);
  }
}

}  // namespace

host::v1::WhyResponse ToWhy(const WhyFacts& facts) {
  host::v1::WhyResponse out;
  const Stories stories(facts);
  std::vector<const StoryFacts*> sorted;
  for (const StoryFacts& story : stories.all()) sorted.push_back(&story);
  std::stable_sort(sorted.begin(), sorted.end(), [](const StoryFacts* a, const StoryFacts* b) {
    return a->accepted_at < b->accepted_at;
  });
  for (const StoryFacts* story : sorted) SetStory(*story, facts, out.add_events());
  host::v1::WhySearch& searched = *out.mutable_searched();
  searched.set_log(facts.bus.has_log);
  searched.set_log_events(facts.bus.searched);
  if (facts.bus.oldest) SetTime(*facts.bus.oldest, searched.mutable_log_since());
  searched.set_lineage(facts.keeps_lineage);
  if (facts.lineage.since) SetTime(*facts.lineage.since, searched.mutable_lineage_since());
  searched.set_raw_letters(facts.raw_letters.size());
  for (const std::string& problem : facts.problems) searched.add_problems(RedactSecrets(problem));
  return out;
}

std::string TraceIdOf(absl::string_view traceparent) {
  const std::vector<std::string> parts = absl::StrSplit(traceparent, '-');
  return parts.size() >= 4 ? parts[1] : "";
}

}  // namespace outboard::admin

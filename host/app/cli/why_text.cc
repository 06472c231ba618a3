#include "host/app/cli/why_text.h"

#include <ostream>

#include "absl/strings/str_cat.h"
#include "host/app/cli/receipt_text.h"
#include "host/app/cli/table.h"
#include "host/app/cli/time_text.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

constexpr size_t kMaxMessage = 100;
constexpr int kMaxShown = 20;  // Emitted events.

std::string Micros(uint64_t micros) { return micros == 0 ? "" : absl::StrCat(micros, " us"); }

std::string Since(const google::protobuf::Timestamp& time) {
  return absl::StrCat("since ", TimeText(time), ", ", FormatAge(AgeOf(time)));
}

std::string Processes(uint32_t count) {
  return absl::StrCat(count, count == 1 ? " process" : " processes");
}

void PrintTurns(const host::v1::LaneStory& lane, const Terminal& terminal) {
  if (lane.turns().empty()) return;
  Table table({"  WHEN", "COMPONENT", "INSTANCE", "VERDICT", "TOOK", "REASON", "MESSAGE"});
  for (const host::v1::EventTurn& turn : lane.turns()) {
    table.Add({"  " + TimeText(turn.at()), turn.component(), turn.instance(), turn.outcome(),
               Micros(turn.microseconds()), turn.reason(), Truncate(turn.message(), kMaxMessage)});
  }
  table.Print(terminal);
}

std::string LinkText(const host::v1::EventLink& link) {
  return absl::StrCat(EscapeForPeople(link.event_id()), "  ", EscapeForPeople(link.type()));
}

Colour ColourOf(const host::v1::LaneStory& lane) {
  if (lane.state() == "done") return Colour::kGreen;
  if (lane.state() == "dead") return Colour::kRed;
  return lane.state() == "dropped" ? Colour::kNone : Colour::kYellow;
}

void PrintLane(const host::v1::LaneStory& lane, const Terminal& terminal) {
  std::ostream& out = terminal.out;
  out << "\n"
      << EscapeForPeople(lane.lane()) << ": " << Paint(terminal, ColourOf(lane), StateText(lane));
  if (lane.has_ended_at()) out << ", " << TimeText(lane.ended_at());
  if (lane.attempts() > 0) out << ", attempts that failed: " << lane.attempts();
  out << "\n";
  PrintTurns(lane, terminal);
  for (const host::v1::EventWait& wait : lane.waits()) {
    out << "  waits      " << WaitText(wait, lane.lane()) << "\n";
    if (!wait.detail().empty())
      out << "             " << EscapeForPeople(Truncate(wait.detail(), 500)) << "\n";
  }
  if (lane.has_offset() || lane.has_placed_at()) {
    out << "  put at     " << OffsetText(lane.offset());
    if (lane.has_placed_at()) out << ", " << TimeText(lane.placed_at());
    out << "\n";
  }
  if (lane.emitted_count() > 0) {
    out << "  emitted    " << lane.emitted_count()
        << (lane.emitted_count() == 1 ? " event\n" : " events\n");
  }
  for (int i = 0; i < lane.emitted_size() && i < kMaxShown; ++i)
    out << "             " << LinkText(lane.emitted(i)) << "\n";
  if (lane.emitted_size() > kMaxShown) {
    out << "             and " << lane.emitted_size() - kMaxShown << " more, with --json\n";
  }
  if (const uint64_t more = NotKept(lane); more > 0)
    out << "             and " << more << " more, of which nothing is kept\n";
  if (lane.dead_id() > 0) {
    if (!lane.message().empty())
      out << "  message    " << EscapeForPeople(Truncate(lane.message(), 500)) << "\n";
    out << "  more       outboard dead show " << lane.dead_id() << "\n";
  }
}

}  // namespace

void Print(const host::v1::EventStory& story, const Terminal& terminal) {
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty()) terminal.out << name << EscapeForPeople(value) << "\n";
  };
  line("event        ", story.event_id());
  line("type         ", story.type());
  line("source       ", story.source());
  line("subject      ", story.subject());
  line("trace        ", story.trace_id());
  if (story.has_accepted_at()) {
    line("accepted     ", absl::StrCat(TimeText(story.accepted_at()), ", ",
                                       FormatAge(AgeOf(story.accepted_at())), " ago"));
  }
  if (story.offset() > 0) line("offset       ", absl::StrCat(story.offset()));
  for (const host::v1::EventLink& parent : story.parents()) {
    terminal.out << "emitted by   " << LinkText(parent) << "  on " << EscapeForPeople(parent.lane())
                 << "\n";
  }
  if (story.lanes().empty()) terminal.out << "\nno lane takes it\n";
  for (const host::v1::LaneStory& lane : story.lanes()) PrintLane(lane, terminal);
}

std::string StateText(const host::v1::LaneStory& lane) {
  const std::string reason = EscapeForPeople(lane.reason());
  if (lane.state() == "done") return lane.straight_through() ? "done, straight through" : "done";
  if (lane.state() == "dropped") {
    return reason.empty() ? "dropped, as its target does not take the type"
                          : absl::StrCat("dropped by ", reason);
  }
  if (lane.state() == "dead") return absl::StrCat("dead letter ", lane.dead_id(), ", ", reason);
  if (lane.state() == "replayed") {
    return absl::StrCat("was a dead letter (", reason,
                        "), which was replayed and handled since, or purged");
  }
  if (lane.state() == "unknown") {
    return "not with this host now; how it ended is not known: without incident, or elsewhere";
  }
  if (lane.state() == "unkept") {
    return "not with this host now; how it ended is not kept (reliable: false): without incident, "
           "or nobody listened";
  }
  return EscapeForPeople(lane.state());
}

uint64_t NotKept(const host::v1::LaneStory& lane) {
  const auto kept = static_cast<uint64_t>(lane.emitted_size());
  return lane.emitted_count() > kept ? lane.emitted_count() - kept : 0;
}

std::string WaitText(const host::v1::EventWait& wait, const std::string& lane) {
  const std::string component = EscapeForPeople(wait.component());
  const std::string key = EscapeForPeople(wait.key());
  const std::string next =
      wait.has_until() ? absl::StrCat("; next trial at ", TimeText(wait.until())) : "";
  const std::string& kind = wait.kind();
  if (kind == "answer") {
    return absl::StrCat("for the answer of ", component, ", instance ", wait.instance(), ", ",
                        Since(wait.since()));
  }
  if (kind == "key") {
    const std::string other = EscapeForPeople(wait.event_id());
    return absl::StrCat("behind event ", other, ", which has its key ", key, ": outboard why ",
                        other);
  }
  if (kind == "owed") {
    return absl::StrCat("for ", component, " to answer an event of its key ", key,
                        " whose time was over");
  }
  if (kind == "retry") return absl::StrCat("for its retry at ", TimeText(wait.until()));
  if (kind == "trial") {
    return absl::StrCat("as a suspect, to be tried alone; ended ", Processes(wait.ends()),
                        " that way", next);
  }
  if (kind == "aside") {
    return absl::StrCat("set aside: it ended ", Processes(wait.ends()),
                        " alone, and is convicted when another event is handled well", next);
  }
  if (kind == "circuit") return absl::StrCat("for the open circuit of ", component, next);
  if (kind == "probe") {
    return absl::StrCat("for its lane, which probes ", Since(wait.since()), "; next at ",
                        TimeText(wait.until()));
  }
  if (kind == "session")
    return absl::StrCat("for an instance that serves ", component, ": outboard status");
  if (kind == "window")
    return absl::StrCat("for ", component, ", which has its window at 0 ", Since(wait.since()));
  if (kind == "room") return absl::StrCat("for room: instances of ", component, " are full");
  if (kind == "settling") return "for the bus to make its end";
  if (kind == "letter") {
    return absl::StrCat("behind dead letter ", wait.dead_id(), " (", key, "): outboard dead show ",
                        wait.dead_id());
  }
  if (kind == "queue") return "in the queue of its lane, behind older events";
  if (kind == "stopped") {
    return absl::StrCat("for its lane, which is paused: outboard lane resume ",
                        EscapeForPeople(lane));
  }
  return absl::StrCat("for its lane, whose state is '", EscapeForPeople(kind),
                      "': outboard status");
}

std::string NotFoundText(const std::string& id, const std::string& source,
                         const host::v1::WhySearch& searched) {
  std::string text = absl::StrCat("no event ", EscapeForPeople(id));
  if (!source.empty()) absl::StrAppend(&text, " of source ", EscapeForPeople(source));
  absl::StrAppend(&text, "; searched: ");
  if (searched.log()) {
    absl::StrAppend(&text, "the bus's log of ", searched.log_events(), " events");
    if (searched.has_log_since()) absl::StrAppend(&text, " since ", TimeText(searched.log_since()));
    absl::StrAppend(&text, ", ");
  }
  absl::StrAppend(&text, "what is with lanes now, dead letters");
  if (searched.has_lineage_since())
    absl::StrAppend(&text, ", what this host has kept since ", TimeText(searched.lineage_since()));
  if (searched.raw_letters() > 0) {
    absl::StrAppend(&text, "; dead letters of raw bytes, whose ids are not known: ",
                    searched.raw_letters(), ", see `outboard dead list`");
  }
  for (const std::string& problem : searched.problems())
    absl::StrAppend(&text, "; could not ask ", EscapeForPeople(problem));
  if (!searched.log()) {
    absl::StrAppend(&text,
                    "; this bus keeps no log: it was settled without incident here, or was never "
                    "with this host");
  } else {
    absl::StrAppend(&text, "; is the id right? `outboard tail --last 100` shows the newest ones");
  }
  if (!searched.lineage())
    absl::StrAppend(&text, "; host.lineage is false, so that nothing is kept");
  return text;
}

}  // namespace outboard::app

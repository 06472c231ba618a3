#include "tests/simulation/trace.h"

#include <cinttypes>
#include <string>
#include <variant>

namespace outboard::simulation {
namespace {

constexpr const char* kVerdicts[] = {"INVALID", "DONE", "RETRY", "REJECT", "RELEASE", "HALT"};
constexpr const char* kDownCauses[] = {"drained", "crashed", "protocol error", "stream failed"};
constexpr const char* kEnds[] = {"done", "dropped", "dead", "retry", "returned"};
constexpr const char* kNotices[] = {
    "suspected",     "cleared",        "set aside",     "convicted",    "circuit opened",
    "circuit trial", "circuit closed", "probe started", "probe ended",  "stopped",
    "dead-lettered", "protocol error", "stuck",         "settle failed"};

std::string Ids(const std::vector<uint64_t>& ids) {
  std::string text;
  for (uint64_t id : ids) text += " " + std::to_string(id);
  return text;
}

std::string Millis(Duration d) {
  return std::to_string(static_cast<double>(d.count()) / 1e3) + " ms";
}

struct Teller {
  std::string operator()(const lane::DeliveriesArrived& in) const {
    std::string text = "deliveries:";
    for (const bus::Delivery& d : in.deliveries) {
      text += " " + std::string(d.event.id()) + "/lane " + std::to_string(d.lane) + "/tag " +
              std::to_string(d.tag);
      if (const auto key = d.event.attribute("subject")) text += "/" + *key;
      if (d.attempts > 0) text += "/attempts " + std::to_string(d.attempts);
      if (d.redelivered) text += "/again";
    }
    return text;
  }
  std::string operator()(const lane::AnswersArrived& in) const {
    std::string text =
        "answers of session " + std::to_string(in.session) + ": done" + Ids(in.done_ids) + ";";
    for (const lane::Answer& a : in.verdicts) {
      text += " " + std::to_string(a.delivery_id) + " " + kVerdicts[static_cast<int>(a.verdict)];
      if (a.retry_after) text += " after " + Millis(*a.retry_after);
      if (!a.emits.empty()) text += " emits " + std::to_string(a.emits.size());
      text += ",";
    }
    if (!in.progress_ids.empty()) text += " progress" + Ids(in.progress_ids);
    if (in.window) text += " window " + std::to_string(*in.window);
    return text;
  }
  std::string operator()(const lane::SessionUp& in) const {
    return "session " + std::to_string(in.session) + " up: component " +
           std::to_string(in.component) + ", instance " + std::to_string(in.instance) +
           (in.quarantine ? ", quarantine" : "") + ", version " + in.version;
  }
  std::string operator()(const lane::SessionDraining& in) const {
    return "session " + std::to_string(in.session) + " draining";
  }
  std::string operator()(const lane::SessionDown& in) const {
    return "session " + std::to_string(in.session) +
           " down: " + kDownCauses[static_cast<int>(in.cause)];
  }
  std::string operator()(const lane::InstanceEnded& in) const {
    return "life " + std::to_string(in.life) + " is over";
  }
  std::string operator()(const lane::InstanceFailed& in) const {
    return std::string("instance failed") + (in.quarantine ? ", quarantine" : "");
  }
  std::string operator()(const lane::SettlesArrived& in) const {
    std::string text = "settled:";
    for (const bus::Settled& s : in.settled) {
      text += " " + std::to_string(s.lane) + "/" + std::to_string(s.cookie) +
              (s.status.ok() ? "" : " FAILED " + std::string(s.status.message())) + ",";
    }
    return text;
  }
  std::string operator()(const lane::NextCredit& in) const {
    return absl::StrCat("the hop after ", in.lane, " takes ", in.more);
  }
  std::string operator()(const lane::NextEnded& in) const {
    return absl::StrCat(in.settlements.size(), " ended behind it");
  }
  std::string operator()(const lane::FirstJammed& in) const {
    return absl::StrCat("the first hop before ", in.lane, in.jammed ? " is jammed" : " moves");
  }
  std::string operator()(const lane::CallsArrived& in) const {
    std::string text = "calls";
    for (const lane::CallsArrived::Item& item : in.calls)
      absl::StrAppend(&text, " c", item.call, "@", item.lane);
    return text;
  }
  std::string operator()(const lane::CallsCancelled& in) const {
    return "gives up calls" + Ids(in.calls);
  }
  std::string operator()(const lane::PauseLane& in) const {
    return absl::StrCat(in.paused ? "pause" : "resume", " lane ", in.lane);
  }
  std::string operator()(const lane::StopLane& in) const {
    return absl::StrCat("stop lane ", in.lane);
  }
  std::string operator()(const lane::GoOn& in) const {
    return absl::StrCat("lane ", in.lane, " goes on, stopped ", in.stops, " times");
  }
  std::string operator()(const lane::FirstStopped& in) const {
    return absl::StrCat("the first hop before ", in.lane, in.stopped ? " stopped" : " goes on");
  }
  std::string operator()(const lane::Configure&) const { return "configure"; }
  std::string operator()(const lane::TimerFired&) const { return "timer"; }
  std::string operator()(const lane::StartDrain&) const { return "drain"; }
};

double Seconds(Time t) {
  return static_cast<double>((t - Time(std::chrono::seconds(1'700'000'000))).count()) / 1e6;
}

void Line(std::FILE* out, const std::string& text) {
  std::fprintf(out, "                    -> %s\n", text.c_str());
}

void Settlements(std::FILE* out, const lane::Effects& effects, Time now) {
  for (const bus::Settlement& s : effects.settlements) {
    std::string text = "settle lane " + std::to_string(s.lane) + " tag " + std::to_string(s.tag) +
                       ": " + kEnds[static_cast<int>(s.end)];
    if (s.end == bus::End::kRetry) text += " in " + Millis(s.due - now);
    if (s.dead) text += " " + s.dead->reason;
    if (!s.emits.empty()) text += ", emits " + std::to_string(s.emits.size());
    Line(out, text + ", attempts " + std::to_string(s.attempts) + ", cookie " +
                  std::to_string(s.cookie));
  }
}

}  // namespace

void Trace(std::FILE* out, uint64_t step, const lane::Input& input, Time now) {
  std::fprintf(out, "%6" PRIu64 " %12.6f  %s\n", step, Seconds(now),
               std::visit(Teller(), input).c_str());
}

void Trace(std::FILE* out, const lane::Effects& effects, Time now) {
  for (const lane::CancelDeliveries& c : effects.cancels)
    Line(out, "cancel on session " + std::to_string(c.session) + ":" + Ids(c.ids));
  Settlements(out, effects, now);
  for (const lane::SendFrame& f : effects.frames) {
    std::string text = "frame to session " + std::to_string(f.session) + " from id " +
                       std::to_string(f.first_id) + ":";
    for (const lane::FrameItem& i : f.items)
      text += " " + std::string(i.event.id()) + "/lane " + std::to_string(i.lane) + "/attempt " +
              std::to_string(i.attempt);
    Line(out, text);
  }
  for (const lane::CloseSession& c : effects.closes)
    Line(out, "close session " + std::to_string(c.session) + " " + c.message);
  for (const lane::ReplaceInstance& r : effects.replaces) {
    Line(out, "replace instance of session " + std::to_string(r.session) +
                  (r.at_once ? " at once" : " after a drain"));
  }
  for (const lane::SetCredit& c : effects.credits)
    Line(out, "credit of lane " + std::to_string(c.lane) + ": " + std::to_string(c.more));
  for (const lane::Notice& n : effects.notices) {
    Line(out, std::string("notice: ") + kNotices[static_cast<int>(n.kind)] + " lane " +
                  std::to_string(n.lane) + " " + n.event_id + " " + n.text + " x" +
                  std::to_string(n.count));
  }
  if (effects.wake_at != kNever)
    std::fprintf(out, "                       wake at %.6f%s\n", Seconds(effects.wake_at),
                 effects.wants_quarantine ? ", wants quarantine" : "");
}

}  // namespace outboard::simulation

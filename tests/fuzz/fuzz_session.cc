// A plugin that says anything: its frames go through the session core into a dispatcher. Each
// delivery ends once, each call is answered once, an id that was never sent ends the session, and
// whatever goes on to the plugin, the bus or a caller is what they can read.
//
// The first byte says what plays (RulesOf); then each byte is an act (Game::Act), a frame with its
// length and its bytes behind it.
#include <google/protobuf/stubs/logging.h>

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "host/base/text.h"
#include "host/event/wire.h"
#include "host/lane/dispatcher.h"
#include "host/lane/hops.h"
#include "host/plugin/session_core.h"
#include "outboard/event/v1/event.pb.h"
#include "outboard/plugin/v1/producer.pb.h"
#include "outboard/plugin/v1/stage.pb.h"
#include "outboard/plugin/v1/worker.pb.h"
#include "tests/fuzz/event_oracle.h"
#include "tests/fuzz/fuzz.h"

namespace outboard::fuzz {
namespace {

using lane::Role;
using lane::SessionId;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr bus::LaneId kLane = 0;    // Of the plugin that says anything.
constexpr bus::LaneId kBehind = 1;  // The hop behind a stage: its component answers DONE.
constexpr int kMaxWakes = 10'000;   // In one wait.

struct Rules {
  Role role = Role::kWorker;
  bool calls = false;
  lane::DispatcherOptions options;
  bool opens_itself = true;  // Else the plugin's own first frame has to.
  bool in_order = false;
};

Rules RulesOf(uint8_t byte) {
  Rules rules;
  rules.role = byte % 4 == 0 ? Role::kWorker : byte % 4 == 1 ? Role::kProducer : Role::kStage;
  rules.calls = byte % 4 == 3;
  rules.opens_itself = (byte & 0x40) == 0;
  rules.in_order = (byte & 0x10) != 0;
  rules.options.plugin = "p";
  rules.options.remote = (byte & 0x08) != 0;
  rules.options.components = {"any", "good"};
  lane::LaneOptions lane;
  lane.id = kLane;
  lane.name = "r/p";
  lane.role = rules.role;
  lane.calls = rules.calls;
  lane.fail_open = byte % 4 == 2 && (byte & 0x20) != 0;
  lane.retry.max_attempts = 3;
  if ((byte & 0x04) != 0 && !rules.calls) lane.order_by = "key";
  if (rules.role == Role::kStage && !rules.calls) lane.next = kBehind;
  rules.options.lanes = {lane};
  if (!lane.next) return rules;
  lane.id = kBehind;
  lane.component = 1;
  lane.role = Role::kWorker;
  lane.first = lane.fail_open = false;
  lane.next.reset();
  rules.options.lanes.push_back(lane);
  return rules;
}

Event MakeEvent(uint64_t number) {
  outboard::event::v1::Event event;
  event.set_id(absl::StrCat("e", number));
  event.set_source("s");
  event.set_spec_version("1.0");
  event.set_type("t.a");
  (*event.mutable_attributes())["key"].set_ce_string(absl::StrCat(number % 3));
  event.set_binary_data(std::string(number % 100, 'x'));
  return *CheckEvent(event.SerializeAsString());
}

std::shared_ptr<const lane::Call> MakeCall(uint64_t number) {
  lane::Call call;
  if (number % 2 == 0) {
    call.event = MakeEvent(number);
  } else {
    outboard::plugin::v1::Call body;
    body.set_pipeline("q");
    body.set_operation("get");
    call = {body.SerializeAsString(), "q", "get"};
  }
  return std::make_shared<const lane::Call>(std::move(call));
}

// A session under way.
struct Live {
  std::unique_ptr<plugin::SessionCore> core;
  uint64_t next_id = 1;                 // Of its deliveries.
  std::optional<lane::DownCause> down;  // At the end of this act.
};

class Game final : public plugin::SessionSink {
 public:
  Game(const Rules& rules, absl::string_view input)
      : rules_(rules), input_(input), dispatcher_(rules_.options, 1), hops_({&rules_.options}) {
    if (rules_.options.lanes.size() > 1) {
      lane::SessionUp up;
      up.session = kGoodSession;
      up.component = 1;
      Give(std::move(up));
    }
    OpenSession(false);
  }

  // Takes what it needs off the front.
  void Act(absl::string_view* acts) {
    const auto act = static_cast<uint8_t>((*acts)[0]);
    acts->remove_prefix(1);
    const int more = act >> 3;
    switch (act % 8) {
      case 0: Deliver(more + 1); break;
      case 1: Wait(milliseconds(1) * (1 << more % 18)); break;
      case 2:
        if (live_[0]) Down(*live_[0], static_cast<lane::DownCause>(more % 4));
        break;
      case 3:
        if (live_[0]) Give(lane::SessionDraining{live_[0]->core->id()});
        break;
      default: {  // A frame, of the session for suspects where there is one and `more` is odd.
        const size_t size = acts->empty() ? 0 : static_cast<uint8_t>((*acts)[0]);
        const absl::string_view frame = acts->substr(std::min<size_t>(1, acts->size()), size);
        acts->remove_prefix(std::min(size + 1, acts->size()));
        const int which = live_[1] && more % 2 == 1 ? 1 : 0;
        if (live_[which]) Frame(*live_[which], frame);
      }
    }
    EndSessions();
  }

  // The host drains and stops.
  void Finish() {
    Give(lane::StartDrain{now_ + seconds(1)});
    Wait(seconds(2));
    EndSessions();
    for (auto& live : live_) {
      if (live) Down(*live, lane::DownCause::kDrained);
    }
    draining_ = true;
    EndSessions();
    Say(deliveries_.empty() ? "" : "a delivery did not end, and the host has drained");
    Say(calls_.empty() ? "" : "a call was not answered, and the host has drained");
    Say(effects_.drained ? "" : "the drain does not end");
  }

  // ---- SessionSink ----
  void OnOpened(SessionId id, const std::string&) override {
    lane::SessionUp up;
    up.session = id;
    up.quarantine = live_[1] && live_[1]->core->id() == id;
    up.in_order = rules_.in_order;
    up.concurrency = 2;
    up.emits = {"#"};
    up.operations = {"*"};
    Give(std::move(up));
  }
  void OnAnswers(lane::AnswersArrived answers) override { Give(std::move(answers)); }
  void OnBroken(SessionId id, std::string rule) override {
    Say(rule.empty() ? "a broken rule has no name" : "");
    Find(id)->core->Close({id, lane::CloseCause::kProtocolError, std::move(rule), {}});
    Down(*Find(id), lane::DownCause::kProtocolError);
  }
  void OnReadsOver(SessionId) override {}
  void OnEnded(SessionId, absl::Status) override {}

 private:
  static constexpr SessionId kGoodSession = 1'000'000;

  void Say(const std::string& problem) const { Expect(problem, input_); }

  Live* Find(SessionId id) {
    for (auto& live : live_) {
      if (live && live->core->id() == id) return &*live;
    }
    return nullptr;
  }

  void OpenSession(bool quarantine) {
    std::optional<Live>& live = live_[quarantine ? 1 : 0];
    live.emplace();
    outboard::plugin::v1::Open open;
    open.set_component("any");
    live->core = std::make_unique<plugin::SessionCore>(++last_session_, rules_.role, open, this);
    if (!rules_.opens_itself) return;
    wire::Response response;
    response.mutable_opened()->set_instance_id("i");
    live->core->OnRead(&response);
  }

  // Not at once: its core may be at work.
  static void Down(Live& live, lane::DownCause cause) {
    if (!live.down) live.down = cause;
  }

  void EndSessions() {
    for (bool again = true; again;) {
      again = false;
      for (const bool quarantine : {false, true}) {
        std::optional<Live>& live = live_[quarantine ? 1 : 0];
        if (!live || !live->down) continue;
        const lane::SessionDown down{live->core->id(), *live->down, "report"};
        live.reset();
        Give(down);
        if (!quarantine && !draining_) OpenSession(false);
        again = true;
      }
      if (effects_.wants_quarantine && !live_[1]) OpenSession(true);
    }
  }

  void Deliver(int count) {
    lane::DeliveriesArrived in;
    lane::CallsArrived calls;
    for (int i = 0; i < count; ++i) {
      const uint64_t number = ++last_tag_;
      if (rules_.calls) {
        calls_.insert(number);
        calls.calls.push_back({kLane, number, MakeCall(number)});
      } else if (credit_ > 0) {
        --credit_;
        deliveries_.insert(number);
        in.deliveries.push_back({kLane, number, MakeEvent(number), 0, false, now_});
      }
    }
    if (!calls.calls.empty()) Give(std::move(calls));
    if (!in.deliveries.empty()) Give(std::move(in));
  }

  void Wait(Duration d) {
    const Time until = now_ + d;
    for (int wakes = 0; effects_.wake_at <= until; ++wakes) {
      now_ = std::max(now_, effects_.wake_at);
      Give(lane::TimerFired{});
      Say(wakes < kMaxWakes ? "" : "the dispatcher wakes again and again");
    }
    now_ = until;
  }

  void Frame(Live& live, absl::string_view bytes) {
    wire::Response response;
    if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return Down(live, lane::DownCause::kProtocolError);
    const bool lies = NamesUnknown(response, live.next_id);
    const bool was_down = live.down.has_value();
    live.core->OnRead(&response);
    Say(!lies || was_down || live.down == lane::DownCause::kProtocolError
            ? ""
            : "an id that was never sent did not end the session");
  }

  static bool NamesUnknown(const wire::Response& response, uint64_t next_id) {
    const auto unknown = [next_id](uint64_t id) { return id == 0 || id >= next_id; };
    for (const uint64_t id : response.done_ids()) {
      if (unknown(id)) return true;
    }
    for (const uint64_t id : response.progress_ids()) {
      if (unknown(id)) return true;
    }
    for (const wire::Verdict& verdict : response.verdicts()) {
      if (unknown(verdict.delivery_id())) return true;
    }
    return false;
  }

  // ---- The dispatcher ----

  void Give(lane::Input input) {
    inputs_.push_back(std::move(input));
    if (stepping_) return;
    stepping_ = true;
    for (;;) {
      if (!inputs_.empty()) {
        lane::Input next = std::move(inputs_.front());
        inputs_.pop_front();
        Step(std::move(next));
      } else if (std::optional<lane::Hops::Turn> turn = hops_.Next()) {
        Step(std::move(turn->input));
      } else {
        break;
      }
    }
    stepping_ = false;
  }

  void Step(lane::Input input) {
    effects_.Clear();
    dispatcher_.Step(std::move(input), now_, &effects_);
    hops_.TakeFrom(&effects_);
    for (const lane::SendFrame& frame : effects_.frames) Take(frame);
    for (lane::CancelDeliveries& cancel : effects_.cancels) {
      if (Live* live = Find(cancel.session)) live->core->Cancel(std::move(cancel));
    }
    for (const lane::CloseSession& close : effects_.closes) Take(close);
    for (const lane::ReplaceInstance& replace : effects_.replaces) {
      if (Live* live = Find(replace.session)) Down(*live, lane::DownCause::kStreamFailed);
    }
    for (bus::Settlement& settlement : effects_.settlements) Take(settlement);
    for (const lane::CallEnd& end : effects_.call_ends) Take(end);
    for (const lane::SetCredit& credit : effects_.credits) credit_ = credit.more;
    for (auto& live : live_) {
      if (live) CheckWrites(*live->core);
    }
  }

  void Take(const lane::SendFrame& frame) {
    if (frame.session == kGoodSession) {
      lane::AnswersArrived done;
      done.session = kGoodSession;
      for (size_t i = 0; i < frame.items.size(); ++i) done.done_ids.push_back(frame.first_id + i);
      inputs_.emplace_back(std::move(done));
      return;
    }
    Live* live = Find(frame.session);
    Say(live != nullptr && live->down != lane::DownCause::kProtocolError
            ? ""
            : "a frame for a session that is over");
    Say(frame.first_id == live->next_id && !frame.items.empty() ? "" : "ids do not follow");
    live->next_id += frame.items.size();
    live->core->Send(frame, {"r"});
  }

  void Take(const lane::CloseSession& close) {
    Live* live = Find(close.session);
    if (live == nullptr) return;
    live->core->Close(close);
    if (close.cause == lane::CloseCause::kProtocolError)
      Down(*live, lane::DownCause::kProtocolError);
  }

  void Take(bus::Settlement& settlement) {
    Say(deliveries_.erase(settlement.tag) == 1 ? "" : "a delivery ended twice, or was never there");
    for (const Event& emit : settlement.emits) Say(FindDisagreement(emit.bytes()));
    if (settlement.end == bus::End::kDead) {
      Say(!settlement.dead->reason.empty() ? "" : "a dead letter has no reason");
      for (const std::string* text :
           {&settlement.dead->reason, &settlement.dead->message, &settlement.dead->detail}) {
        Say(IsValidUtf8(*text) ? "" : "a text of a dead letter is no UTF-8");
      }
    }
    Say(settlement.end != bus::End::kRetry || settlement.due >= now_ ? "" : "a retry in the past");
    lane::SettlesArrived settled;
    settled.settled.push_back({settlement.lane, settlement.cookie, absl::OkStatus(), nullptr});
    inputs_.emplace_back(std::move(settled));
  }

  void Take(const lane::CallEnd& end) {
    Say(calls_.erase(end.call) == 1 ? "" : "a call was answered twice, or was never there");
    outboard::plugin::v1::Payload payload;
    if (end.answer) Say(payload.ParseFromString(*end.answer) ? "" : "the answer is no Payload");
    if (!end.changed) return;
    if (end.changed->is_event()) return Say(FindDisagreement(end.changed->event.bytes()));
    outboard::plugin::v1::Call call;
    Say(call.ParseFromString(end.changed->bytes) ? "" : "the changed call is no Call");
  }

  // Frames are what the plugin's own library can read.
  void CheckWrites(plugin::SessionCore& core) const {
    std::string frame;
    while (core.HasWrite()) {
      if (core.TakeWrite(&frame) != plugin::SessionCore::Write::kFrame) continue;
      outboard::plugin::v1::HandleRequest handle;
      outboard::plugin::v1::ProcessRequest process;
      outboard::plugin::v1::ProduceRequest produce;
      const bool parsed = rules_.role == Role::kWorker  ? handle.ParseFromString(frame)
                          : rules_.role == Role::kStage ? process.ParseFromString(frame)
                                                        : produce.ParseFromString(frame);
      Say(parsed ? "" : "a frame for the plugin is no request");
    }
  }

  const Rules rules_;
  const absl::string_view input_;
  Time now_{seconds(1'000'000)};
  lane::Dispatcher dispatcher_;
  lane::Hops hops_;
  lane::Effects effects_;
  std::deque<lane::Input> inputs_;
  bool stepping_ = false;
  bool draining_ = false;
  std::optional<Live> live_[2];  // The plugin's, and the one for suspects.
  SessionId last_session_ = 0;
  uint64_t last_tag_ = 0;
  uint32_t credit_ = 0;
  std::set<uint64_t> deliveries_;  // That have not ended.
  std::set<uint64_t> calls_;
};

}  // namespace
}  // namespace outboard::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outboard::fuzz;  // NOLINT: the entry point has no namespace.
  if (size == 0) return 0;
  const google::protobuf::LogSilencer quiet;  // It says what it cannot parse.
  const absl::string_view input = AsText(data, size);
  Game game(RulesOf(data[0]), input);
  absl::string_view acts = input.substr(1);
  while (!acts.empty()) game.Act(&acts);
  game.Finish();
  return 0;
}

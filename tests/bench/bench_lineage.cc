// One dispatcher with a lane, and a bus and a plugin that answer at once: what `host.lineage` costs
// in the core. Run under callgrind by tests/bench/lineage.
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/base/clock.h"
#include "host/base/status.h"
#include "host/base/task_thread.h"
#include "host/event/wire.h"
#include "host/event/wire_reader.h"
#include "host/event/wire_writer.h"
#include "host/lane/dispatcher.h"
#include "host/lane/hops.h"
#include "host/lineage/store.h"

namespace outboard {
namespace {

constexpr size_t kBatch = 64;
constexpr char kUsage[] =
    "usage: bench_lineage straight|stage|emit|offset|retry|reject on|off EVENTS FOLDER\n";

Event MakeEvent(uint64_t number) {
  namespace tag = event_wire::tag;
  std::string bytes;
  event_wire::AppendField(tag::kId, "event-" + std::to_string(number), &bytes);
  event_wire::AppendField(tag::kSource, "storyboard", &bytes);
  event_wire::AppendField(tag::kSpecVersion, "1.0", &bytes);
  event_wire::AppendField(tag::kType, "story.post", &bytes);
  event_wire::AppendField(tag::kBinaryData, std::string(256, 'x'), &bytes);
  absl::StatusOr<Event> event = CheckEvent(std::move(bytes));
  OUTBOARD_CHECK(event.ok());
  return *std::move(event);
}

std::string EmitBytes() {
  std::string bytes;
  event_wire::AppendField(event_wire::tag::kType, "story.child", &bytes);
  event_wire::AppendField(event_wire::tag::kBinaryData, std::string(64, 'y'), &bytes);
  return bytes;
}

// What the shard does: steps the dispatcher, carries what is for other hops, answers for bus and
// plugins.
class Bench {
 public:
  Bench(std::string act, lineage::Store* store) : act_(std::move(act)), store_(store) {
    options_.plugin = "mail";
    options_.components = {"mail"};
    options_.lineage = store != nullptr;
    lane::LaneOptions lane;
    lane.name = "stories/mail";
    options_.lanes = {lane};
    if (act_ == "stage") {
      options_.components.push_back("guard");
      options_.lanes[0].component = 1;
      options_.lanes[0].role = lane::Role::kStage;
      options_.lanes[0].next = 1;
      lane.id = 1;
      lane.first = false;
      options_.lanes.push_back(lane);
    }
    dispatcher_ = std::make_unique<lane::Dispatcher>(options_, 1);
    hops_ = std::make_unique<lane::Hops>(std::vector<const lane::DispatcherOptions*>{&options_});
    for (lane::ComponentId component = 0; component < options_.components.size(); ++component) {
      lane::SessionUp session;
      session.session = component + 1;
      session.component = component;
      session.version = "1.0";
      session.emits = {"story.#"};
      Step(std::move(session));
    }
  }

  void Run(uint64_t events) {
    for (uint64_t done = 0; done < events;) {
      lane::DeliveriesArrived in;
      for (size_t i = 0; i < kBatch && done < events; ++i, ++done) {
        bus::Delivery delivery;
        delivery.tag = ++tag_;
        delivery.event = MakeEvent(tag_);
        delivery.accepted_at = clock_.Now();
        in.deliveries.push_back(std::move(delivery));
      }
      Step(std::move(in));
      while (!waiting_.empty()) {
        lane::Input next = std::move(waiting_.front());
        waiting_.erase(waiting_.begin());
        Step(std::move(next));
      }
      clock_.Advance(std::chrono::milliseconds(1));
    }
    OUTBOARD_CHECK(settled_ == events);
  }

 private:
  void Step(lane::Input input) {
    StepOne(std::move(input));
    while (std::optional<lane::Hops::Turn> turn = hops_->Next()) StepOne(std::move(turn->input));
  }

  void StepOne(lane::Input input) {
    lane::Effects effects;
    dispatcher_->Step(std::move(input), clock_.Now(), &effects);
    hops_->TakeFrom(&effects);
    for (const lane::SendFrame& frame : effects.frames) waiting_.emplace_back(Answer(frame));
    lane::SettlesArrived settled;
    for (const bus::Settlement& settlement : effects.settlements)
      settled.settled.push_back({settlement.lane, settlement.cookie, absl::OkStatus(), nullptr});
    settled_ += settled.settled.size();
    if (!settled.settled.empty()) waiting_.emplace_back(std::move(settled));
    if (effects.records.empty()) return;
    std::vector<lineage::Store::Entry> entries;
    for (lane::Record& record : effects.records)
      entries.push_back({hops_->OptionsOf(record.lane).name, std::move(record)});
    store_->Add(std::move(entries));
  }

  lane::AnswersArrived Answer(const lane::SendFrame& frame) const {
    lane::AnswersArrived in;
    in.session = frame.session;
    for (size_t i = 0; i < frame.items.size(); ++i) {
      const uint64_t id = frame.first_id + i;
      if (act_ == "straight" || act_ == "stage") {
        in.done_ids.push_back(id);
        continue;
      }
      lane::Answer answer;
      answer.delivery_id = id;
      answer.verdict = lane::Verdict::kDone;
      if (act_ == "emit") answer.emits.push_back(EmitBytes());
      if (act_ == "offset") {
        answer.placed = std::make_unique<bus::Placed>(
            bus::Placed{bus::Offset(static_cast<int64_t>(id)), std::nullopt});
      }
      // Not so often that the lane would probe.
      if (act_ == "retry" || act_ == "reject") {
        answer.verdict =
            act_ == "reject" || id % 8 == 0 ? lane::Verdict::kReject : lane::Verdict::kRetry;
        answer.failure = std::make_unique<lane::Failure>(lane::Failure{"BUSY", "not now", ""});
      }
      in.verdicts.push_back(std::move(answer));
    }
    return in;
  }

  const std::string act_;
  lineage::Store* const store_;
  ManualClock clock_;
  lane::DispatcherOptions options_;
  std::unique_ptr<lane::Dispatcher> dispatcher_;
  std::unique_ptr<lane::Hops> hops_;
  std::vector<lane::Input> waiting_;
  bus::Tag tag_ = 0;
  uint64_t settled_ = 0;
};

int Main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << kUsage;
    return 2;
  }
  const bool on = std::string(argv[2]) == "on";
  const uint64_t events = std::strtoull(argv[3], nullptr, 10);
  RealClock clock;
  std::unique_ptr<lineage::Store> store;
  if (on) {
    lineage::StoreOptions options;
    options.folder = argv[4];
    options.clock = &clock;
    auto opened = lineage::Store::Open(std::move(options));
    if (!opened.ok()) {
      std::cerr << opened.status() << "\n";
      return 1;
    }
    store = *std::move(opened);
  }
  // With another thread, as in a host: alone, the allocator and counts of references are cheaper.
  TaskThread other(&clock);
  Bench(argv[1], store.get()).Run(events);
  if (store == nullptr) return 0;
  const lineage::Store::Counters counters = store->counters();
  std::cout << "dropped " << counters.dropped << "\n";
  return 0;
}

}  // namespace
}  // namespace outboard

int main(int argc, char** argv) { return outboard::Main(argc, argv); }

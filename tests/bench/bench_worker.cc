// The worker that the benchmarks measure: reads id, type and data of every event and sums them.
//
//   bench_worker --report PATH --events N [--latency 1]
//
// Writes PATH.first at the first event (pid, clock, CPU time until then) and PATH.last at the N-th.
// With --latency the events carry the time when they were published: PATH.last then holds, for each
// event, the nanoseconds from there to the handler's first line.

#include <unistd.h>

#include <string>
#include <vector>

#include "outboard/outboard.h"
#include "tests/bench/common.h"

namespace {

using outboard::bench::CpuSeconds;
using outboard::bench::NowNanos;

class Meter {
 public:
  Meter(std::string report, uint64_t events, bool latency)
      : report_(std::move(report)), events_(events), latency_(latency) {}

  void Handle(const outboard::Event& event) {
    const int64_t now = latency_ || count_ == 0 ? NowNanos() : 0;
    if (count_ == 0) Begin(now);
    for (const char c : event.data()) sum_ += static_cast<unsigned char>(c);
    sum_ += event.id().size() + event.type().size();
    if (latency_) nanos_.push_back(now - outboard::bench::StampOf(event.data()));
    if (++count_ == events_) End();
  }

 private:
  void Begin(int64_t now) {
    outboard::bench::WriteFile(report_ + ".first",
                               "{\"pid\": " + std::to_string(getpid()) +
                                   ", \"at\": " + std::to_string(now) +
                                   ", \"cpu\": " + std::to_string(CpuSeconds()) + "}");
  }

  void End() {
    std::string text = "{\"at\": " + std::to_string(NowNanos()) +
                       ", \"sum\": " + std::to_string(sum_) + ", \"nanos\": [";
    for (size_t i = 0; i < nanos_.size(); ++i) {
      text += (i == 0 ? "" : ",") + std::to_string(nanos_[i]);
    }
    outboard::bench::WriteFile(report_ + ".last", text + "]}");
  }

  const std::string report_;
  const uint64_t events_;
  const bool latency_;
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  std::vector<int64_t> nanos_;
};

}  // namespace

int main(int argc, char** argv) {
  auto flags =
      outboard::bench::ReadFlags(argc, argv, {{"report", ""}, {"events", "0"}, {"latency", "0"}});
  Meter meter(flags["report"], std::stoull(flags["events"]), flags["latency"] != "0");
  outboard::Plugin plugin("bench", OUTBOARD_VERSION);
  plugin.Worker("bench", [&meter](const outboard::Event& event, outboard::Context&) {
    meter.Handle(event);
    return outboard::Done();
  });
  return outboard::Serve(plugin);
}

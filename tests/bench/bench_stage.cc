// The stage that the benchmarks measure: lets every event pass, after it has read id, type and
// data; of a call it reads the first argument, and lets it pass or answers with it.
//
//   bench_stage [--answer 1] [--inline 0]

#include <atomic>

#include "outboard/outboard.h"
#include "tests/bench/common.h"

int main(int argc, char** argv) {
  auto flags = outboard::bench::ReadFlags(argc, argv, {{"answer", "0"}, {"inline", "1"}});
  const bool answers = flags["answer"] != "0";
  std::atomic<uint64_t> sum{0};
  outboard::Plugin plugin("bench-stage", OUTBOARD_VERSION);
  plugin.Stage(
      "stage",
      [&sum](const outboard::Event& event, outboard::Context&) {
        uint64_t read = event.id().size() + event.type().size();
        for (const char c : event.data()) read += static_cast<unsigned char>(c);
        sum += read;
        return outboard::Continue();
      },
      [&sum, answers](const outboard::Call& call, outboard::Context&) {
        const outboard::PayloadView argument = *call.arg(0);
        sum += argument.data.size();
        return answers ? outboard::Halt(argument.Copy()) : outboard::Continue();
      },
      {.inline_handler = flags["inline"] != "0"});
  return outboard::Serve(plugin);
}

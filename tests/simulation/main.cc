#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/simulation/coverage.h"
#include "tests/simulation/history.h"
#include "tests/simulation/hops_history.h"

// Runs seeded histories of the Dispatcher; see README.md.
namespace outboard::simulation {
namespace {

constexpr uint64_t kEnoughForCoverage = 5'000;  // Below it a rare pair may well be missing.

struct Options {
  uint64_t seed = 1;
  bool seed_given = false;
  uint64_t histories = 500;
  bool histories_given = false;
  uint64_t seconds = 0;
  uint32_t steps = 0;
  unsigned threads = 1;
  unsigned failures = 1;
  bool trace = false;
  bool coverage = true;
};

struct Run {
  Options options;
  const char* program = "";
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> done{0}, steps{0};
  std::atomic<unsigned> failures{0};
  std::mutex mutex;  // Guards coverage and printing.
  Coverage coverage;
  std::chrono::steady_clock::time_point start;
};

// What a thread works on, for the message of a crash.
thread_local uint64_t current_seed = 0;

void OnCrash(int signal) {
  char text[160];
  const int n = std::snprintf(text, sizeof text,
                              "FAILED invariant=abort seed=%" PRIu64
                              ": signal %d; repeat: --seed %" PRIu64 " --trace\n",
                              current_seed, signal, current_seed);
  if (write(STDOUT_FILENO, text, static_cast<size_t>(n)) < 0) _exit(3);
  _exit(1);
}

// A step of the dispatcher that never ends would hang the run: no history may take so much of the
// process's time.
constexpr int kHungAfter = 60;  // Seconds.
const Run* watched = nullptr;

void OnTime(int) {
  static uint64_t before = ~uint64_t{0};
  const uint64_t ended = watched->done;
  if (ended == before) {
    char text[160];
    const int n = std::snprintf(text, sizeof text,
                                "FAILED invariant=\"liveness\" seed=%" PRIu64
                                ": a step does not end; repeat: --seed %" PRIu64 " --trace\n",
                                current_seed, current_seed);
    if (write(STDOUT_FILENO, text, static_cast<size_t>(n)) < 0) _exit(3);
    _exit(1);
  }
  before = ended;
}

void WatchTime(const Run* run) {
  watched = run;
  std::signal(SIGPROF, OnTime);
  const itimerval timer{{kHungAfter, 0}, {kHungAfter, 0}};
  setitimer(ITIMER_PROF, &timer, nullptr);
}

template <typename H>
void Report(Run* run, const H& history, uint64_t seed) {
  const std::lock_guard<std::mutex> lock(run->mutex);
  const unsigned number = run->failures.fetch_add(1);
  if (number >= run->options.failures) return;
  std::printf("FAILED invariant=\"%s\" seed=%" PRIu64 " step=%" PRIu64 " histories=%" PRIu64
              ": %s; repeat: %s --seed %" PRIu64 " --steps %u --trace\n",
              history.invariant().c_str(), seed, history.steps(), seed - run->options.seed + 1,
              history.message().c_str(), run->program, seed, history.planned());
  std::fflush(stdout);
}

bool Over(const Run& run, uint64_t number) {
  if (run.failures >= run.options.failures) return true;
  if (run.options.seconds == 0) return number >= run.options.histories;
  return std::chrono::steady_clock::now() - run.start >= std::chrono::seconds(run.options.seconds);
}

template <typename H>
void Live(Run* run, uint64_t seed, Coverage* coverage) {
  H history(seed, run->options.steps, run->options.trace, coverage);
  if (!history.Run()) Report(run, history, seed);
  run->steps += history.steps();
}

void Work(Run* run) {
  Coverage coverage;
  for (;;) {
    const uint64_t number = run->next.fetch_add(1);
    if (Over(*run, number)) break;
    const uint64_t seed = run->options.seed + number;
    current_seed = seed;
    // One in four is of lanes with stages and of pipelines.
    if (seed % 4 == 3) {
      Live<HopsHistory>(run, seed, &coverage);
    } else {
      Live<History>(run, seed, &coverage);
    }
    ++run->done;
  }
  const std::lock_guard<std::mutex> lock(run->mutex);
  run->coverage.Add(coverage);
}

int Usage(const char* program) {
  std::printf(
      "usage: %s [--histories N] [--seconds N] [--seed N] [--steps N] [--threads N] [--failures N] "
      "[--trace] [--no-coverage]\n"
      "Runs N histories (default 500), or as many as fit into N seconds, from the seed on (default "
      "1; with --seconds the clock).\n"
      "With --seed alone: that one history. --trace prints it. --failures: stops after so many "
      "(default 1).\n"
      "From %" PRIu64
      " histories on the run fails if something of the coverage table never occurred.\n",
      program, kEnoughForCoverage);
  return 2;
}

bool Parse(int argc, char** argv, Options* o) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--trace") {
      o->trace = true;
    } else if (flag == "--no-coverage") {
      o->coverage = false;
    } else if (i + 1 < argc) {
      char* end = nullptr;
      const uint64_t value = std::strtoull(argv[++i], &end, 10);
      if (end == argv[i] || *end != '\0') return false;
      if (flag == "--histories") {
        o->histories = value;
        o->histories_given = true;
      } else if (flag == "--seed") {
        o->seed = value;
        o->seed_given = true;
      } else if (flag == "--seconds") {
        o->seconds = value;
      } else if (flag == "--steps") {
        o->steps = static_cast<uint32_t>(value);
      } else if (flag == "--threads") {
        o->threads = static_cast<unsigned>(value);
      } else if (flag == "--failures") {
        o->failures = static_cast<unsigned>(value);
      } else {
        return false;
      }
    } else {
      return false;
    }
  }
  if (o->seed_given && !o->histories_given && o->seconds == 0) o->histories = 1;
  if (o->seconds > 0 && !o->seed_given)
    o->seed =
        static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) >> 10;
  return o->threads > 0;
}

int Main(int argc, char** argv) {
  Run run;
  run.program = argv[0];
  if (!Parse(argc, argv, &run.options)) return Usage(argv[0]);
  if (run.options.trace) std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::signal(SIGABRT, OnCrash);
  std::signal(SIGSEGV, OnCrash);
  WatchTime(&run);
  run.start = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < run.options.threads; ++i) threads.emplace_back(Work, &run);
  Work(&run);
  for (std::thread& thread : threads) thread.join();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - run.start).count();
  int never = 0;
  if (run.options.coverage && run.done > 1) never = run.coverage.Print(stdout);
  std::printf("%" PRIu64 " histories from seed %" PRIu64 ", %" PRIu64 " steps, %.1f s, %u failed\n",
              run.done.load(), run.options.seed, run.steps.load(), seconds, run.failures.load());
  if (run.failures > 0) return 1;
  if (never == 0 || run.done < kEnoughForCoverage) return 0;
  std::printf("FAILED invariant=\"coverage\": %d rows of the table never occurred\n", never);
  return 1;
}

}  // namespace
}  // namespace outboard::simulation

int main(int argc, char** argv) { return outboard::simulation::Main(argc, argv); }

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "host/base/mutex.h"
#include "host/bus/embedded/embedded_bus.h"
#include "tests/contract/bus_harness.h"

// What the embedded bus costs by itself, without plugins: publishing, draining a backlog, the way
// of one event. bench_bus [--events N] [--credit N] [--folder PATH] [--sync full|normal|off]
// [--lanes N]
namespace outboard::bus {
namespace {

struct Flags {
  size_t events = 1'000'000;
  uint32_t credit = 2048;
  size_t batch = 256;
  size_t lanes = 1;
  std::string folder = "/tmp";
  Synchronous synchronous = Synchronous::kFull;
};

using SteadyClock = std::chrono::steady_clock;

double Seconds(SteadyClock::duration d) { return std::chrono::duration<double>(d).count(); }

double CpuSeconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

long RssKib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::atol(line.c_str() + 6);
  }
  return 0;
}

double Percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(p * static_cast<double>(values.size() - 1))];
}

void MeasureSync(const std::string& folder) {
  const std::string path = folder + "/sync.dat";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  const std::string block(4096, 'x');
  std::vector<double> micros;
  for (int i = 0; i < 300; ++i) {
    if (pwrite(fd, block.data(), block.size(), i * 4096L) < 0) return;
    const auto start = SteadyClock::now();
    fdatasync(fd);
    micros.push_back(Seconds(SteadyClock::now() - start) * 1e6);
  }
  close(fd);
  std::printf("fdatasync                 p50 %.0f us, p99 %.0f us\n", Percentile(micros, 0.5),
              Percentile(micros, 0.99));
}

// Publishes with at most 16 calls under way.
class Publisher {
 public:
  explicit Publisher(Bus& bus) : bus_(bus) {}
  void Publish(std::vector<Event> events) {
    {
      MutexLock lock(mu_);
      while (under_way_ >= 16) cv_.Wait(mu_);
      ++under_way_;
    }
    bus_.Publish(std::move(events), [this](std::vector<PublishResult> results) {
      MutexLock lock(mu_);
      for (const PublishResult& result : results) failed_ += !result.status.ok();
      --under_way_;
      cv_.NotifyAll();
    });
  }
  size_t Finish() {
    MutexLock lock(mu_);
    while (under_way_ > 0) cv_.Wait(mu_);
    return failed_;
  }

 private:
  Bus& bus_;
  Mutex mu_;
  CondVar cv_;
  int under_way_ = 0;
  size_t failed_ = 0;
};

void Report(const char* what, size_t n, SteadyClock::time_point start, double cpu) {
  const double seconds = Seconds(SteadyClock::now() - start);
  std::printf("%-25s %.0f events/s, %.2f us CPU an event\n", what, static_cast<double>(n) / seconds,
              cpu / static_cast<double>(n) * 1e6);
}

void Fill(Bus& bus, const Flags& flags) {
  std::vector<Event> some;
  for (size_t i = 0; i < flags.batch; ++i) {
    some.push_back(MakeEvent("0123456789abcdef-" + std::to_string(i), "story.post", "storyboard",
                             std::string(256, 'x')));
  }
  Publisher publisher(bus);
  const auto start = SteadyClock::now();
  const double cpu = CpuSeconds(RUSAGE_SELF);
  for (size_t done = 0; done < flags.events; done += some.size()) publisher.Publish(some);
  const size_t failed = publisher.Finish();
  Report("publish", flags.events, start, CpuSeconds(RUSAGE_SELF) - cpu);
  if (failed > 0) std::printf("FAILED: %zu publishes\n", failed);
}

void Drain(Bus& bus, const Clock& clock, const Flags& flags) {
  auto consumer = bus.NewConsumer();
  for (LaneId lane = 0; lane < flags.lanes; ++lane) {
    if (!consumer->Open(lane, "bench/" + std::to_string(lane)).ok()) std::abort();
    consumer->SetCredit(lane, flags.credit);
  }
  const size_t total = flags.events * flags.lanes;
  const auto start = SteadyClock::now();
  const double cpu = CpuSeconds(RUSAGE_SELF), shard_cpu = CpuSeconds(RUSAGE_THREAD);
  size_t settled = 0, polls = 0;
  std::vector<uint32_t> out(flags.lanes);
  Arrivals arrivals;
  while (settled < total) {
    arrivals.Clear();
    consumer->Poll(clock.Now(), &arrivals);
    ++polls;
    for (Delivery& delivery : arrivals.deliveries) {
      ++out[delivery.lane];
      Settlement settlement;
      settlement.lane = delivery.lane;
      settlement.tag = delivery.tag;
      consumer->Settle(std::move(settlement));
    }
    for (const Settled& done : arrivals.settled) {
      if (!done.status.ok())
        std::printf("FAILED: %s\n", std::string(done.status.message()).c_str());
      --out[done.lane];
    }
    settled += arrivals.settled.size();
    // Credit for what ended, as a lane gives it.
    for (LaneId lane = 0; lane < flags.lanes; ++lane) {
      const uint32_t more = flags.credit - out[lane];
      if (more > 0 && !arrivals.settled.empty()) consumer->SetCredit(lane, more);
    }
    if (arrivals.deliveries.empty() && settled < total) {
      pollfd fd{consumer->fd(), POLLIN, 0};
      poll(&fd, 1, 1000);
    }
  }
  Report("drain", total, start, CpuSeconds(RUSAGE_SELF) - cpu);
  std::printf("%-25s %.2f us CPU an event on the shard, %zu polls\n", "",
              (CpuSeconds(RUSAGE_THREAD) - shard_cpu) / static_cast<double>(total) * 1e6, polls);
}

void OneByOne(Bus& bus, const Clock& clock) {
  auto consumer = bus.NewConsumer();
  if (!consumer->Open(0, "bench/0").ok()) std::abort();
  std::vector<double> micros;
  for (int i = 0; i < 1000; ++i) {
    consumer->SetCredit(0, 10);
    const Event event = MakeEvent("one" + std::to_string(i));
    const auto start = SteadyClock::now();
    bus.Publish({event}, nullptr);
    bool came = false;
    while (!came) {
      pollfd fd{consumer->fd(), POLLIN, 0};
      poll(&fd, 1, 1000);
      Arrivals arrivals;
      consumer->Poll(clock.Now(), &arrivals);
      for (const Delivery& delivery : arrivals.deliveries) {
        came = true;
        micros.push_back(Seconds(SteadyClock::now() - start) * 1e6);
        Settlement settlement;
        settlement.lane = delivery.lane;
        settlement.tag = delivery.tag;
        consumer->Settle(std::move(settlement));
      }
    }
    usleep(500);
  }
  std::printf("publish to delivery       p50 %.0f us, p99 %.0f us\n", Percentile(micros, 0.5),
              Percentile(micros, 0.99));
}

int Main(const Flags& flags) {
  const std::string folder = flags.folder + "/outboard-bench-" + std::to_string(getpid());
  std::filesystem::create_directories(folder);
  MeasureSync(folder);
  RealClock clock;
  {
    EmbeddedBusOptions options;
    options.path = folder;
    options.clock = &clock;
    options.synchronous = flags.synchronous;
    auto bus = EmbeddedBus::Open(options);
    if (!bus.ok()) std::abort();
    std::vector<LaneSpec> lanes;
    for (size_t i = 0; i < flags.lanes; ++i) {
      lanes.push_back(MakeLane("bench/" + std::to_string(i)));
    }
    if (!(*bus)->Declare(lanes).ok()) std::abort();
    const long idle = RssKib();
    Fill(**bus, flags);
    const long filled = RssKib();
    Drain(**bus, clock, flags);
    std::printf("resident                  %ld MiB idle, %ld filled, %ld drained\n", idle / 1024,
                filled / 1024, RssKib() / 1024);
    OneByOne(**bus, clock);
  }
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace outboard::bus

int main(int argc, char** argv) {
  outboard::bus::Flags flags;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--events") flags.events = std::stoul(value);
    if (name == "--credit") flags.credit = static_cast<uint32_t>(std::stoul(value));
    if (name == "--batch") flags.batch = std::stoul(value);
    if (name == "--lanes") flags.lanes = std::stoul(value);
    if (name == "--folder") flags.folder = value;
    if (name == "--sync") {
      flags.synchronous = value == "off"      ? outboard::bus::Synchronous::kOff
                          : value == "normal" ? outboard::bus::Synchronous::kNormal
                                              : outboard::bus::Synchronous::kFull;
    }
  }
  return outboard::bus::Main(flags);
}

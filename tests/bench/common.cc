#include "tests/bench/common.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace outboard::bench {
namespace {

constexpr std::string_view kHead = "{\"stamp\": \"";
constexpr size_t kDigits = 16;

int64_t Read(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

[[noreturn]] void Fail(const std::string& message, int code) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(code);
}

}  // namespace

int64_t NowNanos() { return Read(CLOCK_MONOTONIC); }
double CpuSeconds() { return static_cast<double>(Read(CLOCK_PROCESS_CPUTIME_ID)) / 1e9; }

std::map<std::string, std::string> ReadFlags(int argc, char** argv,
                                             std::map<std::string, std::string> defaults) {
  for (int i = 1; i < argc; i += 2) {
    const std::string name =
        std::string(argv[i]).substr(std::string_view(argv[i]).find_first_not_of('-'));
    if (defaults.count(name) == 0 || i + 1 == argc) {
      std::string known;
      for (const auto& [flag, value] : defaults) known += " --" + flag + " [" + value + "]";
      Fail(std::string(argv[i]) + ": no such flag, or its value is missing; there are:" + known, 2);
    }
    defaults[name] = argv[i + 1];
  }
  return defaults;
}

void AtRate(int64_t count, int64_t rate, const std::function<void(int64_t)>& each) {
  const int64_t begin = NowNanos();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t due = begin + i * 1'000'000'000 / rate;
    const timespec at{due / 1'000'000'000, due % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
    each(i);
  }
}

void PrintList(const char* name, const std::vector<int64_t>& values, const char* end) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) {
    std::printf("%s%lld", i == 0 ? "" : ",", static_cast<long long>(values[i]));
  }
  std::printf("]%s", end);
}

int64_t Percentile(std::vector<int64_t>* values, double p) {
  if (values->empty()) return 0;
  std::sort(values->begin(), values->end());
  return (*values)[static_cast<size_t>(p * static_cast<double>(values->size() - 1))];
}

void WriteFile(const std::string& path, const std::string& text) {
  const std::string partial = path + ".partial";
  std::ofstream file(partial, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file || std::rename(partial.c_str(), path.c_str()) != 0) Fail("cannot write " + path, 1);
}

std::string Payload(size_t size, int64_t stamp) {
  char digits[kDigits + 1];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(stamp));
  std::string payload = std::string(kHead) + digits + "\", \"text\": \"";
  if (payload.size() + 2 < size) payload.append(size - payload.size() - 2, 'x');
  return payload + "\"}";
}

int64_t StampOf(std::string_view payload) {
  if (payload.size() < kHead.size() + kDigits) return 0;
  const char* begin = payload.data() + kHead.size();
  uint64_t stamp = 0;
  std::from_chars(begin, begin + kDigits, stamp, 16);
  return static_cast<int64_t>(stamp);
}

}  // namespace outboard::bench

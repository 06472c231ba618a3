#include "host/metrics/process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

namespace outboard::metrics {
namespace {

TEST(ProcessTest, CountsEveryOpenFile) {
  const uint64_t before = ReadProcessUse().open_fds;
  std::vector<int> fds;
  for (int i = 0; i < 5; ++i) fds.push_back(dup(2));
  EXPECT_EQ(ReadProcessUse().open_fds, before + 5);
  for (const int fd : fds) close(fd);
  EXPECT_EQ(ReadProcessUse().open_fds, before);
}

TEST(ProcessTest, MemoryInUseIsResident) {
  const ProcessUse before = ReadProcessUse();
  constexpr size_t kBytes = 32 << 20;
  const std::vector<char> memory(kBytes, 'x');
  const ProcessUse after = ReadProcessUse();
  EXPECT_GE(after.resident_bytes, before.resident_bytes + kBytes / 2);
  EXPECT_GE(after.virtual_bytes, after.resident_bytes);
  EXPECT_EQ(memory[kBytes - 1], 'x');
}

TEST(ProcessTest, CpuTimeOnlyRises) {
  const ProcessUse before = ReadProcessUse();
  while (ReadProcessUse().cpu_seconds == before.cpu_seconds) {
  }
  EXPECT_GT(ReadProcessUse().cpu_seconds, before.cpu_seconds);
  EXPECT_GT(before.max_fds, 0u);
}

}  // namespace
}  // namespace outboard::metrics

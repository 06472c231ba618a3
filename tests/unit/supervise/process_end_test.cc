#include "host/supervise/process_end.h"

#include <gtest/gtest.h>

#include <csignal>

namespace outboard::supervise {
namespace {

TEST(ProcessEndTest, DescribesExitCodesAndSignals) {
  ProcessEnd end;
  end.code = 3;
  EXPECT_EQ(end.Describe(), "exited with 3");
  end.signaled = true;
  end.code = SIGSEGV;
  EXPECT_EQ(end.Describe(), "killed by SIGSEGV");
  end.core_dumped = true;
  EXPECT_EQ(end.Describe(), "killed by SIGSEGV (core dumped)");
}

TEST(ProcessEndTest, SaysThatAKillWasNotTheHosts) {
  ProcessEnd end;
  end.signaled = true;
  end.code = SIGKILL;
  EXPECT_EQ(end.Describe(),
            "killed by SIGKILL (not by the host: the kernel out of memory, or a person)");
  end.requested = true;
  EXPECT_EQ(end.Describe(), "killed by SIGKILL");
}

TEST(ProcessEndTest, SaysThatItsMemoryWasTheCause) {
  ProcessEnd end;
  end.signaled = true;
  end.code = SIGKILL;
  end.over_memory = OverMemory::kByKernel;
  end.memory_limit = uint64_t{512} << 20;
  EXPECT_EQ(end.Describe(), "killed by SIGKILL: over its memory limit of 512 MiB, by the kernel");
  end.over_memory = OverMemory::kByHost;
  EXPECT_EQ(end.Describe(), "killed by SIGKILL: over its memory limit of 512 MiB, by the host");
  end.signaled = false;
  end.code = 1;
  EXPECT_EQ(end.Describe(),
            "exited with 1; one of its processes was killed: over its memory limit of 512 MiB, by "
            "the host");
}

TEST(ProcessEndTest, GivesTheErrorOfAProgramThatNeverRan) {
  ProcessEnd end;
  end.start_error = "no such file";
  EXPECT_EQ(end.Describe(), "no such file");
}

TEST(SignalNameTest, NamesSignals) {
  EXPECT_EQ(SignalName(SIGTERM), "SIGTERM");
  EXPECT_EQ(SignalName(1000), "signal 1000");
}

}  // namespace
}  // namespace outboard::supervise

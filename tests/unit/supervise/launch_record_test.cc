#include "host/supervise/launch_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace outboard::supervise {
namespace {

TEST(LaunchRecordTest, ComesBackAsItWas) {
  LaunchRecord record;
  record.host = {1, 12345678901234};
  record.boot_id = "e0e1";
  record.pid_namespace = "pid:[4026531836]";
  record.processes.push_back({{77, 5}, "/data with\na line/run/x.AbC"});
  record.processes.push_back(
      {{78, 6}, "/tmp/outboard-123456", {"/sys/fs/cgroup/a b/outboard.x", "/sys/fs/cgroup/y"}});
  const auto back = ParseLaunchRecord(FormatLaunchRecord(record));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->host, record.host);
  EXPECT_EQ(back->boot_id, record.boot_id);
  EXPECT_EQ(back->pid_namespace, record.pid_namespace);
  ASSERT_EQ(back->processes.size(), 2u);
  EXPECT_EQ(back->processes[0].launcher, record.processes[0].launcher);
  EXPECT_EQ(back->processes[0].socket_dir, record.processes[0].socket_dir);
  EXPECT_EQ(back->processes[1].socket_dir, record.processes[1].socket_dir);
  EXPECT_TRUE(back->processes[0].cgroups.empty());
  EXPECT_EQ(back->processes[1].cgroups, record.processes[1].cgroups);
}

TEST(LaunchRecordTest, ComesBackWithoutBootAndNamespace) {
  LaunchRecord record;
  record.host = {9, 9};
  EXPECT_TRUE(ParseLaunchRecord(FormatLaunchRecord(record)).ok());
}

TEST(LaunchRecordTest, RefusesWhatIsNotOurs) {
  const std::string good = "outboard-launched 1\nhost 5 6\n";
  ASSERT_TRUE(ParseLaunchRecord(good).ok());
  for (const std::string& bad :
       {std::string(), std::string("outboard-launched 2\nhost 5 6\n"),
        std::string("outboard-launched 1\n"), absl::StrCat(good, "launcher 1 2\n"),
        absl::StrCat(good, "launcher -7 2 /x\n"), absl::StrCat(good, "launcher x 2 /x\n"),
        absl::StrCat(good, "launcher 0 2 /x\n"), absl::StrCat(good, "more 1\n"),
        absl::StrCat(good, "cgroup /x\n"), absl::StrCat(good, "launcher")}) {
    EXPECT_FALSE(ParseLaunchRecord(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace outboard::supervise

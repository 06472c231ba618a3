#include "host/supervise/isolation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

namespace outboard::supervise {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

Cgroups Version2() {
  const Controller there{"/cg/host", true, ""};
  return {there, there, there};
}

Cgroups Version1() {
  return {{"/cg/memory", false, ""}, {"/cg/cpu", false, ""}, {"/cg/pids", false, ""}};
}

Limits All() {
  Limits limits;
  limits.memory = 1 << 20;
  limits.cpu_millis = 1500;
  limits.processes = 64;
  limits.files = 1024;
  return limits;
}

IsolationPlan Plan(const Limits& limits, const Sandbox& sandbox, const Cgroups& cgroups) {
  IsolationPlan plan;
  const absl::Status status =
      PlanIsolation({"p", "p.0.abc", "/run/sock", "/usr/share"}, limits, sandbox, cgroups, &plan);
  EXPECT_TRUE(status.ok()) << status;
  return plan;
}

TEST(IsolationTest, NothingComesOfNothing) {
  const IsolationPlan plan = Plan({}, {}, Version2());
  EXPECT_THAT(plan.words, IsEmpty());
  EXPECT_THAT(plan.cgroups, IsEmpty());
  EXPECT_THAT(plan.missing, IsEmpty());
}

TEST(IsolationTest, LimitsByOneCgroupOfVersion2) {
  const IsolationPlan plan = Plan(All(), {}, Version2());
  EXPECT_THAT(plan.words,
              ElementsAre("memory=1048576", "limit=1:/cg/host/outboard.p.0.abc:memory.max:1048576",
                          "limit=0:/cg/host/outboard.p.0.abc:memory.swap.max:0",
                          "limit=0:/cg/host/outboard.p.0.abc:memory.oom.group:1",
                          "limit=2:/cg/host/outboard.p.0.abc:cpu.max:150000 100000",
                          "limit=3:/cg/host/outboard.p.0.abc:pids.max:64", "files=1024"));
  EXPECT_THAT(plan.cgroups, ElementsAre("/cg/host/outboard.p.0.abc"));
}

TEST(IsolationTest, LimitsByThreeCgroupsOfVersion1) {
  const IsolationPlan plan = Plan(All(), {}, Version1());
  EXPECT_THAT(plan.words,
              AllOf(Contains("limit=1:/cg/memory/outboard.p.0.abc:memory.limit_in_bytes:1048576"),
                    Contains("limit=2:/cg/cpu/outboard.p.0.abc:cpu.cfs_quota_us:150000"),
                    Contains("limit=3:/cg/pids/outboard.p.0.abc:pids.max:64")));
  EXPECT_THAT(plan.cgroups, ElementsAre("/cg/memory/outboard.p.0.abc", "/cg/cpu/outboard.p.0.abc",
                                        "/cg/pids/outboard.p.0.abc"));
}

TEST(IsolationTest, WatchesMemoryWithoutACgroupAndMissesTheRest) {
  const IsolationPlan plan = Plan(All(), {}, Cgroups());
  EXPECT_THAT(plan.words, ElementsAre("memory=1048576", "files=1024"));
  EXPECT_THAT(plan.missing, ElementsAre(AllOf(StartsWith("limits.cpu "), HasSubstr("fix:")),
                                        AllOf(StartsWith("limits.processes "), HasSubstr("fix:"))));
}

TEST(IsolationTest, RefusesWhatIsRequiredAndMissing) {
  Limits limits;
  limits.memory = 1 << 20;
  limits.require = true;
  IsolationPlan plan;
  EXPECT_TRUE(PlanIsolation({"p", "n", "/s", "/usr"}, limits, {}, {}, &plan).ok());
  limits.cpu_millis = 100;
  const absl::Status status = PlanIsolation({"p", "n", "/s", "/usr"}, limits, {}, {}, &plan);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("plugin p: "), HasSubstr("limits.cpu"), HasSubstr("fix:")));
}

TEST(IsolationTest, AsksTheLauncherForWhatIsRequired) {
  Limits limits;
  limits.files = 10;
  limits.require = true;
  EXPECT_THAT(Plan(limits, {}, {}).words, Contains("require=30"));  // measures 1 to 4
  limits.require = false;
  EXPECT_THAT(Plan(limits, {}, {}).words, Not(Contains(StartsWith("require"))));
}

TEST(IsolationTest, SandboxIsWhole) {
  Sandbox sandbox;
  sandbox.on = true;
  sandbox.write = {"/usr"};
  sandbox.hide = {"/etc/outboard"};
  EXPECT_THAT(Plan({}, sandbox, {}).words,
              ElementsAre("view=268435456", "write=/run/sock", "write=/usr", "hide=/etc/outboard",
                          "network=off", "syscalls=filter", "landlock=on", "capabilities=none"));
}

TEST(IsolationTest, SandboxLeavesOutWhatIsAllowed) {
  Sandbox sandbox;
  sandbox.on = true;
  sandbox.network = true;
  sandbox.filter_syscalls = false;
  Limits limits;
  limits.memory = 1 << 20;
  const std::vector<std::string> words = Plan(limits, sandbox, {}).words;
  EXPECT_THAT(words, Contains("view=1048576"));  // its /tmp is memory, too
  EXPECT_THAT(words, Not(Contains(StartsWith("network="))));
  EXPECT_THAT(words, Not(Contains(StartsWith("syscalls="))));
}

TEST(IsolationTest, KeepsAWorkingFolderInTmpInSight) {
  Sandbox sandbox;
  sandbox.on = true;
  IsolationPlan plan;
  ASSERT_TRUE(PlanIsolation({"p", "n", "/s", "/tmp/work"}, {}, sandbox, {}, &plan).ok());
  EXPECT_THAT(plan.words, Contains("keep=/tmp/work"));
}

TEST(IsolationTest, DoesNotHideTheWorkingFolder) {
  Sandbox sandbox;
  sandbox.on = true;
  sandbox.hide = {"/usr"};
  const IsolationPlan plan = Plan({}, sandbox, {});
  EXPECT_THAT(plan.words, Not(Contains(StartsWith("hide="))));
  EXPECT_THAT(plan.missing,
              ElementsAre(AllOf(StartsWith("/usr is not hidden"), HasSubstr("fix:"))));
}

TEST(IsolationTest, HidesWhatThePluginsConfigNamesAndWhichIsThere) {
  Sandbox sandbox;
  sandbox.on = true;
  sandbox.hide = {"/etc/outboard"};
  sandbox.hide_more = {"/etc/passwd"};
  EXPECT_THAT(Plan({}, sandbox, {}).words,
              AllOf(Contains("hide=/etc/outboard"), Contains("hide=/etc/passwd")));
  sandbox.hide_more = {"/no/such/folder"};
  IsolationPlan plan;
  const absl::Status status = PlanIsolation({"p", "n", "/s", "/usr"}, {}, sandbox, {}, &plan);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("plugin p: sandbox.hide names /no/such/folder, which is not there"),
                    HasSubstr("fix:")));
}

TEST(IsolationTest, RunsAsTheUserOfTheNumbers) {
  Sandbox sandbox;
  sandbox.on = true;
  sandbox.user = "1234:56";
  const auto plan = PlanUser("p", sandbox);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->words, ElementsAre("user=1234:56"));
  EXPECT_EQ(plan->owner, 1234u);
  EXPECT_EQ(plan->group, 56u);
  sandbox.user = "no-such-user-anywhere";
  EXPECT_EQ(PlanUser("p", sandbox).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(IsolationTest, OwnUsersDifferAndStayTheSame) {
  std::vector<uid_t> taken;
  const uid_t first = ChooseOwnUser("host", "a", &taken);
  EXPECT_GE(first, 61184u);
  EXPECT_LE(first, 65519u);
  EXPECT_NE(ChooseOwnUser("host", "b", &taken), first);
  // Its number is taken: the next one.
  EXPECT_EQ(ChooseOwnUser("host", "a", &taken), first == 65519 ? 61184 : first + 1);
  std::vector<uid_t> fresh;
  EXPECT_EQ(ChooseOwnUser("host", "a", &fresh), first);
}

TEST(IsolationTest, DescribesWhatTheLauncherCouldNotDo) {
  ReportPacket report{};
  report.measure = Measure::kProcesses;
  report.error = EACCES;
  std::strcpy(report.path, "/cg/x");
  EXPECT_EQ(DescribeUnapplied(report),
            "limits.processes is not applied: Permission denied (/cg/x); fix: let the host make "
            "cgroups: run it as root, or under systemd with Delegate=yes");
}

}  // namespace
}  // namespace outboard::supervise

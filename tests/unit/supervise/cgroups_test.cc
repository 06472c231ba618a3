#include "host/supervise/cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace outboard::supervise {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(CgroupsTest, FindsVersion2) {
  const Cgroups found = FindCgroups(
      "22 1 0:20 / /proc rw - proc proc rw\n"
      "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
      "0::/system.slice/outboard.service\n");
  EXPECT_EQ(found.memory.folder, "/sys/fs/cgroup/system.slice/outboard.service");
  EXPECT_TRUE(found.memory.version2);
  EXPECT_EQ(found.memory.problem, "");
  EXPECT_EQ(found.cpu.folder, found.memory.folder);
  EXPECT_EQ(found.pids.folder, found.memory.folder);
}

TEST(CgroupsTest, FindsVersion1ByController) {
  const Cgroups found = FindCgroups(
      "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
      "4:memory:/jobs/a:b\n2:cpu,cpuacct:/\n0::/\n");
  EXPECT_EQ(found.memory.folder, "/sys/fs/cgroup/memory/jobs/a:b");
  EXPECT_FALSE(found.memory.version2);
  EXPECT_EQ(found.cpu.folder, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_FALSE(found.cpu.version2);
  // Not mounted as version 1: if anywhere, it is in version 2.
  EXPECT_EQ(found.pids.folder, "/sys/fs/cgroup/unified");
  EXPECT_TRUE(found.pids.version2);
}

// A container sees its own cgroup as the root of what is mounted, but may read the path of outside.
TEST(CgroupsTest, TakesThePathWithinWhatIsMounted) {
  const std::string mount =
      "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
  EXPECT_EQ(FindCgroups(mount, "4:memory:/docker/abc\n").memory.folder, "/sys/fs/cgroup/memory");
  EXPECT_EQ(FindCgroups(mount, "4:memory:/docker/abc/x\n").memory.folder,
            "/sys/fs/cgroup/memory/x");
  EXPECT_EQ(FindCgroups(mount, "4:memory:/docker/abcdef\n").memory.folder, "");
}

TEST(CgroupsTest, SaysWhatIsNotThere) {
  const Cgroups none = FindCgroups("22 1 0:20 / /proc rw - proc proc rw\n", "");
  EXPECT_EQ(none.memory.folder, "");
  EXPECT_THAT(none.memory.problem, HasSubstr("memory"));
  const Cgroups outside =
      FindCgroups("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/../elsewhere\n");
  EXPECT_EQ(outside.cpu.folder, "");
  EXPECT_THAT(outside.cpu.problem, HasSubstr("cpu"));
}

// Files in place of the kernel's: what is written, not what it does.
class DelegateTest : public testing::Test {
 protected:
  DelegateTest() {
    std::string dir = "/tmp/cgroups_test.XXXXXX";
    EXPECT_NE(mkdtemp(dir.data()), nullptr);
    folder_ = dir;
  }
  ~DelegateTest() override { fs::remove_all(folder_); }

  void Write(const std::string& file, const std::string& text) {
    std::ofstream(absl::StrCat(folder_, "/", file)) << text;
  }
  std::string Read(const std::string& file) {
    std::ifstream in(absl::StrCat(folder_, "/", file));
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  std::string folder_;
};

TEST_F(DelegateTest, AsksForWhatIsNotYetGiven) {
  Write("cgroup.controllers", "cpuset cpu io memory pids\n");
  Write("cgroup.subtree_control", "");
  EXPECT_EQ(DelegateControllers(folder_, {"memory", "pids"}), "");
  EXPECT_EQ(Read("cgroup.subtree_control"), "+memory +pids");
}

TEST_F(DelegateTest, LeavesWhatIsGiven) {
  Write("cgroup.controllers", "cpu memory\n");
  Write("cgroup.subtree_control", "cpu memory\n");
  EXPECT_EQ(DelegateControllers(folder_, {"memory"}), "");
  EXPECT_EQ(Read("cgroup.subtree_control"), "cpu memory\n");
}

TEST_F(DelegateTest, SaysWhatItDoesNotHave) {
  Write("cgroup.controllers", "cpu\n");
  EXPECT_THAT(DelegateControllers(folder_, {"memory"}), HasSubstr("the controller memory"));
}

TEST(RemoveCgroupTest, RemovesOnlyPlugins) {
  std::string dir = "/tmp/cgroups_test.XXXXXX";
  ASSERT_NE(mkdtemp(dir.data()), nullptr);
  fs::create_directory(dir + "/outboard.notifier.0");
  fs::create_directory(dir + "/other");
  RemoveCgroup(dir + "/outboard.notifier.0");
  RemoveCgroup(dir + "/outboard.gone");
  RemoveCgroup(dir + "/other");
  EXPECT_FALSE(fs::exists(dir + "/outboard.notifier.0"));
  EXPECT_TRUE(fs::exists(dir + "/other"));
  fs::remove_all(dir);
}

}  // namespace
}  // namespace outboard::supervise

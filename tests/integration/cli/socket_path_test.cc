#include "host/app/socket_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/integration/cli/fake_host.h"

namespace outboard::app {
namespace {

using ::testing::ElementsAre;

config::Env With(const std::string& runtime) {
  return [runtime](const std::string& name) -> std::optional<std::string> {
    return name == "XDG_RUNTIME_DIR" && !runtime.empty() ? std::optional<std::string>(runtime)
                                                         : std::nullopt;
  };
}

TEST(SocketPathTest, LiesInTheRuntimeFolderElseInTmp) {
  const TempFolder folder;
  const std::string tmp = "/tmp/outboard-" + std::to_string(geteuid());
  config::Host host;
  host.name = "tracker";
  EXPECT_EQ(AdminSocketPath(host, With(folder.path())), folder / "outboard/tracker.sock");
  EXPECT_EQ(AdminSocketPath(host, With("")), tmp + "/tracker.sock");
  EXPECT_EQ(AdminSocketPath(host, With("/no/such/folder")), tmp + "/tracker.sock");
  EXPECT_THAT(SocketCandidates("tracker", With(folder.path())),
              ElementsAre(folder / "outboard/tracker.sock", tmp + "/tracker.sock"));
  host.admin_socket = "/x/y.sock";
  EXPECT_EQ(AdminSocketPath(host, With("")), "/x/y.sock");
}

TEST(SocketPathTest, MakesAFolderForThisUserAlone) {
  const TempFolder folder;
  ASSERT_TRUE(MakeSocketFolder(folder / "outboard/t.sock").ok());
  struct stat info {};
  ASSERT_EQ(stat((folder / "outboard").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_TRUE(MakeSocketFolder(folder / "outboard/t.sock").ok()) << "again";
  EXPECT_FALSE(MakeSocketFolder(folder / "none/outboard/t.sock").ok());
}

}  // namespace
}  // namespace outboard::app

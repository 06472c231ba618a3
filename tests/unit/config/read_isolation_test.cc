#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/config/dump.h"
#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ReadResult ReadPluginWith(const std::string& keys) {
  return Read("plugins: [{name: p, run: x, " + keys + "}]\nroutes: [{name: r, to: p}]\n");
}

Plugin PluginWith(const std::string& keys) {
  const ReadResult result = ReadPluginWith(keys);
  EXPECT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  return result.config.plugins.empty() ? Plugin() : result.config.plugins[0];
}

std::string ProblemsWith(const std::string& keys) { return ToText(ReadPluginWith(keys).problems); }

TEST(ReadIsolationTest, ReadsEveryLimit) {
  const Limits limits =
      PluginWith("limits: {memory: 512MiB, cpu: 1.5, processes: 64, files: 1024, require: true}")
          .limits;
  EXPECT_EQ(limits.memory, uint64_t{512} << 20);
  EXPECT_EQ(limits.cpu_millis, 1500u);
  EXPECT_EQ(limits.processes, 64u);
  EXPECT_EQ(limits.files, 1024u);
  EXPECT_TRUE(limits.require);
}

TEST(ReadIsolationTest, HasNoneUnlessItIsTold) {
  const Plugin plugin = PluginWith("instances: 1");
  EXPECT_EQ(plugin.limits.memory, 0u);
  EXPECT_EQ(plugin.limits.cpu_millis, 0u);
  EXPECT_EQ(plugin.limits.processes, 0u);
  EXPECT_EQ(plugin.limits.files, 0u);
  EXPECT_FALSE(plugin.sandbox.on);
}

TEST(ReadIsolationTest, RefusesLimitsThatNobodyCanLiveWith) {
  EXPECT_THAT(ProblemsWith("limits: {memory: 512}"), HasSubstr("plugins[0].limits.memory: "));
  EXPECT_THAT(
      ProblemsWith("limits: {cpu: 0}"),
      HasSubstr("limits.cpu: needs a number of CPUs from 0.01 to 4096, not \"0\"; write 1.5"));
  EXPECT_THAT(ProblemsWith("limits: {cpu: many}"), HasSubstr("limits.cpu: "));
  EXPECT_THAT(ProblemsWith("limits: {processes: 0}"), HasSubstr("limits.processes: "));
  EXPECT_THAT(ProblemsWith("limits: {files: 3}"), HasSubstr("limits.files: "));
  EXPECT_THAT(ProblemsWith("limits: {memry: 1GiB}"), HasSubstr("memory"));
}

TEST(ReadIsolationTest, ReadsASandboxByOneWord) {
  EXPECT_FALSE(PluginWith("sandbox: false").sandbox.on);
  const Sandbox on = PluginWith("sandbox: true").sandbox;
  EXPECT_TRUE(on.on);
  EXPECT_FALSE(on.require);
  EXPECT_FALSE(on.network);
  EXPECT_TRUE(on.filter_syscalls);
  EXPECT_TRUE(PluginWith("sandbox: strict").sandbox.require);
  EXPECT_THAT(ProblemsWith("sandbox: tight"), HasSubstr("strict"));
}

TEST(ReadIsolationTest, ReadsEveryKeyOfASandbox) {
  const Sandbox sandbox =
      PluginWith(
          "sandbox: {user: \"1234:5\", write: [state, /var/lib/p], hide: [secrets, /etc/k.pem], "
          "network: true, "
          "filter_syscalls: false, require: true}")
          .sandbox;
  EXPECT_TRUE(sandbox.on);
  EXPECT_EQ(sandbox.user, "1234:5");
  EXPECT_THAT(sandbox.write, ElementsAre("/srv/app/state", "/var/lib/p"));
  EXPECT_THAT(sandbox.hide, ElementsAre("/srv/app/secrets", "/etc/k.pem"));
  EXPECT_TRUE(sandbox.network);
  EXPECT_FALSE(sandbox.filter_syscalls);
  EXPECT_TRUE(sandbox.require);
  EXPECT_TRUE(PluginWith("sandbox: {}").sandbox.on);
}

TEST(ReadIsolationTest, RefusesToLetItWriteEverywhere) {
  EXPECT_THAT(ProblemsWith("sandbox: {write: /}"), HasSubstr("the whole file system"));
}

TEST(ReadIsolationTest, RefusesToHideWhatThePluginNeeds) {
  for (const char* path : {".", "/", "/srv", "/srv/app"}) {
    EXPECT_THAT(ProblemsWith(std::string("sandbox: {hide: [") + path + "]}"),
                HasSubstr("sandbox.hide[0]: holds the folder of this file"))
        << path;
  }
  EXPECT_THAT(ProblemsWith("sandbox: {hide: [/srv/ap, /srv/app/x]}"), IsEmpty());
  EXPECT_THAT(ProblemsWith("sandbox: {hide: [ok, state], write: state}"),
              HasSubstr("sandbox.hide[1]: is in write as well"));
  EXPECT_THAT(ProblemsWith("sandbox: {hide: {a: b}}"), HasSubstr("sandbox.hide: needs a path"));
}

TEST(ReadIsolationTest, IsForLaunchedPluginsAlone) {
  const std::string problems = Problems(
      "plugins: [{name: p, address: \"h:1\", limits: {files: 64}, sandbox: true}]\n"
      "routes: [{name: r, to: p}]\n");
  EXPECT_THAT(problems, HasSubstr("plugins[0].limits: only a launched plugin has it"));
  EXPECT_THAT(problems, HasSubstr("plugins[0].sandbox: only a launched plugin has it"));
}

TEST(ReadIsolationTest, IsDumpedAsItReads) {
  for (const char* keys :
       {"limits: {memory: 512MiB, cpu: 1.25, processes: 64, files: 1024, require: true}",
        "sandbox: strict",
        "sandbox: {user: nobody, write: [state], hide: [secrets], network: true}"}) {
    const ReadResult first = ReadPluginWith(keys);
    ASSERT_TRUE(first.ok()) << ToText(first.problems);
    std::string dump = DumpConfig(first.config);
    const std::string no_socket = "\"admin_socket\": \"\",";
    dump.erase(dump.find(no_socket), no_socket.size());  // empty: it has no other form
    const ReadResult second = Read(dump);
    ASSERT_TRUE(second.ok()) << ToText(second.problems);
    EXPECT_EQ(DumpConfig(second.config), DumpConfig(first.config));
  }
  EXPECT_THAT(DumpConfig(ReadPluginWith("limits: {cpu: 1.25}").config), HasSubstr("\"cpu\": 1.25"));
}

}  // namespace
}  // namespace outboard::config

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// A plugin's problems; a route leads to it.
std::string PluginProblems(const std::string& plugin) {
  return Problems("plugins: [" + plugin + "]\nroutes: [{name: r, to: p}]\n");
}

TEST(ReadPluginTest, ReadsEveryKey) {
  const ReadResult result = Read(R"(
plugins:
  - name: p
    run: [./venv/bin/python, main.py, ""]
    instances: 2
    config: {smtp: localhost}
    env: {LANG: C.UTF-8, N: 5, EMPTY: ""}
    time_limit: 10s
    start_timeout: 2m
    grace: 0s
    core: true
    restart: {initial: 1s, max: 1m}
    crash_limit: 3
    max_in_flight: 64
    circuit: {crashes: 7, within: 2m, trial_after: 30s}
routes:
  - {name: r, to: [p]}
)");
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  const Plugin& plugin = result.config.plugins.at(0);
  EXPECT_EQ(plugin.name, "p");
  EXPECT_THAT(plugin.run, ElementsAre("./venv/bin/python", "main.py", ""));
  EXPECT_EQ(plugin.address, "");
  EXPECT_EQ(plugin.instances, 2u);
  EXPECT_EQ(plugin.config_json, R"({"smtp":"localhost"})");
  EXPECT_THAT(plugin.env, ElementsAre(Pair("EMPTY", ""), Pair("LANG", "C.UTF-8"), Pair("N", "5")));
  EXPECT_EQ(plugin.time_limit, std::chrono::seconds(10));
  EXPECT_EQ(plugin.start_timeout, std::chrono::minutes(2));
  EXPECT_EQ(plugin.grace, Duration(0));
  EXPECT_TRUE(plugin.core);
  EXPECT_EQ(plugin.restart_initial, std::chrono::seconds(1));
  EXPECT_EQ(plugin.restart_max, std::chrono::minutes(1));
  EXPECT_EQ(plugin.crash_limit, 3u);
  EXPECT_EQ(plugin.max_in_flight, 64u);
  EXPECT_EQ(plugin.circuit.crashes, 7u);
  EXPECT_EQ(plugin.circuit.within, std::chrono::minutes(2));
  EXPECT_EQ(plugin.circuit.trial_after, std::chrono::seconds(30));
  EXPECT_EQ(plugin.line, 3);
}

TEST(ReadPluginTest, HasTheDefaultsOfTheDesign) {
  const ReadResult result = Read("plugins: [{name: p, run: x}]\nroutes: [{name: r, to: p}]\n");
  const Plugin& plugin = result.config.plugins.at(0);
  EXPECT_EQ(plugin.config_json, "{}");
  EXPECT_EQ(plugin.time_limit, std::chrono::seconds(30));
  EXPECT_EQ(plugin.start_timeout, std::chrono::seconds(60));
  EXPECT_EQ(plugin.grace, std::chrono::seconds(5));
  EXPECT_FALSE(plugin.core);
  EXPECT_EQ(plugin.restart_initial, std::chrono::milliseconds(500));
  EXPECT_EQ(plugin.restart_max, std::chrono::seconds(30));
}

TEST(ReadPluginTest, CutsACommandLineIntoWords) {
  const ReadResult result = Read("plugins: [{name: p, run: \"python 'my plugin.py'\"}]\n");
  EXPECT_THAT(result.config.plugins.at(0).run, ElementsAre("python", "my plugin.py"));
  EXPECT_THAT(PluginProblems("{name: p, run: \"a | b\"}"),
              HasSubstr("plugins[0].run: is no plain command line"));
  EXPECT_THAT(PluginProblems("{name: p, run: []}"), HasSubstr("plugins[0].run: names no program"));
}

TEST(ReadPluginTest, ReadsAddresses) {
  const auto address = [](const std::string& text) {
    return Read("plugins: [{name: p, address: \"" + text + "\"}]\n").config.plugins.at(0).address;
  };
  EXPECT_EQ(address("dns:///index:9000"), "dns:///index:9000");
  EXPECT_EQ(address("index:9000"), "index:9000");
  EXPECT_EQ(address("unix:/run/p.sock"), "unix:/run/p.sock");
  EXPECT_EQ(address("unix:///run/p.sock"), "unix:/run/p.sock");
  EXPECT_EQ(address("unix:p.sock"), "unix:/srv/app/p.sock");
  for (const char* bad : {"index", "dns:///index", "http://h:1", "h:0", "unix:"}) {
    EXPECT_THAT(PluginProblems("{name: p, address: \"" + std::string(bad) + "\"}"),
                HasSubstr("plugins[0].address: "))
        << bad;
  }
}

TEST(ReadPluginTest, WantsExactlyOneOfRunAndAddress) {
  EXPECT_THAT(PluginProblems("{name: p}"), HasSubstr("plugins[0]: has neither run nor address"));
  EXPECT_THAT(PluginProblems("{name: p, run: x, address: \"h:1\"}"),
              HasSubstr("plugins[0].address: has both run and address"));
}

TEST(ReadPluginTest, RefusesForARemotePluginWhatIsAboutProcesses) {
  const std::string problems =
      PluginProblems("{name: p, address: \"h:1\", instances: 2, env: {A: b}}");
  EXPECT_THAT(problems, HasSubstr("plugins[0].instances: only a launched plugin has it"));
  EXPECT_THAT(problems, HasSubstr("plugins[0].env: only a launched plugin has it"));
}

TEST(ReadPluginTest, RefusesVariablesThatCannotBe) {
  EXPECT_THAT(PluginProblems("{name: p, run: x, env: {\"A B\": c}}"),
              HasSubstr("plugins[0].env.A B: no name of an environment variable"));
  EXPECT_THAT(PluginProblems("{name: p, run: x, env: {OUTBOARD_LISTEN: c}}"),
              HasSubstr("the host itself sets the OUTBOARD_ variables"));
  EXPECT_THAT(PluginProblems("{name: p, run: x, env: {A: }}"), HasSubstr("env.A: has no value"));
}

TEST(ReadPluginTest, RefusesABackoffThatShrinks) {
  EXPECT_THAT(PluginProblems("{name: p, run: x, restart: {initial: 1m, max: 1s}}"),
              HasSubstr("plugins[0].restart: max is shorter than initial"));
  const ReadResult result = Read("plugins: [{name: p, run: x, restart: {initial: 1m}}]\n");
  EXPECT_EQ(result.config.plugins.at(0).restart_max, std::chrono::minutes(1));
}

TEST(ReadPluginTest, ReadsWhatItMayPublishAndEmit) {
  const ReadResult result = Read(R"(
plugins:
  - {name: p, run: x, publish: story.#, emits: [task.*, a]}
  - {name: q, address: "h:1", publish: [a], token_file: far}
)");
  ASSERT_TRUE(result.ok()) << ToText(result.problems);
  const std::vector<Plugin>& plugins = result.config.plugins;
  EXPECT_THAT(plugins[0].publish, ElementsAre("story.#"));
  EXPECT_THAT(plugins[0].emits, ElementsAre("task.*", "a"));
  EXPECT_EQ(plugins[1].token_file, "/srv/app/far");
  EXPECT_THAT(PluginProblems("{name: p, run: x, publish: []}"),
              HasSubstr("publish: names no type"));
  EXPECT_THAT(PluginProblems("{name: p, run: x, emits: [st*ry]}"), HasSubstr("emits[0]: "));
  EXPECT_THAT(PluginProblems("{name: p, run: x, publish: a, token_file: t}"),
              HasSubstr("token_file: the host gives a launched plugin its token itself"));
  EXPECT_THAT(PluginProblems("{name: p, address: \"h:1\", publish: a}"),
              HasSubstr("publish: a remote plugin needs a token for it"));
  EXPECT_THAT(PluginProblems("{name: p, address: \"h:1\", token_file: t}"),
              HasSubstr("token_file: is of no use without publish:"));
}

TEST(ReadPluginTest, ReadsTlsOfARemotePlugin) {
  const ReadResult result = Read(R"(
plugins:
  - {name: p, address: "h:1", tls: {ca_file: ca, cert_file: c, key_file: /k, server_name: n}}
  - {name: q, address: "h:1", tls: {}}
  - {name: r, address: "h:1"}
)");
  ASSERT_TRUE(result.ok()) << ToText(result.problems);
  const std::vector<Plugin>& plugins = result.config.plugins;
  ASSERT_TRUE(plugins[0].tls && plugins[1].tls);
  EXPECT_FALSE(plugins[2].tls);
  EXPECT_EQ(plugins[0].tls->ca_file, "/srv/app/ca");
  EXPECT_EQ(plugins[0].tls->cert_file, "/srv/app/c");
  EXPECT_EQ(plugins[0].tls->key_file, "/k");
  EXPECT_EQ(plugins[0].tls->server_name, "n");
  EXPECT_THAT(PluginProblems("{name: p, address: \"h:1\", tls: {key_file: k}}"),
              HasSubstr("tls: has one of cert_file and key_file"));
  EXPECT_THAT(PluginProblems("{name: p, run: x, tls: {}}"),
              HasSubstr("tls: the host speaks to a launched plugin over a socket of its own"));
  EXPECT_THAT(PluginProblems("{name: p, address: \"unix:/s\", tls: {}}"),
              HasSubstr("tls: nothing is encrypted on a unix socket"));
}

TEST(ReadPluginTest, ReportsItemsThatAreNoPlugin) {
  EXPECT_THAT(
      Problems("plugins: [~, x, {}]\n"),
      AllOf(HasSubstr("plugins[0]: is empty"), HasSubstr("plugins[1]: needs a mapping, not \"x\""),
            HasSubstr("plugins[2]: has no name")));
  EXPECT_THAT(Problems("plugins: {name: p}\n"), HasSubstr("plugins: needs a list, not a mapping"));
}

}  // namespace
}  // namespace outboard::config

#include "host/config/sandbox_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Of a host with these keys and one plugin with these, each in braces.
std::string WarningsOf(const std::string& host, const std::string& sandbox,
                       const std::string& rest = "") {
  const ReadResult result =
      Read("host: {" + host + "}\nplugins:\n- {name: p, run: x, sandbox: " + sandbox + "}\n" +
           "- {name: far, address: \"h:1\", publish: a, token_file: keys/far, tls: {cert_file: a, "
           "key_file: keys/tls}}\nroutes: [{name: r, to: [p, far]}]\n" +
           rest);
  EXPECT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  return ToText(result.warnings);
}

TEST(SandboxWarningsTest, NamesSecretsThatAreCoveredByThemselves) {
  EXPECT_THAT(
      WarningsOf("token_file: tokens, tls: {cert_file: a, key_file: /etc/key}", "true"),
      AllOf(HasSubstr("host.token_file: is a file that the sandbox of plugin p covers by itself"),
            HasSubstr("host.tls.key_file: "), HasSubstr("plugins[1].token_file: "),
            HasSubstr("plugins[1].tls.key_file: "),
            HasSubstr("; keep it in a folder that is covered: host.data, or one in sandbox.hide")));
}

TEST(SandboxWarningsTest, HasNothingToSayOfCoveredFolders) {
  const std::string host = "data: d, token_file: d/tokens";
  EXPECT_THAT(WarningsOf(host, "{hide: [keys]}"), IsEmpty());
  EXPECT_THAT(WarningsOf(host, "false"), IsEmpty());
  EXPECT_THAT(WarningsOf("token_file: ./outboard-data/tokens", "{hide: [keys]}"), IsEmpty());
}

TEST(SandboxWarningsTest, AFileIsNoCoverAndTheWorkingFolderIsNotCovered) {
  EXPECT_THAT(WarningsOf("", "{hide: [keys/far, keys/tls]}"),
              AllOf(HasSubstr("token_file: "), HasSubstr("key_file: ")));
  EXPECT_THAT(WarningsOf("data: .", "true"), HasSubstr("plugins[1].token_file: "));
}

TEST(SandboxWarningsTest, NamesEachPluginThatWouldSeeIt) {
  const ReadResult result = Read(
      "host: {token_file: keys/t}\nplugins: [{name: a, run: x, sandbox: true}, {name: b, run: x, "
      "sandbox: {hide: keys}}, {name: c, run: x, sandbox: strict}]\n"
      "routes: [{name: r, to: [a, b, c]}]\n");
  EXPECT_THAT(ToText(result.warnings), HasSubstr("of plugins a, c covers"));
}

TEST(SandboxWarningsTest, NamesAPasswordInTheConfigFile) {
  const auto warnings = [](const std::string& url) {
    return WarningsOf("", "{hide: keys}", "bus: {kind: rabbitmq, url: \"" + url + "\"}\n");
  };
  EXPECT_THAT(
      warnings("amqp://u:geheim@h/v"),
      AllOf(HasSubstr("bus.url: has its password in the config file"), Not(HasSubstr("geheim"))));
  EXPECT_THAT(warnings("amqp://u:${X:-p}@h/v"), IsEmpty());
  EXPECT_THAT(warnings("amqp://h:5672/v"), IsEmpty());
}

TEST(SandboxWarningsTest, KnowsWhereACoreFileComesToNothing) {
  Plugin plugin;
  plugin.core = plugin.sandbox.on = true;
  plugin.sandbox.write = {"/srv/app/state", "/var/cores"};
  for (const char* pattern : {"core", "core.%p", "/tmp/core", "/var/core", "/core"})
    EXPECT_TRUE(LosesCore(plugin, "/srv/app", pattern)) << pattern;
  for (const char* pattern : {"|/usr/lib/systemd/systemd-coredump %P", "/var/cores/%e.%p",
                              "state/core", "/var/cores/a/core", ""})
    EXPECT_FALSE(LosesCore(plugin, "/srv/app", pattern)) << pattern;
  EXPECT_FALSE(LosesCore(plugin, "/srv/app/state", "core"));
  plugin.sandbox.on = false;
  EXPECT_FALSE(LosesCore(plugin, "/srv/app", "core"));
  plugin.sandbox.on = true;
  plugin.core = false;
  EXPECT_FALSE(LosesCore(plugin, "/srv/app", "core"));
}

TEST(SandboxWarningsTest, WarnsOfACoreFileUnlessAllMayBeWritten) {
  const auto warnings = [](const std::string& sandbox) {
    return ToText(Read("plugins: [{name: p, run: x, core: true, sandbox: " + sandbox +
                       "}]\nroutes: [{name: r, to: p}]\n")
                      .warnings);
  };
  // What the kernel of this machine says is not known here.
  EXPECT_THAT(warnings("true"),
              testing::AnyOf(IsEmpty(), HasSubstr("plugins[0].core: leaves no core file in a")));
  EXPECT_THAT(warnings("false"), IsEmpty());
}

}  // namespace
}  // namespace outboard::config

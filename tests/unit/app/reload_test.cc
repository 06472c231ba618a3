#include "host/app/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/app/wiring.h"

namespace outboard::app {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Two launched plugins, of which one has a sandbox, and a remote one with this key.
config::Config WithKey(const std::string& key, const std::string& sandbox = "true") {
  config::ReadResult read = config::ReadConfigText(
      "plugins:\n- {name: boxed, run: [a], sandbox: " + sandbox +
          "}\n- {name: plain, run: [a]}\n- {name: far, address: \"h:1\", tls: {cert_file: c, "
          "key_file: " +
          key + "}}\nroutes: [{name: r, to: [boxed, plain, far]}]\n",
      "/srv/outboard.yaml", [](const std::string&) { return std::optional<std::string>(); });
  EXPECT_TRUE(read.ok()) << config::ToText(read.problems);
  return std::move(read.config);
}

std::vector<std::string> Names(const std::vector<config::Change>& changes) {
  std::vector<std::string> names;
  for (const config::Change& change : changes) names.push_back(config::ToText(change));
  return names;
}

TEST(ReloadTest, APluginChangesWhenItsSandboxHasToCoverMore) {
  const std::vector<config::Change> changes = ChangesOf(WithKey("one"), WithKey("two"));
  EXPECT_THAT(Names(changes), ElementsAre("changed plugin far", "changed plugin boxed"));
  EXPECT_THAT(changes[1].details, ElementsAre("sandbox: covers /srv/two, too"));
}

TEST(ReloadTest, APluginStaysWhenItsSandboxCoversAllAlready) {
  EXPECT_THAT(ChangesOf(WithKey("one"), WithKey("one")), IsEmpty());
  EXPECT_THAT(Names(ChangesOf(WithKey("one", "false"), WithKey("two", "false"))),
              ElementsAre("changed plugin far"));
  config::Config less = WithKey("one");
  less.plugins.pop_back();
  EXPECT_THAT(Names(ChangesOf(WithKey("one"), less)), ElementsAre("removed plugin far"));
}

TEST(ReloadTest, APluginChangesWithItsOwnListAndIsNamedOnce) {
  const config::Config after = WithKey("two", "{hide: [keys]}");
  EXPECT_THAT(Names(ChangesOf(WithKey("one"), after)),
              ElementsAre("changed plugin boxed", "changed plugin far"));
  const fleet::FleetOptions options = FleetOptions(after);
  EXPECT_THAT(options.plugins[0].program.sandbox.hide, Contains("/srv/two"));
  EXPECT_THAT(options.plugins[0].program.sandbox.hide_more, ElementsAre("/srv/keys"));
}

}  // namespace
}  // namespace outboard::app

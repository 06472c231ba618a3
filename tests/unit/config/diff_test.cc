#include "host/config/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using What = Change::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kBase[] = R"(
plugins:
  - {name: one, run: [one], config: {a: {b: 1}}}
  - {name: two, run: [two]}
routes:
  - {name: r, source: {service: s}, to: [one]}
pipelines:
  - {name: p, stages: [two]}
)";

std::vector<Change> Between(const std::string& before, const std::string& after,
                            const std::map<std::string, std::string>& env = {}) {
  const ReadResult a = Read(before, env);
  const ReadResult b = Read(after, env);
  EXPECT_TRUE(a.ok()) << ToText(a.problems);
  EXPECT_TRUE(b.ok()) << ToText(b.problems);
  return Diff(a.config, b.config);
}

TEST(DiffTest, TheSameHasNone) { EXPECT_THAT(Between(kBase, kBase), IsEmpty()); }

TEST(DiffTest, NamesWhatCameWentAndChanged) {
  const auto changes = Between(kBase, R"(
# A comment and other lines are no change.
host: {drain_timeout: 5s}
plugins:
  - {name: three, run: [three]}
  - {name: one, run: [one], instances: 2, config: {a: {b: 2, c: x}}}
routes:
  - {name: r, source: {service: s, events: ["x.#"]}, to: [one]}
  - {name: q, source: {service: s}, to: [three]}
)");
  EXPECT_THAT(
      changes,
      ElementsAre(Change{What::kChanged, "host", "", {"drain_timeout: 20s -> 5s"}},
                  Change{What::kAdded, "plugin", "three", {}},
                  Change{What::kChanged,
                         "plugin",
                         "one",
                         {"instances: 1 -> 2", "config.a.b: 1 -> 2", "config.a.c: nothing -> x"}},
                  Change{What::kRemoved, "plugin", "two", {}},
                  Change{What::kChanged, "route", "r", {"source.events: nothing -> [\"x.#\"]"}},
                  Change{What::kAdded, "route", "q", {}},
                  Change{What::kRemoved, "pipeline", "p", {}}));
  EXPECT_EQ(ToText(changes[0]), "changed host");
  EXPECT_EQ(ToText(changes[3]), "removed plugin two");
}

TEST(DiffTest, ASecretThatChangedIsToldAndNotShown) {
  const char* before = R"(
plugins: [{name: one, run: [one], env: {DB: "pg://${PW}"}, config: {auth: {token: {v: planted1}}}}]
routes: [{name: r, source: {service: s}, to: [one]}]
)";
  const char* after = R"(
plugins: [{name: one, run: [one], env: {DB: "pg://${PX}"}, config: {auth: {token: {v: planted2}}}}]
routes: [{name: r, source: {service: s}, to: [one]}]
)";
  const auto changes = Between(before, after, {{"PW", "planted3"}, {"PX", "planted4"}});
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_THAT(changes[0].details,
              ElementsAre("env.DB: another value", "config.auth.token.v: another value"));
}

TEST(DiffTest, ALongValueIsCut) {
  const std::string after = std::string("plugins: [{name: one, run: [one], config: {a: \"") +
                            std::string(200, 'x') +
                            "\"}}]\nroutes: [{name: r, source: {service: s}, to: [one]}]\n";
  const std::string before =
      "plugins: [{name: one, run: [one]}]\nroutes: [{name: r, source: {service: s}, to: [one]}]\n";
  const auto changes = Between(before, after);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_THAT(changes[0].details[0], HasSubstr("xxx\xE2\x80\xA6"));
  EXPECT_THAT(changes[0].details[0], Not(HasSubstr(std::string(100, 'x'))));
}

}  // namespace
}  // namespace outboard::config

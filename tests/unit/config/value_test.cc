#include "host/config/value.h"

#include <gtest/gtest.h>

namespace outboard::config {
namespace {

TEST(ValueTest, KnowsWhereItIs) {
  Reading reading{
      .file = "f.yaml", .directory = "/", .env = ProcessEnv(), .problems = {}, .warnings = {}};
  const Value top(YAML::Load("a:\n  - x: 1\n"), "", &reading);
  const Value x = top.At("a", top.node()["a"]).At(0).At("x", top.node()["a"][0]["x"]);
  EXPECT_EQ(x.path(), "a[0].x");
  EXPECT_EQ(x.line(), 2);
  x.Problem("bad", "mend it");
  x.Warning("odd");
  EXPECT_EQ(ToText(reading.problems), "f.yaml:2:8: a[0].x: bad; mend it\n");
  EXPECT_EQ(ToText(reading.warnings), "f.yaml:2:8: a[0].x: odd\n");
}

TEST(ValueTest, ShowsWhatIsThereSafelyAndShortly) {
  Reading reading{
      .file = "f", .directory = "/", .env = ProcessEnv(), .problems = {}, .warnings = {}};
  const auto shown = [&](const std::string& yaml) {
    return Value(YAML::Load(yaml), "", &reading).Shown();
  };
  EXPECT_EQ(shown("{}"), "a mapping");
  EXPECT_EQ(shown("[]"), "a list");
  EXPECT_EQ(shown("~"), "nothing");
  EXPECT_EQ(shown("\"a\\e[0m\""), "\"a\\x1B[0m\"");
  EXPECT_EQ(shown(std::string(500, 'x')).size(), 62u);
}

}  // namespace
}  // namespace outboard::config

#include "host/config/section.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(SectionTest, SuggestsTheKeyThatWasMeant) {
  EXPECT_EQ(Problems("host:\n  nmae: x\n"),
            "/srv/app/outboard.yaml:2:3: host.nmae: unknown key; did you mean name?\n");
}

TEST(SectionTest, ListsTheKeysWhereNoneIsNear) {
  EXPECT_THAT(Problems("colour: red\n"),
              HasSubstr(":1:1: colour: unknown key; known here: host, bus, plugins, routes"));
}

TEST(SectionTest, ReportsADuplicateKeyWithBothPlaces) {
  const ReadResult result = Read("host:\n  name: first\n  name: second\n");
  EXPECT_EQ(
      ToText(result.problems),
      "/srv/app/outboard.yaml:3:3: host.name: duplicate key, first on line 2; keep one of them\n");
  EXPECT_EQ(result.config.host.name, "first");
}

TEST(SectionTest, SaysThatAKnownKeyIsNotBuiltYet) {
  EXPECT_THAT(Problems("buses: []\n"),
              HasSubstr("buses: not built yet: this version has no second bus"));
  EXPECT_THAT(Problems("plugins: [{name: p, run: x, directory: y}]\n"),
              HasSubstr("plugins[0].directory: not built yet: this version has no working folder"));
}

TEST(SectionTest, ReportsAKeyWithoutAValue) {
  EXPECT_EQ(Problems("host:\n  name:\n"),
            "/srv/app/outboard.yaml:2:3: host.name: has no value; give one, or remove the key\n");
}

TEST(SectionTest, ReportsAKeyThatIsNoText) {
  EXPECT_THAT(Problems("? [a]\n: 1\n"), HasSubstr("a key must be plain text"));
}

TEST(SectionTest, NeedsAMapping) {
  EXPECT_THAT(Problems("host: [1]\n"), HasSubstr(":1:7: host: needs a mapping, not a list"));
  EXPECT_THAT(Problems("just text\n"), HasSubstr("needs a mapping, not \"just text\""));
}

TEST(SectionTest, MergesAndLetsTheNearerValueWin) {
  const ReadResult result = Read(
      "x-defaults: &d {instances: 3, grace: 1s}\n"
      "plugins:\n- {<<: *d, name: p, run: x, grace: 2s}\n"
      "routes: [{name: r, to: p}]\n");
  EXPECT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  EXPECT_EQ(result.config.plugins[0].instances, 3u);
  EXPECT_EQ(result.config.plugins[0].grace, std::chrono::seconds(2));
}

TEST(SectionTest, ReportsAMergeOfWhatIsNoMapping) {
  EXPECT_THAT(Problems("host: {<<: 5}\n"), HasSubstr("<< needs a mapping, not \"5\""));
}

TEST(SectionTest, EscapesWhatATerminalWouldObey) {
  EXPECT_THAT(Problems("\"\\e[31m\": 1\n"), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace outboard::config

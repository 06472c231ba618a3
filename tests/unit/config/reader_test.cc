#include "host/config/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "host/config/dump.h"
#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kWhole[] =
    R"(host: {name: tracker, data: ./d, http: 127.0.0.1:8080, log: {level: info}}
bus: {kind: embedded, retain: {time: 7d, bytes: 1GiB}}
x-common: &common {instances: 2, env: {LANG: C.UTF-8, "A": '${V}'}}
plugins:
  - {<<: *common, name: notifier, run: [python, main.py], config: {a: [1, 2.5, "x"], b: !!int "3"}}
  - name: index
    address: "dns:///index:9000"
routes:
  - name: stories
    source: {service: storyboard, events: ["story.#", task.*]}
    delivery: {mode: pool, order_by: subject}
    to: [notifier, index.search]
    retry: {max_attempts: 8, initial: 1s, max: 1m}
)";

TEST(ReaderTest, TakesTheDefaultsOfAnEmptyFile) {
  for (const char* text : {"", "# nothing\n", "---\n", "{}", "\xEF\xBB\xBF"}) {
    const ReadResult result = Read(text);
    EXPECT_THAT(result.problems, IsEmpty()) << text << ToText(result.problems);
    EXPECT_EQ(result.config.host.name, "outboard");
    EXPECT_EQ(result.config.path, "/srv/app/outboard.yaml");
    EXPECT_EQ(result.config.directory, "/srv/app");
  }
}

TEST(ReaderTest, ReadsAWholeFile) {
  const ReadResult result = Read(kWhole, {{"V", "w"}});
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  EXPECT_THAT(result.warnings, IsEmpty());
  EXPECT_THAT(result.config.plugins, SizeIs(2));
  EXPECT_EQ(result.config.plugins[0].env.at("A"), "w");
}

TEST(ReaderTest, ReportsEverythingAtOnceInTheOrderOfTheFile) {
  EXPECT_EQ(
      Problems("host: {shards: none}\nbus: {knid: embedded}\nroutes:\n- {name: r, to: [x]}\n"),
      "/srv/app/outboard.yaml:1:16: host.shards: needs a whole number from 1 to 256, not \"none\"\n"
      "/srv/app/outboard.yaml:2:7: bus.knid: unknown key; did you mean kind?\n"
      "/srv/app/outboard.yaml:4:18: routes[0].to[0]: there is no plugin x; add it to plugins\n");
}

TEST(ReaderTest, SaysWhereTheYamlIsBroken) {
  EXPECT_THAT(Problems("host: {name: x\nbus: 1\n"), HasSubstr("/srv/app/outboard.yaml:2:"));
  EXPECT_THAT(Problems("a: b: c"), HasSubstr("no valid YAML: "));
  EXPECT_THAT(Problems("host: *nowhere"), HasSubstr("no valid YAML: "));
  EXPECT_THAT(Problems("host: {name: ${X}, data: d}"), HasSubstr("needs quotes: \"${NAME}\""));
  for (const char* text : {"{}\n---\n{}\n", "[a], b", ", x"})
    EXPECT_THAT(Problems(text), HasSubstr("holds more than one document"));
}

TEST(ReaderTest, RefusesWhatIsNoText) {
  EXPECT_THAT(Problems("host: {}\n# \xFF\n"),
              HasSubstr("outboard.yaml:2:1: text that is not UTF-8"));
  EXPECT_THAT(Problems(std::string("host: {}\nx\0y", 12)),
              HasSubstr("outboard.yaml:2:2: a control character"));
  EXPECT_THAT(Problems("host: {}\n\x04plugins: 5\n"), HasSubstr("a control character"));
}

TEST(ReaderTest, SaysWhyAFileCannotBeRead) {
  const ReadResult missing = ReadConfigFile("/nowhere/outboard.yaml");
  EXPECT_EQ(ToText(missing.problems),
            "/nowhere/outboard.yaml: cannot be read: No such file or directory; create it, or name "
            "another "
            "with --config FILE or $OUTBOARD_CONFIG\n");
  EXPECT_THAT(ToText(ReadConfigFile("/").problems), HasSubstr("/: is a folder"));
}

TEST(ReaderTest, ReadsFromAFile) {
  std::string folder = std::filesystem::temp_directory_path() / "outboard-reader-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  std::ofstream(folder + "/o.yaml") << "host: {data: d}\n";
  const ReadResult result = ReadConfigFile(folder + "/o.yaml");
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.config.host.data, folder + "/d");
  EXPECT_EQ(result.config.path, folder + "/o.yaml");
  std::filesystem::remove_all(folder);
}

TEST(ReaderTest, FindsTheFileByFlagThenVariableThenPlace) {
  const Env unset = [](const std::string&) { return std::nullopt; };
  const Env set = [](const std::string& name) -> std::optional<std::string> {
    return name == "OUTBOARD_CONFIG" ? std::optional<std::string>("/etc/o.yaml") : std::nullopt;
  };
  EXPECT_EQ(ResolveConfigPath("a.yaml", set), "a.yaml");
  EXPECT_EQ(ResolveConfigPath("", set), "/etc/o.yaml");
  EXPECT_EQ(ResolveConfigPath("", unset), "./outboard.yaml");
}

// Whatever a file holds: an answer, no crash, and every problem has a text.
TEST(ReaderTest, SurvivesMangledFiles) {
  const std::string whole = kWhole;
  const std::vector<std::string> bits = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ":",
                                         ": ",
                                         "- ",
                                         "\n",
                                         "  ",
                                         "&a ",
                                         "*a",
                                         "<<: *common",
                                         "!!int ",
                                         "!x ",
                                         "|\n",
                                         ">-\n",
                                         "\"",
                                         "'",
                                         "${",
                                         "${V}",
                                         "${file:/}",
                                         "~",
                                         "#",
                                         "? ",
                                         "---\n",
                                         "...\n",
                                         "%YAML 9.9\n",
                                         "\t",
                                         "\x80",
                                         "\xF0\x9F\x98\x80",
                                         "999999999999999999999",
                                         "-1",
                                         ".nan",
                                         "\r",
                                         "@",
                                         "`",
                                         "\\",
                                         "\\u0000"};
  std::mt19937 random(20260131);
  const auto below = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  int good = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string text = whole;
    for (size_t edits = below(4) + 1; edits > 0; --edits) {
      const size_t at = below(text.size());
      switch (below(4)) {
        case 0: text.erase(at, below(20)); break;
        case 1: text.insert(at, bits[below(bits.size())]); break;
        case 2: text[at] = static_cast<char>(below(256)); break;
        default: text.insert(below(text.size()), text.substr(at, below(60)));
      }
    }
    const ReadResult result = Read(text, {{"V", "w"}});
    good += result.ok();
    for (const ConfigProblem& problem : result.problems) {
      EXPECT_FALSE(problem.message.empty()) << text;
      EXPECT_THAT(problem.text(), HasSubstr("/srv/app/outboard.yaml")) << text;
    }
    EXPECT_FALSE(DumpConfig(result.config).empty());
  }
  EXPECT_GT(good, 0);
  EXPECT_LT(good, 4000);
}

TEST(ReaderTest, SurvivesDepth) {
  for (const char* unit : {"[", "{a: ", "- ", "? ", "a:\n "}) {
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += unit;
    EXPECT_FALSE(Read(text).ok()) << unit;
  }
}

}  // namespace
}  // namespace outboard::config

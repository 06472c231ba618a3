#include "host/config/expand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "host/base/log.h"
#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRest[] = "\nroutes: [{name: r, to: p}]\n";

std::string Variable(const std::string& value, const std::map<std::string, std::string>& env = {},
                     const std::string& path = "/srv/app/outboard.yaml") {
  const ReadResult result =
      Read("plugins:\n- {name: p, run: [x], env: {V: \"" + value + "\"}}" + kRest, env, path);
  return result.ok() ? result.config.plugins[0].env.at("V") : ToText(result.problems);
}

class FolderTest : public ::testing::Test {
 protected:
  FolderTest() {
    std::string name = std::filesystem::temp_directory_path() / "outboard-expand-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~FolderTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::string Config() const { return folder_ / "outboard.yaml"; }

  std::filesystem::path folder_;
};

TEST(ExpandTest, PutsInVariablesAnywhereInAValue) {
  EXPECT_EQ(Variable("a-${A}-${B}${A}", {{"A", "1"}, {"B", ""}}), "a-1-1");
}

TEST(ExpandTest, TakesTheDefaultOfAnUnsetVariable) {
  EXPECT_EQ(Variable("${A:-b:-c}"), "b:-c");
  EXPECT_EQ(Variable("${A:-}"), "");
  EXPECT_EQ(Variable("${A:-b}", {{"A", "x"}}), "x");
}

TEST(ExpandTest, LeavesPlainDollarsAndEscapes) {
  EXPECT_EQ(Variable("5$ $A $${A} $$"), "5$ $A ${A} $$");
  EXPECT_EQ(Variable("${A}${B}", {{"A", "x$"}, {"B", "y"}}), "x$y");
}

TEST(ExpandTest, DoesNotExpandWhatAVariableBrings) {
  EXPECT_EQ(Variable("${A}", {{"A", "${B}"}, {"B", "no"}}), "${B}");
}

TEST(ExpandTest, NamesEveryUnsetVariable) {
  const std::string problems = Variable("${FIRST} ${SECOND}");
  EXPECT_THAT(problems,
              HasSubstr("plugins[0].env.V: environment variable FIRST is not set; set it, or "
                        "write ${FIRST:-default}"));
  EXPECT_THAT(problems, HasSubstr("SECOND is not set"));
}

TEST(ExpandTest, RefusesBrokenForms) {
  EXPECT_THAT(Variable("${A"), HasSubstr("${ without }"));
  EXPECT_THAT(Variable("${A B}"), HasSubstr("\"A B\" is no name of a variable"));
  EXPECT_THAT(Variable("${}"), HasSubstr("is no name of a variable"));
  EXPECT_THAT(Variable("${A}", {{"A", "\xFF"}}), HasSubstr("A is not UTF-8 text"));
}

TEST(ExpandTest, HidesSecretsFromTheLogInEveryForm) {
  Variable("${PW}", {{"PW", "pl\"anted\\one"}});
  EXPECT_EQ(RedactSecrets("x pl\"anted\\one y"), "x *** y");
  EXPECT_EQ(RedactSecrets(R"({"a":"pl\"anted\\one"})"), R"({"a":"***"})");
  Variable("${KEY}", {{"KEY", "-----BEGIN-----\nMIIEvplanted\n"}});
  EXPECT_THAT(RedactSecrets("line MIIEvplanted"), Not(HasSubstr("planted")));
}

TEST(ExpandTest, DoesNotHideWhatIsNoSecret) {
  const ReadResult result = Read("host: {http: \"127.0.0.1:${PORT}\"}", {{"PORT", "28431"}});
  EXPECT_EQ(result.config.host.http, "127.0.0.1:28431");
  EXPECT_EQ(RedactSecrets("port 28431"), "port 28431");
}

TEST(ExpandTest, ShowsTheFileInsteadOfTheSecretInProblems) {
  const std::string problems = Problems(
      "host: {shards: \"${PW}\", http: \"${PW}\", name: \"${PW}\", log: {level: \"${PW}\"}, "
      "drain_timeout: \"${PW}\"}\nbus: {kind: \"${PW}\", max_bytes: \"${PW}\"}\n"
      "plugins: [{name: p, run: \"${PW}\", address: \"${PW}\"}]\n"
      "routes: [{name: r, to: [\"${PW}\"], from: \"${PW}\", source: {events: [\"${PW}\"]}, "
      "delivery: {order_by: \"${PW}\"}}]",
      {{"PW", "hunter2 'secret"}});
  EXPECT_THAT(problems, HasSubstr("host.http: \"${PW}\" is no address"));
  EXPECT_THAT(problems, Not(HasSubstr("hunter2")));
}

TEST_F(FolderTest, ReadsSecretsFromFilesBesideTheConfig) {
  Write("pw", "from-a-file\n");
  EXPECT_EQ(Variable("u:${file:pw}@h", {}, Config()), "u:from-a-file@h");
  EXPECT_EQ(Variable("${file:" + (folder_ / "pw").string() + "}"), "from-a-file");
  EXPECT_EQ(RedactSecrets("from-a-file"), "***");
}

TEST_F(FolderTest, SaysWhyASecretCannotBeRead) {
  Write("bin", std::string("a\0b", 3));
  Write("big", std::string(100'000, 'x'));
  EXPECT_THAT(Variable("${file:none}", {}, Config()),
              HasSubstr("cannot read " + (folder_ / "none").string() + ": No such file"));
  EXPECT_THAT(Variable("${file:.}", {}, Config()), HasSubstr("is a folder"));
  EXPECT_THAT(Variable("${file:bin}", {}, Config()), HasSubstr("is not UTF-8 text"));
  EXPECT_THAT(Variable("${file:big}", {}, Config()), HasSubstr("larger than 64 KiB"));
}

}  // namespace
}  // namespace outboard::config

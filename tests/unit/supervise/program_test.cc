#include "host/supervise/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace outboard::supervise {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

ProgramSpec Spec(std::vector<std::string> argv) {
  ProgramSpec spec;
  spec.name = "notifier";
  spec.argv = std::move(argv);
  spec.directory = "/etc/tracker";
  return spec;
}

std::string Refusal(const ProgramSpec& spec) {
  const absl::Status status = ValidateProgram(spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ShellQuoteTest, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(ShellQuote("./venv/bin/python"), "./venv/bin/python");
  EXPECT_EQ(ShellQuote("unix:/tmp/x.sock"), "unix:/tmp/x.sock");
  EXPECT_EQ(ShellQuote(""), "''");
  EXPECT_EQ(ShellQuote("a b"), "'a b'");
  EXPECT_EQ(ShellQuote("$HOME"), "'$HOME'");
  EXPECT_EQ(ShellQuote("it's"), "'it'\\''s'");
  EXPECT_EQ(ShellQuote("~"), "'~'");
}

TEST(CommandByHandTest, IsWhatAPersonTypes) {
  ProgramSpec spec = Spec({"./venv/bin/python", "main.py", "two words"});
  EXPECT_EQ(CommandByHand(spec),
            "cd /etc/tracker && OUTBOARD_LISTEN=unix:/tmp/notifier.sock ./venv/bin/python main.py "
            "'two words'");
  spec.env = {{"LANG", "C.UTF-8"}, {"MOTD", "hi there"}};
  EXPECT_THAT(CommandByHand(spec), HasSubstr("&& LANG=C.UTF-8 MOTD='hi there' OUTBOARD_LISTEN="));
}

TEST(CommandByHandTest, StartsAProgramWhoseNameLooksLikeAVariable) {
  EXPECT_THAT(CommandByHand(Spec({"./a=b"})), HasSubstr(" env -- ./a=b"));
}

TEST(InstanceKeyTest, NamesInstances) {
  EXPECT_EQ((InstanceKey{"notifier", 2, false}).Label(), "notifier.2");
  EXPECT_EQ((InstanceKey{"notifier", 0, true}).Label(), "notifier.q0");
  EXPECT_LT((InstanceKey{"notifier", 1, false}), (InstanceKey{"notifier", 2, false}));
}

TEST(BuildEnvironmentTest, TakesFourOfTheHostsVariablesAndTheSpecs) {
  ProgramSpec spec = Spec({"x"});
  spec.env = {{"TZ", "UTC"}, {"OWN", "1"}, {"PYTHONUNBUFFERED", "0"}};
  const auto environment = BuildEnvironment(
      spec, {"notifier", 3, false}, "unix:/x", [](const char* name) -> const char* {
        return std::strcmp(name, "LANG") == 0 ? nullptr : "host";
      });
  EXPECT_THAT(environment,
              UnorderedElementsAre(
                  Pair("PATH", "host"), Pair("HOME", "host"), Pair("TZ", "UTC"), Pair("OWN", "1"),
                  Pair("PYTHONUNBUFFERED", "0"), Pair("OUTBOARD_LISTEN", "unix:/x"),
                  Pair("OUTBOARD_PLUGIN", "notifier"), Pair("OUTBOARD_INSTANCE", "3")));
}

TEST(BuildEnvironmentTest, HasWhatTheHostTellsAndAPersonIsNotShown) {
  ProgramSpec spec = Spec({"x"});
  spec.host_env = {{"OUTBOARD_TOKEN", "s3cr3t"}};
  const auto environment = BuildEnvironment(spec, {"notifier", 0, false}, "unix:/x",
                                            [](const char*) -> const char* { return nullptr; });
  EXPECT_EQ(environment.at("OUTBOARD_TOKEN"), "s3cr3t");
  EXPECT_EQ(CommandByHand(spec).find("s3cr3t"), std::string::npos);
}

TEST(BuildEnvironmentTest, HasAPathEvenIfTheHostHasNone) {
  const auto environment = BuildEnvironment(Spec({"x"}), {"notifier", 0, true}, "unix:/x",
                                            [](const char*) -> const char* { return nullptr; });
  EXPECT_THAT(environment.at("PATH"), HasSubstr("/usr/bin"));
  EXPECT_EQ(environment.at("OUTBOARD_INSTANCE"), "q0");
}

TEST(ValidateProgramTest, AcceptsAPlainSpec) { EXPECT_TRUE(ValidateProgram(Spec({"./x"})).ok()); }

TEST(ValidateProgramTest, NamesWhatIsWrongAndTheFix) {
  EXPECT_THAT(Refusal(Spec({})),
              AllOf(HasSubstr("notifier"), HasSubstr("`run` is empty"), HasSubstr("fix:")));
  EXPECT_THAT(Refusal(Spec({""})), HasSubstr("`run` is empty"));
  EXPECT_THAT(Refusal(Spec({std::string("a\0b", 3)})), HasSubstr("NUL"));
  ProgramSpec relative = Spec({"x"});
  relative.directory = "etc";
  EXPECT_THAT(Refusal(relative), HasSubstr("absolute"));
  ProgramSpec assigns = Spec({"x"});
  assigns.env["A=B"] = "";
  EXPECT_THAT(Refusal(assigns), HasSubstr("A=B"));
  ProgramSpec ours = Spec({"x"});
  ours.env["OUTBOARD_LISTEN"] = "unix:/y";
  EXPECT_THAT(Refusal(ours), HasSubstr("the host's"));
  ProgramSpec backwards = Spec({"x"});
  backwards.restart_max = Duration(1);
  EXPECT_THAT(Refusal(backwards), HasSubstr("restart"));
}

TEST(ResolveProgramTest, LooksInThePathOfThePlugin) {
  const auto found = ResolveProgram(Spec({"sh"}), {{"PATH", "/no/such/folder:/bin"}});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, "/bin/sh");
  EXPECT_EQ(ResolveProgram(Spec({"sh"}), {{"PATH", "/no/such/folder"}}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(ResolveProgramTest, TakesAPathFromTheFolder) {
  ProgramSpec spec = Spec({"bin/sh"});
  spec.directory = "/";
  const auto found = ResolveProgram(spec, {});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, "//bin/sh");
}

}  // namespace
}  // namespace outboard::supervise

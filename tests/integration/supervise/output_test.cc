// From what a process writes to the lines of the host's log.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/base/log.h"
#include "tests/integration/supervise/fixture.h"

namespace outboard::supervise {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class OutputTest : public SupervisorTest {
 protected:
  // The lines of the log after one run of `script`.
  std::vector<std::string> LogOf(const std::string& script) { return LogOf(Shell(script)); }

  std::vector<std::string> LogOf(ProgramSpec spec) {
    spec.restart_initial = spec.restart_max = std::chrono::hours(1);
    testing::internal::CaptureStderr();
    MakeSupervisor();
    EXPECT_TRUE(supervisor().Start(std::move(spec), 0).ok());
    AwaitEnded();
    DropSupervisor();
    return absl::StrSplit(testing::internal::GetCapturedStderr(), '\n', absl::SkipEmpty());
  }
};

TEST_F(OutputTest, NamesPluginInstanceAndStream) {
  const auto log = LogOf("echo hello there; echo oops >&2");
  EXPECT_THAT(log,
              Contains(HasSubstr("plugin: hello there plugin=victim instance=0 stream=stdout")));
  EXPECT_THAT(log, Contains(HasSubstr("plugin: oops plugin=victim instance=0 stream=stderr")));
  EXPECT_THAT(log,
              Contains(AllOf(HasSubstr("plugin process ended: exited with 0"),
                             HasSubstr("plugin=victim instance=0"), HasSubstr("restart_in="))));
}

TEST_F(OutputTest, KeepsStructuredLinesStructured) {
  const auto log = LogOf(
      R"(echo '{"level":"warning","message":"low disk","free":12,"where":{"a":[1,2]},"time":"now","k":"a b"}')");
  EXPECT_THAT(
      log, Contains(AllOf(HasSubstr("WARN  plugin: low disk plugin=victim"), HasSubstr(" free=12"),
                          HasSubstr(" k=\"a b\""), HasSubstr(" plugin_time=now"))));
}

TEST_F(OutputTest, EscapesWhatIsNotText) {
  EXPECT_THAT(LogOf(R"(printf 'a\377b\033[31m\n')"),
              Contains(HasSubstr(R"(plugin: a\xFFb\x1B[31m plugin=)")));
}

TEST_F(OutputTest, CutsLongLines) {
  const auto log = LogOf("head -c 100000 /dev/zero | tr '\\0' x; echo; echo after");
  EXPECT_THAT(log, Contains(AllOf(HasSubstr(absl::StrCat(std::string(16 * 1024, 'x'), " plugin=")),
                                  HasSubstr("cut_bytes=83616"))));
  EXPECT_THAT(log, Contains(HasSubstr("plugin: after plugin=")));
}

TEST_F(OutputTest, LimitsAFloodAndTellsWhatItLeftOut) {
  const auto log = LogOf(Victim("flood"));
  uint64_t shown = 0;
  uint64_t left_out = 0;
  for (const std::string& line : log) {
    if (absl::StrContains(line, "of a flood")) ++shown;
    const size_t at = line.find("left out ");
    if (at != std::string::npos) left_out += std::strtoull(line.c_str() + at + 9, nullptr, 10);
  }
  EXPECT_EQ(shown + left_out, 200'000u);
  EXPECT_GE(shown, 2'000u);
  EXPECT_LT(shown, 100'000u);
}

TEST_F(OutputTest, ShowsTheCommandToRunByHandWhenItCannotStart) {
  EXPECT_THAT(
      LogOf(Spec({"./redact", "--level", "a b"})),
      Contains(AllOf(HasSubstr("ERROR supervise: plugin victim: cannot run "),
                     HasSubstr("OUTBOARD_LISTEN=unix:/tmp/victim.sock ./redact --level 'a b'"))));
}

TEST_F(OutputTest, ShowsNoSecret) {
  AddLogSecret("hunter2-of-supervision");
  ProgramSpec spec =
      Shell("echo pass=hunter2-of-supervision; echo hunter2-of-supervision >&2; exit 1");
  spec.env["PASSWORD"] = "hunter2-of-supervision";
  EXPECT_THAT(LogOf(spec), Not(Contains(HasSubstr("hunter2-of-supervision"))));
  EXPECT_THAT(ended()[0].end.stderr_tail, "***");
  EXPECT_THAT(CommandByHand(spec), Not(HasSubstr("hunter2-of-supervision")));
}

}  // namespace
}  // namespace outboard::supervise

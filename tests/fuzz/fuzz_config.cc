// Any text as a configuration: every problem says what and where, and what is taken is a text again
// (`check --dump`) that is taken, too, and means the same.
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/config/dump.h"
#include "host/config/reader.h"
#include "tests/fuzz/fuzz.h"

namespace outboard::fuzz {
namespace {

config::ReadResult Read(absl::string_view text) {
  return config::ReadConfigText(text, "/nowhere/outboard.yaml",
                                [](const std::string&) { return std::nullopt; });
}

// ${file:...} would read files of this machine, however YAML spells it.
bool MayReadFiles(absl::string_view text) {
  return absl::StrContains(text, "file:") || absl::StrContains(text, "\\");
}

// The dump hides secrets and shows texts after ${...} was replaced in them; that of a bus on a
// broker is for people only.
bool ReadsAgain(const config::Config& config, const std::string& dump) {
  return config.bus.kind != "rabbitmq" && !absl::StrContains(dump, "***") &&
         !absl::StrContains(dump, "${") && !MayReadFiles(dump);
}

std::string ReadAgain(const std::string& dump) {
  nlohmann::ordered_json changed = nlohmann::ordered_json::parse(dump);
  if (changed["host"]["admin_socket"] == "")
    changed["host"].erase("admin_socket");  // No other form.
  const config::ReadResult again = Read(changed.dump());
  if (!again.ok()) return absl::StrCat("refuses what it wrote: ", ToText(again.problems));
  return DumpConfig(again.config) == dump ? "" : "reads its own text as another one";
}

}  // namespace
}  // namespace outboard::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outboard::fuzz;  // NOLINT: the entry point has no namespace.
  namespace config = outboard::config;
  const absl::string_view input = AsText(data, size);
  if (MayReadFiles(input)) return 0;
  const config::ReadResult read = Read(input);
  for (const auto* list : {&read.problems, &read.warnings}) {
    for (const config::ConfigProblem& problem : *list) {
      Expect(problem.message.empty() ? "a problem without words" : "", input);
      Expect(problem.line < 0 || problem.column < 0 ? "a problem nowhere" : "", input);
    }
  }
  if (!read.ok()) return 0;
  const std::string dump = DumpConfig(read.config);
  if (ReadsAgain(read.config, dump)) Expect(ReadAgain(dump), input);
  return 0;
}

#include "host/app/cli/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace outboard::app {

Terminal ProcessTerminal() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term != nullptr && absl::string_view(term) == "dumb";
  const bool out_is_terminal = isatty(STDOUT_FILENO) != 0;
  return Terminal{
      .in = STDIN_FILENO,
      .out = std::cout,
      .err = std::cerr,
      .in_is_terminal = isatty(STDIN_FILENO) != 0,
      .out_is_terminal = out_is_terminal,
      .err_is_terminal = isatty(STDERR_FILENO) != 0,
      .colour = out_is_terminal && !dumb && (no_colour == nullptr || *no_colour == '\0')};
}

std::string Paint(const Terminal& terminal, Colour colour, absl::string_view text) {
  static constexpr absl::string_view kCodes[] = {"", "32", "33", "31", "2"};
  if (!terminal.colour || colour == Colour::kNone) return std::string(text);
  return absl::StrCat("\x1b[", kCodes[static_cast<int>(colour)], "m", text, "\x1b[0m");
}

bool Confirm(const Terminal& terminal, absl::string_view question) {
  if (!terminal.in_is_terminal || !terminal.err_is_terminal) return false;
  terminal.err << question << " [y/N] " << std::flush;
  std::string answer;
  for (char c = 0; read(terminal.in, &c, 1) == 1 && c != '\n';) answer += c;
  const std::string word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer));
  return word == "y" || word == "yes";
}

std::string FormatAge(Duration age) {
  const int64_t ms = std::max<int64_t>(0, age.count() / 1000);
  if (ms == 0) return "0s";
  if (ms < 1000) return absl::StrCat(ms, "ms");
  const int64_t s = ms / 1000;
  if (s < 60) return absl::StrCat(s, "s");
  if (s < 3600) return absl::StrCat(s / 60, "m");
  if (s < 86400) return absl::StrCat(s / 3600, "h");
  return absl::StrCat(s / 86400, "d");
}

std::string FormatBytes(uint64_t bytes) {
  static constexpr absl::string_view kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

}  // namespace outboard::app

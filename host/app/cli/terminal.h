#pragma once

#include <iosfwd>
#include <string>

#include "absl/strings/string_view.h"
#include "host/base/clock.h"

namespace outboard::app {

// Where a verb reads and writes; tests give their own.
struct Terminal {
  int in;  // Descriptor of standard input.
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool colour = false;  // A terminal, and NO_COLOR is not set.
};

// That of this process.
Terminal ProcessTerminal();

enum class Colour { kNone, kGreen, kYellow, kRed, kDim };

// `text` in that colour where the terminal shows colours.
std::string Paint(const Terminal& terminal, Colour colour, absl::string_view text);

// Asks on the terminal; true for y or yes. False without asking where nobody can answer.
bool Confirm(const Terminal& terminal, absl::string_view question);

// "0s", "59s", "3m", "2h", "4d": how long, in its largest unit. Below a second "120ms".
std::string FormatAge(Duration age);
// "17", "3.4 MiB".
std::string FormatBytes(uint64_t bytes);

}  // namespace outboard::app

#include "host/app/cli/table.h"

#include <algorithm>
#include <ostream>

#include "host/base/text.h"

namespace outboard::app {
namespace {

// Characters, near enough to columns.
size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

void Table::Print(const Terminal& terminal) const {
  std::vector<size_t> widths;
  std::vector<bool> right(headers_.size(), !rows_.empty());
  for (const std::string& header : headers_) widths.push_back(Width(header));
  for (const std::vector<Cell>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], Width(EscapeForPeople(row[i].text)));
      right[i] = right[i] && row[i].number;
    }
  }
  const auto print = [&](size_t i, const std::string& text, Colour colour) {
    const std::string gap(widths[i] - Width(text), ' ');
    const bool last = i + 1 == headers_.size();
    if (right[i]) terminal.out << gap;
    terminal.out << Paint(terminal, colour, text);
    if (!right[i] && !last) terminal.out << gap;
    terminal.out << (last ? "\n" : "  ");
  };
  for (size_t i = 0; i < headers_.size(); ++i) print(i, headers_[i], Colour::kDim);
  for (const std::vector<Cell>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) print(i, EscapeForPeople(row[i].text), row[i].colour);
  }
}

}  // namespace outboard::app

#pragma once

#include <string>
#include <vector>

#include "host/app/cli/terminal.h"

namespace outboard::app {

// Aligned columns for people. Cells are escaped; a column whose cells are all numbers stands to the
// right.
class Table {
 public:
  struct Cell {
    Cell(std::string text, Colour colour = Colour::kNone)  // NOLINT: a text is a cell.
        : text(std::move(text)), colour(colour) {}
    Cell(const char* text) : text(text) {}                                 // NOLINT
    Cell(uint64_t number) : text(std::to_string(number)), number(true) {}  // NOLINT
    std::string text;
    Colour colour = Colour::kNone;
    bool number = false;
  };

  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

  // As many cells as there are headers.
  void Add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }

  void Print(const Terminal& terminal) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace outboard::app

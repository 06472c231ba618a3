#pragma once

#include <span>
#include <string_view>

namespace outboard::app {

// A file of templates/, in the program.
struct Template {
  std::string_view path;  // FOLDER/FILE
  std::string_view text;
};

// All of them.
std::span<const Template> Templates();

}  // namespace outboard::app

#pragma once

#include <cstdlib>
#include <iostream>
#include <source_location>

// Ends the test with the line that was not as expected.
inline void Expect(bool good, std::source_location where = std::source_location::current()) {
  if (good) return;
  std::cerr << where.file_name() << ":" << where.line() << ": not as expected" << std::endl;
  std::_Exit(1);
}

#include "tests/simulation/coverage.h"

#include <cinttypes>

namespace outboard::simulation {

void Coverage::Add(const Coverage& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

int Coverage::Print(std::FILE* out) const {
  static constexpr const char* kNames[] = {
#define X(name, text) text,
#include "tests/simulation/coverage.def"
#undef X
  };
  int never = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    std::fprintf(out, "%12" PRIu64 "  %s%s\n", counts_[i], kNames[i],
                 counts_[i] == 0 ? "   <-- NEVER" : "");
    never += counts_[i] == 0;
  }
  return never;
}

}  // namespace outboard::simulation

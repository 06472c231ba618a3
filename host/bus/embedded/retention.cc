#include <algorithm>

#include "host/base/status.h"
#include "host/bus/embedded/books.h"

namespace outboard::bus {
namespace {

// Rows deleted in one transaction: some milliseconds.
constexpr uint64_t kTidyStep = 2000;

// The first offset in [low, high) for which `keep` says true; high if there is none.
template <typename Fn>
absl::StatusOr<uint64_t> FirstKept(Books& books, uint64_t low, uint64_t high, Fn keep) {
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    uint64_t sum = 0;
    Time accepted{};
    OUTBOARD_RETURN_IF_ERROR(books.store->ReadMark(middle, &sum, &accepted));
    if (keep(sum, accepted)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace

absl::StatusOr<bool> DeleteSettled(Books& books) {
  if (books.first_offset >= books.next_offset) return false;
  // The newest row stays, so that offsets go on from it.
  const uint64_t settled = std::min(books.NeededFrom(), books.next_offset - 1);
  if (settled <= books.first_offset) return false;
  // Near the limit nothing is kept but what is needed.
  uint64_t below = settled;
  if (!books.pressed()) {
    uint64_t settled_sum = 0;
    Time accepted{};
    OUTBOARD_RETURN_IF_ERROR(books.store->ReadMark(settled - 1, &settled_sum, &accepted));
    const Time oldest = books.clock->Now() - books.retention.keep_age;
    OUTBOARD_ASSIGN_OR_RETURN(
        below, FirstKept(books, books.first_offset, settled, [&](uint64_t sum, Time at) {
          return at >= oldest && settled_sum - sum < books.retention.keep_bytes;
        }));
  }
  if (below <= books.first_offset) return false;
  const uint64_t step = std::min(below, books.first_offset + kTidyStep);
  OUTBOARD_RETURN_IF_ERROR(books.InTransaction([&] { return books.store->DeleteLogBelow(step); }));
  books.first_offset = step;
  OUTBOARD_ASSIGN_OR_RETURN(books.used_bytes, books.store->UsedBytes());
  return step < below;
}

}  // namespace outboard::bus

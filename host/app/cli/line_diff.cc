#include "host/app/cli/line_diff.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace outboard::app {
namespace {

constexpr size_t kAround = 3;                  // Same lines that are shown.
constexpr size_t kMaxTable = size_t{4} << 20;  // Beyond it all of the middle counts as different.

using Lines = std::vector<absl::string_view>;
struct Line {
  char kind;  // ' ', '-', '+'
  absl::string_view text;
};

// Of the part that begins and ends differently, by the longest common subsequence.
void DiffMiddle(const Lines& a, const Lines& b, std::vector<Line>* out) {
  const size_t width = b.size() + 1;
  if ((a.size() + 1) * width > kMaxTable) {
    for (const absl::string_view line : a) out->push_back({'-', line});
    for (const absl::string_view line : b) out->push_back({'+', line});
    return;
  }
  std::vector<uint32_t> common((a.size() + 1) * width);
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      common[i * width + j] =
          a[i] == b[j] ? common[(i + 1) * width + j + 1] + 1
                       : std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      out->push_back({' ', a[i]});
      ++i, ++j;
    } else if (j == b.size() ||
               (i < a.size() && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      out->push_back({'-', a[i++]});
    } else {
      out->push_back({'+', b[j++]});
    }
  }
}

std::vector<Line> Diff(const Lines& a, const Lines& b) {
  size_t front = 0, back = 0;
  const size_t least = std::min(a.size(), b.size());
  while (front < least && a[front] == b[front]) ++front;
  while (back < least - front && a[a.size() - 1 - back] == b[b.size() - 1 - back]) ++back;
  std::vector<Line> lines;
  for (size_t i = 0; i < front; ++i) lines.push_back({' ', a[i]});
  DiffMiddle({a.begin() + front, a.end() - back}, {b.begin() + front, b.end() - back}, &lines);
  for (size_t i = a.size() - back; i < a.size(); ++i) lines.push_back({' ', a[i]});
  return lines;
}

}  // namespace

std::string LineDiff(absl::string_view before, absl::string_view after) {
  if (before == after) return "";
  const std::vector<Line> lines = Diff(absl::StrSplit(before, '\n'), absl::StrSplit(after, '\n'));
  std::vector<bool> shown(lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].kind == ' ') continue;
    const size_t end = std::min(i + kAround + 1, lines.size());
    for (size_t j = i - std::min(i, kAround); j < end; ++j) shown[j] = true;
  }
  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!shown[i]) continue;
    if (i > 0 && !shown[i - 1]) absl::StrAppend(&text, "  ...\n");
    absl::StrAppend(&text, std::string(1, lines[i].kind), " ", lines[i].text, "\n");
  }
  return text;
}

}  // namespace outboard::app

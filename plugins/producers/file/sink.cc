#include "plugins/producers/file/sink.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "plugins/common/event_json.h"

namespace outboard::file {
namespace {

constexpr size_t kPiece = 1 << 20;

}  // namespace

std::string Sink::Open() { return file_.Open(config_.path, config_.fsync_each, config_.rotation); }

void Sink::Put(std::span<BatchItem> batch) {
  size_t piece = kPiece;
  if (config_.rotation.max_size > 0) {
    piece = std::min(piece, static_cast<size_t>(config_.rotation.max_size));
  }
  std::string fault, lines;
  std::vector<int64_t> places;  // Of the piece's lines, within it.
  size_t first = 0;             // Of the piece.
  const auto write = [&](size_t end) {
    off_t position = 0;
    fault = file_.Append(lines, &position);
    if (!fault.empty()) return;
    const auto now = std::chrono::system_clock::now();
    for (size_t i = first; i < end; ++i) {
      batch[i].verdict = Accepted(position + places[i - first], now);
    }
    lines.clear();
    places.clear();
    first = end;
  };
  for (size_t i = 0; i < batch.size() && fault.empty(); ++i) {
    const std::string line = common::EventLine(batch[i].event);
    if (!lines.empty() && lines.size() + line.size() > piece) write(i);
    if (!fault.empty()) break;
    places.push_back(static_cast<int64_t>(lines.size()));
    lines += line;
  }
  if (fault.empty()) write(batch.size());
  for (BatchItem& item : batch) {
    if (!item.verdict) item.verdict = Retry("WRITE_FAILED", fault);
  }
}

}  // namespace outboard::file

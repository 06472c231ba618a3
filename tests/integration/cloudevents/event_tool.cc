// The host's event code behind pipes, for tests in other languages: `event_tool
// check|to-json|from-json`. Reads items from standard input, each 4 bytes of length (big endian)
// and so many bytes, and answers each with one byte, 1 if it passed, and an item: what came out, or
// the error's text.
//   check      event bytes in, checked event bytes out
//   to-json    event bytes in, CloudEvents JSON out
//   from-json  CloudEvents JSON in, event bytes out
#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host/event/event.h"
#include "host/event/json.h"
#include "host/event/wire.h"

namespace outboard {
namespace {

constexpr uint32_t kMaxItem = 64 << 20;

// False at the end of the input, and where an item is cut or too large.
bool ReadItem(std::string* item) {
  unsigned char head[4];
  if (std::fread(head, 1, sizeof(head), stdin) != sizeof(head)) return false;
  const uint32_t size = uint32_t{head[0]} << 24 | uint32_t{head[1]} << 16 | uint32_t{head[2]} << 8 |
                        uint32_t{head[3]};
  if (size > kMaxItem) return false;
  item->resize(size);
  return std::fread(item->data(), 1, size, stdin) == size;
}

bool WriteItem(bool passed, absl::string_view item) {
  const auto size = static_cast<uint32_t>(item.size());
  const unsigned char head[5] = {
      static_cast<unsigned char>(passed ? 1 : 0), static_cast<unsigned char>(size >> 24),
      static_cast<unsigned char>(size >> 16), static_cast<unsigned char>(size >> 8),
      static_cast<unsigned char>(size)};
  return std::fwrite(head, 1, sizeof(head), stdout) == sizeof(head) &&
         std::fwrite(item.data(), 1, item.size(), stdout) == item.size() &&
         std::fflush(stdout) == 0;
}

int Run(absl::string_view mode) {
  for (std::string item; ReadItem(&item);) {
    const absl::StatusOr<Event> event =
        mode == "from-json" ? EventFromJson(item) : CheckEvent(item);
    const std::string out = !event.ok()         ? std::string(event.status().message())
                            : mode == "to-json" ? EventToJson(*event)
                                                : std::string(event->bytes());
    if (!WriteItem(event.ok(), out)) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace outboard

int main(int argc, char** argv) {
  const absl::string_view mode = argc == 2 ? argv[1] : "";
  if (mode != "check" && mode != "to-json" && mode != "from-json") {
    std::fprintf(stderr, "usage: event_tool check|to-json|from-json\n");
    return 2;
  }
  return outboard::Run(mode);
}

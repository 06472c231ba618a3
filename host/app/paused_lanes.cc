#include "host/app/paused_lanes.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "host/base/status.h"

namespace outboard::app {
namespace {

constexpr char kPast[] = " past ";  // No name has spaces.

std::string PathIn(const std::string& data_folder) {
  return absl::StrCat(data_folder, "/paused-lanes");
}

absl::Status Failed(const std::string& path) {
  return absl::UnavailableError(absl::StrCat("cannot write ", path, ": ", strerror(errno)));
}

absl::Status WriteAll(int fd, const std::string& text, const std::string& path) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed(path);
    done += static_cast<size_t>(n);
  }
  return fsync(fd) == 0 ? absl::OkStatus() : Failed(path);
}

}  // namespace

// A line for each: its name, or that and what it went on past.
PausedLanes ReadPausedLanes(const std::string& data_folder) {
  PausedLanes lanes;
  std::ifstream file(PathIn(data_folder));
  for (std::string line; std::getline(file, line);) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(line, kPast);
    uint64_t id = 0;
    if (absl::SimpleAtoi(parts.second, &id)) {
      lanes.passed[std::string(parts.first)] = id;
    } else if (!line.empty()) {
      lanes.paused.insert(line);
    }
  }
  return lanes;
}

absl::Status WritePausedLanes(const std::string& data_folder, const PausedLanes& lanes) {
  const std::string path = PathIn(data_folder);
  const std::string fresh = absl::StrCat(path, ".new");
  std::string text;
  for (const std::string& lane : lanes.paused) absl::StrAppend(&text, lane, "\n");
  for (const auto& [lane, id] : lanes.passed) absl::StrAppend(&text, lane, kPast, id, "\n");
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return Failed(fresh);
  const absl::Status written = WriteAll(fd, text, fresh);
  close(fd);
  OUTBOARD_RETURN_IF_ERROR(written);
  return rename(fresh.c_str(), path.c_str()) == 0 ? absl::OkStatus() : Failed(path);
}

}  // namespace outboard::app

#include "plugins/common/json_lines_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "plugins/common/event_json.h"

namespace outboard::common {
namespace {

// Keeps other processes away while it lives.
class FileLock {
 public:
  explicit FileLock(int fd) : fd_(fd) {
    while (flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FileLock() { flock(fd_, LOCK_UN); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

// The bytes after the last newline before `size`.
std::string LastLine(int fd, off_t size) {
  constexpr off_t kStep = 64 << 10;
  std::string tail;
  while (size > 0) {
    const off_t begin = size > kStep ? size - kStep : 0;
    std::string piece(static_cast<size_t>(size - begin), '\0');
    const ssize_t got = pread(fd, piece.data(), piece.size(), begin);
    if (got != static_cast<ssize_t>(piece.size())) return tail;
    if (const size_t newline = piece.rfind('\n'); newline != std::string::npos) {
      return piece.substr(newline + 1) + tail;
    }
    tail.insert(0, piece);
    size = begin;
  }
  return tail;
}

// Makes the name of a new file survive a power cut.
bool SyncFolder(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = fsync(fd) == 0;
  close(fd);
  return synced;
}

}  // namespace

std::string JsonLinesFile::Failure(const char* what) const {
  return std::string("cannot ") + what + " " + path_ + ": " + std::strerror(errno);
}

void JsonLinesFile::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

std::string JsonLinesFile::Open(const std::string& path, bool fsync_each, Rotation rotation) {
  std::lock_guard lock(mutex_);
  path_ = path;
  fsync_each_ = fsync_each;
  rotation_ = rotation;
  return OpenNamed();
}

std::string JsonLinesFile::OpenNamed() {
  Close();
  known_end_ = -1;
  fd_ = open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (fd_ < 0) return Failure("open");
  if (fsync_each_ && !SyncFolder(path_)) return Failure("sync the folder of");
  const FileLock file_lock(fd_);
  struct stat info;
  if (fstat(fd_, &info) != 0) return Failure("look at");
  if (!S_ISREG(info.st_mode)) return path_ + " is not a regular file";
  return MendEnd(info.st_size);
}

std::string JsonLinesFile::MendEnd(off_t size) {
  const std::string torn = LastLine(fd_, size);
  known_end_ = size;
  if (torn.empty()) return "";
  if (IsJson(torn)) {
    // Whole but for its newline: its event may have been answered, so it stays.
    if (write(fd_, "\n", 1) != 1) return Failure("mend");
    known_end_ = size + 1;
    return "";
  }
  std::fprintf(stderr, "audit: cutting %zu bytes of a torn line off %s; its event comes again\n",
               torn.size(), path_.c_str());
  known_end_ = size - static_cast<off_t>(torn.size());
  return ftruncate(fd_, known_end_) == 0 ? "" : Failure("mend");
}

std::string JsonLinesFile::Append(std::string_view lines, off_t* position) {
  std::lock_guard lock(mutex_);
  if (path_.empty()) return "no file is open";
  while (true) {
    if (fd_ < 0) {
      if (std::string fault = OpenNamed(); !fault.empty()) return fault;
    }
    Next next = Next::kDone;
    std::string fault = AppendOrRotate(lines, position, &next);
    if (next == Next::kDone) return fault;
    Close();
  }
}

std::string JsonLinesFile::AppendOrRotate(std::string_view lines, off_t* position, Next* next) {
  const FileLock file_lock(fd_);
  struct stat info;
  if (fstat(fd_, &info) != 0) return Failure("look at");
  if (IsReplaced(info)) {
    *next = Next::kReopen;
    return "";
  }
  if (info.st_size != known_end_) {
    if (std::string fault = MendEnd(info.st_size); !fault.empty()) return fault;
  }
  const off_t end = known_end_ + static_cast<off_t>(lines.size());
  if (rotation_.max_size > 0 && known_end_ > 0 && end > rotation_.max_size) {
    std::string fault = Rotate();
    if (fault.empty()) *next = Next::kReopen;
    return fault;
  }
  if (position != nullptr) *position = known_end_;
  return Write(lines, known_end_);
}

bool JsonLinesFile::IsReplaced(const struct stat& mine) const {
  struct stat named;
  return stat(path_.c_str(), &named) != 0 || named.st_dev != mine.st_dev ||
         named.st_ino != mine.st_ino;
}

std::string JsonLinesFile::Rotate() {
  for (int i = rotation_.keep - 1; i >= 0; --i) {
    const std::string from = i == 0 ? path_ : path_ + "." + std::to_string(i);
    const std::string to = path_ + "." + std::to_string(i + 1);
    if (rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) return Failure("rotate");
  }
  return "";
}

std::string JsonLinesFile::Write(std::string_view lines, off_t size) {
  const ssize_t written = write(fd_, lines.data(), lines.size());
  if (written == static_cast<ssize_t>(lines.size())) {
    known_end_ = size + written;
    return !fsync_each_ || fdatasync(fd_) == 0 ? "" : Failure("sync");
  }
  if (written >= 0) errno = ENOSPC;
  std::string fault = Failure("write to");
  // Takes back what a full disk let through.
  if (written > 0 && ftruncate(fd_, size) != 0) known_end_ = -1;
  return fault;
}

}  // namespace outboard::common

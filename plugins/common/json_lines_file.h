#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <mutex>
#include <string>
#include <string_view>

namespace outboard::common {

// When a file is put aside for a new one: path becomes path.1, path.1 becomes path.2, and so on.
struct Rotation {
  off_t max_size = 0;  // Before it would be larger; 0: never.
  int keep = 1;        // So many are kept aside.
};

// A file of lines that several processes may append to. Each line is whole or not there: a torn
// last one, left by a kill or a full disk, is mended before the next is written. Where the file was
// renamed or removed, a new one is begun. Any thread.
class JsonLinesFile {
 public:
  JsonLinesFile() = default;
  ~JsonLinesFile() { Close(); }
  JsonLinesFile(const JsonLinesFile&) = delete;
  JsonLinesFile& operator=(const JsonLinesFile&) = delete;

  // Opens or makes the file, mends its end, and closes the one before. Says what went wrong, or
  // nothing.
  std::string Open(const std::string& path, bool fsync_each, Rotation rotation = {});
  // Appends lines, each with its newline, in one piece; `position` is where the first one begins.
  // Says what went wrong, or nothing; then nothing of them is in the file.
  std::string Append(std::string_view lines, off_t* position = nullptr);

 private:
  enum class Next { kDone, kReopen };

  std::string OpenNamed();
  void Close();
  // With the file's lock held.
  std::string AppendOrRotate(std::string_view lines, off_t* position, Next* next);
  std::string MendEnd(off_t size);
  std::string Write(std::string_view lines, off_t size);
  std::string Rotate();
  bool IsReplaced(const struct stat& mine) const;
  std::string Failure(const char* what) const;

  std::mutex mutex_;
  std::string path_;
  int fd_ = -1;
  bool fsync_each_ = false;
  Rotation rotation_;
  off_t known_end_ = -1;  // Where our last whole line ended.
};

}  // namespace outboard::common

#pragma once

#include <sys/types.h>

#include <mutex>
#include <string>
#include <string_view>

namespace outboard::audit {

// A file of lines that several processes may append to. Each line is whole or not there: a torn
// last one, left by a kill or a full disk, is mended before the next is written. Any thread.
class JsonLinesFile {
 public:
  JsonLinesFile() = default;
  ~JsonLinesFile() { Close(); }
  JsonLinesFile(const JsonLinesFile&) = delete;
  JsonLinesFile& operator=(const JsonLinesFile&) = delete;

  // Opens or makes the file, mends its end, and closes the one before. Says what went wrong, or
  // nothing.
  std::string Open(const std::string& path, bool fsync_each);
  // Appends one line that ends with a newline. Says what went wrong, or nothing; then nothing of it
  // is in the file.
  std::string Append(std::string_view line);

 private:
  void Close();
  // With the file's lock held.
  std::string MendEnd(off_t size);
  std::string Write(std::string_view line, off_t size);
  std::string Failure(const char* what) const;

  std::mutex mutex_;
  std::string path_;
  int fd_ = -1;
  bool fsync_each_ = false;
  off_t known_end_ = -1;  // Where our last whole line ended.
};

}  // namespace outboard::audit

// A disk that is full as long as a file says so: for LD_PRELOAD, before a host.
//
// What would make a file longer than it is gets ENOSPC, in the folder $OUTBOARD_TEST_DISK while
// there is a file $OUTBOARD_TEST_DISK.full. What is written over, read or removed goes well, as on
// a real disk.

#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

bool IsFull(const char* disk) { return access((std::string(disk) + ".full").c_str(), F_OK) == 0; }

bool IsOn(const char* disk, int fd) {
  char link[64];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  char path[4096];
  const ssize_t size = readlink(link, path, sizeof path);
  return size > 0 && std::string(path, size).rfind(std::string(disk) + "/", 0) == 0;
}

// Sets errno where there is no room for it. `at` < 0: where the file is, or at its end.
bool HasRoom(int fd, off64_t at, size_t count) {
  const int before = errno;
  const char* disk = std::getenv("OUTBOARD_TEST_DISK");
  struct stat64 file;
  const bool room =
      disk == nullptr || !IsFull(disk) || fstat64(fd, &file) != 0 || !S_ISREG(file.st_mode) ||
      !IsOn(disk, fd) ||
      (at < 0 ? lseek64(fd, 0, SEEK_CUR) : at) + static_cast<off64_t>(count) <= file.st_size;
  errno = room ? before : ENOSPC;
  return room;
}

template <class F>
F* Next(F*, const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t count) {
  static const auto next = Next(&write, "write");
  return HasRoom(fd, -1, count) ? next(fd, data, count) : -1;
}

ssize_t writev(int fd, const iovec* pieces, int number) {
  static const auto next = Next(&writev, "writev");
  size_t count = 0;
  for (int i = 0; i < number; ++i) count += pieces[i].iov_len;
  return HasRoom(fd, -1, count) ? next(fd, pieces, number) : -1;
}

ssize_t pwrite(int fd, const void* data, size_t count, off_t at) {
  static const auto next = Next(&pwrite, "pwrite");
  return HasRoom(fd, at, count) ? next(fd, data, count, at) : -1;
}

ssize_t pwrite64(int fd, const void* data, size_t count, off64_t at) {
  static const auto next = Next(&pwrite64, "pwrite64");
  return HasRoom(fd, at, count) ? next(fd, data, count, at) : -1;
}

}  // extern "C"

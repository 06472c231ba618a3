#include "plugins/faulty/ledger.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace outboard::faulty {
namespace {

[[noreturn]] void Die(const char* what, const std::string& path, int error) {
  std::fprintf(stderr, "outboard-faulty: cannot %s ledger %s: %s\n", what, path.c_str(),
               std::strerror(error));
  _exit(74);
}

}  // namespace

Ledger::Ledger(const std::string& path, bool sync) : path_(path), sync_(sync) {
  if (path.empty()) return;
  fd_ = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) Die("open", path, errno);
}

Ledger::~Ledger() {
  if (fd_ >= 0) close(fd_);
}

void Ledger::Append(std::string_view lines) {
  if (fd_ < 0 || lines.empty()) return;
  ssize_t written;
  do {
    written = write(fd_, lines.data(), lines.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) Die("write", path_, errno);
  if (static_cast<size_t>(written) != lines.size()) Die("write all of a line to", path_, ENOSPC);
  if (sync_ && fdatasync(fd_) != 0) Die("sync", path_, errno);
}

}  // namespace outboard::faulty

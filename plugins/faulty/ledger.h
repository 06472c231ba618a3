#pragma once

#include <string>
#include <string_view>

namespace outboard::faulty {

// An append-only file that any number of processes share: what Append() got is in the file as a
// whole, in one write(2) with O_APPEND, before it returns; with sync it survives the machine too.
// Any thread. A process that cannot write its ledger says so and exits 74: an answer without its
// line would make the oracle lie.
class Ledger {
 public:
  // An empty path makes a ledger that keeps nothing.
  Ledger(const std::string& path, bool sync);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  bool active() const { return fd_ >= 0; }
  void Append(std::string_view lines);

 private:
  std::string path_;
  int fd_ = -1;
  bool sync_;
};

}  // namespace outboard::faulty

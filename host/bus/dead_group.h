#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/bus/bus.h"

// Dead letters by cause: pure.
namespace outboard::bus {

// What two messages of one fault have in common: quoted texts, paths, ids, hexadecimal and other
// numbers are "*", blanks are one, and what is long is cut. "no user 17 in '/var/a'" and "no user
// 4 in '/tmp'" become "no user * in *".
std::string NormalError(absl::string_view message);

// Of lane, reason, normal error and plugin version: the same on every host and in every version.
std::string GroupKey(const DeadLetter& letter);

// Letters of one cause.
struct DeadGroup {
  std::string key;
  std::string lane;
  std::string reason;
  std::string error;    // NormalError of the messages.
  std::string version;  // Of the plugin.
  uint64_t count = 0;
  Time first{};          // When the first and
  Time last{};           // the last of them died.
  uint64_t example = 0;  // Id of the newest.
};

// Gathers letters; what it holds is bounded.
class DeadGroups {
 public:
  static constexpr size_t kMost = 10'000;

  void Add(const DeadLetter& letter);
  // The largest first.
  std::vector<DeadGroup> Take();
  // Letters that are in none, as there were too many.
  uint64_t left_out() const { return left_out_; }

 private:
  std::map<std::string, DeadGroup> groups_;
  uint64_t left_out_ = 0;
};

}  // namespace outboard::bus

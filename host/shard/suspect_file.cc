#include "host/shard/suspect_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/base/log.h"

namespace outboard::shard {
namespace {

constexpr char kTitle[] = "outboard-suspects 1";

// "PLUGIN NAME ENDS LOST_WITH AT_US VERSION"; names of plugins have no spaces.
std::string ToLine(const std::string& plugin, const lane::KnownSuspect& one) {
  return absl::StrCat(plugin, " ", one.name, " ", one.ends, " ", one.lost_with, " ",
                      one.at.time_since_epoch().count(), " ", absl::CEscape(one.version), "\n");
}

bool FromLine(const std::string& line, std::string* plugin, lane::KnownSuspect* one) {
  const std::vector<std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 5));
  int64_t at_us = 0;
  if (words.size() != 6 || !absl::SimpleAtoi(words[1], &one->name) ||
      !absl::SimpleAtoi(words[2], &one->ends) || !absl::SimpleAtoi(words[3], &one->lost_with) ||
      !absl::SimpleAtoi(words[4], &at_us) || !absl::CUnescape(words[5], &one->version))
    return false;
  *plugin = words[0];
  one->at = Time(Duration(at_us));
  return true;
}

}  // namespace

SuspectFile::SuspectFile(std::string path) : path_(std::move(path)) {
  MutexLock lock(mu_);
  std::ifstream file(path_);
  std::string line;
  if (!std::getline(file, line) || line != kTitle) return;
  while (std::getline(file, line)) {
    std::string plugin;
    lane::KnownSuspect one;
    if (FromLine(line, &plugin, &one)) by_plugin_[plugin].push_back(std::move(one));
  }
}

std::vector<lane::KnownSuspect> SuspectFile::Of(const std::string& plugin) const {
  MutexLock lock(mu_);
  const auto found = by_plugin_.find(plugin);
  return found == by_plugin_.end() ? std::vector<lane::KnownSuspect>() : found->second;
}

void SuspectFile::Write(const std::string& plugin, std::vector<lane::KnownSuspect> suspects) {
  MutexLock lock(mu_);
  by_plugin_[plugin] = std::move(suspects);
  const std::string fresh = absl::StrCat(path_, ".new");
  std::ofstream file(fresh, std::ios::trunc);
  file << kTitle << "\n";
  for (const auto& [name, all] : by_plugin_) {
    for (const lane::KnownSuspect& one : all) file << ToLine(name, one);
  }
  file.close();
  if (file.good() && rename(fresh.c_str(), path_.c_str()) == 0) return;
  LogWarning("shard", "suspects are not kept for a next start of the host",
             {{"file", path_}, {"error", strerror(errno)}});
}

}  // namespace outboard::shard

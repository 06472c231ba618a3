#include "host/bus/rabbitmq/lane_registry.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/bus/rabbitmq/names.h"

namespace outboard::bus::rabbitmq {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

json ToJson(const KnownLane& lane) {
  json out = {{"queue", lane.queue},
              {"mode", static_cast<int>(lane.spec.mode)},
              {"reliable", lane.spec.reliable},
              {"ordered", lane.spec.ordered},
              {"orphan", lane.orphan},
              {"filters", json::array()},
              {"bindings", lane.bindings}};
  for (const route::Filter& filter : lane.spec.filters)
    out["filters"].push_back({{"service", filter.service}, {"types", filter.types}});
  return out;
}

KnownLane FromJson(const std::string& name, const json& in) {
  KnownLane lane;
  lane.spec.name = name;
  lane.queue = in.at("queue").get<std::string>();
  lane.spec.mode = static_cast<Mode>(in.at("mode").get<int>());
  lane.spec.reliable = in.at("reliable").get<bool>();
  lane.spec.ordered = in.at("ordered").get<bool>();
  lane.orphan = in.at("orphan").get<bool>();
  for (const json& filter : in.at("filters")) {
    lane.spec.filters.push_back({filter.at("service").get<std::string>(),
                                 filter.at("types").get<std::vector<std::string>>()});
  }
  lane.bindings = in.at("bindings").get<std::set<Binding>>();
  return lane;
}

absl::Status IoError(const std::string& what, const std::string& file) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " ", file, ": ", strerror(errno),
                   ": host.data must be a folder that this user may write"));
}

// The file is whole at any moment: written aside, synced, then renamed.
absl::Status WriteWhole(const std::string& file, const std::string& text) {
  const std::string aside = file + ".new";
  const int fd = open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return IoError("write", aside);
  const bool written =
      write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  const absl::Status status = written ? absl::OkStatus() : IoError("write", aside);
  close(fd);
  OUTBOARD_RETURN_IF_ERROR(status);
  if (rename(aside.c_str(), file.c_str()) != 0) return IoError("replace", file);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LaneRegistry>> LaneRegistry::Load(const std::string& file) {
  std::unique_ptr<LaneRegistry> registry(new LaneRegistry(file));
  std::ifstream in(file);
  if (!in) return registry;
  std::stringstream text;
  text << in.rdbuf();
  MutexLock lock(registry->mu_);
  OUTBOARD_RETURN_IF_ERROR(registry->Parse(text.str()));
  return registry;
}

absl::Status LaneRegistry::Parse(const std::string& text) {
  const absl::Status damaged = absl::DataLossError(
      absl::StrCat(file_,
                   " cannot be read as the list of this host's lanes on the broker: move it "
                   "away, and lanes that left the configuration are not known any more"));
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object()) return damaged;
  try {
    if (root.at("version").get<int>() > kVersion) {
      return absl::FailedPreconditionError(
          absl::StrCat(file_, " was written by a newer version: run that one"));
    }
    for (const auto& [name, lane] : root.at("lanes").items()) {
      KnownLane& known = lanes_[name] = FromJson(name, lane);
      known.counts = CountsOf(known.queue);
    }
    if (root.contains("forgotten")) forgotten_ = root.at("forgotten").get<std::set<std::string>>();
  } catch (const json::exception&) {
    return damaged;
  }
  Index();
  return absl::OkStatus();
}

absl::Status LaneRegistry::Save() {
  json root = {{"version", kVersion}, {"lanes", json::object()}, {"forgotten", forgotten_}};
  for (const auto& [name, lane] : lanes_) root["lanes"][name] = ToJson(lane);
  return WriteWhole(file_, root.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

std::shared_ptr<QueueCounts> LaneRegistry::CountsOf(const std::string& queue) {
  std::shared_ptr<QueueCounts>& counts = counts_[queue];
  if (counts == nullptr) counts = std::make_shared<QueueCounts>();
  return counts;
}

std::optional<KnownLane> LaneRegistry::Find(const std::string& name) {
  MutexLock lock(mu_);
  const auto it = lanes_.find(name);
  if (it == lanes_.end()) return std::nullopt;
  return it->second;
}

std::vector<KnownLane> LaneRegistry::All() {
  MutexLock lock(mu_);
  std::vector<KnownLane> all;
  for (const auto& [name, lane] : lanes_) all.push_back(lane);
  return all;
}

std::optional<KnownLane> LaneRegistry::FindQueue(const std::string& queue) {
  MutexLock lock(mu_);
  std::optional<KnownLane> found;
  for (const auto& [name, lane] : lanes_) {
    if (lane.queue == queue && (!found || found->orphan)) found = lane;
  }
  return found;
}

bool LaneRegistry::IsShared(const KnownLane& lane, Sharer sharer) {
  MutexLock lock(mu_);
  return std::any_of(lanes_.begin(), lanes_.end(), [&](const auto& entry) {
    const KnownLane& other = entry.second;
    return other.queue == lane.queue && entry.first != lane.spec.name &&
           (sharer == Sharer::kAny || !other.orphan);
  });
}

absl::Status LaneRegistry::Put(KnownLane lane) {
  MutexLock lock(mu_);
  lane.counts = CountsOf(lane.queue);
  const std::string name = lane.spec.name;
  const auto known = lanes_.find(name);
  // As most lanes are at a start: the disk is left alone.
  if (known != lanes_.end() && ToJson(known->second) == ToJson(lane)) return absl::OkStatus();
  lanes_[name] = std::move(lane);
  forgotten_.erase(name);
  Index();
  return Save();
}

absl::Status LaneRegistry::Forget(const std::string& name) {
  MutexLock lock(mu_);
  if (lanes_.erase(name) == 0) return absl::OkStatus();
  if (LaneOf(name) == name) forgotten_.insert(name);
  Index();
  return Save();
}

std::set<std::string> LaneRegistry::DeadLanes() {
  MutexLock lock(mu_);
  std::set<std::string> lanes = forgotten_;
  for (const auto& [name, lane] : lanes_) lanes.insert(LaneOf(name));
  return lanes;
}

absl::Status LaneRegistry::SetBindings(const std::string& name, std::set<Binding> bindings) {
  MutexLock lock(mu_);
  const auto it = lanes_.find(name);
  if (it == lanes_.end() || it->second.bindings == bindings) return absl::OkStatus();
  it->second.bindings = std::move(bindings);
  return Save();
}

absl::Status LaneRegistry::Remove(const std::string& name) {
  MutexLock lock(mu_);
  if (lanes_.erase(name) == 0) return absl::OkStatus();
  Index();
  return Save();
}

void LaneRegistry::Index() {
  trie_ = route::TopicTrie();
  numbered_.clear();
  for (const auto& [name, lane] : lanes_) {
    if (lane.orphan) continue;
    for (const route::Filter& filter : lane.spec.filters) {
      trie_.Add(static_cast<uint32_t>(numbered_.size()), filter);
      numbered_.push_back(&lane);
    }
  }
}

LaneRegistry::Match LaneRegistry::Matched(absl::string_view source, absl::string_view type) {
  MutexLock lock(mu_);
  std::set<const QueueCounts*> queues;
  Match match;
  for (const uint32_t number : trie_.Match(source, type)) {
    const KnownLane& lane = *numbered_[number];
    if (!lane.spec.reliable && lane.counts->open == 0) continue;
    if (!queues.insert(lane.counts.get()).second) continue;
    ++match.queues;
    match.reliable += lane.spec.reliable ? 1 : 0;
  }
  return match;
}

}  // namespace outboard::bus::rabbitmq

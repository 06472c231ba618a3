// Ends of processes that outlive the host: so that it need not be ended by the same event as often
// again after each of its own ends.
#include <algorithm>

#include "host/base/stable_hash.h"
#include "host/lane/dispatcher_impl.h"

namespace outboard::lane {
namespace {

// An event may have gone to another host, which nobody learns here: the oldest make room.
constexpr size_t kMaxKnown = 1000;

}  // namespace

uint64_t KnownSuspect::NameOf(const std::string& lane, const std::string& component,
                              const Event& event) {
  StableHash hash;
  hash.Add(lane);
  hash.Add(component);
  hash.Add(event.source());
  hash.Add(event.id());
  return hash.value();
}

uint64_t Dispatcher::Impl::NameOf(const Item& item) const {
  const LaneOptions& hop = item.lane->options();
  return KnownSuspect::NameOf(hop.name, options.components[hop.component], item.event);
}

void Dispatcher::Impl::KeepEnds(const Item& item) {
  const uint64_t name = NameOf(item);
  if (known.size() >= kMaxKnown && !known.contains(name)) {
    known.erase(std::min_element(known.begin(), known.end(), [](const auto& a, const auto& b) {
      return a.second.at < b.second.at;
    }));
  }
  known[name] = {name, now, item.ends, item.lost_with, item.version, item.generation};
  known_changed = true;
}

void Dispatcher::Impl::ForgetKnown(const Item& item) {
  if (item.ends == 0 || item.event.empty()) return;
  known_changed = known.erase(NameOf(item)) > 0 || known_changed;
}

void Dispatcher::Impl::Recall(Item* item) {
  const bool waits = item->state == ItemState::kReady || item->state == ItemState::kParked;
  if (!waits || item->lane->options().observes) return;
  const auto found = known.find(NameOf(*item));
  if (found == known.end()) return;
  item->ends = found->second.ends;
  item->lost_with = found->second.lost_with;
  item->version = found->second.version;
  item->generation = found->second.generation;
  if (item->state == ItemState::kParked) return;  // Lost again it is tried as what it was.
  item->lane->EraseReady(item);
  AddSuspect(item);
}

}  // namespace outboard::lane

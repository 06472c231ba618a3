#include "host/route/topic_trie.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "host/route/topic_words.h"

namespace outboard::route {
namespace {

// Remembered pairs: two generations of this many, of at most so many bytes each.
constexpr size_t kCacheEntries = 2048;
constexpr size_t kCacheKeyBytes = 512;

// All patterns of one service. A node is a number; 0 is the root.
class Trie {
 public:
  void Add(absl::string_view pattern, uint32_t lane) {
    uint32_t node = 0;
    for (TopicWords words(pattern); !words.done(); words.Next()) {
      node = Child(node, words.word());
    }
    nodes_[node].lanes.push_back(lane);
  }

  // Appends the lanes whose patterns take `type`; some perhaps more than once.
  void Match(absl::string_view type, std::vector<uint32_t>* lanes) {
    // All nodes that the words so far lead to, each once: the cost has a bound whatever the
    // patterns.
    active_.clear();
    ++step_;
    Enter(0, &active_);
    for (TopicWords words(type); !words.done(); words.Next()) {
      next_.clear();
      ++step_;
      for (const uint32_t node : active_) Advance(node, words.word());
      active_.swap(next_);
    }
    for (const uint32_t node : active_) {
      lanes->insert(lanes->end(), nodes_[node].lanes.begin(), nodes_[node].lanes.end());
    }
  }

 private:
  struct Node {
    absl::flat_hash_map<std::string, uint32_t> words;
    uint32_t star = 0;  // Child for *; 0: none.
    uint32_t hash = 0;  // Child for #; 0: none.
    bool is_hash = false;
    uint64_t step = 0;  // The step that made it active last.
    std::vector<uint32_t> lanes;
  };

  uint32_t Child(uint32_t node, absl::string_view word) {
    const auto fresh = static_cast<uint32_t>(nodes_.size());
    uint32_t* child = word == "*" ? &nodes_[node].star
                      : word == "#"
                          ? &nodes_[node].hash
                          : &nodes_[node].words.try_emplace(std::string(word), 0).first->second;
    if (*child != 0) return *child;
    *child = fresh;
    nodes_.emplace_back().is_hash = word == "#";
    return fresh;
  }

  // Makes `node` active, and what # reaches from there without a word.
  void Enter(uint32_t node, std::vector<uint32_t>* active) {
    while (nodes_[node].step != step_) {
      nodes_[node].step = step_;
      active->push_back(node);
      if (nodes_[node].hash == 0) return;
      node = nodes_[node].hash;
    }
  }

  void Advance(uint32_t node, absl::string_view word) {
    const Node& from = nodes_[node];
    if (from.is_hash) Enter(node, &next_);
    if (from.star != 0) Enter(from.star, &next_);
    if (const auto it = from.words.find(word); it != from.words.end()) Enter(it->second, &next_);
  }

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<uint32_t> active_, next_;
  uint64_t step_ = 0;
};

using Key = std::pair<std::string, std::string>;
using KeyView = std::pair<absl::string_view, absl::string_view>;

struct KeyHash {
  using is_transparent = void;
  size_t operator()(const KeyView& key) const { return absl::Hash<KeyView>()(key); }
  size_t operator()(const Key& key) const { return (*this)(KeyView(key.first, key.second)); }
};

struct KeyEqual {
  using is_transparent = void;
  static KeyView View(const Key& key) { return {key.first, key.second}; }
  static KeyView View(const KeyView& key) { return key; }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return View(a) == View(b);
  }
};

using Cache = absl::flat_hash_map<Key, std::vector<uint32_t>, KeyHash, KeyEqual>;

}  // namespace

struct TopicTrie::Impl {
  std::map<uint32_t, Filter> filters;
  bool stale = false;  // The tries do not yet say what the filters say.
  absl::flat_hash_map<std::string, Trie> by_service;
  Trie any_service;
  Cache recent, older;  // When `recent` is full it becomes `older`.
  std::vector<uint32_t> scratch;

  void Insert(uint32_t lane, const Filter& filter) {
    Trie& trie = filter.service.empty() ? any_service : by_service[filter.service];
    if (filter.types.empty()) trie.Add("#", lane);
    for (const std::string& pattern : filter.types) trie.Add(pattern, lane);
  }

  void Forget() {
    recent.clear();
    older.clear();
  }

  void Rebuild() {
    by_service.clear();
    any_service = Trie();
    for (const auto& [lane, filter] : filters) Insert(lane, filter);
    stale = false;
  }

  void Walk(absl::string_view source, absl::string_view type, std::vector<uint32_t>* lanes) {
    any_service.Match(type, lanes);
    if (const auto it = by_service.find(source); it != by_service.end())
      it->second.Match(type, lanes);
    std::sort(lanes->begin(), lanes->end());
    lanes->erase(std::unique(lanes->begin(), lanes->end()), lanes->end());
  }

  // Makes a place for a pair that is to be remembered.
  std::vector<uint32_t>& Place(const KeyView& key) {
    if (recent.size() >= kCacheEntries) {
      older = std::move(recent);
      recent = Cache();
    }
    return recent[Key(std::string(key.first), std::string(key.second))];
  }
};

TopicTrie::TopicTrie() : impl_(std::make_unique<Impl>()) {}
TopicTrie::~TopicTrie() = default;
TopicTrie::TopicTrie(TopicTrie&&) noexcept = default;
TopicTrie& TopicTrie::operator=(TopicTrie&&) noexcept = default;

void TopicTrie::Add(uint32_t lane, const Filter& filter) {
  if (!impl_->filters.try_emplace(lane, filter).second) {
    impl_->filters[lane] = filter;
    impl_->stale = true;
  } else if (!impl_->stale) {
    impl_->Insert(lane, filter);
  }
  impl_->Forget();
}

void TopicTrie::Remove(uint32_t lane) {
  if (impl_->filters.erase(lane) == 0) return;
  impl_->stale = true;  // Many are removed at once: the tries are made anew at the next match.
  impl_->Forget();
}

const std::vector<uint32_t>& TopicTrie::Match(absl::string_view source, absl::string_view type) {
  Impl& impl = *impl_;
  const KeyView key(source, type);
  if (const auto it = impl.recent.find(key); it != impl.recent.end()) return it->second;
  if (impl.stale) impl.Rebuild();
  if (source.size() + type.size() > kCacheKeyBytes) {
    impl.scratch.clear();
    impl.Walk(source, type, &impl.scratch);
    return impl.scratch;
  }
  std::vector<uint32_t> lanes;
  if (const auto it = impl.older.find(key); it != impl.older.end()) {
    lanes = it->second;
  } else {
    impl.Walk(source, type, &lanes);
  }
  return impl.Place(key) = std::move(lanes);
}

}  // namespace outboard::route

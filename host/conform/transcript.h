#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "host/conform/frame.h"

namespace outboard::conform {

// What was said on one session, in words: one line a frame. Long sessions lose their middle.
class Transcript {
 public:
  enum class Who { kHost, kPlugin };
  struct Line {
    Who who;
    std::string text;
  };

  void Add(Who who, std::string text);

  std::vector<Line> lines() const;
  // The last lines of one side, joined by "; ": what was sent, or what came.
  std::string Last(Who who, size_t count) const;

 private:
  static constexpr size_t kHead = 40;
  static constexpr size_t kTail = 40;
  std::vector<Line> head_;
  std::deque<Line> tail_;
  size_t left_out_ = 0;
};

// "open{component: "ledger", config_json: {}, time_limit: 30 s}", "deliveries[1..256]".
std::string Words(const HostFrame& frame);
// "opened{instance_id: "…"}", "done_ids[1, 3] verdicts[2 RETRY NO_PLACE "disk full"]".
std::string Words(v1::Role role, const PluginFrame& frame);
// "1..4, 7": ids in their order, runs shortened.
std::string WordsOfIds(const std::vector<uint64_t>& ids);

}  // namespace outboard::conform

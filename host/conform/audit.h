#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/conform/frame.h"

namespace outboard::conform {

// A rule that a session broke, by the rule's id.
struct Breach {
  std::string rule;
  std::string came;  // What the plugin did, for people.
};

// Watches one session for what the contract forbids at any time, and remembers what is unanswered.
// Pure: told what was sent and what came, in order. One thread.
class Audit {
 public:
  struct Settings {
    v1::Component component;
    uint32_t max_frame_bytes = 16 << 20;
  };

  explicit Audit(Settings settings) : settings_(std::move(settings)) {}

  void Sent(const HostFrame& frame);
  void Came(const PluginFrame& frame);
  // Bytes that ReadFrame refused.
  void CameUnreadable(size_t bytes, absl::string_view why);
  // The plugin ended the stream, and the host had not asked for it.
  void EndedUnasked(absl::string_view status);

  const v1::Component& component() const { return settings_.component; }
  const std::vector<Breach>& breaches() const { return breaches_; }
  bool opened() const { return opened_; }
  const std::string& instance_id() const { return instance_id_; }  // Of opened.
  size_t sent() const { return deliveries_.size(); }
  size_t unanswered() const { return unanswered_; }
  std::vector<uint64_t> Unanswered() const;
  // 0: not answered. The first answer counts.
  int outcome(uint64_t id) const;
  bool answered(uint64_t id) const { return outcome(id) != kOpen; }
  std::optional<uint32_t> window() const { return window_; }
  size_t frames() const { return frames_; }         // With answers.
  size_t bare_answers() const { return bare_; }     // Ids in done_ids and the like.
  size_t plain_verdicts() const { return plain_; }  // Good answers that could have been bare.

 private:
  static constexpr int kOpen = -1;
  struct Sending {
    std::string order_key;
    std::string event_id, event_source;  // For stages.
    std::string pipeline, operation;     // For calls.
    bool is_call = false;
    int outcome = kOpen;
  };

  void Break(absl::string_view rule, std::string came);
  // False: the id was never sent.
  bool Settle(uint64_t id, int outcome, absl::string_view as);
  void CheckOpened(const PluginFrame& frame);
  void CheckVerdict(const Answer& answer);
  void CheckFailure(const Answer& answer);
  void CheckEmits(const Answer& answer);
  void CheckProducer(const Answer& answer);
  void CheckStage(const Answer& answer);
  void CheckOrder(const std::vector<uint64_t>& ids);

  const Settings settings_;
  std::vector<Breach> breaches_;
  std::vector<Sending> deliveries_;                    // Of id 1, 2, 3, ...
  std::map<std::string, std::vector<uint64_t>> keys_;  // in_order: what was sent of each key.
  std::map<std::string, uint64_t> failed_keys_;        // The last id sent before the failure came.
  size_t unanswered_ = 0;
  bool opened_ = false;
  std::string instance_id_;
  std::optional<uint32_t> window_;
  size_t frames_ = 0, bare_ = 0, plain_ = 0;
};

}  // namespace outboard::conform

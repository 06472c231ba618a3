#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "host/base/clock.h"
#include "host/lane/io.h"
#include "host/lane/item.h"

namespace outboard::lane {

// What one session owes: its unanswered deliveries by id, how many more it may get, which frames
// are still open, and whose time is running. Knows nothing of verdicts.
class SessionLedger {
 public:
  SessionLedger(SessionUp up, const DispatcherOptions& options);

  const SessionUp& up() const { return up_; }
  SessionId id() const { return up_.session; }

  // ---- Room ----
  // How many more deliveries it may get now.
  uint32_t Room(Time now);
  // True if a delivery of so many bytes may join; one of any size may fly alone.
  bool FitsBytes(size_t bytes) const { return unanswered_ == 0 || bytes_ + bytes <= max_bytes_; }
  void SetPluginWindow(uint32_t window) { plugin_window_ = window; }
  uint32_t window(Time now);
  bool paused() const { return plugin_window_ == 0; }
  uint32_t unanswered() const { return unanswered_; }
  size_t open_frames() const { return open_frames_; }

  // ---- Deliveries ----
  uint64_t next_id() const { return first_id_ + entries_.size(); }
  // Begins a frame; the following Add calls belong to it.
  void BeginFrame();
  void Add(Item* item);

  enum class Found { kOpen, kExpired, kLate, kUnknown };
  struct Taken {
    Found found = Found::kUnknown;
    Item* item = nullptr;  // kOpen; kExpired: where its lane ends it only now.
    Key* key = nullptr;    // kExpired: it no longer owes an answer for this key.
    Lane* lane = nullptr;  // kExpired.
  };
  // An answer for `id` came: frees its credit. kLate: answered before. kUnknown: never sent.
  Taken Answer(uint64_t id, Time now);
  // Renews the time limit if its time is running. False: never sent.
  bool Progress(uint64_t id, Time now);

  // ---- Time ----
  // Starts the time of those whose turn has come. Call after answers and sends.
  void StartTurns(Time now);
  struct Expired {
    uint64_t id = 0;
    Item* item = nullptr;
  };
  // Those whose time is over; they stay owed. The item is forgotten, unless its lane ends it when
  // it is answered.
  std::vector<Expired> TakeExpired(Time now);
  // Nobody wants it any more: as if it had expired. It has to be open.
  void Cancel(uint64_t id, Time now);
  // True if an expired delivery has been owed for one more time limit. `*at_once`: nothing was
  // answered or progressed meanwhile.
  bool IsStuck(Time now, bool* at_once);
  Time NextTime() const;

  // ---- End ----
  struct Rest {
    std::vector<Item*> open;                   // Unanswered, in the order of sending.
    std::vector<std::pair<Key*, Lane*>> owed;  // Keys of expired ones.
    std::vector<Item*> late;                   // Expired ones that their lane ends only now.
  };
  Rest TakeRest();

  bool draining = false;  // Gets nothing new.
  bool broken = false;    // Broke the contract: its answers do not count.
  bool reserved = false;  // Remote plugin: kept free for suspects.
  Time doubt_until{};     // Another session of its instance ended: no suspect is tried here before.
  bool replaced = false;  // Its replacement was asked for.
  std::optional<Time> forming_since;  // When a frame could first have left and was held back.

 private:
  enum class EntryState : uint8_t { kOpen, kExpired, kAnswered };
  struct Entry {
    Item* item = nullptr;
    Key* key = nullptr;
    Lane* lane = nullptr;
    uint32_t bytes = 0;
    uint32_t frame = 0;
    Duration limit{};
    EntryState state = EntryState::kOpen;
    bool running = false;
    Time turn{};
    Time deadline{};
  };
  using Due = std::pair<Time, uint64_t>;

  Entry* Find(uint64_t id);
  void CloseInFrame(uint32_t frame);
  void Forget(Time now);
  void TrimDeadlines();
  void CountAnswer(Time now);
  uint32_t AnsweredLately(Time now);
  void StartTurn(Entry& entry, uint64_t id, Time now);
  void StartTurnsInOrder(Time now);
  void StartCancelled(Entry& entry, uint64_t id, Time now);
  Time NextDeadline() const;

  const SessionUp up_;
  const Duration time_limit_;
  const Duration progress_cap_;
  const uint32_t max_deliveries_;
  const size_t max_bytes_;
  uint32_t plugin_window_;

  std::deque<Entry>
      entries_;  // By id, from first_id_ on; answered ones at the front are forgotten.
  std::map<uint64_t, Entry>
      strays_;  // Unanswered long after their neighbours, so that these can be forgotten.
  uint64_t first_id_ = 1;
  uint32_t unanswered_ = 0;
  size_t bytes_ = 0;

  std::deque<uint32_t> frames_;  // Open deliveries of each frame.
  uint32_t first_frame_ = 0;
  size_t open_frames_ = 0;

  // Answers in each of the last slots of 10 ms, for the adaptive window.
  static constexpr int kSlots = 5;
  std::array<uint32_t, kSlots> answered_{};
  int64_t slot_ = 0;

  uint64_t next_turn_ = 1;  // First delivery whose turn has not come; not for in_order.
  uint32_t turns_ = 0;      // Running and unanswered, expired ones too.
  // By time limit, rising each; entries that were answered or renewed since are skipped.
  std::map<Duration, std::deque<Due>> deadlines_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> renewed_;
  // When an expired delivery makes the session stuck.
  std::priority_queue<Due, std::vector<Due>, std::greater<>> stuck_;
  Time last_sign_{};  // Of the last answer or progress.
};

}  // namespace outboard::lane

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/bus/bus.h"
#include "host/bus/embedded/inbox.h"
#include "host/bus/embedded/log_reader.h"
#include "host/bus/embedded/matcher.h"
#include "host/bus/embedded/open_queue.h"
#include "host/bus/embedded/tail.h"
#include "host/bus/embedded/writer.h"

namespace outboard::bus {

// One shard's side of an EmbeddedBus. Queues that keep up are fed together, by one walk over the
// log's end; a queue that lags (no credit when an event came) reads the log by itself until it has
// caught up.
class EmbeddedConsumer final : public Consumer {
 public:
  using MakeReader = std::function<absl::StatusOr<std::unique_ptr<LogReader>>()>;

  EmbeddedConsumer(Writer* writer, Catalog* catalog, Tail* tail, MakeReader make_reader);
  ~EmbeddedConsumer() override;

  int fd() const override { return inbox_->fd(); }
  absl::Status Open(LaneId lane, const std::string& name) override;
  void Close(LaneId lane) override;
  void SetCredit(LaneId lane, uint32_t more) override;
  void Settle(Settlement settlement) override;
  void Poll(Time now, Arrivals* out) override;
  Time NextDue() const override;

 private:
  using State = OpenQueue::State;
  static constexpr Duration kReadAgain = std::chrono::seconds(1);

  // Settling.
  void SettleHere(OpenQueue* queue, uint64_t number, OpenQueue::Out* out, Settlement settlement);
  void AddEnding(OpenQueue* queue, OpenQueue::Out* out, Settlement settlement, bool silent);
  SettleBatch& batch();
  SettleBatch::Taken& TakenOf(OpenQueue* queue);
  void SendBatch(bool whatever = false);
  void TakeMade(SettleBatch& batch, Arrivals* out);
  void TakeMadeOne(SettleBatch& batch, Ending& ending, Arrivals* out);

  // Handing out.
  bool EnsureReader(Time now);
  // False: could not read what it begins with; to be called again.
  bool Activate(const Opened& opened);
  absl::Status LoadMoved(OpenQueue* queue, int64_t below);
  void Refresh(OpenQueue* queue);
  void HandOut(OpenQueue* queue, Owed owed, Arrivals* out);
  void HandOutLogged(OpenQueue* queue, uint64_t offset, Time accepted_at, Event event,
                     Arrivals* out);
  void BuryUndecodable(OpenQueue* queue, Owed owed);
  // Settles what it does not hand out, which nobody is told.
  void SettleSilently(OpenQueue* queue, Owed owed, Settlement settlement, const std::string& holds);
  // The key by which it would have to wait behind a dead letter.
  static std::optional<std::string> KeyOf(const OpenQueue& queue, const Owed& owed);
  static bool Waits(const OpenQueue& queue, const Owed& owed, std::string* key);
  // Hands it out, or parks it, or buries what may not wait.
  void HandOutOrPark(OpenQueue* queue, Owed owed, Arrivals* out);
  // The event of the log would have to wait, and may not: the log is read no further.
  bool StopsAt(OpenQueue* queue, uint64_t offset, const Event& event);
  void SetFull(OpenQueue* queue, bool full);
  // Nothing of it is handed out for a second: what failed comes before the rest.
  void Rest(OpenQueue* queue);
  void ReleaseHold(OpenQueue* queue, OpenQueue::Out* out);
  void TakeReplayed(QueueReplayed& replayed);
  bool ReadsLog(const OpenQueue& queue) const {
    return queue.active && !queue.full && queue.rests_until <= now_;
  }
  // Those that stand below this place; false: not all, or the queue is not ready for more.
  bool HandOutReturned(OpenQueue* queue, uint64_t below, Arrivals* out);
  void HandOutDue(OpenQueue* queue, Time now, Arrivals* out);
  void HandOutRows(OpenQueue* queue, Time now, Arrivals* out);
  void CatchUp(OpenQueue* queue, Arrivals* out);
  // The writer shall hear how far the queue has read.
  void TellProgress(OpenQueue* queue);
  absl::Status ReadSegment(OpenQueue* queue, const Segment& segment, uint64_t to, Arrivals* out);
  void FollowTail(Arrivals* out);
  // Lets queues join the tail; true if one that is ready is there.
  bool JoinTail();
  void LeaveTail(OpenQueue* queue);
  bool TakesTail(const OpenQueue& queue) const;
  // Notes an error of reading and lets Poll be called again in a second.
  void NoteReadError(const absl::Status& status, Time now);
  void GiveBack(OpenQueue* queue, LaneId lane);
  OpenQueue* QueueOf(Tag tag) const;
  void WakeMyself();

  Writer* const writer_;
  Catalog* const catalog_;
  Tail* const tail_;
  const std::shared_ptr<Inbox> inbox_;  // The writer holds it while settlements are under way.
  const MakeReader make_reader_;
  std::unique_ptr<LogReader> reader_;              // Null: could not be made yet.
  std::vector<std::unique_ptr<OpenQueue>> slots_;  // Never reused: tags name them. Null: closed.
  std::vector<OpenQueue*> open_;
  std::map<LaneId, OpenQueue*> lanes_;
  Matcher matcher_;         // What open queues take now, by slot.
  uint64_t tail_pos_ = 0;   // How far the queues at the tail have read.
  uint64_t committed_ = 0;  // The log's end, as of this Poll.

  std::unique_ptr<SettleBatch> batch_;               // What gathers for the writer.
  std::vector<std::unique_ptr<SettleBatch>> spare_;  // Used ones.
  std::vector<Settled> answered_;                    // What needs no writer, until the next Poll.
  Inbox::Mail mail_;
  std::vector<Opened> to_activate_;
  std::vector<uint32_t> reached_;  // Scratch.
  bool tell_ = false;              // The batch is worth sending though it settles nothing.
  bool awake_ = false;             // fd() is readable by WakeMyself.
  int64_t rows_left_ = 0;          // What this Poll may still read.
  int64_t bytes_left_ = 0;
  Time now_{};
  Time read_again_ = kNever;
  Time complain_at_{};  // Not before then about reading.
};

}  // namespace outboard::bus

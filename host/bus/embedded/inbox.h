#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/base/mailbox.h"
#include "host/base/mutex.h"
#include "host/bus/bus.h"
#include "host/bus/embedded/queue.h"

namespace outboard::bus {

// What a delivery stands for.
enum class KeyKind : uint8_t {
  kLog,     // An event of the log; its key is the sequence number in the queue's ledger.
  kRow,     // A row of `held`; its key is the row's id.
  kMemory,  // An event of an unreliable lane: nothing is kept.
};

// What a settlement has beside its end, or which lane it is of where several share the queue.
// `event`: for kMemory.
struct Extra {
  Settlement settlement;
  Event event;
  Time accepted_at{};
  std::string lane;     // Its name, but for kRetry.
  std::string key;      // kDead: it holds up this key. kRetry: it waits behind a letter of it.
  bool parked = false;  // kRetry with a key: it does, as the letter was still there.
  absl::Status status;  // Why just this one failed.
};

// One settlement on its way to the writer and back.
struct Ending {
  static constexpr uint32_t kNoExtra = ~0u;

  Queue* queue = nullptr;
  uint64_t key = 0;
  Tag tag = 0;
  uint64_t cookie = 0;
  LaneId lane = 0;
  uint32_t extra = kNoExtra;  // Index into SettleBatch::extras.
  End end = End::kDone;
  KeyKind kind = KeyKind::kLog;
  bool silent = false;  // The consumer's own: nobody is told.
};

// What one consumer did since the last one, for the writer; goes back with `status` filled in.
struct SettleBatch {
  // Log events handed out by one queue since.
  struct Taken {
    Queue* queue = nullptr;
    uint32_t slot = 0;
    uint64_t scanned_to = 0;
    std::vector<uint64_t> offsets;
  };

  std::shared_ptr<Inbox> from;
  std::vector<Taken> taken;
  std::vector<Ending> endings;
  std::vector<Extra> extras;
  absl::Status status;  // Of all of them.

  void Clear() {
    from = nullptr;
    taken.clear();
    endings.clear();
    extras.clear();
    status = absl::OkStatus();
  }
};

// A queue may be consumed from here on.
struct Opened {
  uint32_t slot = 0;
  Ledger::Progress at;
  int64_t rows_below = 0;  // Ids of the held rows that were there then.
  ParkedKeys letters;      // As in Queue.
  uint64_t parked = 0;
};

// A queue has new rows in `held` that are due, or some of its dead letters are gone.
struct QueueReplayed {
  Queue* queue = nullptr;
  std::vector<std::pair<std::string, uint64_t>> freed = {};  // Keys and places of such letters.
  int64_t parked = 0;                                        // So many more rows wait now, or less.
};

// How the writer speaks to one consumer; outlives it where settlements are still under way.
class Inbox {
 public:
  struct Mail {
    std::vector<std::unique_ptr<SettleBatch>> made;
    std::vector<Opened> opened;
    std::vector<QueueReplayed> replayed;
  };

  int fd() const { return wakeup_.fd(); }
  // Makes fd() readable.
  void Wake() { wakeup_.Signal(); }

  void PostMade(std::unique_ptr<SettleBatch> batch) OUTBOARD_EXCLUDES(mu_) {
    Post([&](Mail& mail) { mail.made.push_back(std::move(batch)); });
  }
  void PostOpened(Opened opened) OUTBOARD_EXCLUDES(mu_) {
    Post([&](Mail& mail) { mail.opened.push_back(std::move(opened)); });
  }
  void PostReplayed(QueueReplayed replayed) OUTBOARD_EXCLUDES(mu_) {
    Post([&](Mail& mail) { mail.replayed.push_back(std::move(replayed)); });
  }

  // Takes all mail, and makes fd() quiet.
  void Drain(Mail* mail) OUTBOARD_EXCLUDES(mu_) {
    wakeup_.Clear();
    MutexLock lock(mu_);
    std::swap(*mail, mail_);
    waiting_ = false;
  }

  // The consumer has read all there is and would take more.
  std::atomic<bool> wants_more{false};

 private:
  template <typename Fn>
  void Post(Fn fn) OUTBOARD_EXCLUDES(mu_) {
    bool wake;
    {
      MutexLock lock(mu_);
      fn(mail_);
      wake = !waiting_;
      waiting_ = true;
    }
    if (wake) wakeup_.Signal();
  }

  Wakeup wakeup_;
  Mutex mu_;
  Mail mail_ OUTBOARD_GUARDED_BY(mu_);
  bool waiting_ OUTBOARD_GUARDED_BY(mu_) = false;
};

}  // namespace outboard::bus

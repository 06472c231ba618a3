#include "host/bus/embedded/writer.h"

#include <algorithm>
#include <utility>

#include "host/base/log.h"
#include "host/base/status.h"

namespace outboard::bus {
namespace {

// Bounds of one transaction.
constexpr size_t kMaxEvents = 8192;
constexpr size_t kMaxGroupBytes = 8 << 20;
constexpr size_t kMaxEndings = 65'536;
constexpr auto kIdle = std::chrono::seconds(60);
// How often a bus that could not write tries whether it can again.
constexpr auto kTryAgain = std::chrono::milliseconds(500);

}  // namespace

Writer::Writer(Books books) : books_(std::move(books)), group_(books_) {
  thread_ = std::thread([this] { Run(); });
}

Writer::~Writer() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  work_.NotifyAll();
  thread_.join();
}

void Writer::Publish(PublishCall call) { Post(std::move(call)); }

void Writer::Send(std::unique_ptr<SettleBatch> batch) { Post(std::move(batch)); }

void Writer::Open(Queue* queue, std::shared_ptr<Inbox> inbox, uint32_t slot) {
  Post(Command(
      [this, queue, holder = Queue::Holder{std::move(inbox), slot}] { OpenNow(queue, holder); }));
}

void Writer::Close(Queue* queue, std::shared_ptr<Inbox> inbox, uint32_t slot) {
  Post(Command(
      [this, queue, holder = Queue::Holder{std::move(inbox), slot}] { CloseNow(queue, holder); }));
}

void Writer::AddInbox(std::shared_ptr<Inbox> inbox) {
  MutexLock lock(inboxes_mu_);
  inboxes_.push_back(std::move(inbox));
}

void Writer::RemoveInbox(const Inbox* inbox) {
  MutexLock lock(inboxes_mu_);
  std::erase_if(inboxes_, [&](const auto& other) { return other.get() == inbox; });
}

absl::Status Writer::Call(const std::function<absl::Status(Books&)>& work) {
  struct Answer {
    Mutex mu;
    CondVar cv;
    bool done OUTBOARD_GUARDED_BY(mu) = false;
    absl::Status status OUTBOARD_GUARDED_BY(mu);
  };
  Answer answer;
  Post(Command([&] {
    absl::Status status = work(books_);
    MutexLock lock(answer.mu);
    answer.status = std::move(status);
    answer.done = true;
    answer.cv.NotifyAll();
  }));
  MutexLock lock(answer.mu);
  while (!answer.done) answer.cv.Wait(answer.mu);
  return answer.status;
}

absl::Status Writer::last_error() {
  MutexLock lock(mu_);
  // Not the same one, which another thread goes on using.
  return absl::Status(last_error_.code(), last_error_.message());
}

void Writer::NoteResult(const absl::Status& status) {
  bool first;
  {
    MutexLock lock(mu_);
    first = !status.ok() && last_error_.ok();
    last_error_ = status;
  }
  if (!status.ok()) tried_at_ = std::chrono::steady_clock::now();
  if (first) LogError("bus", "cannot write", {{"error", std::string(status.message())}});
}

void Writer::Post(Work work) {
  bool first;
  {
    MutexLock lock(mu_);
    first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  if (first) work_.NotifyOne();
}

void Writer::Run() {
  for (;;) {
    bool stop = false;
    if (Gather(!more_to_delete_, &stop)) {
      WorkOff();
    } else if (stop) {
      break;
    } else {
      TidyUp();
    }
    TryAgain();
  }
  (void)books_.InTransaction([&] { return books_.store->SetMeta("clean", 1); });
}

// Whether the disk is well again shows without anybody's work being refused first.
void Writer::TryAgain() {
  if (last_error().ok()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - tried_at_ < kTryAgain) return;
  tried_at_ = now;
  NoteResult(books_.store->Probe());
}

bool Writer::Gather(bool wait, bool* stop) {
  MutexLock lock(mu_);
  if (wait) {
    while (posted_.empty() && !stop_) {
      const bool ill = !last_error_.ok();
      if (!(ill ? work_.WaitFor(mu_, kTryAgain) : work_.WaitFor(mu_, kIdle))) break;
    }
  }
  *stop = stop_;
  for (Work& work : posted_) todo_.push_back(std::move(work));
  posted_.clear();
  return !todo_.empty();
}

void Writer::WorkOff() {
  while (!todo_.empty()) {
    if (auto* command = std::get_if<Command>(&todo_.front())) {
      Command run = std::move(*command);
      todo_.pop_front();
      run();
      continue;
    }
    FillGroup();
    CommitGroup();
    bool stop = false;
    Gather(false, &stop);
  }
}

void Writer::FillGroup() {
  size_t events = 0, bytes = 0, endings = 0;
  while (!todo_.empty() && events < kMaxEvents && bytes < kMaxGroupBytes && endings < kMaxEndings) {
    if (auto* call = std::get_if<PublishCall>(&todo_.front())) {
      events += call->events.size();
      for (const Event& event : call->events) bytes += event.size();
      group_.calls.push_back(std::move(*call));
    } else if (auto* batch = std::get_if<std::unique_ptr<SettleBatch>>(&todo_.front())) {
      endings += (*batch)->endings.size();
      group_.batches.push_back(std::move(*batch));
    } else {
      return;  // A command: after this group.
    }
    todo_.pop_front();
  }
}

void Writer::CommitGroup() {
  const absl::Status status = group_.Commit();
  NoteResult(status);
  std::shared_ptr<const Tail::Chunk> chunk = group_.TakeChunk();
  const bool grown = chunk != nullptr;
  if (grown) {
    books_.tail->Append(std::move(chunk));
    Tell();
  }
  for (PublishCall& call : group_.calls) {
    if (call.done) call.done(std::move(call.results));
  }
  for (auto& batch : group_.batches) {
    // Not from within the batch: an inbox whose consumer is gone would keep itself.
    const std::shared_ptr<Inbox> inbox = std::move(batch->from);
    inbox->PostMade(std::move(batch));
  }
  group_.Clear();
  if (grown) {
    if (absl::StatusOr<uint64_t> used = books_.store->UsedBytes(); used.ok()) {
      books_.used_bytes = *used;
    }
  }
  if (books_.store->wal_pages() >= books_.checkpoint_pages) {
    if (absl::Status moved = books_.store->Checkpoint(); !moved.ok()) NoteResult(moved);
  }
  if (books_.pressed() || books_.next_offset >= tidied_at_ + books_.tidy_every) TidyUp();
}

void Writer::Tell() {
  MutexLock lock(inboxes_mu_);
  for (const auto& inbox : inboxes_) {
    if (inbox->wants_more.exchange(false)) inbox->Wake();
  }
}

void Writer::TidyUp() {
  tidied_at_ = books_.next_offset;
  absl::StatusOr<bool> more = DeleteSettled(books_);
  if (!more.ok()) NoteResult(more.status());
  more_to_delete_ = more.ok() && *more;
}

void Writer::OpenNow(Queue* queue, Queue::Holder holder) {
  if (queue->holder.inbox) {
    queue->waiting.push_back(std::move(holder));
    return;
  }
  queue->holder = holder;
  Opened opened{holder.slot, {}, books_.store->next_held(), queue->letters, queue->saved.parked};
  if (queue->reliable) {
    opened.at = queue->ledger.Open(books_.clock->Now());
  } else {
    opened.at.cursor = opened.at.ended_to = opened.at.taken_to = books_.next_offset;
  }
  holder.inbox->PostOpened(std::move(opened));
}

void Writer::CloseNow(Queue* queue, const Queue::Holder& holder) {
  const auto same = [&](const Queue::Holder& other) {
    return other.inbox == holder.inbox && other.slot == holder.slot;
  };
  std::erase_if(queue->waiting, same);
  if (!same(queue->holder)) return;
  queue->holder = {};
  queue->ledger.Close();
  queue->moved.clear();  // Their rows are due at once when it is opened again.
  queue->in_memory = 0;
  queue->park_full = false;
  if (queue->waiting.empty()) return;
  const Queue::Holder next = std::move(queue->waiting.front());
  queue->waiting.erase(queue->waiting.begin());
  OpenNow(queue, next);
}

}  // namespace outboard::bus

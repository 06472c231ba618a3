#include "host/bus/rabbitmq/queue_counter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"

namespace outboard::bus::rabbitmq {
namespace {

constexpr auto kTellOfLosses = std::chrono::hours(1);

// Several threads count, so that it may be below 0 for a moment.
uint64_t NotNegative(int64_t count) { return static_cast<uint64_t>(std::max<int64_t>(count, 0)); }

int64_t SecondsSince(Steady at) { return (SteadyNow() - at) / std::chrono::seconds(1); }

}  // namespace

QueueCounter::QueueCounter(Control* control, Which which, CounterOptions options)
    : control_(control), which_(std::move(which)), options_(options) {}

QueueCounter::Answer QueueCounter::Get() {
  MutexLock lock(mu_);
  const Steady now = SteadyNow();
  const bool fresh = begun_ > 0 && now < begun_at_ + options_.fresh;
  const bool asking = begun_ > ended_;
  // One that was asked long ago may have been answered before what the caller has seen happen.
  if (asking && !fresh) again_ = true;
  if (!asking && !fresh) Begin();
  const uint64_t wanted = begun_ + (asking && !fresh ? 1 : 0);
  while (ended_ < wanted) {
    const auto left = begun_at_ + options_.patience - SteadyNow();
    if (left <= Duration::zero()) break;
    answered_.WaitFor(mu_, left);
  }
  Answer answer;
  answer.queues = counts_;
  answer.problem = problem_;
  if (counted_at_) {
    answer.age = std::chrono::duration_cast<Duration>(SteadyNow() - *counted_at_);
  }
  return answer;
}

void QueueCounter::Begin() {
  ++begun_;
  begun_at_ = SteadyNow();
  thread_.Post([this] { Ask(); });
}

void QueueCounter::Ask() {
  const Steady asked_at = SteadyNow();
  const std::map<std::string, Watched> watched = which_();
  // Noted before another call runs: it may delete a queue.
  const absl::Status status =
      control_->Run([&](amqp::Connection& connection, amqp::Channel channel) -> absl::Status {
        Counts counts;
        OUTBOARD_RETURN_IF_ERROR(AskFor(watched, connection, channel, &counts));
        MutexLock lock(mu_);
        Note(watched, std::move(counts));
        counted_at_ = asked_at;
        return absl::OkStatus();
      });
  MutexLock lock(mu_);
  problem_ = std::string(status.message());
  ++ended_;
  if (again_) Begin();
  again_ = false;
  answered_.NotifyAll();
}

absl::Status QueueCounter::AskFor(const std::map<std::string, Watched>& watched,
                                  amqp::Connection& connection, amqp::Channel channel,
                                  Counts* counts) {
  for (const auto& [queue, watch] : watched) {
    const absl::StatusOr<amqp::QueueCount> said = connection.CheckQueue(channel, queue);
    Count& count = (*counts)[queue];
    if (watch.counts != nullptr) {
      count.held = NotNegative(watch.counts->held);
      count.retrying = watch.counts->retrying.Count(SteadyNow());
    }
    if (absl::IsNotFound(said.status())) {
      // The refusal has closed the channel.
      OUTBOARD_RETURN_IF_ERROR(connection.OpenChannel(channel));
      continue;
    }
    OUTBOARD_RETURN_IF_ERROR(said.status());
    count.there = true;
    count.ready = said->ready;
    count.consumers = said->consumers;
  }
  return absl::OkStatus();
}

void QueueCounter::Note(const std::map<std::string, Watched>& watched, Counts counts) {
  for (const auto& [queue, count] : counts) {
    if (!count.there) Lost(queue);
  }
  kept_.clear();
  for (const auto& [queue, count] : counts) {
    if (watched.at(queue).kept) kept_[queue] = count.ready + count.held;
  }
  counts_ = std::move(counts);
}

void QueueCounter::Lost(const std::string& queue) {
  const auto kept = kept_.find(queue);
  if (kept == kept_.end()) return;
  const uint64_t events = kept->second;
  kept_.erase(kept);
  if (events == 0) return;
  const std::string text = absl::StrCat(
      "queue ", queue, " was deleted with ", events, events == 1 ? " event" : " events",
      " in it, as counted ", SecondsSince(*counted_at_),
      " s before: they are lost for its lane; see who deletes queues, and publish them again");
  LogError("bus", text);
  losses_.emplace_back(SteadyNow(), text);
}

void QueueCounter::Missing(const std::string& queue) {
  MutexLock lock(mu_);
  Lost(queue);
}

void QueueCounter::Forget(const std::string& queue) {
  MutexLock lock(mu_);
  kept_.erase(queue);
}

std::vector<std::string> QueueCounter::Losses() {
  MutexLock lock(mu_);
  const Steady now = SteadyNow();
  std::erase_if(losses_, [&](const auto& loss) { return loss.first + kTellOfLosses < now; });
  std::vector<std::string> texts;
  for (const auto& [at, text] : losses_) texts.push_back(text);
  return texts;
}

}  // namespace outboard::bus::rabbitmq

#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/base/mutex.h"
#include "host/bus/bus.h"

namespace outboard::ingress {

// A bus that keeps what is published to itself until the test says what becomes of it. Any thread.
class HeldBus final : public bus::Bus {
 public:
  // Answers the oldest request: each event with `status`, offsets from 1.
  void Answer(const absl::Status& status = absl::OkStatus()) OUTBOARD_EXCLUDES(mu_) {
    AnswerWith([&](size_t) { return status; });
  }
  // The same with a status of each event's own.
  template <typename StatusOf>
  void AnswerWith(StatusOf status_of) OUTBOARD_EXCLUDES(mu_) {
    Call call;
    std::vector<bus::PublishResult> results;
    {
      MutexLock lock(mu_);
      while (calls_.empty()) came_.Wait(mu_);
      call = std::move(calls_.front());
      calls_.pop_front();
      results.resize(call.events.size());
      for (size_t i = 0; i < results.size(); ++i) {
        results[i].status = status_of(i);
        if (!results[i].status.ok()) continue;
        results[i].matched = 1;
        results[i].reporting = reporting_;
        results[i].offset = next_offset_++;
      }
    }
    {
      MutexLock lock(mu_);
      sink_ = call.sink;
    }
    call.done(std::move(results));
  }

  // From now on: how many lanes will tell the ends of what is published.
  void set_reporting(uint32_t lanes) OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    reporting_ = lanes;
  }
  // Tells who published what was answered last.
  void Tell(size_t event, const bus::Receipt& receipt) OUTBOARD_EXCLUDES(mu_) {
    std::shared_ptr<bus::ReceiptSink> sink;
    {
      MutexLock lock(mu_);
      sink = sink_.lock();
    }
    if (sink) sink->OnReceipt(event, receipt);
  }

  // Waits until so many requests are held.
  void AwaitHeld(size_t count) OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    while (calls_.size() < count) came_.Wait(mu_);
  }
  size_t held() OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return calls_.size();
  }

  void PublishWithReceipts(std::vector<Event> events, std::weak_ptr<bus::ReceiptSink> sink,
                           PublishDone done) override OUTBOARD_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    calls_.push_back({std::move(events), std::move(sink), std::move(done)});
    came_.NotifyAll();
  }

  absl::Status Declare(const std::vector<bus::LaneSpec>&) override { return absl::OkStatus(); }
  std::unique_ptr<bus::Consumer> NewConsumer() override { return nullptr; }
  bus::BusInfo Info() override { return {}; }
  absl::StatusOr<std::vector<bus::LaneInfo>> Lanes() override {
    return std::vector<bus::LaneInfo>();
  }
  absl::StatusOr<std::map<std::string, uint64_t>> DeadCounts() override {
    return std::map<std::string, uint64_t>();
  }
  absl::StatusOr<bus::Forgotten> ForgetLane(const std::string&, bus::Remainder) override {
    return bus::Forgotten{};
  }
  absl::StatusOr<std::vector<bus::DeadLetter>> ListDead(const bus::DeadFilter&, uint64_t, size_t,
                                                        uint64_t*) override {
    return std::vector<bus::DeadLetter>();
  }
  absl::Status ForEachDead(const bus::DeadFilter&,
                           const std::function<void(const bus::DeadLetter&)>&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<bus::Replayed> ReplayBatch(const bus::DeadFilter&, size_t) override {
    return bus::Replayed();
  }
  absl::Status EditDead(uint64_t, const Event&) override { return absl::OkStatus(); }
  absl::StatusOr<uint64_t> PurgeDead(const bus::DeadFilter&) override { return 0; }
  absl::StatusOr<bus::FoundEvents> FindEvents(const absl::flat_hash_set<std::string>&) override {
    return bus::FoundEvents();
  }
  absl::StatusOr<std::vector<bus::LoggedEvent>> ReadLog(uint64_t, size_t) override {
    return std::vector<bus::LoggedEvent>();
  }
  uint64_t NextOffset() override { return 0; }

 private:
  struct Call {
    std::vector<Event> events;
    std::weak_ptr<bus::ReceiptSink> sink;
    PublishDone done;
  };

  Mutex mu_;
  CondVar came_;
  std::deque<Call> calls_ OUTBOARD_GUARDED_BY(mu_);
  uint32_t reporting_ OUTBOARD_GUARDED_BY(mu_) = 0;
  std::weak_ptr<bus::ReceiptSink> sink_ OUTBOARD_GUARDED_BY(mu_);
  uint64_t next_offset_ OUTBOARD_GUARDED_BY(mu_) = 1;
};

// A valid event.
inline Event EventOf(const std::string& id) {
  std::string bytes;
  for (const auto& [tag, text] : {std::pair('\x0A', id),
                                  {'\x12', std::string("storyboard")},
                                  {'\x1A', std::string("1.0")},
                                  {'\x22', std::string("t")}}) {
    bytes += tag;
    bytes += static_cast<char>(text.size());
    bytes += text;
  }
  return *Event::FromChecked(bytes);
}

}  // namespace outboard::ingress

#include "host/conform/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/conform/status_words.h"
#include "host/conform/stream.h"

namespace outboard::conform {
namespace {

// A plugin that only says that it goes on, with no answer, does not go on for ever.
constexpr int kMostSigns = 4;
constexpr uint64_t kKeys = 4;  // Of a frame for a component that is in_order.

}  // namespace

Session::Session(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}

Session::~Session() { stream_->Cancel(); }

void Session::Open(const std::string& config_json, Duration time_limit) {
  HostFrame frame;
  v1::Open& open = *frame.mutable_open();
  {
    MutexLock lock(stream_->mu_);
    open.set_component(stream_->audit_.component().name());
  }
  open.set_host("outboard-conform");
  open.set_config_json(config_json);
  open.mutable_time_limit()->set_seconds(time_limit.count() / 1'000'000);
  open.mutable_time_limit()->set_nanos(static_cast<int>(time_limit.count() % 1'000'000 * 1000));
  stream_->Send(std::move(frame));
}

void Session::Send(HostFrame frame) { stream_->Send(std::move(frame)); }

std::vector<uint64_t> Session::Deliver(std::vector<v1::Delivery> deliveries) {
  HostFrame frame;
  std::vector<uint64_t> ids;
  bool in_order = false;
  {
    MutexLock lock(stream_->mu_);
    in_order = stream_->audit_.component().in_order();
  }
  ++frames_;
  for (v1::Delivery& delivery : deliveries) {
    delivery.set_delivery_id(++last_id_);
    // A host has no more of a key in flight than what came in one frame.
    if (in_order) delivery.set_order_key(absl::StrCat("key-", frames_, "-", last_id_ % kKeys));
    ids.push_back(last_id_);
    frame.add_deliveries()->Swap(&delivery);
  }
  stream_->Send(std::move(frame));
  return ids;
}

void Session::CancelIds(const std::vector<uint64_t>& ids) {
  HostFrame frame;
  for (const uint64_t id : ids) frame.add_cancel_ids(id);
  stream_->Send(std::move(frame));
}

void Session::Close(v1::Close::Cause cause) {
  HostFrame frame;
  frame.mutable_close()->set_cause(cause);
  if (cause == v1::Close::CAUSE_PROTOCOL_ERROR) {
    frame.mutable_close()->set_message("a test of how the plugin takes this");
  } else {
    frame.mutable_close()->mutable_time_left()->set_seconds(20);
  }
  stream_->Send(std::move(frame), /*last=*/true);
}

void Session::HalfClose() { stream_->HalfClose(); }

void Session::Cancel() { stream_->Cancel(); }

template <typename Condition>
bool Session::WaitUntil(Duration patience, Condition condition) {
  MutexLock lock(stream_->mu_);
  uint64_t came = stream_->came_;
  size_t unanswered = stream_->audit_.unanswered();
  auto until = std::chrono::steady_clock::now() + patience;
  auto at_most = until + kMostSigns * patience;
  while (!condition(stream_->audit_)) {
    if (stream_->end_) return false;
    const auto now = std::chrono::steady_clock::now();
    if (stream_->audit_.unanswered() != unanswered) {
      unanswered = stream_->audit_.unanswered();
      at_most = now + kMostSigns * patience;
    }
    if (stream_->came_ != came) {
      came = stream_->came_;
      until = std::min(now + patience, at_most);
    }
    if (now >= until) return false;
    stream_->changed_.WaitFor(stream_->mu_, until - now);
  }
  return true;
}

bool Session::WaitOpened(Duration patience) {
  return WaitUntil(patience, [](const Audit& audit) { return audit.opened(); });
}

bool Session::WaitAnswered(const std::vector<uint64_t>& ids, Duration patience) {
  return WaitUntil(patience, [&](const Audit& audit) {
    return std::all_of(ids.begin(), ids.end(), [&](uint64_t id) { return audit.answered(id); });
  });
}

bool Session::WaitRoom(size_t most, Duration patience) {
  return WaitUntil(patience, [&](const Audit& audit) {
    return audit.unanswered() <= most && audit.window() != std::optional<uint32_t>(0);
  });
}

bool Session::WaitWindowOpen(Duration patience) {
  return WaitUntil(patience,
                   [](const Audit& audit) { return audit.window() != std::optional<uint32_t>(0); });
}

bool Session::WaitEnded(Duration patience) {
  WaitUntil(patience, [](const Audit&) { return false; });
  return ended();
}

bool Session::ended() const { return status_code() >= 0; }

std::string Session::status() const {
  return ended() ? StatusWords(status_code(), status_message()) : "";
}

int Session::status_code() const {
  MutexLock lock(stream_->mu_);
  return stream_->end_ ? static_cast<int>(stream_->end_->error_code()) : -1;
}

std::string Session::status_message() const {
  MutexLock lock(stream_->mu_);
  return stream_->end_ ? stream_->end_->error_message() : "";
}

void Session::Look(const std::function<void(const Audit&)>& look) const {
  MutexLock lock(stream_->mu_);
  look(stream_->audit_);
}

void Session::KeepAnswers() {
  MutexLock lock(stream_->mu_);
  stream_->keep_answers_ = true;
}

std::map<uint64_t, Answer> Session::TakeAnswers() {
  MutexLock lock(stream_->mu_);
  return std::exchange(stream_->answers_, {});
}

std::vector<Breach> Session::breaches() const {
  MutexLock lock(stream_->mu_);
  return stream_->audit_.breaches();
}

std::vector<uint64_t> Session::Unanswered() const {
  MutexLock lock(stream_->mu_);
  return stream_->audit_.Unanswered();
}

std::vector<Transcript::Line> Session::transcript() const {
  MutexLock lock(stream_->mu_);
  return stream_->transcript_.lines();
}

std::string Session::LastSent(size_t count) const {
  MutexLock lock(stream_->mu_);
  return stream_->transcript_.Last(Transcript::Who::kHost, count);
}

std::string Session::LastCame(size_t count) const {
  MutexLock lock(stream_->mu_);
  const std::string last = stream_->transcript_.Last(Transcript::Who::kPlugin, count);
  return last.empty() ? "nothing" : last;
}

}  // namespace outboard::conform

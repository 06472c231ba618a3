#include "host/conform/stand.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace outboard::conform {
namespace {

// As the host's own.
constexpr size_t kMostInFlight = 4096;
constexpr size_t kMostBytesInFlight = 8 << 20;
constexpr size_t kMostFrameBytes = 1 << 20;
constexpr size_t kGrpcDefault = 4 << 20;

}  // namespace

Finding Pass(std::string note) { return {Finding::kPass, "", std::move(note), ""}; }

Finding Fail(std::string sent, std::string came, std::string fix) {
  return {Finding::kFail, std::move(sent), std::move(came), std::move(fix)};
}

Finding Fail(const Session& session, std::string came, std::string fix) {
  return Fail(session.LastSent(), std::move(came), std::move(fix));
}

Finding Skip(std::string why) { return {Finding::kSkip, "", std::move(why), ""}; }

std::string Words(Duration duration) {
  return absl::StrCat(static_cast<double>(duration.count()) / 1e6, " s");
}

void Stand::Use(const v1::Component& component) {
  component_ = component;
  samples_.emplace(subject_.events, component);
  ordinary_.reset();
}

absl::Status Stand::Ready() {
  if (subject_.launched() && (process_ == nullptr || process_->end())) {
    connection_.reset();
    process_.reset();
    absl::StatusOr<std::unique_ptr<Process>> process =
        Process::Launch(subject_.program, subject_.show_output);
    if (!process.ok()) return process.status();
    process_ = *std::move(process);
  }
  if (connection_ != nullptr) return absl::OkStatus();
  connection_ = std::make_unique<Connection>(address());
  start_fault_ = WaitStarted();
  if (subject_.launched() || start_fault_.empty()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(address(), ": ", start_fault_));
}

std::string Stand::WaitStarted() {
  const auto until = std::chrono::steady_clock::now() + subject_.start_timeout;
  while (std::chrono::steady_clock::now() < until) {
    if (connection_->WaitConnected(std::chrono::milliseconds(50)).ok()) return "";
    if (!subject_.launched()) continue;
    if (const auto end = process_->end(); end) {
      return absl::StrCat("the process ", end->Describe(), "; its last words: ",
                          end->stderr_tail.empty() ? "nothing" : end->stderr_tail);
    }
  }
  return absl::StrCat("nobody listens there after ", Words(subject_.start_timeout));
}

void Stand::Refresh() {
  connection_.reset();
  process_.reset();
}

std::string Stand::address() const {
  return subject_.launched() ? process_->address() : subject_.address;
}

Session& Stand::NewStream(Connection* connection) {
  if (connection == nullptr) connection = connection_.get();
  sessions_.push_back(connection->OpenStream({component_, kMaxFrameBytes}));
  return *sessions_.back();
}

Session& Stand::NewStreamTo(const std::string& component) {
  v1::Component other = component_;
  other.set_name(component);
  sessions_.push_back(connection_->OpenStream({other, kMaxFrameBytes}));
  return *sessions_.back();
}

Session& Stand::NewEcho(Connection* connection) {
  v1::Component worker;
  worker.set_role(v1::ROLE_WORKER);
  sessions_.push_back(connection->OpenStream({worker, kMaxFrameBytes}));
  return *sessions_.back();
}

std::optional<Finding> Stand::OpenIn(Session& session, Duration time_limit) {
  session.Open(subject_.config_json, time_limit);
  if (session.WaitOpened(subject_.start_timeout)) return std::nullopt;
  if (session.ended()) return Fail(session, "the stream ended with " + session.status());
  return Fail(session, absl::StrCat("no opened within ", Words(subject_.start_timeout)));
}

std::optional<Finding> Stand::WaitAnswered(Session& session, const std::vector<uint64_t>& ids) {
  if (session.WaitAnswered(ids, patience())) return std::nullopt;
  const std::string open = WordsOfIds(session.Unanswered());
  if (session.ended()) {
    return Fail(session,
                absl::StrCat("the stream ended with ", session.status(), "; unanswered: ", open));
  }
  return Fail(session, absl::StrCat("nothing more within ", Words(patience()),
                                    "; unanswered: ", open, "; last came: ", session.LastCame()));
}

size_t Stand::MostInFlight() const {
  const size_t own = component_.max_in_flight();
  return own == 0 ? kMostInFlight : std::min(own, kMostInFlight);
}

size_t Stand::MaxMessageBytes() const {
  return description_.max_message_bytes() == 0 ? kGrpcDefault : description_.max_message_bytes();
}

size_t Stand::FrameEnd(const std::vector<v1::Delivery>& deliveries, size_t begin,
                       size_t most) const {
  const size_t most_bytes = std::clamp(MaxMessageBytes(), size_t{4096}, kMostFrameBytes) - 1024;
  size_t bytes = 0;
  size_t end = begin;
  while (end < deliveries.size() && end - begin < most) {
    bytes += deliveries[end].ByteSizeLong() + 16;
    if (end > begin && bytes > most_bytes) break;
    ++end;
  }
  return end;
}

std::optional<Finding> Stand::Exchange(Session& session, std::vector<v1::Delivery> deliveries,
                                       size_t frame_size) {
  const size_t most = MostInFlight();
  const size_t most_bytes = component_.max_in_flight_bytes() == 0
                                ? kMostBytesInFlight
                                : size_t{component_.max_in_flight_bytes()};
  std::vector<uint64_t> ids;
  size_t bytes_in_flight = 0;
  for (size_t begin = 0; begin < deliveries.size();) {
    const size_t end = FrameEnd(deliveries, begin, std::min(frame_size, most));
    std::vector<v1::Delivery> frame;
    size_t bytes = 0;
    for (size_t i = begin; i < end; ++i) {
      bytes += deliveries[i].ByteSizeLong();
      frame.push_back(std::move(deliveries[i]));
    }
    size_t room = most - frame.size();
    if (bytes_in_flight + bytes > most_bytes) room = bytes_in_flight = 0;
    if (!session.WaitRoom(room, patience())) {
      if (auto fault = WaitAnswered(session, ids)) return fault;
      return Skip(absl::StrCat("see flow.window: a window of 0 for ", Words(patience())));
    }
    bytes_in_flight += bytes;
    for (const uint64_t id : session.Deliver(std::move(frame))) ids.push_back(id);
    begin = end;
  }
  return WaitAnswered(session, ids);
}

std::optional<Finding> Stand::Drain(Session& session) {
  session.Close();
  if (!session.WaitEnded(patience())) {
    return Fail(session, absl::StrCat("the stream goes on ", Words(patience()),
                                      " after the half-close; last came: ", session.LastCame()));
  }
  if (session.status_code() != 0) {
    return Fail(session, "the stream ended with " + session.status());
  }
  const std::vector<uint64_t> open = session.Unanswered();
  if (!open.empty()) {
    return Fail(session, "the stream ended with OK; unanswered: " + WordsOfIds(open));
  }
  return std::nullopt;
}

}  // namespace outboard::conform

#include "host/bus/rabbitmq/publisher.h"

#include <poll.h>

#include <algorithm>
#include <random>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Message;

constexpr amqp::Channel kChannel = 1;
constexpr amqp::Channel kLookChannel = 2;
// An exchange that was not there is looked for again after so long.
constexpr auto kAskAgain = std::chrono::seconds(30);
constexpr size_t kMaxExchanges = 10'000;
// A connection on which a message is not confirmed for so long is given up, but for an alarm.
constexpr auto kConfirmWithin = std::chrono::seconds(10);
// A socket that takes no bytes is tried again after so long.
constexpr auto kBlockedFor = std::chrono::seconds(1);
// Unconfirmed at most.
constexpr size_t kMaxFlights = 4096;
constexpr size_t kMaxFlyingBytes = 16 << 20;
constexpr auto kMinBackoff = std::chrono::milliseconds(100);
constexpr auto kMaxBackoff = std::chrono::seconds(10);

size_t SizeOf(const Message& message) { return message.body.size() + 256; }

// Half of the step by chance, so that the hosts of a cluster do not come all at once.
Duration Backoff(int failures) {
  static thread_local std::minstd_rand random{std::random_device()()};
  Duration step = kMinBackoff;
  for (int i = 1; i < failures && step < kMaxBackoff; ++i) step *= 2;
  step = std::min<Duration>(step, kMaxBackoff);
  return step / 2 + Duration(random() % static_cast<uint64_t>(step.count() / 2 + 1));
}

}  // namespace

Publisher::Publisher(amqp::ConnectionOptions options, const std::string& name, std::string fallback)
    : options_([&] {
        options.name = name;
        return std::move(options);
      }()),
      fallback_(std::move(fallback)),
      thread_([this] { Run(); }) {}

Publisher::~Publisher() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  mailbox_.Post(nullptr);
  thread_.join();
}

void Publisher::Publish(std::vector<Message> messages, Done done) {
  auto batch = std::make_shared<Batch>();
  batch->results.resize(messages.size());
  batch->open = messages.size();
  batch->messages = std::move(messages);
  batch->done = std::move(done);
  mailbox_.Post(std::move(batch));
}

absl::Status Publisher::WaitUntilTried() {
  MutexLock lock(mu_);
  while (!was_tried_) tried_.Wait(mu_);
  return health_.connected ? absl::OkStatus() : absl::UnavailableError(health_.problem);
}

Publisher::Health Publisher::health() {
  MutexLock lock(mu_);
  return health_;
}

void Publisher::SetHealth(bool connected, const std::string& problem) {
  MutexLock lock(mu_);
  health_ = {connected, problem, reconnects_};
  was_tried_ = true;
  tried_.NotifyAll();
}

// ---- The loop
// ------------------------------------------------------------------------------------

void Publisher::Run() {
  for (;;) {
    if (!connection_ && std::chrono::steady_clock::now() >= try_at_) Connect();
    if (connection_) {
      SendSome();
      if (!ReadAll()) continue;
    }
    Wait();
    mailbox_.Drain(&arrived_);
    bool stop = false;
    for (std::shared_ptr<Batch>& batch : arrived_) {
      if (batch == nullptr) {
        stop = true;
      } else if (batch->messages.empty()) {
        batch->done({});
      } else {
        queue_.push_back(std::move(batch));
      }
    }
    // While the broker is away nothing waits for it.
    if (!connection_ && away_) FailAll(absl::UnavailableError(health().problem));
    if (!stop) continue;
    // What is under way gets a moment to be confirmed.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (connection_ && !(flights_.empty() && queue_.empty() && suspects_.empty()) &&
           std::chrono::steady_clock::now() < end) {
      SendSome();
      if (ReadAll()) Wait();
    }
    FailAll(absl::UnavailableError("the host is shutting down"));
    connection_.reset();
    return;
  }
}

void Publisher::Wait() {
  pollfd fds[2] = {{mailbox_.fd(), POLLIN, 0}, {connection_ ? connection_->fd() : -1, POLLIN, 0}};
  const auto half_heartbeat =
      std::max<int64_t>(options_.heartbeat / std::chrono::milliseconds(1) / 2, 100);
  int64_t wait = std::min<int64_t>(half_heartbeat, 1000);
  if (!connection_) {
    const auto left = try_at_ - std::chrono::steady_clock::now();
    wait = std::clamp<int64_t>(left / std::chrono::milliseconds(1) + 1, 0, 1000);
  }
  poll(fds, 2, static_cast<int>(wait));
}

void Publisher::Connect() {
  absl::StatusOr<std::unique_ptr<amqp::Connection>> made =
      amqp::Connection::Connect(options_, endpoint_++);
  if (made.ok()) {
    connection_ = *std::move(made);
    if (OpenChannel()) {
      away_ = false;
      SetHealth(true, "");
      return;
    }
    made = absl::UnavailableError("the broker gave no channel with confirms");
    connection_.reset();
  }
  try_at_ = std::chrono::steady_clock::now() + Backoff(++failures_);
  if (!away_) {
    LogWarning("bus", "cannot publish", {{"why", std::string(made.status().message())}});
  }
  away_ = true;
  SetHealth(false, std::string(made.status().message()));
  FailAll(absl::UnavailableError(made.status().message()));
}

bool Publisher::OpenChannel() {
  first_tag_ = 1;
  sent_ = 0;
  return connection_->OpenChannel(kChannel).ok() && connection_->SelectConfirms(kChannel).ok();
}

void Publisher::SendSome() {
  if (std::chrono::steady_clock::now() < blocked_until_) return;
  // One suspect at a time, and nothing beside it.
  if (!suspects_.empty()) {
    if (!flights_.empty()) return;
    Flight suspect = std::move(suspects_.front());
    suspects_.pop_front();
    Send(suspect.batch, suspect.index);
    return;
  }
  while (!queue_.empty() && flights_.size() < kMaxFlights && flying_bytes_ < kMaxFlyingBytes) {
    const std::shared_ptr<Batch> batch = queue_.front();
    const size_t index = batch->next++;
    if (batch->next == batch->messages.size()) queue_.pop_front();
    if (!Send(batch, index)) return;
  }
}

// False: the connection is gone.
bool Publisher::Send(const std::shared_ptr<Batch>& batch, size_t index) {
  Message& message = batch->messages[index];
  absl::Status status = Resolve(&message.exchange);
  if (status.ok()) status = connection_->Publish(kChannel, message, /*mandatory=*/true);
  if (status.ok()) {
    flights_.push_back({batch, index, false, std::chrono::steady_clock::now()});
    flying_bytes_ += SizeOf(message);
    ++sent_;
    return true;
  }
  // Nothing was sent: it waits until the broker takes publishes again, or until its reason for
  // closing the channel was read.
  if (absl::IsResourceExhausted(status) || absl::IsFailedPrecondition(status)) {
    suspects_.push_front({batch, index});
    if (absl::IsResourceExhausted(status))
      blocked_until_ = std::chrono::steady_clock::now() + kBlockedFor;
    return false;
  }
  if (!absl::IsUnavailable(status)) {
    Answer(batch, index, {status});
    return true;
  }
  Answer(batch, index, {status});
  Broke(status);
  return false;
}

// Seen after kill -9 of a broker: a channel to a quorum queue that was about to start gets no
// confirms any more, and a nack after a minute.
bool Publisher::ConfirmIsLate() const {
  if (alarm_) return false;
  for (const Flight& flight : flights_) {
    if (!flight.answered) return std::chrono::steady_clock::now() > flight.sent_at + kConfirmWithin;
  }
  return false;
}

absl::Status Publisher::Resolve(std::string* exchange) {
  if (fallback_.empty() || exchange->empty() || *exchange == fallback_) return absl::OkStatus();
  const auto now = std::chrono::steady_clock::now();
  const auto known = exchanges_.find(*exchange);
  const bool fresh =
      known != exchanges_.end() && (known->second.first || now < known->second.second + kAskAgain);
  if (!fresh) {
    if (exchanges_.size() >= kMaxExchanges) exchanges_.clear();
    // On a channel of its own, which a refusal closes.
    absl::Status status = connection_->OpenChannel(kLookChannel);
    if (status.ok()) {
      status = connection_->DeclareExchange(kLookChannel, *exchange, "topic", /*passive=*/true);
      if (status.ok()) OUTBOARD_RETURN_IF_ERROR(connection_->CloseChannel(kLookChannel));
    }
    if (absl::IsUnavailable(status)) return status;
    exchanges_[*exchange] = {status.ok(), now};
  }
  if (!exchanges_[*exchange].first) *exchange = fallback_;
  return absl::OkStatus();
}

// False: the connection is gone, or there is more to be sent at once.
bool Publisher::ReadAll() {
  if (!connection_) return false;
  for (;;) {
    absl::StatusOr<std::optional<amqp::Incoming>> incoming = connection_->Read(Duration::zero());
    if (!incoming.ok()) {
      Broke(incoming.status());
      return false;
    }
    if (!incoming->has_value()) break;
    if (const auto* confirmed = std::get_if<amqp::Confirmed>(&**incoming)) {
      On(*confirmed);
    } else if (const auto* returned = std::get_if<amqp::Returned>(&**incoming)) {
      On(*returned);
    } else if (const auto* closed = std::get_if<amqp::ChannelClosed>(&**incoming)) {
      On(*closed);
      if (!connection_) return false;
    } else if (const auto* blocked = std::get_if<amqp::Blocked>(&**incoming)) {
      alarm_ = true;
      LogWarning("bus", "the broker takes no publishes", {{"why", blocked->reason}});
      SetHealth(true, absl::StrCat("the broker takes no publishes: ", blocked->reason,
                                   ": free memory or disk there"));
    } else if (std::holds_alternative<amqp::Unblocked>(**incoming)) {
      LogInfo("bus", "the broker takes publishes again");
      alarm_ = false;
      blocked_until_ = {};
      // Its time begins now.
      for (Flight& flight : flights_) flight.sent_at = std::chrono::steady_clock::now();
      SetHealth(true, "");
    }
  }
  const bool room = flights_.size() < kMaxFlights / 2 && flying_bytes_ < kMaxFlyingBytes / 2;
  if (ConfirmIsLate()) {
    Broke(absl::UnavailableError(
        "the broker has not confirmed a message for 10 s: another connection is tried"));
    return false;
  }
  if (std::chrono::steady_clock::now() < blocked_until_) return true;
  const bool more = suspects_.empty() ? room && !queue_.empty() : flights_.empty();
  return !more;
}

// ---- What the broker says
// ------------------------------------------------------------------------------------

void Publisher::On(const amqp::Confirmed& confirmed) {
  if (confirmed.tag < first_tag_ || confirmed.tag >= first_tag_ + flights_.size()) return;
  const size_t last = confirmed.tag - first_tag_;
  failures_ = 0;
  Published result;
  if (!confirmed.accepted) {
    result.status = absl::ResourceExhaustedError(
        "the broker refused the message: is a queue that takes it full?");
  }
  for (size_t i = confirmed.multiple ? 0 : last; i <= last; ++i) {
    if (!flights_[i].answered) Finish(&flights_[i], result);
  }
  while (!flights_.empty() && flights_.front().answered) {
    flights_.pop_front();
    ++first_tag_;
  }
}

// Comes before its confirm, in the order of the messages.
void Publisher::On(const amqp::Returned& returned) {
  const Message& back = returned.message;
  for (Flight& flight : flights_) {
    if (flight.answered) continue;
    const Message& sent = flight.batch->messages[flight.index];
    if (flight.batch->results[flight.index].unroutable || sent.exchange != back.exchange ||
        sent.routing_key != back.routing_key ||
        sent.properties.message_id != back.properties.message_id || sent.body != back.body) {
      continue;
    }
    flight.batch->results[flight.index].unroutable = true;
    return;
  }
}

void Publisher::On(const amqp::ChannelClosed& closed) {
  LogWarning("bus", "the broker refused a message and closed the channel",
             {{"code", std::to_string(closed.code)}, {"why", closed.text}});
  std::deque<Flight> unanswered;
  for (Flight& flight : flights_) {
    if (!flight.answered) unanswered.push_back(std::move(flight));
  }
  flights_.clear();
  flying_bytes_ = 0;
  const bool alone = unanswered.size() == 1;
  if (closed.code == 404) exchanges_.clear();  // One went away.
  if (alone) {
    const std::string why =
        absl::StrCat("the broker refused it (", closed.code, "): ", closed.text);
    Answer(unanswered[0].batch, unanswered[0].index,
           {closed.code == 404 ? absl::NotFoundError(why) : absl::InvalidArgumentError(why)});
  } else {
    suspects_.insert(suspects_.begin(), std::make_move_iterator(unanswered.begin()),
                     std::make_move_iterator(unanswered.end()));
  }
  if (!OpenChannel()) Broke(absl::UnavailableError("the broker gave no new channel"));
}

void Publisher::Finish(Flight* flight, const Published& result) {
  flight->answered = true;
  flying_bytes_ -= SizeOf(flight->batch->messages[flight->index]);
  Answer(flight->batch, flight->index, result);
}

void Publisher::Answer(const std::shared_ptr<Batch>& batch, size_t index, const Published& result) {
  // A status of its own: the same one would be shared with the thread that gets it.
  batch->results[index].status = absl::Status(result.status.code(), result.status.message());
  if (--batch->open == 0) batch->done(std::move(batch->results));
}

// ---- Ends
// ------------------------------------------------------------------------------------

void Publisher::Broke(const absl::Status& why) {
  LogWarning("bus", "a connection for publishing broke", {{"why", std::string(why.message())}});
  connection_.reset();
  alarm_ = false;
  blocked_until_ = {};
  exchanges_.clear();
  ++reconnects_;
  try_at_ = std::chrono::steady_clock::now() + Backoff(failures_++);
  SetHealth(false, std::string(why.message()));
  // What waits is tried on the next connection; of what was sent nobody knows.
  for (Flight& flight : flights_) {
    if (!flight.answered) Finish(&flight, {absl::UnavailableError(why.message())});
  }
  flights_.clear();
  flying_bytes_ = 0;
}

void Publisher::FailAll(const absl::Status& why) {
  for (Flight& flight : flights_) {
    if (!flight.answered) Finish(&flight, {why});
  }
  flights_.clear();
  flying_bytes_ = 0;
  for (Flight& suspect : suspects_) Answer(suspect.batch, suspect.index, {why});
  suspects_.clear();
  for (const std::shared_ptr<Batch>& batch : queue_) {
    while (batch->next < batch->messages.size()) Answer(batch, batch->next++, {why});
  }
  queue_.clear();
}

}  // namespace outboard::bus::rabbitmq

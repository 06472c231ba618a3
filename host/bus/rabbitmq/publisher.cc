#include "host/bus/rabbitmq/publisher.h"

#include <poll.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "host/base/log.h"

namespace outboard::bus::rabbitmq {
namespace {

using dialect::Message;

// What is under way when the host stops gets so long to be confirmed.
constexpr auto kConfirmsAtStop = std::chrono::seconds(5);

}  // namespace

Publisher::Publisher(amqp::ConnectionOptions options, const std::string& name, std::string fallback,
                     Duration confirm_within)
    : options_([&] {
        options.name = name;
        return std::move(options);
      }()),
      fallback_(std::move(fallback)),
      confirm_within_(confirm_within),
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

void Publisher::ForgetExchanges() {
  Publish({}, [this](const std::vector<Published>&) { exchanges_.clear(); });
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
    if (!connection_ && SteadyNow() >= try_at_) Connect();
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
        for (size_t i = 0; i < batch->messages.size(); ++i)
          RouteOf(batch->messages[i])->waiting.push_back({batch, i});
      }
    }
    arrived_.clear();
    // While the broker is away nothing waits for it.
    if (!connection_ && away_) FailAll(absl::UnavailableError(health().problem));
    if (!stop) continue;
    // What is under way gets a moment to be confirmed.
    const auto end = SteadyNow() + kConfirmsAtStop;
    while (connection_ && !Idle() && SteadyNow() < end) {
      SendSome();
      if (ReadAll()) Wait();
    }
    FailAll(absl::UnavailableError("the host is shutting down"));
    connection_.reset();
    return;
  }
}

bool Publisher::Idle() const {
  return std::all_of(routes_.begin(), routes_.end(), [](const std::unique_ptr<Route>& route) {
    return route->waiting.empty() && route->flights.empty();
  });
}

void Publisher::Wait() {
  pollfd fds[2] = {{mailbox_.fd(), POLLIN, 0}, {connection_ ? connection_->fd() : -1, POLLIN, 0}};
  const auto half_heartbeat =
      std::max<int64_t>(options_.heartbeat / std::chrono::milliseconds(1) / 2, 100);
  int64_t wait = std::min<int64_t>(half_heartbeat, 1000);
  if (!connection_) {
    const auto left = try_at_ - SteadyNow();
    wait = std::clamp<int64_t>(left / std::chrono::milliseconds(1) + 1, 0, 1000);
  }
  poll(fds, 2, static_cast<int>(wait));
}

void Publisher::Connect() {
  absl::StatusOr<std::unique_ptr<amqp::Connection>> made =
      amqp::Connection::Connect(options_, endpoint_++);
  if (made.ok()) {
    connection_ = *std::move(made);
    away_ = false;
    TellHealth();
    return;
  }
  try_at_ = SteadyNow() + Backoff(++failures_);
  if (!away_) {
    LogWarning("bus", "cannot publish", {{"why", std::string(made.status().message())}});
  }
  away_ = true;
  SetHealth(false, std::string(made.status().message()));
  FailAll(absl::UnavailableError(made.status().message()));
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
    std::visit([this](const auto& said) { On(said); }, **incoming);
  }
  LookForLate();
  return connection_ && !MayRefill();
}

}  // namespace outboard::bus::rabbitmq

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "host/bus/rabbitmq/names.h"
#include "host/bus/rabbitmq/publisher.h"

// Which channel a message goes out on, and when.
namespace outboard::bus::rabbitmq {
namespace {

constexpr amqp::Channel kLookChannel = 1;
constexpr amqp::Channel kFirstChannel = 2;
constexpr amqp::Channel kLastChannel = 1000;
constexpr size_t kMaxRoutes = 64;
// An exchange that was not there is looked for again after so long.
constexpr auto kAskAgain = std::chrono::seconds(30);
constexpr size_t kMaxExchanges = 10'000;
// A socket that takes no bytes is tried again after so long.
constexpr auto kBlockedFor = std::chrono::seconds(1);
// Unconfirmed at most on one channel.
constexpr size_t kMaxFlights = 4096;
constexpr size_t kMaxFlyingBytes = 16 << 20;

}  // namespace

Publisher::Route* Publisher::RouteOf(const dialect::Message& message) {
  static const std::string* const kReceipts = new std::string("queues of receipts");
  // Those come and go with their processes, and nobody waits for what is sent there.
  const std::string& name = !message.exchange.empty()             ? message.exchange
                            : IsReceiptQueue(message.routing_key) ? *kReceipts
                                                                  : message.routing_key;
  const auto known = by_name_.find(name);
  if (known != by_name_.end()) return known->second;
  if (routes_.size() == kMaxRoutes)
    return routes_[absl::HashOf(absl::string_view(name)) % kMaxRoutes].get();
  routes_.push_back(std::make_unique<Route>());
  Route* route = routes_.back().get();
  route->name = name;
  by_name_[name] = route;
  return route;
}

Publisher::Route* Publisher::RouteOn(amqp::Channel channel) {
  const auto found = by_channel_.find(channel);
  return found == by_channel_.end() ? nullptr : found->second;
}

bool Publisher::OpenChannel(Route* route) {
  amqp::Channel channel = kFirstChannel;
  while (by_channel_.contains(channel) && channel < kLastChannel) ++channel;
  absl::Status status = connection_->OpenChannel(channel);
  if (status.ok()) status = connection_->SelectConfirms(channel);
  if (!status.ok()) {
    Broke(absl::UnavailableError(
        absl::StrCat("the broker gave no channel with confirms: ", status.message())));
    return false;
  }
  by_channel_[channel] = route;
  route->channel = channel;
  route->first_tag = 1;
  return true;
}

bool Publisher::HasRoom(const Route& route) const {
  // One suspect at a time, and nothing beside it.
  if (route.suspects > 0 || route.late) return route.flights.empty();
  return route.flights.size() < kMaxFlights && route.flying_bytes < kMaxFlyingBytes;
}

void Publisher::SendSome() {
  const Steady now = SteadyNow();
  if (now < blocked_until_) return;
  for (size_t i = 0; connection_ && i < routes_.size(); ++i) {
    Route* route = routes_[i].get();
    if (now < route->try_at) {
      // Nothing waits for it meanwhile.
      while (!route->waiting.empty()) {
        const Flight flight = std::move(route->waiting.front());
        route->waiting.pop_front();
        Answer(flight, {absl::UnavailableError(route->NotConfirmed())});
      }
      route->suspects = 0;
      continue;
    }
    while (!route->waiting.empty() && HasRoom(*route) && SendNext(route)) {
    }
    if (SteadyNow() < blocked_until_) return;
  }
}

bool Publisher::SendNext(Route* route) {
  if (route->channel == 0 && !OpenChannel(route)) return false;
  Flight& next = route->waiting.front();
  dialect::Message& message = next.message();
  absl::Status status = Resolve(&message.exchange);
  if (status.ok()) status = connection_->Publish(route->channel, message, /*mandatory=*/true);
  // Nothing was sent: it waits until the broker takes publishes again, or until its reason for
  // closing the channel was read.
  if (absl::IsResourceExhausted(status) || absl::IsFailedPrecondition(status)) {
    if (absl::IsResourceExhausted(status)) blocked_until_ = SteadyNow() + kBlockedFor;
    return false;
  }
  Flight flight = std::move(next);
  route->waiting.pop_front();
  if (route->suspects > 0) --route->suspects;
  if (status.ok()) {
    flight.sent_at = SteadyNow();
    route->flying_bytes += flight.bytes();
    route->flights.push_back(std::move(flight));
    return true;
  }
  Answer(flight, {status});
  if (!absl::IsUnavailable(status)) return true;
  Broke(status);
  return false;
}

absl::Status Publisher::Resolve(std::string* exchange) {
  if (fallback_.empty() || exchange->empty() || *exchange == fallback_) return absl::OkStatus();
  const auto now = SteadyNow();
  const auto known = exchanges_.find(*exchange);
  const bool fresh =
      known != exchanges_.end() && (known->second.first || now < known->second.second + kAskAgain);
  if (!fresh) {
    if (exchanges_.size() >= kMaxExchanges) exchanges_.clear();
    // On a channel of its own, which a refusal of the broker closes.
    absl::Status status = connection_->OpenChannel(kLookChannel);
    if (status.ok()) {
      status = connection_->DeclareExchange(kLookChannel, *exchange, "topic", /*passive=*/true);
      // A name that is too long never came there.
      absl::Status closed = connection_->CloseChannel(kLookChannel);
      if (absl::IsUnavailable(closed)) return closed;
    }
    if (absl::IsUnavailable(status)) return status;
    exchanges_[*exchange] = {status.ok(), now};
  }
  if (!exchanges_[*exchange].first) *exchange = fallback_;
  return absl::OkStatus();
}

// Half a window at a time, so that messages are not sent one by one.
bool Publisher::MayRefill() const {
  const Steady now = SteadyNow();
  if (now < blocked_until_) return false;
  return std::any_of(routes_.begin(), routes_.end(), [&](const std::unique_ptr<Route>& route) {
    const bool room = route->flights.size() < kMaxFlights / 2 &&
                      route->flying_bytes < kMaxFlyingBytes / 2 && HasRoom(*route);
    return !route->waiting.empty() && room && now >= route->try_at;
  });
}

}  // namespace outboard::bus::rabbitmq

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/bus/rabbitmq/publisher.h"

// What becomes of a message: confirmed, returned, refused, too late, lost with its connection.
namespace outboard::bus::rabbitmq {

std::string Publisher::Route::NotConfirmed() const {
  return absl::StrCat("the broker confirms nothing that goes to ", name,
                      ": has its queue a leader?");
}

void Publisher::On(const amqp::Confirmed& confirmed) {
  Route* route = RouteOn(confirmed.channel);
  if (route == nullptr) return;
  std::deque<Flight>& flights = route->flights;
  if (confirmed.tag < route->first_tag || confirmed.tag >= route->first_tag + flights.size())
    return;
  failures_ = 0;
  route->failures = 0;
  if (route->late) {
    LogInfo("bus", "the broker confirms again", {{"destination", route->name}});
    route->late = false;
    TellHealth();
  }
  Published result;
  if (!confirmed.accepted) {
    result.status = absl::ResourceExhaustedError(
        "the broker refused the message: is a queue that takes it full?");
  }
  const size_t last = confirmed.tag - route->first_tag;
  for (size_t i = confirmed.multiple ? 0 : last; i <= last; ++i) {
    if (!flights[i].answered) Finish(route, &flights[i], result);
  }
  while (!flights.empty() && flights.front().answered) {
    flights.pop_front();
    ++route->first_tag;
  }
}

// Comes before its confirm, in the order of the messages.
void Publisher::On(const amqp::Returned& returned) {
  Route* route = RouteOn(returned.channel);
  if (route == nullptr) return;
  const dialect::MessageView back = returned.message.View();
  for (Flight& flight : route->flights) {
    if (flight.answered) continue;
    const dialect::Message& sent = flight.message();
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
  Route* route = RouteOn(closed.channel);
  by_channel_.erase(closed.channel);
  if (route == nullptr) return;
  LogWarning(
      "bus", "the broker refused a message and closed the channel",
      {{"destination", route->name}, {"code", std::to_string(closed.code)}, {"why", closed.text}});
  std::deque<Flight> unanswered;
  for (Flight& flight : route->flights) {
    if (!flight.answered) unanswered.push_back(std::move(flight));
  }
  route->flights.clear();
  route->flying_bytes = 0;
  route->channel = 0;
  bool found = unanswered.size() == 1;
  if (closed.code == 404) {
    exchanges_.clear();  // One went away: the fallback takes its messages, if there is one.
    found = found && (fallback_.empty() || unanswered[0].message().exchange == fallback_);
  }
  if (found) {
    const std::string why =
        absl::StrCat("the broker refused it (", closed.code, "): ", closed.text);
    Answer(unanswered[0],
           {closed.code == 404 ? absl::NotFoundError(why) : absl::InvalidArgumentError(why)});
    return;
  }
  route->suspects += unanswered.size();
  route->waiting.insert(route->waiting.begin(), std::make_move_iterator(unanswered.begin()),
                        std::make_move_iterator(unanswered.end()));
}

// A channel that was given up is closed at last.
void Publisher::On(const amqp::Answered& answered) {
  if (answered.what == amqp::Answered::What::kChannelClose) by_channel_.erase(answered.channel);
}

void Publisher::On(const amqp::Blocked& blocked) {
  alarm_ = absl::StrCat("the broker takes no publishes: ", blocked.reason,
                        ": free memory or disk there");
  LogWarning("bus", "the broker takes no publishes", {{"why", blocked.reason}});
  TellHealth();
}

void Publisher::On(const amqp::Unblocked&) {
  LogInfo("bus", "the broker takes publishes again");
  alarm_.clear();
  blocked_until_ = {};
  // Their time begins now.
  for (const std::unique_ptr<Route>& route : routes_) {
    for (Flight& flight : route->flights) flight.sent_at = SteadyNow();
  }
  TellHealth();
}

void Publisher::Finish(Route* route, Flight* flight, const Published& result) {
  flight->answered = true;
  route->flying_bytes -= flight->bytes();
  Answer(*flight, result);
}

void Publisher::Answer(const Flight& flight, const Published& result) {
  Batch& batch = *flight.batch;
  // A status of its own: the same one would be shared with the thread that gets it.
  batch.results[flight.index].status = absl::Status(result.status.code(), result.status.message());
  if (--batch.open == 0) batch.done(std::move(batch.results));
}

// ---- Ends
// ------------------------------------------------------------------------------------

// The broker stops a channel that publishes to a quorum queue without a leader, for a minute or for
// good.
void Publisher::LookForLate() {
  if (!alarm_.empty()) return;
  const Steady now = SteadyNow();
  for (const std::unique_ptr<Route>& route : routes_) {
    for (const Flight& flight : route->flights) {
      if (flight.answered) continue;
      if (now > flight.sent_at + confirm_within_) GiveUp(route.get());
      break;
    }
    if (!connection_) return;
  }
}

void Publisher::GiveUp(Route* route) {
  const std::string why = route->NotConfirmed();
  if (!route->late) LogWarning("bus", why);
  route->late = true;
  route->try_at = SteadyNow() + Backoff(++route->failures);
  AnswerFlights(route, absl::UnavailableError(why));
  const amqp::Channel channel = std::exchange(route->channel, 0);
  by_channel_[channel] = nullptr;
  TellHealth();
  // The broker answers once it is through with what was sent.
  const absl::Status status = connection_->SendCloseChannel(channel);
  if (absl::IsUnavailable(status)) Broke(status);
}

void Publisher::AnswerFlights(Route* route, const absl::Status& why) {
  for (Flight& flight : route->flights) {
    if (!flight.answered) Finish(route, &flight, {why});
  }
  route->flights.clear();
  route->flying_bytes = 0;
}

void Publisher::Broke(const absl::Status& why) {
  LogWarning("bus", "a connection for publishing broke", {{"why", std::string(why.message())}});
  connection_.reset();
  alarm_.clear();
  blocked_until_ = {};
  exchanges_.clear();
  by_channel_.clear();
  ++reconnects_;
  try_at_ = SteadyNow() + Backoff(++failures_);
  SetHealth(false, std::string(why.message()));
  // What waits is tried on the next connection; of what was sent nobody knows.
  for (const std::unique_ptr<Route>& route : routes_) {
    AnswerFlights(route.get(), why);
    route->channel = 0;
  }
}

void Publisher::FailAll(const absl::Status& why) {
  for (const std::unique_ptr<Route>& route : routes_) {
    AnswerFlights(route.get(), why);
    for (const Flight& flight : route->waiting) Answer(flight, {why});
    route->waiting.clear();
    route->suspects = 0;
  }
}

void Publisher::TellHealth() {
  std::string problem = alarm_;
  for (const std::unique_ptr<Route>& route : routes_) {
    if (problem.empty() && route->late) problem = route->NotConfirmed();
  }
  SetHealth(true, problem);
}

}  // namespace outboard::bus::rabbitmq

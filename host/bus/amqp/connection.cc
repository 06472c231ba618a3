#include "host/bus/amqp/connection.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/utility/utility.h"
#include "host/bus/amqp/connection_impl.h"
#include "host/bus/amqp/errors.h"
#include "host/bus/amqp/login.h"
#include "host/bus/amqp/table.h"

namespace outboard::bus::amqp {
namespace {

using Use = ChannelState::Use;
using std::chrono::steady_clock;

constexpr size_t kPoolPage = 4096;
constexpr Duration kGoodbye = std::chrono::milliseconds(300);

std::string BrokerVersion(amqp_connection_state_t state) {
  const amqp_table_t* const properties = amqp_get_server_properties(state);
  for (int i = 0; i < properties->num_entries; ++i) {
    const amqp_table_entry_t& entry = properties->entries[i];
    if (View(entry.key) == "version" && entry.value.kind == AMQP_FIELD_KIND_UTF8) {
      return Text(entry.value.value.bytes);
    }
  }
  return std::string();
}

Duration Left(steady_clock::time_point deadline) {
  return std::max(std::chrono::duration_cast<Duration>(deadline - steady_clock::now()),
                  Duration::zero());
}

}  // namespace

Connection::Impl::Impl(LibraryState opened, const ConnectionOptions& options, const Endpoint& where)
    : state(std::move(opened)),
      endpoint(Name(where)),
      version(BrokerVersion(state.get())),
      timeout(options.timeout),
      frame_max(static_cast<size_t>(amqp_get_frame_max(state.get()))),
      frames(state.get(), endpoint) {
  init_amqp_pool(&pool, kPoolPage);
}

Connection::Impl::~Impl() {
  SayGoodbye();
  empty_amqp_pool(&pool);
}

void Connection::Impl::SayGoodbye() {
  if (!frames.WaitForRoom(Duration::zero()).value_or(false)) return;
  amqp_connection_close_t close{};
  close.reply_code = AMQP_REPLY_SUCCESS;
  close.reply_text = Bytes("goodbye");
  if (!Send(0, AMQP_CONNECTION_CLOSE_METHOD, close).ok()) return;
  // Closing with something unread would reset the connection, and what we sent last might be lost.
  const auto deadline = steady_clock::now() + kGoodbye;
  while (true) {
    const Duration left = Left(deadline);
    const absl::StatusOr<bool> read = frames.ReadOne(left);
    // The broker's answer, or its end, ends the reading.
    if (!read.ok() || left == Duration::zero()) return;
    frames.ready().clear();
  }
}

absl::Status Connection::Impl::CheckChannel(Channel channel, Use wanted) {
  if (!frames.over().ok()) return frames.over();
  if (channel == 0 || channel > frames.channel_max()) {
    return absl::InvalidArgumentError(absl::StrCat("RabbitMQ at ", endpoint, ": channel ", channel,
                                                   " is not between 1 and ", frames.channel_max(),
                                                   "; raise channel_max of the broker"));
  }
  const ChannelState& known = frames.channel(channel);
  if (known.use == wanted) return absl::OkStatus();
  std::string is = "is open already";
  if (known.use == Use::kClosing) is = "is being closed";
  if (known.use == Use::kClosed) {
    is = known.closed_by.empty() ? "is not open"
                                 : absl::StrCat("was closed by the broker: ", known.closed_by);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("RabbitMQ at ", endpoint, ": channel ", channel, " ", is));
}

absl::StatusOr<PendingCall> Connection::Impl::Await(PendingCall& call, absl::string_view what) {
  const auto deadline = steady_clock::now() + timeout;
  frames.set_call(&call);
  absl::Status failure;
  while (failure.ok() && call.state == PendingCall::State::kWaiting) {
    const Duration left = Left(deadline);
    const absl::StatusOr<bool> read = frames.ReadOne(left);
    if (!read.ok()) {
      failure = read.status();
    } else if (!*read && left == Duration::zero()) {
      // A late answer would be taken for that of the next call.
      failure = frames.End(
          absl::StrCat("no answer within ", std::chrono::duration<double>(timeout).count(),
                       " s to: ", what, "; see the broker's log for load and alarms"));
    }
  }
  frames.set_call(nullptr);
  if (call.state == PendingCall::State::kAnswered) return std::move(call);
  if (call.state == PendingCall::State::kRefused) {
    return Refusal(endpoint, what, call.code, call.text);
  }
  return failure;
}

absl::StatusOr<amqp_table_t> Connection::Impl::Arguments(const std::string& of,
                                                         const dialect::Table& arguments) {
  recycle_amqp_pool(&pool);
  amqp_table_t table;
  TableWriter writer(&pool);
  if (const absl::Status written = writer.Write(arguments, &table); !written.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("arguments of ", of, ": ", written.message()));
  }
  return table;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Connect(const ConnectionOptions& options,
                                                                size_t first) {
  const size_t count = options.endpoints.size();
  if (count == 0) return absl::InvalidArgumentError("bus.url names no broker; name a host");
  std::string failures;
  for (size_t i = 0; i < count; ++i) {
    const Endpoint& endpoint = options.endpoints[(first % count + i) % count];
    absl::StatusOr<LibraryState> state = LogIn(options, endpoint);
    if (state.ok()) {
      return std::unique_ptr<Connection>(
          new Connection(std::make_unique<Impl>(*std::move(state), options, endpoint)));
    }
    // Another node of the cluster would say the same.
    if (!absl::IsUnavailable(state.status())) return state.status();
    absl::StrAppend(&failures, failures.empty() ? "" : " | ", state.status().message());
  }
  return absl::UnavailableError(failures);
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

int Connection::fd() const { return amqp_get_sockfd(impl_->state.get()); }
const std::string& Connection::broker_version() const { return impl_->version; }
const std::string& Connection::endpoint() const { return impl_->endpoint; }

absl::StatusOr<std::optional<Incoming>> Connection::Read(Duration wait) {
  Frames& frames = impl_->frames;
  const bool waits = wait > Duration::zero();
  const auto deadline = waits ? steady_clock::now() + wait : steady_clock::time_point();
  absl::StatusOr<std::optional<Incoming>> next(absl::in_place);
  while (frames.ready().empty()) {
    // A message comes in several frames.
    const absl::StatusOr<bool> read = frames.ReadOne(waits ? Left(deadline) : Duration::zero());
    if (!frames.ready().empty()) break;
    if (!read.ok()) return read.status();
    if (!*read) return next;
  }
  next->emplace(std::move(frames.ready().front()));
  frames.ready().pop_front();
  return next;
}

}  // namespace outboard::bus::amqp

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/bus/amqp/raw_message.h"
#include "host/dialect/message.h"

// A connection to an AMQP 0-9-1 broker over rabbitmq-c, which no other file sees.
namespace outboard::bus::amqp {

using Channel = uint16_t;  // From 1.

struct Endpoint {
  std::string host;
  int port = 5672;
};

struct Tls {
  bool on = false;
  std::string ca_file;              // PEM; empty: the system's.
  std::string cert_file, key_file;  // The client's own, PEM; empty: none.
  std::string server_name;  // Expected in the broker's certificate; empty: the endpoint's host.
  bool verify = true;
};

struct ConnectionOptions {
  std::vector<Endpoint> endpoints;  // Tried in turn.
  std::string user = "guest";
  std::string password = "guest";
  std::string vhost = "/";
  Tls tls;
  Duration heartbeat = std::chrono::seconds(20);
  Duration timeout =
      std::chrono::seconds(5);  // To connect and log in, and for an answer to a call.
  std::string name;             // Shown by the broker's tools.
};

// "amqp[s]://user:password@host[:port][,host[:port]...]/vhost", percent-encoded; ports default to
// 5672 and 5671, the vhost to "/". INVALID_ARGUMENT says what is wrong, without the password.
absl::StatusOr<ConnectionOptions> ParseUrl(const std::string& url);
// The same for people: no password.
std::string Location(const ConnectionOptions& options);

// ---- What a connection reads ----

struct Delivered {
  Channel channel = 0;
  uint64_t tag = 0;
  bool redelivered = false;
  RawMessage message;
};
// The broker answers a publish on a confirming channel.
struct Confirmed {
  Channel channel = 0;
  uint64_t tag = 0;  // Counted from 1 on each channel.
  bool multiple = false;
  bool accepted = false;  // false: nack.
};
// A mandatory message that no queue takes; its Confirmed follows.
struct Returned {
  Channel channel = 0;
  uint16_t code = 0;
  std::string text;
  RawMessage message;
};
// The broker ended a consumer: its queue was deleted, or moved.
struct Cancelled {
  Channel channel = 0;
  std::string consumer;
};
// The broker closed a channel; its close was answered, the number may be opened again.
struct ChannelClosed {
  Channel channel = 0;
  uint16_t code = 0;
  std::string text;
};
// The answer to a Send... that has one.
struct Answered {
  enum class What { kChannelOpen, kPrefetch, kConsume, kChannelClose };
  Channel channel = 0;
  What what = What::kChannelOpen;
};
// The broker takes no publishes for now (memory or disk alarm), or again.
struct Blocked {
  std::string reason;
};
struct Unblocked {};
using Incoming = std::variant<Delivered, Confirmed, Returned, Cancelled, ChannelClosed, Answered,
                              Blocked, Unblocked>;

struct QueueSpec {
  std::string name;
  bool durable = true;
  bool exclusive = false;
  bool auto_delete = false;
  dialect::Table arguments;
};
struct QueueCount {
  uint32_t ready = 0;
  uint32_t consumers = 0;
};

// One TCP connection, of one thread at a time. After an error that says UNAVAILABLE it is over:
// make another. A call that the broker refuses closes its channel, which is said by its status
// (NOT_FOUND, FAILED_PRECONDITION, PERMISSION_DENIED, RESOURCE_EXHAUSTED (locked),
// INVALID_ARGUMENT) with the broker's text; the channel may be opened again.
class Connection {
 public:
  // Tries the endpoints from number `first` on, each once. Blocks up to the timeout for each.
  // UNAVAILABLE: none answers; PERMISSION_DENIED: user, password or vhost; all texts name the
  // endpoint, the cause and the fix.
  static absl::StatusOr<std::unique_ptr<Connection>> Connect(const ConnectionOptions& options,
                                                             size_t first = 0);
  ~Connection();  // Says goodbye without waiting for long.

  // Readable when something came. Calls and sends read too: after one, things may wait in here
  // without it, so Read(0) until there is nothing before waiting for it.
  int fd() const;
  // "3.10.8"; empty: not said.
  const std::string& broker_version() const;
  const std::string& endpoint() const;  // "host:port"

  // ---- Calls: block until the broker answered ----
  absl::Status OpenChannel(Channel channel);
  absl::Status CloseChannel(Channel channel);
  absl::Status SelectConfirms(Channel channel);
  // `type`: "topic", "direct", "fanout". Passive: only checks that it is there.
  absl::Status DeclareExchange(Channel channel, const std::string& name, const std::string& type,
                               bool passive, const dialect::Table& arguments = {});
  absl::StatusOr<QueueCount> DeclareQueue(Channel channel, const QueueSpec& queue);
  // NOT_FOUND: there is none.
  absl::StatusOr<QueueCount> CheckQueue(Channel channel, const std::string& name);
  absl::Status BindQueue(Channel channel, const std::string& queue, const std::string& exchange,
                         const std::string& key);
  absl::Status UnbindQueue(Channel channel, const std::string& queue, const std::string& exchange,
                           const std::string& key);
  // Messages of `from` that match `key` go to `to` too.
  absl::Status BindExchange(Channel channel, const std::string& to, const std::string& from,
                            const std::string& key);
  // How many messages went with it.
  absl::StatusOr<uint32_t> DeleteQueue(Channel channel, const std::string& name);
  absl::Status SetPrefetch(Channel channel, uint16_t count);
  absl::Status Consume(Channel channel, const std::string& queue, const std::string& consumer);

  // ---- Sends: written at once, answered by an Incoming where the protocol has an answer ----
  absl::Status SendOpenChannel(Channel channel);
  absl::Status SendPrefetch(Channel channel, uint16_t count);
  absl::Status SendConsume(Channel channel, const std::string& queue, const std::string& consumer);
  absl::Status SendCloseChannel(Channel channel);
  absl::Status Ack(Channel channel, uint64_t tag, bool multiple);
  absl::Status Publish(Channel channel, const dialect::Message& message, bool mandatory);

  // The next thing that came, waiting up to `wait` for it; nothing if there is none. Sends
  // heartbeats: call it at least every half heartbeat. UNAVAILABLE: the connection is over, with
  // the broker's text if it said one.
  absl::StatusOr<std::optional<Incoming>> Read(Duration wait);

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::bus::amqp

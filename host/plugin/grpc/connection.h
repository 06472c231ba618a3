#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/security/credentials.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/plugin/grpc/grpc_session.h"
#include "outboard/plugin/v1/plugin.pb.h"

namespace outboard::plugin {

// Largest frame that the host takes from a plugin.
inline constexpr uint32_t kMaxResponseBytes = 16 << 20;

// Watches all channels for servers that are going away; one thread.
class ChannelWatcher {
 public:
  ChannelWatcher();
  ~ChannelWatcher();

 private:
  friend class Connection;
  struct Watch;
  void Add(std::shared_ptr<grpc::Channel> channel, std::weak_ptr<void> owner,
           std::function<void()> going_away);
  void Run();
  static void Next(Watch* watch, grpc::CompletionQueue* queue);

  grpc::CompletionQueue queue_;
  Mutex mu_;
  bool stopped_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// Of connections to a remote plugin; files in PEM.
struct TlsFiles {
  std::string ca;           // Empty: the system's.
  std::string cert, key;    // What the host shows; empty: nothing.
  std::string server_name;  // What the plugin's certificate has to be for.
};

// What the files hold now. NOT_FOUND names the file.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ReadCredentials(const TlsFiles& files);

// One instance of a plugin as gRPC sees it: its channel. Any thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `address`: unix:/path, ipv4:..., ipv6:... or host:port. Connects lazily.
  explicit Connection(std::string address);
  // The same, encrypted. A connection that cannot be made, as when a certificate is not good, fails
  // calls at once, so that they say why.
  Connection(std::string address, std::shared_ptr<grpc::ChannelCredentials> credentials,
             const std::string& server_name);

  const std::string& address() const { return address_; }

  // Asks what the plugin is; waits for it to listen, up to `timeout`. `done` is called once, on a
  // gRPC thread.
  void Describe(outboard::plugin::v1::DescribeRequest request, Duration timeout,
                std::function<void(absl::StatusOr<outboard::plugin::v1::DescribeResponse>)> done);
  // Asks grpc.health.v1. `done` is called once, on a gRPC thread: OK for SERVING, for a server
  // without that service, and where the connection is lost, since its sessions tell that;
  // DEADLINE_EXCEEDED: no answer within `timeout`; FAILED_PRECONDITION: it says that it does not
  // serve.
  void CheckHealth(Duration timeout, std::function<void(absl::Status)> done);
  // Gives up the calls under way.
  void CancelCalls() OUTBOARD_EXCLUDES(mu_);

  // Calls back once, on the watcher's thread, when the server announces that it goes away (GOAWAY)
  // or the connection is lost, if this object still lives then.
  void WatchGoingAway(ChannelWatcher* watcher, std::function<void()> going_away);

  // Opens a session of a component of this role.
  std::shared_ptr<GrpcSession> OpenSession(lane::SessionId id, lane::Role role,
                                           outboard::plugin::v1::Open open, SessionSink* sink);

 private:
  void Remember(const std::shared_ptr<grpc::ClientContext>& call) OUTBOARD_EXCLUDES(mu_);

  const std::string address_;
  const bool waits_ = true;  // For the plugin to listen.
  const std::shared_ptr<grpc::Channel> channel_;
  Mutex mu_;
  std::vector<std::weak_ptr<grpc::ClientContext>> calls_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::plugin

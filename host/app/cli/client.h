#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "host/app/cli/message_json.h"
#include "host/app/cli/remote_host.h"
#include "host/app/cli/terminal.h"
#include "host/app/commands.h"
#include "host/config/reader.h"
#include "outboard/host/v1/admin.grpc.pb.h"
#include "outboard/host/v1/publisher.grpc.pb.h"

namespace outboard::app {

// Flags of every verb that speaks to a running host.
struct HostOptions {
  std::string socket;  // --socket
  std::string config;  // --config
  std::string name;    // --name
  bool json = false;   // --json
  RemoteOptions remote;
};

// Which host, as people are told.
struct HostAddress {
  std::string socket;
  std::string remote = {};  // host:port, in the place of the socket.
  std::string config;       // The file that named it; empty: none.
};

// Where the host should be: at --socket, else --address, else the socket of --name, else of
// --config, else $OUTBOARD_ADDRESS, else the socket of the configuration ($OUTBOARD_CONFIG,
// ./outboard.yaml) if there is one, else of the default name. INVALID_ARGUMENT with all problems of
// the file's host: part. Other parts may be wrong: a client's shell need not have the secrets of
// the host.
absl::StatusOr<HostAddress> FindHost(const HostOptions& options, const config::Env& env);

// A connection to a host, and how its errors are told. One thread, beside what the stubs allow.
class Client {
 public:
  // Connects. Tells what is wrong and leaves connected() false, exit_code() 2 or 3.
  Client(const HostOptions& options, const Terminal& terminal,
         const config::Env& env = config::ProcessEnv());

  bool connected() const { return admin_ != nullptr; }
  int exit_code() const { return exit_code_; }
  host::v1::AdminService::Stub& admin() { return *admin_; }
  host::v1::PublisherService::Stub& publisher() { return *publisher_; }
  const Terminal& terminal() const { return terminal_; }
  // For each call: shows who calls.
  void Authorize(grpc::ClientContext* context) const {
    if (!token_.empty()) context->AddMetadata("authorization", "Bearer " + token_);
  }
  bool json() const { return options_.json; }

  // admin().*method(request), at most `limit`; false after telling what went wrong, exit_code()
  // says how badly.
  template <typename Request, typename Response>
  bool Call(grpc::Status (host::v1::AdminService::Stub::*method)(grpc::ClientContext*,
                                                                 const Request&, Response*),
            const Request& request, Response* response, Duration limit = std::chrono::seconds(10)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + limit);
    Authorize(&context);
    const grpc::Status status = (admin_.get()->*method)(&context, request, response);
    if (!status.ok()) Fail(status);
    return status.ok();
  }

  // Tells of a failed call and gives the exit code.
  int Fail(const grpc::Status& status);
  // Tells of anything else and gives `code` back.
  int Fail(int code, const std::string& message);

 private:
  std::shared_ptr<grpc::Channel> Connect(const config::Env& env);
  const std::string& where() const {
    return address_.remote.empty() ? address_.socket : address_.remote;
  }
  std::string Unreachable(const std::string& why) const;

  const HostOptions options_;
  const Terminal& terminal_;
  HostAddress address_;
  std::string token_;
  int exit_code_ = kOk;
  std::unique_ptr<host::v1::AdminService::Stub> admin_;
  std::unique_ptr<host::v1::PublisherService::Stub> publisher_;
};

// "outboard: message" on standard error, or {"error": ...} on standard output for programs. Gives
// `code` back.
int TellError(const Terminal& terminal, bool json, int code, const std::string& message);

}  // namespace outboard::app

#include "host/admin/guarded_server.h"

#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/admin/limits.h"
#include "host/base/status.h"

namespace outboard::admin {
namespace {

// What strangers may make the host hold, whoever they are.
constexpr size_t kMaxBytes = size_t{256} << 20;
constexpr int kMaxThreads = 64;  // Each Tail has one.
constexpr unsigned kLookForCertificateSeconds = 1;
// A client that says nothing, or too slowly, until then is let go.
constexpr int kHandshakeMs = 10'000;
constexpr int kIdleMs = 5 * 60 * 1000;

std::shared_ptr<grpc::ServerCredentials> Credentials(const std::optional<access::TlsFiles>& files) {
  if (!files) return grpc::InsecureServerCredentials();
  using grpc::experimental::FileWatcherCertificateProvider;
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<FileWatcherCertificateProvider>(files->key, files->cert, files->client_ca,
                                                       kLookForCertificateSeconds));
  options.watch_identity_key_cert_pairs();
  if (!files->client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

absl::Status CannotListen(const GuardedServerOptions& options) {
  if (options.address.empty()) {
    return absl::UnavailableError(absl::StrCat("cannot listen at ", options.plugin_socket,
                                               " for plugins: may this user write there?"));
  }
  return absl::UnavailableError(
      absl::StrCat("cannot serve gRPC at ", options.address,
                   ": is the port taken, or the address not of this machine? set host.grpc to "
                   "another host:port (port 0: any free one)"));
}

}  // namespace

GuardedServer::GuardedServer(const GuardedServerOptions& options, AdminService* admin,
                             PublisherService* publisher, PipelineService* pipelines)
    : admin_(options.tokens, admin),
      publisher_(options.tokens, publisher),
      pipelines_(options.tokens, pipelines) {}

absl::StatusOr<std::unique_ptr<GuardedServer>> GuardedServer::Start(
    const GuardedServerOptions& options, AdminService* admin, PublisherService* publisher,
    PipelineService* pipelines) {
  // gRPC says neither which file is wrong, nor how.
  if (options.tls) OUTBOARD_RETURN_IF_ERROR(access::LoadCredentials(*options.tls).status());
  std::unique_ptr<GuardedServer> self(new GuardedServer(options, admin, publisher, pipelines));
  grpc::ServerBuilder builder;
  SetLimits(&builder);
  builder.SetResourceQuota(
      grpc::ResourceQuota("strangers").Resize(kMaxBytes).SetMaxThreads(kMaxThreads));
  // Another host that takes the same port must not get half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  // One without a call makes room for others; clients connect again by themselves.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
  int port = 0;
  if (!options.address.empty())
    builder.AddListeningPort(options.address, Credentials(options.tls), &port);
  if (!options.plugin_socket.empty()) {
    unlink(options.plugin_socket.c_str());
    builder.AddListeningPort("unix:" + options.plugin_socket, grpc::InsecureServerCredentials());
  }
  builder.RegisterService(&self->admin_);
  builder.RegisterService(&self->publisher_);
  builder.RegisterService(&self->pipelines_);
  self->server_ = builder.BuildAndStart();
  if (self->server_ == nullptr) return CannotListen(options);
  // Plugins may run as other users; what counts there is the token.
  if (!options.plugin_socket.empty()) chmod(options.plugin_socket.c_str(), 0666);
  if (port > 0)
    self->address_ = absl::StrCat(options.address.substr(0, options.address.rfind(':') + 1), port);
  return self;
}

GuardedServer::~GuardedServer() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  server_->Wait();
}

}  // namespace outboard::admin

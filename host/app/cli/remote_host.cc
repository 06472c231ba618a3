#include "host/app/cli/remote_host.h"

#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/access/token_file.h"
#include "host/base/status.h"
#include "host/config/scalar.h"

namespace outboard::app {
namespace {

absl::StatusOr<std::string> ReadAll(const std::string& path, const char* flag) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (file && !text.str().empty()) return text.str();
  return absl::InvalidArgumentError(absl::StrCat(flag, " ", path, " cannot be read, or is empty"));
}

bool IsEncrypted(const RemoteOptions& options) {
  if (options.plaintext) return false;
  const bool named = !options.ca.empty() || !options.cert.empty() || !options.server_name.empty();
  return named || !config::IsLoopback(options.address);
}

absl::Status Check(const RemoteOptions& options) {
  if (!config::IsHostPort(options.address, /*port_zero=*/false)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--address ", options.address, " is no host:port, as in tracker:7443"));
  }
  if (options.cert.empty() != options.key.empty())
    return absl::InvalidArgumentError("--cert and --key go together: give both, or neither");
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(
    const RemoteOptions& options) {
  if (!IsEncrypted(options)) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  if (!options.ca.empty()) {
    OUTBOARD_ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadAll(options.ca, "--ca"));
  }
  if (!options.cert.empty()) {
    OUTBOARD_ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadAll(options.cert, "--cert"));
    OUTBOARD_ASSIGN_OR_RETURN(ssl.pem_private_key, ReadAll(options.key, "--key"));
  }
  return grpc::SslCredentials(ssl);
}

}  // namespace

RemoteOptions WithEnvironment(RemoteOptions options, const config::Env& env) {
  const auto set = [&env](const char* name, std::string* value) {
    if (value->empty()) *value = env(name).value_or("");
  };
  set("OUTBOARD_ADDRESS", &options.address);
  set("OUTBOARD_TOKEN_FILE", &options.token_file);
  set("OUTBOARD_CA", &options.ca);
  set("OUTBOARD_CERT", &options.cert);
  set("OUTBOARD_KEY", &options.key);
  set("OUTBOARD_SERVER_NAME", &options.server_name);
  return options;
}

absl::StatusOr<RemoteHost> ConnectRemote(const RemoteOptions& options,
                                         grpc::ChannelArguments arguments) {
  OUTBOARD_RETURN_IF_ERROR(Check(options));
  RemoteHost host;
  if (!options.token_file.empty()) {
    OUTBOARD_ASSIGN_OR_RETURN(const std::string text, ReadAll(options.token_file, "--token-file"));
    OUTBOARD_ASSIGN_OR_RETURN(host.token, access::ParseToken(text, options.token_file));
  }
  OUTBOARD_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelCredentials> credentials,
                            Credentials(options));
  if (!options.server_name.empty()) arguments.SetSslTargetNameOverride(options.server_name);
  host.channel = grpc::CreateCustomChannel(options.address, credentials, arguments);
  return host;
}

}  // namespace outboard::app

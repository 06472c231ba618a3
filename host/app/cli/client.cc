#include "host/app/cli/client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/app/socket_path.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

constexpr int kMaxMessageBytes = 1 << 30;  // A dead letter may be as large as an event.

// 0, or the errno of connecting.
int TryConnect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = result == 0 ? 0 : errno;
  close(fd);
  return error;
}

std::string FirstExisting(const std::vector<std::string>& paths) {
  std::error_code error;
  for (const std::string& path : paths) {
    if (std::filesystem::exists(path, error)) return path;
  }
  return paths.front();
}

// Names of the hosts whose sockets lie where ours should be.
std::vector<std::string> NamesBeside(const std::string& socket) {
  std::vector<std::string> names;
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(socket).parent_path();
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".sock" && it->path() != socket && TryConnect(it->path()) == 0) {
      names.push_back(it->path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<HostAddress> FromConfig(const std::string& path, const config::Env& env) {
  const config::ReadResult read = config::ReadConfigFile(path, env);
  std::vector<config::ConfigProblem> problems;
  for (const config::ConfigProblem& problem : read.problems) {
    if (problem.path.empty() || absl::StartsWith(problem.path, "host")) problems.push_back(problem);
  }
  if (!problems.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot tell from the configuration where the host is\n", ToText(problems),
                     "(or say --socket PATH or --name NAME)"));
  }
  const config::Host& host = read.config.host;
  std::vector<std::string> candidates = {host.admin_socket};
  if (host.admin_socket.empty()) candidates = SocketCandidates(host.name, env);
  return HostAddress{.socket = FirstExisting(candidates), .config = path};
}

}  // namespace

absl::StatusOr<HostAddress> FindHost(const HostOptions& options, const config::Env& env) {
  if (!options.socket.empty()) return HostAddress{.socket = options.socket, .config = ""};
  if (!options.remote.address.empty())
    return HostAddress{.socket = "", .remote = options.remote.address, .config = ""};
  if (!options.name.empty()) {
    return HostAddress{.socket = FirstExisting(SocketCandidates(options.name, env)), .config = ""};
  }
  if (const std::string remote = env("OUTBOARD_ADDRESS").value_or("");
      options.config.empty() && !remote.empty()) {
    return HostAddress{.socket = "", .remote = remote, .config = ""};
  }
  const std::string path = config::ResolveConfigPath(options.config, env);
  const bool named = !options.config.empty() ||
                     path != config::ResolveConfigPath(
                                 "", [](const auto&) { return std::optional<std::string>(); });
  std::error_code error;
  if (named || std::filesystem::exists(path, error)) return FromConfig(path, env);
  return HostAddress{.socket = FirstExisting(SocketCandidates(config::Host().name, env)),
                     .config = ""};
}

int TellError(const Terminal& terminal, bool json, int code, const std::string& message) {
  if (json) {
    terminal.out << ToLine({{"error", {{"code", code}, {"message", message}}}}) << std::endl;
  } else {
    terminal.err << "outboard: " << message << std::endl;
  }
  return code;
}

Client::Client(const HostOptions& options, const Terminal& terminal, const config::Env& env)
    : options_(options), terminal_(terminal) {
  absl::StatusOr<HostAddress> address = FindHost(options, env);
  if (!address.ok()) {
    Fail(kUsage, std::string(address.status().message()));
    return;
  }
  address_ = *std::move(address);
  const std::shared_ptr<grpc::Channel> channel = Connect(env);
  if (channel == nullptr) return;
  publisher_ = host::v1::PublisherService::NewStub(channel);
  admin_ = host::v1::AdminService::NewStub(channel);
}

std::shared_ptr<grpc::Channel> Client::Connect(const config::Env& env) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  if (!address_.remote.empty()) {
    absl::StatusOr<RemoteHost> host =
        ConnectRemote(WithEnvironment(options_.remote, env), arguments);
    if (!host.ok()) {
      Fail(kUsage, std::string(host.status().message()));
      return nullptr;
    }
    token_ = host->token;
    return host->channel;
  }
  if (const int error = TryConnect(address_.socket); error != 0) {
    Fail(kUnreachable, Unreachable(std::strerror(error)));
    return nullptr;
  }
  return grpc::CreateCustomChannel(absl::StrCat("unix:", address_.socket),
                                   grpc::InsecureChannelCredentials(), arguments);
}

std::string Client::Unreachable(const std::string& why) const {
  if (!address_.remote.empty()) {
    return absl::StrCat("no host answers at ", address_.remote, " (", why,
                        "); does one listen there (host.grpc), with a certificate for that name "
                        "(--ca, --server-name), or without TLS (--plaintext)?");
  }
  std::string message = absl::StrCat("no host answers at ", address_.socket, " (", why,
                                     "); start one with: outboard serve");
  if (!address_.config.empty()) absl::StrAppend(&message, " --config ", address_.config);
  const std::vector<std::string> names = NamesBeside(address_.socket);
  if (!names.empty()) {
    absl::StrAppend(&message, "; or speak to one that runs, with --name ",
                    absl::StrJoin(names, " or --name "));
  }
  return message;
}

int Client::Fail(const grpc::Status& status) {
  const std::string text = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE: return Fail(kUnreachable, Unreachable(text));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Fail(kUnreachable, absl::StrCat("the host at ", where(),
                                             " did not answer in time; look at "
                                             "its log, or restart it"));
    case grpc::StatusCode::UNIMPLEMENTED:
      if (!text.empty()) return Fail(kFailed, text);
      return Fail(kFailed, absl::StrCat("the host at ", where(),
                                        " does not know this; it may be of another version: "
                                        "compare `outboard version` with `outboard status`"));
    case grpc::StatusCode::UNAUTHENTICATED:
      return Fail(kFailed, absl::StrCat(text, " (--token-file, $OUTBOARD_TOKEN_FILE)"));
    case grpc::StatusCode::INVALID_ARGUMENT: return Fail(kUsage, text);
    default:
      return Fail(kFailed,
                  text.empty() ? "the host refused without a reason; look at its log" : text);
  }
}

int Client::Fail(int code, const std::string& message) {
  exit_code_ = code;
  return TellError(terminal_, options_.json, code, message);
}

}  // namespace outboard::app

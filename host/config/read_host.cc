#include "absl/strings/str_cat.h"
#include "host/config/scalar.h"
#include "host/config/section.h"
#include "host/config/sections.h"

namespace outboard::config {
namespace {

// sun_path has 108 bytes with the final NUL.
constexpr size_t kMaxSocketPath = 107;

void ReadHttp(const Value& value, std::string* out) {
  std::string text;
  const size_t before = value.reading().problems.size();
  ReadText(value, Secrecy::kOpen, &text);
  if (value.reading().problems.size() > before) return;
  if (text.empty() || IsHostPort(text, /*port_zero=*/true)) {
    *out = text;
  } else {
    value.Problem(
        absl::StrCat(value.Shown(), " is no address"),
        "write host:port as in 127.0.0.1:8080, port 0 for any free one, \"\" for no HTTP");
  }
}

void ReadSocket(const Value& value, std::string* out) {
  std::string path;
  ReadPath(value, &path);
  if (path.size() > kMaxSocketPath) {
    value.Problem(absl::StrCat("the socket's path has ", path.size(), " bytes"),
                  "a unix socket's path may have 107: use a shorter folder");
  } else {
    *out = path;
  }
}

void ReadLog(const Value& value, Host* host) {
  const Section section(value, {"format", "level"});
  section.With("format", ReadChoice<LogFormat>,
               std::vector<std::pair<std::string, LogFormat>>{{"text", LogFormat::kText},
                                                              {"json", LogFormat::kJson}},
               &host->log_format);
  section.With("level", ReadChoice<LogLevel>,
               std::vector<std::pair<std::string, LogLevel>>{{"debug", LogLevel::kDebug},
                                                             {"info", LogLevel::kInfo},
                                                             {"warning", LogLevel::kWarning},
                                                             {"error", LogLevel::kError}},
               &host->log_level);
}

}  // namespace

void ReadHost(const Value& value, Host* host) {
  const Section section(
      value, {"name", "replica", "data", "http", "admin_socket", "drain_timeout", "shards", "log"},
      {{"grpc", "gRPC port beside the admin socket"}, {"tls", "TLS"}, {"console", "console"}});
  section.With("name", ReadName, false, &host->name);
  section.With("replica", ReadName, true, &host->replica);
  section.With("data", ReadPath, &host->data);
  section.With("http", ReadHttp, &host->http);
  section.With("admin_socket", ReadSocket, &host->admin_socket);
  section.With("drain_timeout", ReadDuration, Duration(0), &host->drain_timeout);
  section.With("shards", ReadCount, 1u, 256u, &host->shards);
  section.With("log", ReadLog, host);
}

}  // namespace outboard::config

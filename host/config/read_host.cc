#include "absl/strings/str_cat.h"
#include "host/config/scalar.h"
#include "host/config/section.h"
#include "host/config/sections.h"

namespace outboard::config {
namespace {

// sun_path has 108 bytes with the final NUL.
constexpr size_t kMaxSocketPath = 107;

void ReadListen(const Value& value, std::string* out) {
  std::string text;
  if (!Clean(value, [&] { ReadText(value, Secrecy::kOpen, &text); })) return;
  if (text.empty() || IsHostPort(text, /*port_zero=*/true)) {
    *out = text;
  } else {
    value.Problem(absl::StrCat(value.Shown(), " is no address"),
                  "write host:port as in 127.0.0.1:8080, port 0 for any free one, \"\" for none");
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

// A mapping, or false: the ports may be read on their way.
void ReadServerTls(const Value& value, Host* host) {
  if (value.node().IsScalar()) {
    bool on = false;
    if (!Clean(value, [&] { ReadBool(value, &on); })) return;
    host->plaintext = !on;
    if (on) value.Problem("is no mapping", "give cert_file: and key_file:, or false");
    return;
  }
  const Section section(value, {"cert_file", "key_file", "client_ca_file"});
  ServerTls& tls = host->tls.emplace();
  section.With("cert_file", ReadPath, &tls.cert_file);
  section.With("key_file", ReadPath, &tls.key_file);
  section.With("client_ca_file", ReadPath, &tls.client_ca_file);
  if (!section.Has("cert_file") || !section.Has("key_file"))
    value.Problem("needs cert_file and key_file", "give both, in PEM");
}

// What strangers could do.
void CheckOpenPorts(const Section& section, const Host& host) {
  if (const std::optional<Value> grpc = section.Get("grpc"); grpc && !host.grpc.empty()) {
    if (host.token_file.empty()) {
      grpc->Problem("needs tokens: whoever reaches the port could purge and publish",
                    "give host.token_file: a file with lines of NAME ROLE TOKEN");
    }
    if (!IsLoopback(host.grpc) && !host.tls && !host.plaintext) {
      grpc->Problem("would send tokens and events over the network as they are",
                    "give host.tls, or tls: false if something else encrypts them");
    }
  }
  const std::optional<Value> http = section.Get("http");
  if (!http || host.http.empty() || IsLoopback(host.http)) return;
  const bool knows_callers =
      !host.token_file.empty() || (host.tls && !host.tls->client_ca_file.empty());
  if (host.ingress && !knows_callers) {
    http->Warning("lets whoever reaches the port publish, and read metrics",
                  "give host.token_file, or host.tls with client_ca_file; or ingress: false");
  } else if (!knows_callers) {
    http->Warning("lets whoever reaches the port read metrics and readiness",
                  "give host.token_file, or keep it to addresses that others do not reach");
  }
  if (!host.tls) {
    http->Warning("is not encrypted, and not a loopback address",
                  "give host.tls, or let a proxy before it encrypt");
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

void ReadLineage(const Value& value, Lineage* lineage) {
  if (value.node().IsScalar()) {
    bool on = false;
    if (!Clean(value, [&] { ReadBool(value, &on); })) return;
    lineage->on = on;
    return;
  }
  const Section section(value, {"rows", "age"});
  section.With("rows", ReadCount, 100u, 100'000'000u, &lineage->rows);
  section.With("age", ReadDuration, Duration(std::chrono::minutes(1)), &lineage->age);
}

}  // namespace

void ReadHost(const Value& value, Host* host) {
  const Section section(value,
                        {"name", "replica", "data", "http", "ingress", "admin_socket",
                         "drain_timeout", "shards", "log", "grpc", "tls", "token_file", "lineage"},
                        {{"console", "console"}});
  section.With("name", ReadName, false, &host->name);
  section.With("replica", ReadName, true, &host->replica);
  section.With("data", ReadPath, &host->data);
  section.With("http", ReadListen, &host->http);
  section.With("grpc", ReadListen, &host->grpc);
  section.With("tls", ReadServerTls, host);
  section.With("token_file", ReadPath, &host->token_file);
  // Where callers are not asked who they are, others than this machine's may not publish.
  host->ingress = IsLoopback(host->http) || !host->token_file.empty();
  section.With("ingress", ReadBool, &host->ingress);
  section.With("admin_socket", ReadSocket, &host->admin_socket);
  section.With("drain_timeout", ReadDuration, Duration(0), &host->drain_timeout);
  section.With("shards", ReadCount, 1u, 256u, &host->shards);
  section.With("lineage", ReadLineage, &host->lineage);
  section.With("log", ReadLog, host);
  CheckOpenPorts(section, *host);
}

}  // namespace outboard::config

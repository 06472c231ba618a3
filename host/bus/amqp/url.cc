#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "host/base/status.h"
#include "host/bus/amqp/connection.h"
#include "host/bus/amqp/errors.h"
#include "host/bus/amqp/library.h"

namespace outboard::bus::amqp {
namespace {

// No text of the URL but hosts is quoted: any part may hold the password by mistake.
absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the broker's URL ", what,
                   "; it is written amqp[s]://user:password@host[:port][,host[:port]...]/vhost"));
}

int HexDigit(char c) {
  return absl::ascii_isxdigit(static_cast<unsigned char>(c))
             ? (absl::ascii_isdigit(static_cast<unsigned char>(c))
                    ? c - '0'
                    : absl::ascii_tolower(c) - 'a' + 10)
             : -1;
}

absl::StatusOr<std::string> Decode(absl::string_view part, absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return Bad(absl::StrCat("has a % without two hex digits in its ", part, " (write % as %25)"));
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (out.find('\0') != std::string::npos) {
    return Bad(absl::StrCat("has a zero byte in its ", part));
  }
  if (out.size() > kMaxShortText) {
    return Bad(absl::StrCat("has more than 255 bytes in its ", part));
  }
  return out;
}

std::string Encode(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
        absl::string_view("-._~").find(c) != absl::string_view::npos) {
      out += c;
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<uint8_t>(c));
    }
  }
  return out;
}

absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text, int default_port, size_t number) {
  const std::string where = absl::StrCat("host number ", number);
  Endpoint endpoint{.host = "", .port = default_port};
  absl::string_view host = text, port;
  bool has_port = false;
  if (absl::ConsumePrefix(&host, "[")) {
    const size_t end = host.find(']');
    if (end == absl::string_view::npos) return Bad(absl::StrCat("has no ] after ", where));
    port = host.substr(end + 1);
    host = host.substr(0, end);
    has_port = absl::ConsumePrefix(&port, ":");
    if (!has_port && !port.empty()) return Bad(absl::StrCat("has text after the ] of ", where));
  } else if (const size_t colon = host.find(':'); colon != absl::string_view::npos) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
    has_port = true;
    if (port.find(':') != absl::string_view::npos) {
      return Bad(absl::StrCat("has several colons in ", where,
                              " (write an IPv6 address in brackets, and : in a password as %3A)"));
    }
  }
  OUTBOARD_ASSIGN_OR_RETURN(endpoint.host, Decode(where, host));
  if (endpoint.host.empty()) return Bad(absl::StrCat("has no name for ", where));
  if (has_port &&
      (!absl::SimpleAtoi(port, &endpoint.port) || endpoint.port < 1 || endpoint.port > 65535)) {
    return Bad(absl::StrCat("has no number from 1 to 65535 as the port of ", where));
  }
  return endpoint;
}

absl::Status ParseUser(absl::string_view text, ConnectionOptions* options) {
  if (text.find('@') != absl::string_view::npos) {
    return Bad("has more than one @ (write an @ of the password as %40)");
  }
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || colon + 1 == text.size()) {
    return Bad("has a user without a password");
  }
  OUTBOARD_ASSIGN_OR_RETURN(options->user, Decode("user", text.substr(0, colon)));
  OUTBOARD_ASSIGN_OR_RETURN(options->password, Decode("password", text.substr(colon + 1)));
  if (options->user.empty()) return Bad("has a password without a user");
  return absl::OkStatus();
}

// `path` starts with the slash after the hosts, or is empty. Two slashes mean "/" to many programs.
absl::Status ParseVhost(absl::string_view path, ConnectionOptions* options) {
  if (path.find('@') != absl::string_view::npos) {
    return Bad("has an @ behind its hosts (write / ? # of user or password as %2F %3F %23)");
  }
  if (path.find_first_of("?#") != absl::string_view::npos) {
    return Bad("has a ? or # in it, but takes no options (write those of a name as %3F and %23)");
  }
  absl::ConsumePrefix(&path, "/");
  if (path.empty() || path == "/") return absl::OkStatus();
  if (path.find('/') != absl::string_view::npos) {
    return Bad("has a / in its vhost (write it as %2F)");
  }
  OUTBOARD_ASSIGN_OR_RETURN(options->vhost, Decode("vhost", path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ConnectionOptions> ParseUrl(const std::string& url) {
  ConnectionOptions options;
  absl::string_view rest = url;
  if (absl::ConsumePrefix(&rest, "amqps://")) {
    options.tls.on = true;
  } else if (!absl::ConsumePrefix(&rest, "amqp://")) {
    return Bad("starts with neither amqp:// nor amqps://");
  }
  const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  OUTBOARD_RETURN_IF_ERROR(ParseVhost(rest.substr(end), &options));
  absl::string_view hosts = rest.substr(0, end);
  if (const size_t at = hosts.rfind('@'); at != absl::string_view::npos) {
    OUTBOARD_RETURN_IF_ERROR(ParseUser(hosts.substr(0, at), &options));
    hosts = hosts.substr(at + 1);
  }
  for (const absl::string_view host : absl::StrSplit(hosts, ',')) {
    OUTBOARD_ASSIGN_OR_RETURN(Endpoint endpoint, ParseEndpoint(host, options.tls.on ? 5671 : 5672,
                                                               options.endpoints.size() + 1));
    options.endpoints.push_back(std::move(endpoint));
  }
  return options;
}

std::string Location(const ConnectionOptions& options) {
  const auto endpoint = [](std::string* out, const Endpoint& e) { out->append(Name(e)); };
  return absl::StrCat(options.tls.on ? "amqps://" : "amqp://", Encode(options.user), "@",
                      absl::StrJoin(options.endpoints, ",", endpoint), "/", Encode(options.vhost));
}

}  // namespace outboard::bus::amqp

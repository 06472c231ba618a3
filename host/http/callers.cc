#include "host/http/callers.h"

#include <netdb.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "host/http/problem.h"

namespace outboard::http {
namespace {

std::string PeerOf(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  char host[NI_MAXHOST];
  if (info == nullptr || getnameinfo(info->client_addr, sizeof(sockaddr_storage), host, sizeof host,
                                     nullptr, 0, NI_NUMERICHOST) != 0) {
    return "";
  }
  const char* const text = host;
  return text;
}

Answer Refusal(const absl::Status& why) {
  const bool unknown = absl::IsUnauthenticated(why);
  Problem problem{.status = unknown ? 401u : 403u,
                  .title = unknown ? "who are you" : "not for this token",
                  .detail = std::string(why.message())};
  Answer answer = problem.ToAnswer();
  answer.asks_for_token = unknown;
  return answer;
}

}  // namespace

Admission Admit(access::Tokens* tokens, MHD_Connection* connection, const std::string& path) {
  Admission admission;
  if (tokens == nullptr || path == "/healthz" || path == "other") return admission;
  const char* const header =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
  if (path == "/readyz" && header == nullptr) {
    admission.stranger = true;  // A probe has no token.
    return admission;
  }
  const std::string peer = PeerOf(connection);
  access::Request request{access::Edge::kHttp, std::nullopt, path, peer};
  if (header != nullptr) request.authorization = header;
  const access::Role needed = path == "/events" ? access::Role::kPublish : access::Role::kRead;
  const auto caller = tokens->Admit(request, needed);
  if (caller.ok()) {
    admission.caller = *caller;
  } else {
    admission.refusal = Refusal(caller.status());
  }
  return admission;
}

Answer ForStrangers(const Answer& readiness) {
  Answer answer = readiness;
  answer.body = std::make_shared<const std::string>(
      readiness.status == 200 ? "ready\n" : "not ready; with a token of role read: why\n");
  return answer;
}

}  // namespace outboard::http

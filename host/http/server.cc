#include "host/http/server.h"

#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/http/listen.h"
#include "host/http/pages.h"

namespace outboard::http {
namespace {

constexpr unsigned kMaxConnections = 512;
constexpr size_t kComfortable = 448;  // Beyond so many, the least useful ones are closed.
constexpr unsigned kIdleSeconds = 30;
constexpr size_t kConnectionBytes = 16 << 10;  // Request line and headers must fit.
constexpr size_t kShownPath = 100;
constexpr char kPlain[] = "text/plain; charset=utf-8";
constexpr char kPaths[] =
    "/healthz  alive\n"
    "/readyz   ready for work; /readyz?strict counts every lane\n"
    "/metrics  metrics for Prometheus\n";

struct Connection {
  int fd = -1;
  bool waits = false;    // For a page; libmicrohttpd must not touch it meanwhile.
  bool evicted = false;  // Its socket is shut down.
};

// All connections, those first that were of no use for the longest time. On the daemon's thread.
class Connections {
 public:
  using Place = std::list<Connection>::iterator;

  Place Add(int fd) {
    const Place place = list_.insert(list_.end(), Connection{fd});
    if (++alive_ > kComfortable) EvictOne();
    return place;
  }
  void Remove(Place place) {
    if (!place->evicted) --alive_;
    list_.erase(place);
  }
  void Used(Place place) { list_.splice(list_.end(), list_, place); }

 private:
  void EvictOne() {
    for (Connection& connection : list_) {
      if (connection.waits || connection.evicted) continue;
      // The daemon sees the end, and closes it.
      shutdown(connection.fd, SHUT_RDWR);
      connection.evicted = true;
      --alive_;
      return;
    }
  }

  std::list<Connection> list_;
  size_t alive_ = 0;  // Not evicted.
};

// One request, from its headers to the end of its answer.
struct Request {
  Connections::Place connection;
  bool asked = false;
  Answer answer;  // Set while the connection is suspended.
};

Answer Text(unsigned status, std::string body) {
  return {status, kPlain, std::make_shared<const std::string>(std::move(body))};
}

Answer NotFound(const char* url) {
  return Text(404, absl::StrCat("nothing is served at ", Truncate(EscapeForPeople(url), kShownPath),
                                "; there are:\n", kPaths));
}

void FreeBody(void* body) { delete static_cast<std::shared_ptr<const std::string>*>(body); }

MHD_Result Send(MHD_Connection* connection, const Answer& answer) {
  auto* body = new std::shared_ptr<const std::string>(answer.body);
  MHD_Response* response = MHD_create_response_from_buffer_with_free_callback_cls(
      (*body)->size(), const_cast<char*>((*body)->data()), &FreeBody, body);
  if (response == nullptr) {
    FreeBody(body);
    return MHD_NO;
  }
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  if (answer.status == 405) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  if (answer.status == 503) MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
  const MHD_Result queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

// "?strict", "?strict=1"; not "?strict=0" or "?strict=false".
bool IsStrict(MHD_Connection* connection) {
  const char* value = nullptr;
  size_t size = 0;
  constexpr absl::string_view kKey = "strict";
  if (MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, kKey.data(), kKey.size(),
                                    &value, &size) != MHD_YES) {
    return false;
  }
  const absl::string_view text = value == nullptr ? "" : absl::string_view(value, size);
  return text != "0" && text != "false";
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(ServerOptions options) : pages_(std::move(options.take), &clock_) {}
  ~Impl() {
    pages_.Stop();  // First: no connection may be suspended when the daemon stops.
    if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
  }

  absl::Status Start(const std::string& address);
  const std::string& address() const { return address_; }

 private:
  MHD_Result Handle(MHD_Connection* connection, const char* url, const char* method,
                    Request* request);
  MHD_Result AnswerLater(MHD_Connection* connection, Page page, Request* request);

  // Called by libmicrohttpd, all on its thread.
  static MHD_Result OnAccess(void* self, MHD_Connection* connection, const char* url,
                             const char* method, const char* version, const char* data,
                             size_t* size, void** request);
  static void OnCompleted(void* self, MHD_Connection* connection, void** request,
                          MHD_RequestTerminationCode code);
  static void OnConnection(void* self, MHD_Connection* connection, void** place,
                           MHD_ConnectionNotificationCode code);

  RealClock clock_;
  std::string address_;
  Connections connections_;
  Pages pages_;
  MHD_Daemon* daemon_ = nullptr;
};

absl::Status Server::Impl::Start(const std::string& address) {
  OUTBOARD_ASSIGN_OR_RETURN(const Listening listening, Listen(address));
  daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr, &OnAccess,
      this, MHD_OPTION_LISTEN_SOCKET, listening.fd, MHD_OPTION_CONNECTION_LIMIT, kMaxConnections,
      MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      kConnectionBytes, MHD_OPTION_NOTIFY_COMPLETED, &OnCompleted, this,
      MHD_OPTION_NOTIFY_CONNECTION, &OnConnection, this, MHD_OPTION_END);
  if (daemon_ == nullptr) {
    const int error = errno;
    close(listening.fd);
    return absl::UnavailableError(
        absl::StrCat("cannot serve HTTP at ", address, ": ", strerror(error),
                     ": is the limit of open files (ulimit -n) reached?"));
  }
  address_ = listening.address;
  return absl::OkStatus();
}

MHD_Result Server::Impl::Handle(MHD_Connection* connection, const char* url, const char* method,
                                Request* request) {
  const absl::string_view path = url;
  if (request->asked) {  // Resumed, or refused.
    request->connection->waits = false;
    return Send(connection, request->answer);
  }
  if (path == "/healthz") return Send(connection, Text(200, "ok\n"));
  if (path == "/metrics") return AnswerLater(connection, Page::kMetrics, request);
  if (path == "/readyz") {
    return AnswerLater(connection, IsStrict(connection) ? Page::kStrictReady : Page::kReady,
                       request);
  }
  return Send(connection, NotFound(url));
}

MHD_Result Server::Impl::AnswerLater(MHD_Connection* connection, Page page, Request* request) {
  request->asked = true;
  request->connection->waits = true;
  MHD_suspend_connection(connection);
  const auto resume = [connection, request](const Answer& answer) {
    request->answer = answer;
    MHD_resume_connection(connection);
  };
  if (!pages_.Ask(page, resume)) {
    resume(Text(503, "too many wait for an answer already, or the host stops: ask again later\n"));
  }
  return MHD_YES;
}

// NOLINTNEXTLINE(readability-function-size): the parameters are libmicrohttpd's.
MHD_Result Server::Impl::OnAccess(void* self, MHD_Connection* connection, const char* url,
                                  const char* method, const char*, const char*, size_t* size,
                                  void** request) {
  if (*request == nullptr) {  // Only the headers are here.
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    auto* place = static_cast<Connections::Place*>(info->socket_context);
    *request = new Request{*place, false, {}};
    const absl::string_view verb = method;
    if (verb == MHD_HTTP_METHOD_GET || verb == MHD_HTTP_METHOD_HEAD) return MHD_YES;
    return Send(connection,
                Text(405, absl::StrCat(Truncate(EscapeForPeople(method), kShownPath),
                                       " is not served, only GET and HEAD:\n", kPaths)));
  }
  if (*size > 0) {  // A body that nobody asked for.
    *size = 0;
    return MHD_YES;
  }
  return static_cast<Impl*>(self)->Handle(connection, url, method, static_cast<Request*>(*request));
}

void Server::Impl::OnCompleted(void* self, MHD_Connection*, void** request,
                               MHD_RequestTerminationCode code) {
  auto* done = static_cast<Request*>(*request);
  if (done == nullptr) return;
  if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) {
    static_cast<Impl*>(self)->connections_.Used(done->connection);
  }
  delete done;
  *request = nullptr;
}

void Server::Impl::OnConnection(void* self, MHD_Connection* connection, void** place,
                                MHD_ConnectionNotificationCode code) {
  Connections& connections = static_cast<Impl*>(self)->connections_;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *place = new Connections::Place(connections.Add(info->connect_fd));
    return;
  }
  auto* gone = static_cast<Connections::Place*>(*place);
  connections.Remove(*gone);
  delete gone;
  *place = nullptr;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
  const std::string address = options.address;
  auto impl = std::make_unique<Impl>(std::move(options));
  OUTBOARD_RETURN_IF_ERROR(impl->Start(address));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

const std::string& Server::address() const { return impl_->address(); }

}  // namespace outboard::http

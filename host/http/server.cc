#include "host/http/server.h"

#include <microhttpd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "host/base/status.h"
#include "host/base/text.h"
#include "host/http/callers.h"
#include "host/http/connections.h"
#include "host/http/listen.h"
#include "host/http/pages.h"
#include "host/http/problem.h"
#include "host/http/publishing.h"
#include "host/http/push_back.h"
#include "host/http/tls.h"
#include "host/http/upload.h"

namespace outboard::http {
namespace {

constexpr unsigned kMaxConnections = 512;
constexpr size_t kComfortable = 448;  // Beyond so many, the least useful ones are closed.
constexpr unsigned kIdleSeconds = 30;
constexpr size_t kConnectionBytes = 32 << 10;  // Request line and headers must fit.
constexpr Duration kSendAtStop = std::chrono::seconds(2);
constexpr size_t kShownPath = 100;
constexpr char kReads[] = "GET, HEAD";
constexpr char kPaths[] =
    "/healthz  alive\n"
    "/readyz   ready for work; /readyz?strict counts every lane\n"
    "/metrics  metrics for Prometheus\n"
    "/events   POST CloudEvents here\n";
constexpr absl::string_view kEvents = "/events";

// One request, from its headers to the end of its answer.
struct Request {
  Connections::Place connection;
  const char* path = "other";  // As metrics show it.
  Admission admission;
  std::unique_ptr<Upload> upload;  // Of POST /events.
  bool asked = false;
  Answer answer;  // Set while the connection is suspended.
};

const char* KnownPath(absl::string_view path) {
  for (const char* known : {"/healthz", "/readyz", "/metrics", "/events"}) {
    if (path == known) return known;
  }
  return "other";
}

Answer Text(unsigned status, std::string body) {
  Answer answer;
  answer.status = status;
  answer.body = std::make_shared<const std::string>(std::move(body));
  return answer;
}

Answer NotFound(const char* url) {
  return Text(404, absl::StrCat("nothing is served at ", Truncate(EscapeForPeople(url), kShownPath),
                                "; there are:\n", kPaths));
}

Answer NotServed(absl::string_view method, bool events) {
  const std::string shown = Truncate(EscapeForPeople(method), kShownPath);
  if (events) {
    return Problem{.status = 405,
                   .detail = absl::StrCat(shown, " is not served at /events; POST events there"),
                   .allow = "POST"}
        .ToAnswer();
  }
  Answer answer = Text(405, absl::StrCat(shown, " is not served, only GET and HEAD:\n", kPaths));
  answer.allow = kReads;
  return answer;
}

Answer EventsOff() {
  return Problem{.status = 403,
                 .detail =
                     "this host takes no events over HTTP: set host.ingress: true in its "
                     "configuration, or publish over gRPC"}
      .ToAnswer();
}

void FreeBody(void* body) { delete static_cast<std::shared_ptr<const std::string>*>(body); }

MHD_Result Queue(MHD_Connection* connection, const Answer& answer) {
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
  if (answer.asks_for_token)
    MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
  if (answer.allow != nullptr)
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer.allow);
  if (answer.retry_after > 0) {
    MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER,
                            absl::StrCat(answer.retry_after).c_str());
  }
  const MHD_Result queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

MHD_Result AddHeader(void* head, MHD_ValueKind, const char* name, const char* value) {
  auto* to = static_cast<UploadHead*>(head);
  const absl::string_view text = value == nullptr ? "" : value;
  to->events.Add(name, text);
  if (absl::EqualsIgnoreCase(name, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
    uint64_t length;
    if (absl::SimpleAtoi(text, &length)) to->length = length;
  }
  if (absl::EqualsIgnoreCase(name, MHD_HTTP_HEADER_EXPECT))
    to->expects_continue = absl::EqualsIgnoreCase(text, "100-continue");
  return MHD_YES;
}

UploadHead HeadOf(MHD_Connection* connection) {
  UploadHead head;
  MHD_get_connection_values(connection, MHD_HEADER_KIND, &AddHeader, &head);
  return head;
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
  explicit Impl(ServerOptions options)
      : ingress_(options.ingress),
        limits_(options.limits),
        bodies_(std::move(options.bodies)),
        slow_upload_(options.slow_upload),
        tokens_(options.tokens),
        pages_([this, take = std::move(options.take)] { return WithRequests(take()); }, &clock_) {
    if (ingress_ != nullptr) publishing_ = std::make_unique<Publishing>(ingress_, limits_, &clock_);
  }
  ~Impl() {
    // First: no connection may be suspended when the daemon stops.
    pages_.Stop();
    if (publishing_) publishing_->Stop();
    if (daemon_ == nullptr) return;
    WaitUntilSent();
    MHD_stop_daemon(daemon_);
  }

  absl::Status Start(const std::string& address, const std::optional<access::TlsFiles>& tls);
  const std::string& address() const { return address_; }

 private:
  // The headers are here.
  MHD_Result Begin(MHD_Connection* connection, absl::string_view method, Request* request);
  // The whole request is, or its answer.
  MHD_Result Handle(MHD_Connection* connection, const char* url, Request* request);
  // False: close the connection.
  bool AddToUpload(absl::string_view data, Request* request);
  MHD_Result AskForPage(MHD_Connection* connection, Page page, Request* request);
  MHD_Result AskToPublish(MHD_Connection* connection, Request* request);
  void Suspend(MHD_Connection* connection, Request* request);
  MHD_Result Send(MHD_Connection* connection, const Request& request, const Answer& answer);

  // With how many requests there were.
  admin::Snapshot WithRequests(admin::Snapshot snapshot) OUTBOARD_EXCLUDES(mu_);
  // Until the clients have the answers to what waited, or are too slow for it.
  void WaitUntilSent() OUTBOARD_EXCLUDES(mu_);

  // Called by libmicrohttpd, all on its thread.
  static MHD_Result OnAccess(void* self, MHD_Connection* connection, const char* url,
                             const char* method, const char* version, const char* data,
                             size_t* size, void** request);
  static void OnCompleted(void* self, MHD_Connection* connection, void** request,
                          MHD_RequestTerminationCode code);
  static void OnConnection(void* self, MHD_Connection* connection, void** place,
                           MHD_ConnectionNotificationCode code);

  RealClock clock_;
  ingress::Ingress* const ingress_;
  const EventLimits limits_;
  const std::shared_ptr<ingress::Bound> bodies_;
  const Duration slow_upload_;
  access::Tokens* const tokens_;
  std::optional<access::Certificate> certificate_;  // On the daemon's thread.
  std::string address_;
  Connections connections_{kComfortable};
  Mutex mu_;
  CondVar sent_;
  size_t asked_ OUTBOARD_GUARDED_BY(mu_) = 0;  // Requests that wait, or whose answers are sent.
  admin::HttpRequests requests_ OUTBOARD_GUARDED_BY(mu_);
  Pages pages_;
  std::unique_ptr<Publishing> publishing_;
  MHD_Daemon* daemon_ = nullptr;
};

absl::Status Server::Impl::Start(const std::string& address,
                                 const std::optional<access::TlsFiles>& tls) {
  if (tls) {
    OUTBOARD_ASSIGN_OR_RETURN(certificate_, access::Certificate::Load(*tls, &clock_));
  }
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
  MHD_OptionItem of_tls[] = {
      {MHD_OPTION_END, 0, nullptr}, {MHD_OPTION_END, 0, nullptr}, {MHD_OPTION_END, 0, nullptr}};
  if (tls) {
    flags |= MHD_USE_TLS;
    of_tls[0] = {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, reinterpret_cast<void*>(&NoCertificate)};
    of_tls[1] = {MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(kTlsPriorities)};
  }
  OUTBOARD_ASSIGN_OR_RETURN(const Listening listening, Listen(address));
  daemon_ = MHD_start_daemon(
      flags, 0, nullptr, nullptr, &OnAccess, this, MHD_OPTION_LISTEN_SOCKET, listening.fd,
      MHD_OPTION_CONNECTION_LIMIT, kMaxConnections, MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionBytes, MHD_OPTION_NOTIFY_COMPLETED,
      &OnCompleted, this, MHD_OPTION_NOTIFY_CONNECTION, &OnConnection, this, MHD_OPTION_ARRAY,
      of_tls, MHD_OPTION_END);
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

MHD_Result Server::Impl::Send(MHD_Connection* connection, const Request& request,
                              const Answer& answer) {
  {
    MutexLock lock(mu_);
    ++requests_[{request.path, answer.status}];
  }
  return Queue(connection, request.admission.stranger ? ForStrangers(answer) : answer);
}

admin::Snapshot Server::Impl::WithRequests(admin::Snapshot snapshot) {
  MutexLock lock(mu_);
  snapshot.http_requests = requests_;
  return snapshot;
}

void Server::Impl::WaitUntilSent() {
  const Time end = clock_.Now() + kSendAtStop;
  MutexLock lock(mu_);
  for (Duration left = kSendAtStop; asked_ > 0 && left > Duration::zero();
       left = end - clock_.Now()) {
    sent_.WaitFor(mu_, left);
  }
}

MHD_Result Server::Impl::Begin(MHD_Connection* connection, absl::string_view method,
                               Request* request) {
  const bool events = request->path == kEvents;
  if (events ? method != MHD_HTTP_METHOD_POST
             : method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD) {
    return Send(connection, *request, NotServed(method, events));
  }
  request->admission = Admit(tokens_, connection, request->path);
  if (request->admission.refusal) return Send(connection, *request, *request->admission.refusal);
  // What is not for events, or refused in any case, is answered after its body.
  if (!events || ingress_ == nullptr) return MHD_YES;
  request->upload = std::make_unique<Upload>(HeadOf(connection), limits_, ingress_, bodies_);
  const Answer* refusal = request->upload->early();
  return refusal == nullptr ? MHD_YES : Send(connection, *request, *refusal);
}

MHD_Result Server::Impl::Handle(MHD_Connection* connection, const char* url, Request* request) {
  const absl::string_view path = url;
  if (request->asked) {  // Resumed.
    request->connection->waits = false;
    return Send(connection, *request, request->answer);
  }
  if (request->upload) {
    request->connection->upload = nullptr;
    return AskToPublish(connection, request);
  }
  if (path == kEvents) return Send(connection, *request, EventsOff());
  if (path == "/healthz") return Send(connection, *request, Text(200, "ok\n"));
  if (path == "/metrics") return AskForPage(connection, Page::kMetrics, request);
  if (path == "/readyz") {
    return AskForPage(connection, IsStrict(connection) ? Page::kStrictReady : Page::kReady,
                      request);
  }
  return Send(connection, *request, NotFound(url));
}

void Server::Impl::Suspend(MHD_Connection* connection, Request* request) {
  request->asked = true;
  request->connection->waits = true;
  {
    MutexLock lock(mu_);
    ++asked_;
  }
  MHD_suspend_connection(connection);
}

MHD_Result Server::Impl::AskForPage(MHD_Connection* connection, Page page, Request* request) {
  Suspend(connection, request);
  const auto resume = [connection, request](const Answer& answer) {
    request->answer = answer;
    MHD_resume_connection(connection);
  };
  if (!pages_.Ask(page, resume)) {
    Answer busy =
        Text(503, "too many wait for an answer already, or the host stops: ask again later\n");
    busy.retry_after = kRetrySoon;
    resume(busy);
  }
  return MHD_YES;
}

MHD_Result Server::Impl::AskToPublish(MHD_Connection* connection, Request* request) {
  if (const Answer* refusal = request->upload->refusal())
    return Send(connection, *request, *refusal);
  Suspend(connection, request);
  const auto resume = [connection, request](const Answer& answer) {
    request->answer = answer;
    MHD_resume_connection(connection);
  };
  Publishing::MayPublish may;
  if (const auto& caller = request->admission.caller) {
    may = [tokens = tokens_, caller](absl::string_view type) {
      return tokens->CheckType(*caller, type);
    };
  }
  if (!publishing_->Ask(request->upload.get(), resume, std::move(may))) {
    ingress_->CountPushedBack(ingress::Protocol::kHttp, 1);
    resume(PushedBack("too many requests wait for the bus already: publish again a little later, "
                      "or several events in one request")
               .ToAnswer());
  }
  return MHD_YES;
}

// NOLINTNEXTLINE(readability-function-size): the parameters are libmicrohttpd's.
MHD_Result Server::Impl::OnAccess(void* self, MHD_Connection* connection, const char* url,
                                  const char* method, const char*, const char* data, size_t* size,
                                  void** request) {
  auto* server = static_cast<Impl*>(self);
  auto* one = static_cast<Request*>(*request);
  if (one == nullptr) {  // Only the headers are here.
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    one = new Request{
        *static_cast<Connections::Place*>(info->socket_context), KnownPath(url), {}, {}, false, {}};
    *request = one;
    return server->Begin(connection, method, one);
  }
  if (*size == 0) return server->Handle(connection, url, one);
  const absl::string_view more(data, std::exchange(*size, 0));
  // Without an upload it is a body that nobody asked for.
  return !one->upload || server->AddToUpload(more, one) ? MHD_YES : MHD_NO;
}

bool Server::Impl::AddToUpload(absl::string_view data, Request* request) {
  Upload* upload = request->upload.get();
  Connection& connection = *request->connection;
  const Time now = clock_.Now();
  if (std::exchange(connection.upload, upload) == nullptr) connection.upload_since = now;
  Upload::Added added = upload->Add(data);
  while (added == Upload::Added::kNoRoom) {
    // A few bodies that never end would keep all others out.
    Upload* slow = connections_.FindUpload(now - slow_upload_, upload);
    (slow == nullptr ? upload : slow)->PushBack();
    added = upload->Add(data);
  }
  if (upload->refusal() != nullptr) connection.upload = nullptr;
  return added != Upload::Added::kHopeless;
}

void Server::Impl::OnCompleted(void* self, MHD_Connection*, void** request,
                               MHD_RequestTerminationCode code) {
  auto* server = static_cast<Impl*>(self);
  auto* done = static_cast<Request*>(*request);
  if (done == nullptr) return;
  if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) server->connections_.Used(done->connection);
  done->connection->upload = nullptr;
  if (done->asked) {
    MutexLock lock(server->mu_);
    --server->asked_;
    server->sent_.NotifyAll();
  }
  delete done;
  *request = nullptr;
}

void Server::Impl::OnConnection(void* self, MHD_Connection* connection, void** place,
                                MHD_ConnectionNotificationCode code) {
  auto* const server = static_cast<Impl*>(self);
  Connections& connections = server->connections_;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const Connections::Place added = connections.Add(info->connect_fd);
    *place = new Connections::Place(added);
    if (server->certificate_) {
      added->credentials = server->certificate_->Current();
      PrepareTls(connection, added->credentials, !server->certificate_->files().client_ca.empty());
    }
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
  const std::optional<access::TlsFiles> tls = options.tls;
  auto impl = std::make_unique<Impl>(std::move(options));
  OUTBOARD_RETURN_IF_ERROR(impl->Start(address, tls));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

const std::string& Server::address() const { return impl_->address(); }

}  // namespace outboard::http

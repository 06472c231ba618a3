#include "plugins/producers/http/client.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "plugins/common/event_identity.h"
#include "plugins/producers/http/answer.h"
#include "plugins/producers/http/request.h"
#include "plugins/producers/http/signature.h"

namespace outboard::http {
namespace {

using std::chrono::milliseconds;

// So much of an answer is kept, for people to read.
constexpr size_t kBodyKept = 500;

class HeaderList {
 public:
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;

  void Add(const std::string& name, const std::string& value) {
    // To libcurl a colon without a value says that the header is not to be sent.
    list_ = curl_slist_append(list_, (value.empty() ? name + ";" : name + ": " + value).c_str());
  }
  void Omit(const std::string& name) { list_ = curl_slist_append(list_, (name + ":").c_str()); }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

size_t KeepBody(char* data, size_t, size_t size, void* kept) {
  auto* body = static_cast<std::string*>(kept);
  if (body->size() < kBodyKept) body->append(data, std::min(size, kBodyKept - body->size()));
  return size;
}

int StopWhereCancelled(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const Context*>(context)->cancelled() ? 1 : 0;
}

std::string Header(CURL* curl, const char* name) {
  curl_header* header = nullptr;
  if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return "";
  return header->value;
}

const char* ReasonOf(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return "TIMEOUT";
    case CURLE_ABORTED_BY_CALLBACK: return "CANCELLED";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE: return "TLS_FAILED";
    default: return "CONNECTION_FAILED";
  }
}

std::chrono::sys_seconds Now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace

std::string Client::Open() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) return std::string("libcurl: ") + curl_easy_strerror(started);
  for (const std::string& file : {config_.tls.ca, config_.tls.cert, config_.tls.key}) {
    if (!file.empty() && access(file.c_str(), R_OK) != 0) {
      return "cannot read " + file + ": " + std::strerror(errno);
    }
  }
  return "";
}

Client::Handle Client::Take() {
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      Handle handle = std::move(free_.back());
      free_.pop_back();
      return handle;
    }
  }
  Handle handle(curl_easy_init());
  SetUp(handle.get());
  return handle;
}

void Client::Give(Handle handle) {
  std::lock_guard lock(mutex_);
  free_.push_back(std::move(handle));
}

void Client::SetUp(CURL* curl) const {
  curl_easy_setopt(curl, CURLOPT_URL, config_.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "outboard/" OUTBOARD_VERSION);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, KeepBody);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, StopWhereCancelled);
  if (!config_.tls.ca.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, config_.tls.ca.c_str());
  if (!config_.tls.cert.empty()) {
    curl_easy_setopt(curl, CURLOPT_SSLCERT, config_.tls.cert.c_str());
    curl_easy_setopt(curl, CURLOPT_SSLKEY, config_.tls.key.c_str());
  }
}

Verdict Client::Post(const Event& event, const Context& context) {
  const Request request = config_.structured ? StructuredRequest(event) : BinaryRequest(event);
  const std::string id = "msg_" + common::Hex(common::IdentityOf(event));
  const int64_t timestamp = Now().time_since_epoch().count();
  HeaderList headers;
  headers.Omit("Expect");
  headers.Omit("Content-Type");  // libcurl's own; ours comes behind.
  for (const auto& [name, value] : config_.headers) headers.Add(name, value);
  for (const auto& [name, value] : request.headers) headers.Add(name, value);
  headers.Add("webhook-id", id);
  headers.Add("webhook-timestamp", std::to_string(timestamp));
  if (!config_.keys.empty()) {
    headers.Add("webhook-signature", Signatures(config_.keys, id, timestamp, request.body));
  }
  milliseconds timeout = config_.timeout;
  if (context.time_limit()) {
    timeout = std::min(timeout, std::chrono::ceil<milliseconds>(*context.time_limit() * 9 / 10));
  }

  Handle handle = Take();
  CURL* const curl = handle.get();
  Answer answer;
  char error[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, const_cast<Context*>(&context));
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (code != CURLE_OK) {
    return Retry(ReasonOf(code), "cannot post to " + config_.url + ": " +
                                     (error[0] != '\0' ? error : curl_easy_strerror(code)));
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  answer.retry_after = Header(curl, "Retry-After");
  answer.location = Header(curl, "Location");
  Give(std::move(handle));
  return VerdictOf(answer, Now());
}

}  // namespace outboard::http

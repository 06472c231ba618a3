#include "host/http/problem.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/text.h"

namespace outboard::http {
namespace {

constexpr char kProblemType[] = "application/problem+json";
constexpr size_t kShownText = 2000;

const char* Title(unsigned status) {
  switch (status) {
    case 400: return "not valid";
    case 403: return "events over HTTP are off";
    case 404: return "not found";
    case 405: return "method not served";
    case 413: return "too large";
    case 415: return "content type not taken";
    case 422: return "the bus cannot carry it";
    case 429: return "too much at once";
    case 503: return "not now";
    case 507: return "the bus is full";
    default: return "error";
  }
}

std::string DetailText(absl::string_view text) {
  return JsonText(Truncate(EscapeForPeople(RedactSecrets(text)), kShownText));
}

std::string FaultJson(const Fault& fault) {
  std::string out = absl::StrCat("{\"detail\":", DetailText(fault.detail));
  if (fault.index) absl::StrAppend(&out, ",\"index\":", *fault.index);
  if (!fault.id.empty()) absl::StrAppend(&out, ",\"id\":", DetailText(fault.id));
  if (!fault.attribute.empty())
    absl::StrAppend(&out, ",\"attribute\":", DetailText(fault.attribute));
  if (!fault.place.empty()) {
    absl::StrAppend(&out,
                    fault.in_header ? ",\"header\":" : ",\"pointer\":", DetailText(fault.place));
  }
  return out + "}";
}

}  // namespace

std::string JsonText(absl::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Answer Problem::ToAnswer() const {
  std::string body = absl::StrCat("{\"title\":\"", title != nullptr ? title : Title(status),
                                  "\",\"status\":", status, ",\"detail\":", DetailText(detail));
  for (size_t i = 0; i < std::min(faults.size(), kMaxFaults); ++i)
    absl::StrAppend(&body, i == 0 ? ",\"errors\":[" : ",", FaultJson(faults[i]));
  if (!faults.empty()) body += ']';
  if (!results.empty()) absl::StrAppend(&body, ",\"results\":", results);
  body += "}\n";
  Answer answer;
  answer.status = status;
  answer.content_type = kProblemType;
  answer.body = std::make_shared<const std::string>(std::move(body));
  answer.allow = allow;
  answer.retry_after = retry_after;
  return answer;
}

}  // namespace outboard::http

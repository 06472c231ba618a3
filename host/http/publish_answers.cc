#include <algorithm>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/text.h"
#include "host/http/publishing.h"
#include "host/http/push_back.h"

// What a publisher is told: everything was kept, or what was not, and why.
namespace outboard::http {
namespace {

constexpr size_t kShownMessage = 1000;

std::string ResultJson(const Event& event, const ingress::Result& result) {
  std::string out = absl::StrCat("{\"id\":", JsonText(event.id()));
  if (result.dropped())
    return absl::StrCat(out, ",\"confirmed\":false,\"dropped_by\":", JsonText(result.stage), "}");
  if (result.status.ok()) {
    absl::StrAppend(&out, ",\"confirmed\":true,\"matched\":", result.matched);
    if (result.offset != 0) absl::StrAppend(&out, ",\"offset\":", result.offset);
    return out + "}";
  }
  const std::string message = EscapeForPeople(RedactSecrets(result.status.message()));
  return absl::StrCat(out, ",\"confirmed\":false,\"code\":\"",
                      absl::StatusCodeToString(result.status.code()),
                      "\",\"message\":", JsonText(Truncate(message, kShownMessage)), "}");
}

std::string ResultsJson(const std::vector<Event>& events,
                        const std::vector<ingress::Result>& results) {
  std::string out = "[";
  for (size_t i = 0; i < results.size(); ++i)
    absl::StrAppend(&out, i == 0 ? "" : ",", ResultJson(events[i], results[i]));
  return out + "]";
}

unsigned StatusOf(const ingress::Result& result) {
  if (absl::IsUnavailable(result.status)) return 503;
  if (!result.stage.empty()) return result.rejected() ? 422 : 500;
  return absl::IsResourceExhausted(result.status) ? 507 : 422;
}

const char* TitleOf(const ingress::Result& result) {
  if (result.stage.empty()) return nullptr;
  return result.rejected() ? "a stage rejected it" : "a stage failed";
}

// Seconds, at least one, where a stage said so.
unsigned RetryAfter(const ingress::Result& result) {
  if (!result.retry_after) return kRetryLater;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(*result.retry_after).count();
  return static_cast<unsigned>(std::clamp<int64_t>(seconds, 1, 3600 * 24));
}

}  // namespace

Answer AnswerOfFaults(size_t events, std::vector<Fault> faults, bool denied) {
  Problem problem;
  const Fault& first = faults.front();
  const bool only_size =
      std::all_of(faults.begin(), faults.end(), [](const Fault& f) { return f.too_large; });
  problem.status = denied ? 403 : only_size ? 413 : 400;
  if (denied) problem.title = "not for this token";
  problem.detail = first.detail;
  if (first.index) {
    problem.detail = absl::StrCat(
        faults.size(), " of ", events,
        denied ? " events are not for this token" : " events are not valid",
        ", and none of the batch was published; at index ", *first.index, ": ", first.detail);
  }
  problem.faults = std::move(faults);
  return problem.ToAnswer();
}

Answer AnswerOfResults(const std::vector<Event>& events,
                       const std::vector<ingress::Result>& results) {
  const auto kept = std::count_if(results.begin(), results.end(),
                                  [](const auto& result) { return result.confirmed(); });
  const auto dropped = std::count_if(results.begin(), results.end(),
                                     [](const auto& result) { return result.dropped(); });
  if (static_cast<size_t>(kept + dropped) == results.size()) {
    Answer answer;
    answer.status = 202;
    answer.content_type = "application/json";
    answer.body = std::make_shared<const std::string>(
        absl::StrCat("{\"results\":", ResultsJson(events, results), "}\n"));
    return answer;
  }
  // 503 before the others: sent again, the rest may get through.
  Problem problem;
  problem.status = 0;
  for (const ingress::Result& result : results) {
    if (result.status.ok()) continue;
    const unsigned status = StatusOf(result);
    if (problem.status != 0 && status != 503) continue;
    problem.status = status;
    problem.title = TitleOf(result);
    problem.detail = std::string(result.status.message());
    const bool later = status == 503 || status == 507;
    problem.retry_after = later ? RetryAfter(result) : 0;
    if (status == 503) break;
  }
  if (results.size() > 1) {
    problem.detail = absl::StrCat(kept, " of ", results.size(), " events were kept",
                                  dropped > 0 ? absl::StrCat(", ", dropped, " dropped") : "",
                                  "; \"results\" says which",
                                  kept + dropped > 0 ? ", send only the others again" : "",
                                  ". The first reason: ", problem.detail);
  }
  problem.results = ResultsJson(events, results);
  return problem.ToAnswer();
}

}  // namespace outboard::http

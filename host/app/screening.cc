#include "host/app/screening.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

constexpr size_t kShownText = 1000;

std::vector<route::Filter> FiltersOf(const std::vector<config::Ingress>& entries) {
  std::vector<route::Filter> filters;
  for (const config::Ingress& entry : entries) filters.push_back({entry.service, entry.events});
  return filters;
}

pipeline::Answer NotNow(std::string why) {
  pipeline::Answer answer;
  answer.code = absl::StatusCode::kUnavailable;
  answer.failure = {"NOT_READY", std::move(why), ""};
  return answer;
}

// What its publisher is told of an event that was not let in: "stage screen: SPAM: a bad word".
std::string TextOf(const pipeline::Answer& answer) {
  const lane::Failure& failure = answer.failure;
  const std::string text =
      absl::StrCat(answer.stage.empty() ? "" : absl::StrCat("stage ", answer.stage, ": "),
                   failure.reason, failure.message.empty() ? "" : ": ", failure.message);
  // What a process said last is not checked before it comes here.
  return Truncate(EscapeForPeople(RedactSecrets(text)), kShownText);
}

ingress::Screened ToScreened(pipeline::Answer answer) {
  ingress::Screened out;
  if (answer.code == absl::StatusCode::kOk && answer.stage.empty()) {
    out.event = std::move(answer.event);
    return out;
  }
  out.result.emplace();
  if (answer.code != absl::StatusCode::kOk)
    out.result->status = absl::Status(answer.code, TextOf(answer));
  out.result->stage = std::move(answer.stage);
  out.result->retry_after = answer.retry_after;
  return out;
}

}  // namespace

// Gathers what becomes of the events of one request. Each is written by whoever has it, and the
// last one tells.
class Screening::Request {
 public:
  Request(const std::vector<Event>& events, Done done)
      : screened_(events.size()), left_(events.size()), done_(std::move(done)) {}

  void Pass(size_t at, const Event& event) {
    screened_[at].event = event;
    Count();
  }
  void Take(size_t at, pipeline::Answer answer) {
    screened_[at] = ToScreened(std::move(answer));
    Count();
  }

 private:
  void Count() {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    std::vector<ingress::Screened> all;
    all.swap(screened_);
    done_(std::move(all));
  }

  std::vector<ingress::Screened> screened_;
  std::atomic<size_t> left_;
  const Done done_;
};

Screening::Screening(const std::vector<config::Ingress>& entries) : filters_(FiltersOf(entries)) {}

void Screening::Open(std::vector<Place> places) {
  MutexLock lock(mu_);
  places_ = std::move(places);
}

void Screening::Close() {
  MutexLock lock(mu_);
  closed_ = true;
  places_.clear();
}

size_t Screening::EntryOf(const Event& event) const {
  const auto entry = std::find_if(filters_.begin(), filters_.end(), [&event](const auto& filter) {
    return route::Matches(filter, event.source(), event.type());
  });
  return static_cast<size_t>(entry - filters_.begin());
}

bool Screening::Look(const std::vector<Event>& events, Time deadline, Done done) {
  std::vector<size_t> entries;
  entries.reserve(events.size());
  for (const Event& event : events) entries.push_back(EntryOf(event));
  const auto none = [this](size_t entry) { return entry == filters_.size(); };
  if (std::all_of(entries.begin(), entries.end(), none)) return false;
  const auto request = std::make_shared<Request>(events, std::move(done));
  std::string refused;
  {
    MutexLock lock(mu_);
    if (places_.empty()) {
      refused = closed_ ? "the host is shutting down" : "the host is still starting";
    } else {
      // Posted with the lock held, so that nothing is posted after Close.
      std::map<shard::Shard*, std::vector<shard::Invocation>> of_shards;
      for (size_t i = 0; i < events.size(); ++i) {
        if (none(entries[i])) continue;
        const Place& place = places_[entries[i]];
        shard::Invocation& invocation = of_shards[place.shard].emplace_back();
        invocation.id = next_id_++;
        invocation.pipeline = place.position;
        auto call = std::make_shared<lane::Call>();
        call->event = events[i];
        invocation.call = std::move(call);
        invocation.deadline = deadline;
        invocation.done = [request, i](pipeline::Answer answer) {
          request->Take(i, std::move(answer));
        };
      }
      for (auto& [shard, invocations] : of_shards) shard->Invoke(std::move(invocations));
    }
  }
  for (size_t i = 0; i < events.size(); ++i) {
    if (none(entries[i])) {
      request->Pass(i, events[i]);
    } else if (!refused.empty()) {
      request->Take(i, NotNow(refused));
    }
  }
  return true;
}

}  // namespace outboard::app

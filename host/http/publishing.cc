#include "host/http/publishing.h"

#include <utility>

#include "host/http/push_back.h"

namespace outboard::http {

// All of it, from its body to its answer.
struct Publishing::Request {
  EventForm form;
  EventHeaders headers;
  std::string body;
  ingress::Room body_room;
  std::function<void(const Answer&)> done;
  MayPublish may;
  std::vector<Event> events;
};

namespace {

std::vector<Fault> Denied(const std::vector<Event>& events, bool batch,
                          const Publishing::MayPublish& may) {
  std::vector<Fault> faults;
  for (size_t i = 0; i < events.size(); ++i) {
    const absl::Status status = may(events[i].type());
    if (status.ok()) continue;
    Fault& fault = faults.emplace_back();
    if (batch) fault.index = i;
    fault.id = std::string(events[i].id());
    fault.attribute = "type";
    fault.detail = std::string(status.message());
  }
  return faults;
}

}  // namespace

Publishing::Publishing(ingress::Ingress* ingress, const EventLimits& limits, const Clock* clock,
                       Duration confirm_within)
    : ingress_(ingress),
      limits_(limits),
      confirm_within_(confirm_within),
      thread_(std::make_unique<TaskThread>(clock)) {}

bool Publishing::Ask(Upload* upload, std::function<void(const Answer&)> done, MayPublish may) {
  MutexLock lock(mu_);
  if (stopped_ || waiting_ >= kMaxWaiting) return false;
  ++waiting_;
  auto request = std::make_shared<Request>(Request{upload->form(),
                                                   std::move(upload->headers()),
                                                   std::move(upload->body()),
                                                   std::move(upload->room()),
                                                   std::move(done),
                                                   std::move(may),
                                                   {}});
  // Posted with the lock held, so that nothing is posted after Stop.
  thread_->Post([this, request = std::move(request)] { Read(request); });
  return true;
}

void Publishing::Read(const std::shared_ptr<Request>& request) {
  ReadEvents read =
      ReadBody(request->form, request->headers, std::exchange(request->body, {}), limits_);
  constexpr auto kHttp = ingress::Protocol::kHttp;
  if (!read.faults.empty()) {
    const size_t count = read.events.size() + read.faults.size();
    ingress_->CountRefused(kHttp, count);
    return Finish(*request, AnswerOfFaults(count, std::move(read.faults)));
  }
  if (request->may) {
    std::vector<Fault> denied = Denied(read.events, IsBatch(request->form), request->may);
    if (!denied.empty()) {
      ingress_->CountRefused(kHttp, read.events.size());
      return Finish(*request, AnswerOfFaults(read.events.size(), std::move(denied), true));
    }
  }
  ingress::Load load{0, read.events.size()};
  for (const Event& event : read.events) load.bytes += event.size();
  ingress::Room room = ingress_->NewRoom();
  if (!room.Take(load)) {
    ingress_->CountPushedBack(kHttp, read.events.size());
    return Finish(*request, PushedBack(ingress_->PushBackText()).ToAnswer());
  }
  if (read.events.empty()) return Finish(*request, AnswerOfResults({}, {}));
  request->events = read.events;  // Shares the bytes.
  request->body_room.GiveBack();
  ingress_->Publish(kHttp, std::move(read.events), std::move(room), confirm_within_,
                    [this, request](const std::vector<ingress::Result>& results) {
                      Finish(*request, AnswerOfResults(request->events, results));
                    });
}

void Publishing::Finish(Request& request, const Answer& answer) {
  request.body_room.GiveBack();
  request.done(answer);
  MutexLock lock(mu_);
  --waiting_;
  answered_.NotifyAll();
}

void Publishing::Stop() {
  {
    MutexLock lock(mu_);
    if (stopped_) return;
    stopped_ = true;
  }
  thread_.reset();  // Runs what was posted.
  MutexLock lock(mu_);
  while (waiting_ > 0) answered_.Wait(mu_);
}

}  // namespace outboard::http

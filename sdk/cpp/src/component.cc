#include "src/component.h"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <typeinfo>
#include <unordered_set>

#include "src/session_core.h"

namespace outboard::internal {
namespace {

std::string TypeName(const std::type_info* type) {
  if (type == nullptr) return "";
  int status = 0;
  char* readable = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? readable : type->name();
  std::free(readable);
  return name;
}

Verdict Thrown(const std::string& message) {
  return Retry("EXCEPTION", message)
      .Detail("thrown: " + TypeName(abi::__cxa_current_exception_type()));
}

Verdict Malformed() {
  return Reject("MALFORMED_EVENT", "the event's bytes are no outboard.event.v1.Event");
}

Verdict WithoutVerdict() {
  return Retry("NO_VERDICT", "the handler returned without a verdict on this event of its batch");
}

// Calls the author's code: nothing, or what it threw.
std::optional<Verdict> Guarded(const std::function<void()>& call) {
  try {
    call();
    return std::nullopt;
  } catch (const abi::__forced_unwind&) {
    throw;  // The thread is being cancelled.
  } catch (const std::exception& exception) {
    return Thrown(exception.what());
  } catch (...) {
    return Thrown("an exception that is no std::exception");
  }
}

// What belongs to the other kind of delivery becomes a REJECT that says so.
Verdict Checked(const Delivery& delivery, Verdict verdict) {
  const char* wrong = nullptr;
  if (delivery.has_call && verdict.changed()) wrong = "a changed event";
  if (!delivery.has_call && verdict.changed_call()) wrong = "a changed call";
  if (!delivery.has_call && verdict.answer()) wrong = "an answer";
  if (wrong == nullptr) return verdict;
  return Reject("INVALID_VERDICT", std::string(delivery.has_call ? "a call" : "an event") +
                                       " was answered with " + wrong);
}

Verdict HandleCall(const Plugin::ComponentSpec& spec, const Delivery& delivery, Context& context) {
  const std::optional<Call> call = Call::Parse(delivery.call);
  if (!call) return Reject("MALFORMED_CALL", "the call's bytes are no outboard.plugin.v1.Call");
  if (!spec.call_handler)
    return Reject("EVENTS_ONLY", "component " + spec.name + " has no handler of calls");
  std::optional<Verdict> verdict;
  std::optional<Verdict> thrown = Guarded([&] { verdict = spec.call_handler(*call, context); });
  return Checked(delivery, std::move(thrown ? *thrown : *verdict));
}

// The answers to a batch. In order, what comes behind a failure of its key is released where it
// did not succeed itself: the failure is what counts.
class BatchAnswers {
 public:
  BatchAnswers(const Plugin::ComponentSpec& spec, const std::vector<Claim>& claims)
      : spec_(spec), claims_(claims), places_(claims.size(), kNotAsked) {}

  // What the handler is asked; the rest is answered at once.
  std::vector<BatchItem> Items() {
    std::vector<BatchItem> items;
    items.reserve(claims_.size());
    for (size_t i = 0; i < claims_.size(); ++i) {
      SessionCore& session = *claims_[i].batch->session;
      const Delivery& delivery = claims_[i].delivery();
      const std::optional<Event> event = Event::Parse(delivery.event);
      if (session.Cancelled(delivery.id) || Failed(i)) {
        Answer(i, Release());
      } else if (!event) {
        Answer(i, Malformed());
      } else {
        places_[i] = items.size();
        items.push_back({*event, Context(&session, &delivery), std::nullopt});
      }
    }
    return items;
  }

  void Answer(std::vector<BatchItem> items) {
    for (size_t i = 0; i < claims_.size(); ++i) {
      if (places_[i] == kNotAsked) continue;
      Verdict verdict = ForRole(spec_.role, std::move(*items[places_[i]].verdict));
      if (verdict.kind() != Verdict::Kind::kDone && Failed(i)) verdict = Release();
      Answer(i, verdict);
    }
  }

  // Order keys of what did not succeed.
  const std::unordered_set<std::string>& failed() const { return failed_; }

 private:
  static constexpr size_t kNotAsked = ~size_t{0};

  bool Failed(size_t i) const { return !failed_.empty() && failed_.count(OrderOf(claims_[i])) > 0; }

  void Answer(size_t i, const Verdict& verdict) {
    SessionCore& session = *claims_[i].batch->session;
    if (verdict.kind() != Verdict::Kind::kDone && spec_.options.in_order) {
      if (std::string key = OrderOf(claims_[i]); !key.empty()) failed_.insert(std::move(key));
    }
    if (!session.discarded()) session.Answer(claims_[i].delivery().id, verdict);
  }

  const Plugin::ComponentSpec& spec_;
  const std::vector<Claim>& claims_;
  std::vector<size_t> places_;  // Of each claim, among the items.
  std::unordered_set<std::string> failed_;
};

}  // namespace

Verdict CallHandler(const Plugin::ComponentSpec& spec, const Delivery& delivery,
                    DeliveryOwner* owner) {
  Context context(owner, &delivery);
  if (delivery.has_call) return HandleCall(spec, delivery, context);
  const std::optional<Event> event = Event::Parse(delivery.event);
  if (!event) return Malformed();
  if (!spec.handler && !spec.batch_handler)
    return Reject("CALLS_ONLY", "stage " + spec.name + " is one of pipelines, not of routes");
  if (spec.batch_handler) {
    BatchItem item{*event, context, std::nullopt};
    CallBatchHandler(spec.batch_handler, {&item, 1});
    return std::move(*item.verdict);
  }
  std::optional<Verdict> verdict;
  std::optional<Verdict> thrown = Guarded([&] { verdict = spec.handler(*event, context); });
  return Checked(delivery, std::move(thrown ? *thrown : *verdict));
}

void CallBatchHandler(const BatchHandler& handler, std::span<BatchItem> batch) {
  const std::optional<Verdict> thrown = Guarded([&] { handler(batch); });
  for (BatchItem& item : batch) {
    if (!item.verdict) item.verdict = thrown ? *thrown : WithoutVerdict();
  }
}

const char* RoleName(Role role) {
  switch (role) {
    case Role::kWorker: return "worker";
    case Role::kStage: return "stage";
    case Role::kProducer: break;
  }
  return "producer";
}

Verdict ForRole(Role role, Verdict verdict) {
  const char* wrong = nullptr;
  if (role != Role::kWorker && !verdict.emits().empty()) wrong = "emits";
  if (role != Role::kStage && verdict.changed()) wrong = "a changed event";
  if (role != Role::kStage && verdict.changed_call()) wrong = "a changed call";
  if (role != Role::kStage && verdict.kind() == Verdict::Kind::kHalt) wrong = "Halt()";
  if (role != Role::kProducer && verdict.offset()) wrong = "an offset";
  if (wrong == nullptr) return verdict;
  return Reject("INVALID_VERDICT", std::string("a ") + RoleName(role) + " answered with " + wrong);
}

Component::Component(const Plugin::ComponentSpec& spec) : spec_(spec) {
  if (spec.options.in_order) {
    queue_ = std::make_unique<KeyedQueue>();
  } else {
    queue_ = std::make_unique<ArrivalQueue>();
  }
  if (spec.options.inline_handler) return;
  for (uint32_t i = 0; i < spec.options.concurrency; ++i) {
    threads_.emplace_back([this] { spec_.batch_handler ? RunBatches() : Run(/*wait=*/true); });
  }
}

Component::~Component() {
  queue_->Stop();
  for (std::thread& thread : threads_) thread.join();
}

void Component::Push(std::shared_ptr<Batch> batch) {
  queue_->Push(std::move(batch));
  if (spec_.options.inline_handler) Run(/*wait=*/false);
}

void Component::Run(bool wait) {
  Claim claim;
  std::shared_ptr<SessionCore> answered;  // Has answers of this thread that may not have left.
  while (true) {
    DeliveryQueue::Taken taken = queue_->Take(&claim, /*wait=*/false);
    if (taken == DeliveryQueue::Taken::kNone) {
      if (answered) answered->Flush();
      answered.reset();
      if (!wait) return;
      taken = queue_->Take(&claim, /*wait=*/true);
    }
    if (taken == DeliveryQueue::Taken::kStopped) return;
    if (answered != claim.batch->session) {
      if (answered) answered->Flush();
      answered = claim.batch->session;
    }
    Handle(claim);
  }
}

void Component::Handle(const Claim& claim) {
  SessionCore& session = *claim.batch->session;
  const Delivery& delivery = claim.delivery();
  bool success = false;
  if (!session.discarded()) {
    const Verdict verdict = session.Cancelled(delivery.id)
                                ? Release()
                                : ForRole(spec_.role, CallHandler(spec_, delivery, &session));
    success = verdict.kind() == Verdict::Kind::kDone;
    session.Answer(delivery.id, verdict);
  }
  if (!spec_.options.in_order) return;
  for (const Claim& released : queue_->Finish(claim, success)) {
    session.Answer(released.delivery().id, Release());
  }
}

void Component::RunBatches() {
  std::vector<Claim> claims;
  while (queue_->TakeMany(spec_.options.max_batch, &claims) == DeliveryQueue::Taken::kOne) {
    HandleBatch(claims);
    claims.clear();
  }
}

void Component::HandleBatch(const std::vector<Claim>& claims) {
  BatchAnswers answers(spec_, claims);
  std::vector<BatchItem> items = answers.Items();
  if (!items.empty()) CallBatchHandler(spec_.batch_handler, items);
  answers.Answer(std::move(items));
  for (const Claim& released : queue_->FinishMany(claims, answers.failed())) {
    released.batch->session->Answer(released.delivery().id, Release());
  }
  std::unordered_set<SessionCore*> sessions;
  for (const Claim& claim : claims) sessions.insert(claim.batch->session.get());
  for (SessionCore* session : sessions) session->Flush();
}

}  // namespace outboard::internal

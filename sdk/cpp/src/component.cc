#include "src/component.h"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <typeinfo>

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

}  // namespace

Verdict CallHandler(const WorkerHandler& handler, const Delivery& delivery, DeliveryOwner* owner) {
  const std::optional<Event> event = Event::Parse(delivery.event);
  if (!event) return Reject("MALFORMED_EVENT", "the event's bytes are no outboard.event.v1.Event");
  Context context(owner, &delivery);
  try {
    return handler(*event, context);
  } catch (const abi::__forced_unwind&) {
    throw;  // The thread is being cancelled.
  } catch (const std::exception& exception) {
    return Thrown(exception.what());
  } catch (...) {
    return Thrown("an exception that is no std::exception");
  }
}

Component::Component(const Plugin::WorkerSpec& spec) : spec_(spec) {
  if (spec.options.in_order) {
    queue_ = std::make_unique<KeyedQueue>();
  } else {
    queue_ = std::make_unique<ArrivalQueue>();
  }
  for (uint32_t i = 0; i < spec.options.concurrency; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

Component::~Component() {
  queue_->Stop();
  for (std::thread& thread : threads_) thread.join();
}

void Component::Run() {
  Claim claim;
  std::shared_ptr<SessionCore> answered;  // Has answers of this thread that may not have left.
  while (true) {
    DeliveryQueue::Taken taken = queue_->Take(&claim, /*wait=*/false);
    if (taken == DeliveryQueue::Taken::kNone) {
      if (answered) answered->Flush();
      answered.reset();
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
    const Verdict verdict =
        session.Cancelled(delivery.id) ? Release() : CallHandler(spec_.handler, delivery, &session);
    success = verdict.kind() == Verdict::Kind::kDone;
    session.Answer(delivery.id, verdict);
  }
  if (!spec_.options.in_order) return;
  for (const Claim& released : queue_->Finish(claim, success)) {
    session.Answer(released.delivery().id, Release());
  }
}

}  // namespace outboard::internal

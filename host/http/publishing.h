#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/base/task_thread.h"
#include "host/bus/bus.h"
#include "host/http/answer.h"
#include "host/http/upload.h"
#include "host/ingress/ingress.h"

namespace outboard::http {

// POST /events from the end of its body to its answer. A large batch takes a moment to read, so it
// is read on a thread of its own.
class Publishing {
 public:
  // Requests that wait for the bus: as many connections are not free for others.
  static constexpr size_t kMaxWaiting = 256;
  static constexpr Duration kConfirmWithin = std::chrono::seconds(30);

  // `clock` and `ingress` outlive it.
  Publishing(ingress::Ingress* ingress, const EventLimits& limits, const Clock* clock,
             Duration confirm_within = kConfirmWithin);
  ~Publishing() { Stop(); }

  // PERMISSION_DENIED: who publishes may not publish this type.
  using MayPublish = std::function<absl::Status(absl::string_view type)>;
  // Takes the request out of `upload`, which was not refused. `done` gets the answer, once, on any
  // thread, where it must not block. False: it is not called, as too many wait, or Stop was called.
  // `may` empty: all types.
  bool Ask(Upload* upload, std::function<void(const Answer&)> done, MayPublish may = nullptr)
      OUTBOARD_EXCLUDES(mu_);
  // Takes no more, and waits for the answers to come: at once if the ingress was stopped before.
  void Stop() OUTBOARD_EXCLUDES(mu_);

 private:
  struct Request;
  void Read(const std::shared_ptr<Request>& request);
  void Finish(Request& request, const Answer& answer) OUTBOARD_EXCLUDES(mu_);

  ingress::Ingress* const ingress_;
  const EventLimits limits_;
  const Duration confirm_within_;
  Mutex mu_;
  CondVar answered_;
  bool stopped_ OUTBOARD_GUARDED_BY(mu_) = false;
  size_t waiting_ OUTBOARD_GUARDED_BY(mu_) = 0;
  std::unique_ptr<TaskThread> thread_;
};

// What to tell of a request whose events are not valid or, `denied`, not for who publishes, and of
// one that came to the bus.
Answer AnswerOfFaults(size_t events, std::vector<Fault> faults, bool denied = false);
Answer AnswerOfResults(const std::vector<Event>& events,
                       const std::vector<ingress::Result>& results);

}  // namespace outboard::http

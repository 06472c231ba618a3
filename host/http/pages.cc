#include "host/http/pages.h"

#include <utility>

#include "host/http/readiness.h"
#include "host/metrics/exposition.h"

namespace outboard::http {

Pages::Pages(admin::TakeSnapshot take, const Clock* clock)
    : take_(std::move(take)), clock_(clock), thread_(std::make_unique<TaskThread>(clock)) {}

bool Pages::Ask(Page page, std::function<void(const Answer&)> done) {
  MutexLock lock(mu_);
  if (stopped_ || waiting_ >= kMaxWaiting) return false;
  ++waiting_;
  // Posted with the lock held, so that nothing is posted after Stop.
  thread_->Post([this, page, done = std::move(done)] {
    done(Make(page));
    MutexLock lock(mu_);
    --waiting_;
  });
  return true;
}

void Pages::Stop() {
  {
    MutexLock lock(mu_);
    if (stopped_) return;
    stopped_ = true;
  }
  thread_.reset();  // Runs what was posted.
}

void Pages::Refresh() {
  if (snapshot_ && clock_->Now() - taken_at_ < kFresh) return;
  snapshot_ = take_();
  taken_at_ = clock_->Now();
  metrics_.reset();
}

Answer Pages::Make(Page page) {
  Refresh();
  Answer answer;
  if (page == Page::kMetrics) {
    if (!metrics_) {
      metrics_ = std::make_shared<const std::string>(metrics::Exposition(*snapshot_));
    }
    answer.content_type = metrics::kContentType;
    answer.body = metrics_;
    return answer;
  }
  Readiness readiness = Judge(*snapshot_, page == Page::kStrictReady);
  answer.status = readiness.ready ? 200 : 503;
  answer.retry_after = readiness.ready ? 0 : 1;
  answer.body = std::make_shared<const std::string>(std::move(readiness.text));
  return answer;
}

}  // namespace outboard::http

// The faults that a session does: wrong answers, wrong frames, wrong times.

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <thread>

#include "plugins/faulty/process_faults.h"
#include "plugins/faulty/session.h"

namespace outboard::faulty {
namespace {

using plugin::v1::WorkerVerdict;
using std::chrono::microseconds;
using std::chrono::milliseconds;

std::string LedgerLine(const plugin::v1::Delivery& delivery, bool with_time) {
  std::string line = delivery.event().id() + " " + std::to_string(delivery.attempt()) + " " +
                     std::to_string(getpid());
  if (with_time) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    line +=
        " " + std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  }
  return line;
}

WorkerVerdict MakeVerdict(uint64_t id, WorkerVerdict::Outcome outcome) {
  WorkerVerdict verdict;
  verdict.set_delivery_id(id);
  verdict.set_outcome(outcome);
  if (outcome == WorkerVerdict::OUTCOME_RETRY || outcome == WorkerVerdict::OUTCOME_REJECT) {
    verdict.mutable_failure()->set_reason("FAULTY");
    verdict.mutable_failure()->set_message("asked for by the event or by --mode");
  }
  return verdict;
}

Session::Response Frame(WorkerVerdict verdict) {
  Session::Response frame;
  *frame.add_verdicts() = std::move(verdict);
  return frame;
}

int Number(std::string_view text, int otherwise) {
  int number = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

void Session::AnswerDone(std::vector<const Delivery*>& done) {
  if (done.empty()) return;
  Response frame;
  std::string lines;
  for (const Delivery* delivery : done) {
    if (shared_.ledger.active()) {
      lines += LedgerLine(*delivery, shared_.options.ledger_time) +
               (shared_.options.ledger_all ? " done\n" : "\n");
    }
    frame.add_done_ids(delivery->delivery_id());
  }
  shared_.ledger.Append(lines);
  Send(std::move(frame));
  done.clear();
}

void Session::Record(const Delivery& delivery, const char* verdict) {
  if (shared_.options.ledger_all)
    shared_.ledger.Append(LedgerLine(delivery, shared_.options.ledger_time) + " " + verdict + "\n");
}

void Session::Finally(const Delivery& delivery) {
  std::vector<const Delivery*> done{&delivery};
  AnswerDone(done);
}

void Session::Act(const Delivery& delivery, const Fault& fault) {
  if (ActVerdict(delivery, fault) || ActLie(delivery, fault) || ActFailureLie(delivery, fault) ||
      ActForget(delivery, fault) || ActStream(delivery, fault) || ActTell(delivery, fault) ||
      ActDeaf(delivery, fault) || ActTimed(delivery, fault)) {
    return;
  }
  RunProcessFault(fault);
  Finally(delivery);
}

bool Session::ActVerdict(const Delivery& delivery, const Fault& fault) {
  const Fault inner = ParseFault(fault.argument);
  if (fault.name == "retry") {
    Retry(delivery, fault.argument);
  } else if (fault.name == "retry-until") {
    if (static_cast<int>(delivery.attempt()) >= Number(inner.name, 2))
      return Finally(delivery), true;
    Retry(delivery, inner.argument);
  } else if (fault.name == "reject") {
    Record(delivery, "reject");
    Send(Frame(MakeVerdict(delivery.delivery_id(), WorkerVerdict::OUTCOME_REJECT)));
  } else if (fault.name == "release") {
    Record(delivery, "release");
    Send(Frame(MakeVerdict(delivery.delivery_id(), WorkerVerdict::OUTCOME_RELEASE)));
  } else if (fault.name == "emit") {
    Emit(delivery, fault.argument.empty() ? "faulty.emitted" : fault.argument, 1);
  } else if (fault.name == "emit-many") {
    Emit(delivery, "faulty.emitted", Number(fault.argument, 10));
  } else {
    return false;
  }
  return true;
}

void Session::Retry(const Delivery& delivery, std::string_view after) {
  WorkerVerdict verdict = MakeVerdict(delivery.delivery_id(), WorkerVerdict::OUTCOME_RETRY);
  if (const auto time = ParseDuration(after)) {
    verdict.mutable_retry_after()->set_seconds(time->count() / 1'000'000);
    verdict.mutable_retry_after()->set_nanos(static_cast<int>(time->count() % 1'000'000 * 1000));
  }
  Record(delivery, "retry");
  Send(Frame(std::move(verdict)));
}

void Session::Emit(const Delivery& delivery, const std::string& type, int count) {
  WorkerVerdict verdict = MakeVerdict(delivery.delivery_id(), WorkerVerdict::OUTCOME_DONE);
  for (int i = 0; i < count; ++i) {
    auto* event = verdict.add_emits();
    event->set_type(type);
    event->set_binary_data(delivery.event().binary_data());
  }
  if (shared_.ledger.active()) {
    shared_.ledger.Append(LedgerLine(delivery, shared_.options.ledger_time) +
                          (shared_.options.ledger_all ? " done\n" : "\n"));
  }
  Send(Frame(std::move(verdict)));
}

bool Session::ActLie(const Delivery& delivery, const Fault& fault) {
  const uint64_t id = delivery.delivery_id();
  if (fault.name == "unknown-id" || fault.name == "zero-id") {
    Response frame;
    frame.add_done_ids(fault.name == "zero-id" ? 0 : id + 1'000'000'000);
    Send(std::move(frame));
    Finally(delivery);
  } else if (fault.name == "zero-outcome") {
    Send(Frame(MakeVerdict(id, WorkerVerdict::OUTCOME_UNSPECIFIED)));
  } else if (fault.name == "twice") {
    Response frame;
    frame.add_done_ids(id);
    frame.add_done_ids(id);
    Send(std::move(frame));
  } else if (fault.name == "contradict") {
    Finally(delivery);
    Send(Frame(MakeVerdict(id, WorkerVerdict::OUTCOME_REJECT)));
  } else if (fault.name == "chatty") {
    Send(Frame(MakeVerdict(id, WorkerVerdict::OUTCOME_DONE)));
  } else if (fault.name == "progress-unknown") {
    Response frame;
    frame.add_progress_ids(id + 1'000'000'000);
    Send(std::move(frame));
    Finally(delivery);
  } else if (fault.name == "bad-utf8") {
    WorkerVerdict verdict = MakeVerdict(id, WorkerVerdict::OUTCOME_REJECT);
    verdict.mutable_failure()->set_message("not UTF-8: \xff\xfe\x80");
    Send(Frame(std::move(verdict)));
  } else if (fault.name == "oversize") {
    WorkerVerdict verdict = MakeVerdict(id, WorkerVerdict::OUTCOME_REJECT);
    verdict.mutable_failure()->set_detail(
        std::string(ParseSize(fault.argument).value_or(16 << 20), 'x'));
    Send(Frame(std::move(verdict)));
  } else {
    return false;
  }
  return true;
}

bool Session::ActFailureLie(const Delivery& delivery, const Fault& fault) {
  const uint64_t id = delivery.delivery_id();
  WorkerVerdict retry = MakeVerdict(id, WorkerVerdict::OUTCOME_RETRY);
  if (fault.name == "no-failure") {
    retry.clear_failure();
  } else if (fault.name == "bad-reason") {
    retry = MakeVerdict(id, WorkerVerdict::OUTCOME_REJECT);
    retry.mutable_failure()->set_reason("it did not work: " + delivery.event().id());
  } else if (fault.name == "bad-retry-after") {
    retry.mutable_retry_after()->set_seconds(-1);
  } else if (fault.name == "emit-retry") {
    retry.add_emits()->set_type("faulty.emitted");
  } else {
    return false;
  }
  Send(Frame(std::move(retry)));
  return true;
}

// Leaves some unanswered, and answers the others as a good plugin would.
bool Session::ActForget(const Delivery& delivery, const Fault& fault) {
  if (fault.name == "forget-late") {
    if (delivery.attempt() == 1) Finally(delivery);
  } else if (fault.name == "forget-large") {
    if (delivery.event().binary_data().size() < size_t{64} << 10) Finally(delivery);
  } else if (fault.name == "forget-cancelled") {
    Hold(1);
    std::thread([self = shared_from_this(), delivery] {
      std::this_thread::sleep_for(milliseconds(200));
      bool cancelled;
      {
        std::lock_guard lock(self->mutex_);
        cancelled = self->cancelled_.contains(delivery.delivery_id());
      }
      if (!cancelled) self->Finally(delivery);
      self->Hold(-1);
    }).detach();
  } else {
    return false;
  }
  return true;
}

void Session::AnswerLastFirst(const std::vector<Delivery>& hand) {
  for (auto delivery = hand.rbegin(); delivery != hand.rend(); ++delivery) Finally(*delivery);
}

bool Session::ActStream(const Delivery& delivery, const Fault& fault) {
  if (fault.name == "end-ok") {
    End(grpc::Status::OK);
  } else if (fault.name == "end-error") {
    End({grpc::StatusCode::INTERNAL, "ended on purpose"});
  } else if (fault.name == "opened-again") {
    Response frame;
    frame.mutable_opened()->set_instance_id(shared_.instance_id);
    Send(std::move(frame));
    Finally(delivery);
  } else if (fault.name == "pause") {
    Response frame;
    frame.set_window(0);
    Send(std::move(frame));
    Finally(delivery);
    const auto time = ParseDuration(fault.argument);
    if (!time) return true;
    std::thread([self = shared_from_this(), time = *time] {
      std::this_thread::sleep_for(time);
      Response open;
      open.set_window(1'000'000);
      self->Send(std::move(open));
    }).detach();
  } else if (fault.name == "flood") {
    const int frames = Number(fault.argument, -1);
    for (int i = 0; i != frames && !gone(); ++i) {
      Response frame;
      frame.add_progress_ids(delivery.delivery_id());
      Send(std::move(frame), /*wait=*/true);
    }
    Finally(delivery);
  } else {
    return false;
  }
  return true;
}

// What a careless plugin does with the secrets of its config.
bool Session::ActTell(const Delivery& delivery, const Fault& fault) {
  if (fault.name != "tell-config") return false;
  for (std::FILE* file : {stdout, stderr}) {
    std::fprintf(file, "config: %s\n", config_.c_str());
    std::fprintf(file, "{\"level\":\"error\",\"message\":\"told\",\"config\":%s}\n",
                 config_.c_str());
    std::fflush(file);
  }
  RunProcessFault(ParseFault(fault.argument));
  WorkerVerdict verdict = MakeVerdict(delivery.delivery_id(), WorkerVerdict::OUTCOME_REJECT);
  plugin::v1::Failure& failure = *verdict.mutable_failure();
  failure.set_reason(config_);
  failure.set_message(config_);
  failure.set_detail(config_);
  (*failure.mutable_metadata())["config"] = config_;
  Send(Frame(std::move(verdict)));
  return true;
}

bool Session::ActDeaf(const Delivery& delivery, const Fault& fault) {
  if (fault.name == "deadlock") {
    std::lock_guard lock(mutex_);
    RunProcessFault({"hang", ""});
  }
  if (fault.name != "unread") return false;
  {
    std::lock_guard lock(mutex_);
    deaf_ = true;
  }
  Finally(delivery);
  return true;
}

bool Session::ActTimed(const Delivery& delivery, const Fault& fault) {
  if (fault.name == "silent") return true;
  if (fault.name == "late") {
    const auto time = ParseDuration(fault.argument).value_or(milliseconds(1000));
    Hold(1);
    std::thread([self = shared_from_this(), time, delivery] {
      std::this_thread::sleep_for(time);
      self->Finally(delivery);
      self->Hold(-1);
    }).detach();
    return true;
  }
  if (fault.name == "progress") {
    const auto time = ParseDuration(fault.argument).value_or(milliseconds(2000));
    for (microseconds past{0}; past < time; past += milliseconds(100)) {
      std::this_thread::sleep_for(milliseconds(100));
      Response frame;
      frame.add_progress_ids(delivery.delivery_id());
      Send(std::move(frame));
    }
    Finally(delivery);
    return true;
  }
  return false;
}

}  // namespace outboard::faulty

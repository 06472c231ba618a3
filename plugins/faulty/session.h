#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "outboard/plugin/v1/worker.grpc.pb.h"
#include "plugins/faulty/ledger.h"
#include "plugins/faulty/options.h"
#include "plugins/faulty/plan.h"

namespace outboard::faulty {

// What all sessions of the process share.
struct Shared {
  explicit Shared(const Options& o)
      : options(o), plan(options), ledger(o.ledger, o.ledger_sync), taken(o.taken, false) {}

  const Options options;
  Plan plan;
  Ledger ledger;
  Ledger taken;
  std::string instance_id;
  std::atomic<int> sessions{0};
};

// One session, written to the bare contract so that it can break every rule of it. It owns itself:
// gRPC and its handler threads share it, because a handler may hang for ever.
class Session
    : public grpc::ServerBidiReactor<plugin::v1::HandleRequest, plugin::v1::HandleResponse>,
      public std::enable_shared_from_this<Session> {
 public:
  using Request = plugin::v1::HandleRequest;
  using Response = plugin::v1::HandleResponse;
  using Delivery = plugin::v1::Delivery;

  static Session* Start(Shared& shared);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  explicit Session(Shared& shared) : shared_(shared) {}

  void OnClose();  // Under the lock.
  void OnReadsEnded();
  // Waits a little for one that the host has ended, which may still be on its way out.
  bool AnotherIsOpen() const;
  void StartHandlers();
  void HandleLoop();
  std::vector<Delivery> TakeHand();
  void Open(const plugin::v1::Open& open);
  void RecordTaken(const std::vector<Delivery>& hand);

  // Answers what was handled well: the ledger's lines in one write, then one frame.
  void AnswerDone(std::vector<const Delivery*>& done);
  void AnswerLastFirst(const std::vector<Delivery>& hand);
  void Act(const Delivery& delivery, const Fault& fault);
  bool ActVerdict(const Delivery& delivery, const Fault& fault);
  bool ActLie(const Delivery& delivery, const Fault& fault);
  bool ActFailureLie(const Delivery& delivery, const Fault& fault);
  bool ActForget(const Delivery& delivery, const Fault& fault);
  bool ActStream(const Delivery& delivery, const Fault& fault);
  bool ActTell(const Delivery& delivery, const Fault& fault);
  bool ActDeaf(const Delivery& delivery, const Fault& fault);
  bool ActTimed(const Delivery& delivery, const Fault& fault);
  void Finally(const Delivery& delivery);
  void Retry(const Delivery& delivery, std::string_view after);
  void Emit(const Delivery& delivery, const std::string& type, int count);
  void Record(const Delivery& delivery, const char* verdict);

  // Queues a frame; with `wait` it first waits until few are queued.
  void Send(Response frame, bool wait = false);
  void End(grpc::Status status);
  void Drop();
  bool gone();
  // Deliveries in hand beyond those of a handler's loop: a drain waits for them.
  void Hold(int change);
  // Starts the next write or finishes, whatever is due. Takes the lock and calls gRPC without it.
  void Pump();

  Shared& shared_;
  std::shared_ptr<Session> self_;  // Released in OnDone.
  Request request_;
  std::string config_;  // JSON; set before the first delivery.

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Delivery> queue_;
  std::deque<Response> outbox_;
  std::set<uint64_t> cancelled_;
  Response writing_frame_;
  size_t in_hand_ = 0;
  bool writing_ = false;
  bool draining_ = false;
  bool deaf_ = false;  // Reads nothing further.
  bool dead_ = false;
  bool finished_ = false;
  bool ending_ = false;
  grpc::Status end_status_;
};

}  // namespace outboard::faulty

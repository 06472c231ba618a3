#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "host/app/cli/client.h"
#include "host/base/mutex.h"
#include "host/event/event.h"

namespace outboard::app {

// What became of the events of a stream.
struct PublishTally {
  uint64_t confirmed = 0;
  uint64_t dropped = 0;  // By a stage before the bus.
  uint64_t refused = 0;
  uint64_t unmatched = 0;                           // Confirmed, but no lane took them.
  std::map<std::string, uint64_t> unmatched_types;  // At most 20 types.
  uint64_t first_open_line = 0;       // The first line that was sent and not confirmed; 0: none.
  uint64_t confirmed_after_open = 0;  // Confirmed lines behind that one.
  std::string refusal;                // Why the first refused one was refused.
};

// Publishes events over one PublishStream call: in order, batched, with a bound on what is
// unanswered. One thread uses it; another of its own reads the answers.
class PublishStream {
 public:
  // Confirmed ids go to `confirmed_log`, one a line, when their answer comes; -1: nowhere. `client`
  // outlives this.
  PublishStream(Client* client, int confirmed_log);
  ~PublishStream();

  // Adds an event; sends when a request is full. Waits while too much is unanswered. False when
  // nothing more should be added: the stream broke, the host refused an event, or `stop` became
  // true.
  bool Add(const Event& event, uint64_t line, const volatile bool& stop);

  // Sends what was added. False as Add.
  bool Flush(const volatile bool& stop);

  // No more events; waits for all answers. Gives the status of the call.
  grpc::Status Finish();

  PublishTally tally() OUTBOARD_EXCLUDES(mu_);

 private:
  struct Sent {
    uint64_t line;
    std::string id, type;
  };
  struct Batch {
    uint64_t request_id = 0;
    std::vector<Sent> events;
  };

  bool WaitForRoom(const volatile bool& stop) OUTBOARD_EXCLUDES(mu_);
  void ReadAnswers() OUTBOARD_EXCLUDES(mu_);
  bool Take(const host::v1::PublishStreamResponse& response) OUTBOARD_EXCLUDES(mu_);
  void Count(const Sent& sent, const host::v1::PublishResult& result) OUTBOARD_REQUIRES(mu_);

  const int confirmed_log_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<host::v1::PublishStreamRequest, host::v1::PublishStreamResponse>>
      stream_;
  host::v1::PublishStreamRequest request_;
  size_t request_bytes_ = 0;
  Batch batch_;
  uint64_t next_request_ = 1;
  bool finished_ = false;

  Mutex mu_;
  CondVar changed_;
  std::deque<Batch> unanswered_ OUTBOARD_GUARDED_BY(mu_);
  PublishTally tally_ OUTBOARD_GUARDED_BY(mu_);
  bool broken_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::string fault_ OUTBOARD_GUARDED_BY(mu_);  // Of the answers or the log.
  std::thread reader_;
};

}  // namespace outboard::app

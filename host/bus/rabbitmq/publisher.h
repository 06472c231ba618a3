#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "host/base/mailbox.h"
#include "host/base/mutex.h"
#include "host/bus/amqp/connection.h"
#include "host/bus/rabbitmq/steady.h"

namespace outboard::bus::rabbitmq {

// What became of one message.
struct Published {
  // OK: the broker has it. UNAVAILABLE: not now, or not known; later. Others: refused for good.
  absl::Status status;
  bool unroutable = false;  // OK, but no queue takes it.
};

// Publishes with confirms on a connection and a thread of its own, as many under way as the window
// lets. A connection that breaks is made again; what it leaves unconfirmed is answered UNAVAILABLE,
// as is everything while the broker cannot be reached.
//
// Each destination (exchange, or queue where it is the default one) has a channel of its own, as
// the broker stops a whole channel for one queue that takes nothing: a queue without a leader holds
// up nobody else. After an error of a channel what was unconfirmed there goes out one at a time
// until the message at fault is found and refused.
class Publisher {
 public:
  using Done = std::function<void(std::vector<Published>)>;
  struct Health {
    bool connected = false;
    std::string problem;  // Why not; or that the broker takes nothing, or not everywhere.
    uint64_t reconnects = 0;
  };

  // `name`: shown by the broker's tools. `fallback`: where messages go whose exchange is not there;
  // empty: they are refused. A channel that confirms nothing for `confirm_within` is given up, but
  // during an alarm of the broker.
  Publisher(amqp::ConnectionOptions options, const std::string& name, std::string fallback = "",
            Duration confirm_within = std::chrono::seconds(10));
  // Answers all that is under way.
  ~Publisher();

  // In order. `done` is called on the publisher's thread and must not block. Any thread.
  void Publish(std::vector<dialect::Message> messages, Done done);
  // Asks the broker again which exchanges are there. Any thread.
  void ForgetExchanges();
  // Blocks until it is connected, or has failed to be once: says why.
  absl::Status WaitUntilTried() OUTBOARD_EXCLUDES(mu_);
  Health health() OUTBOARD_EXCLUDES(mu_);

 private:
  struct Batch {
    std::vector<dialect::Message> messages;
    std::vector<Published> results;
    size_t open = 0;  // Without a result.
    Done done;
  };
  // One message that waits or is under way.
  struct Flight {
    std::shared_ptr<Batch> batch;
    size_t index = 0;
    bool answered = false;
    Steady sent_at{};

    dialect::Message& message() const { return batch->messages[index]; }
    size_t bytes() const { return message().body.size() + 256; }  // About.
  };
  // A destination; beyond kMaxRoutes some share one.
  struct Route {
    std::string name;
    amqp::Channel channel = 0;   // 0: none is open.
    std::deque<Flight> waiting;  // To be sent, in order.
    size_t suspects = 0;         // So many of the first of them go out one at a time.
    std::deque<Flight> flights;  // Sent, by tag from first_tag.
    uint64_t first_tag = 1;
    size_t flying_bytes = 0;
    // It confirmed nothing for too long: not before `try_at`, and one message until it does again.
    bool late = false;
    int failures = 0;  // To confirm in time, in a row.
    Steady try_at{};

    std::string NotConfirmed() const;
  };

  // ---- The loop: publisher.cc ----
  void Run();
  void Connect();
  void Wait();
  bool ReadAll();
  bool Idle() const;

  // ---- Sending: publisher_sending.cc ----
  Route* RouteOf(const dialect::Message& message);
  void SendSome();
  // False: it has nothing more to send now; the connection may be gone.
  bool SendNext(Route* route);
  bool HasRoom(const Route& route) const;
  bool MayRefill() const;
  bool OpenChannel(Route* route);
  // Puts the fallback in place of an exchange that is not there.
  absl::Status Resolve(std::string* exchange);

  // ---- What became of it: publisher_answers.cc ----
  void On(const amqp::Confirmed& confirmed);
  void On(const amqp::Returned& returned);
  void On(const amqp::ChannelClosed& closed);
  void On(const amqp::Answered& answered);
  void On(const amqp::Blocked& blocked);
  void On(const amqp::Unblocked& unblocked);
  void On(const amqp::Delivered&) {}  // It does not consume.
  void On(const amqp::Cancelled&) {}
  Route* RouteOn(amqp::Channel channel);
  void Finish(Route* route, Flight* flight, const Published& result);
  void Answer(const Flight& flight, const Published& result);
  void LookForLate();
  void GiveUp(Route* route);
  void AnswerFlights(Route* route, const absl::Status& why);
  void Broke(const absl::Status& why);
  void FailAll(const absl::Status& why);
  void TellHealth();
  void SetHealth(bool connected, const std::string& problem);

  const amqp::ConnectionOptions options_;
  const std::string fallback_;
  const Duration confirm_within_;
  Mailbox<std::shared_ptr<Batch>> mailbox_;
  std::unique_ptr<amqp::Connection> connection_;
  std::vector<std::unique_ptr<Route>> routes_;
  absl::flat_hash_map<std::string, Route*> by_name_;
  std::map<amqp::Channel, Route*> by_channel_;  // Null: given up, to be closed by the broker.
  std::string alarm_;                           // Why the broker takes nothing; empty: it does.
  // Not before: the broker said that it takes nothing, or takes no bytes at the moment.
  Steady blocked_until_{};
  // Whether exchanges are there, and when that was asked.
  std::map<std::string, std::pair<bool, Steady>> exchanges_;
  size_t endpoint_ = 0;
  bool away_ = false;  // The last attempt to connect failed.
  int failures_ = 0;   // Connections without a confirm, in a row.
  Steady try_at_{};
  uint64_t reconnects_ = 0;
  std::vector<std::shared_ptr<Batch>> arrived_;

  Mutex mu_;
  CondVar tried_;
  Health health_ OUTBOARD_GUARDED_BY(mu_);
  bool was_tried_ OUTBOARD_GUARDED_BY(mu_) = false;
  bool stop_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace outboard::bus::rabbitmq

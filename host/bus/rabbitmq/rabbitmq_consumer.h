#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "host/base/mailbox.h"
#include "host/base/task_thread.h"
#include "host/bus/rabbitmq/open_queue.h"
#include "host/bus/rabbitmq/rabbitmq_bus.h"
#include "host/bus/rabbitmq/settlement_plan.h"

namespace outboard::bus::rabbitmq {

// One shard's side of a RabbitmqBus: one connection, a channel for each queue. What blocks
// (connecting, declaring) runs on a helper thread, which hands over what it made.
//
// Deliveries belong to the channel that they came through. When it ends, what lanes have in hand
// stays with them: the broker's redelivery of it is adopted, or acknowledged at once if its lane
// has ended it meanwhile. What was not handed out yet is forgotten, as the broker has it.
//
// A channel is closed and another made, by the same rules, before the broker loses its patience
// with what is unacknowledged, and where the broker seems to have forgotten its consumer.
class RabbitmqConsumer final : public Consumer {
 public:
  explicit RabbitmqConsumer(RabbitmqBus* bus);
  ~RabbitmqConsumer() override;

  int fd() const override { return epoll_; }
  absl::Status Open(LaneId lane, const std::string& name) override;
  void Close(LaneId lane) override;
  void SetCredit(LaneId lane, uint32_t more) override;
  void Settle(Settlement settlement) override;
  void Poll(Time now, Arrivals* out) override;
  Time NextDue() const override;

 private:
  // So long is known of an ended channel's delivery that a lane has ended it.
  static constexpr auto kRememberFor = std::chrono::minutes(15);
  // A lane without credit and with nothing in hand for so long leaves its share to other replicas.
  static constexpr auto kUselessFor = std::chrono::seconds(10);

  // ---- What comes through the mailbox ----
  struct Connected {
    absl::StatusOr<std::unique_ptr<amqp::Connection>> connection;
  };
  struct Ensured {
    std::string queue;
    absl::Status status;
  };
  struct PublishDone {
    Tag tag = 0;
    absl::Status status;
    bool missing = false;  // What it was published to is not there.
  };
  struct Looked {
    std::string queue;
    std::optional<amqp::QueueCount> count;  // Nothing: not known.
  };
  using Mail = std::variant<Connected, Ensured, PublishDone, Looked>;
  void On(Connected& mail);
  void On(Ensured& mail);
  void On(PublishDone& mail);
  void On(Looked& mail);
  void TakeMail();

  // ---- Connection and channels: consumer_channels.cc ----
  void AskForConnection();
  void AskForQueue(OpenQueue* queue);
  void OpenChannel(OpenQueue* queue);
  void CloseIfDone(Life* life);
  void SendClose(Life* life);
  // Takes its channel from the queue. When that ends, what is not in the hands of lanes goes back;
  // what is comes again and is adopted.
  Life* Detach(OpenQueue* queue);
  void LetGo(OpenQueue* queue) { CloseIfDone(Detach(queue)); }
  void CloseReplacedBy(const Life* successor);
  // It ends with its last consumer, and is ending.
  bool IsDying(const OpenQueue& queue) const;
  void RememberAcked(OpenQueue* queue);
  void ParkIfUseless(OpenQueue* queue);
  void EndLife(Life* life);
  void Broke(const absl::Status& why);
  void LookAfterConnection();
  // Whether the connection is missed, for all who ask the bus.
  void SetMissed(const std::string& why);
  void Sweep(Steady steady);
  bool ReadAll();
  void On(amqp::Delivered& delivered);
  void On(const amqp::Answered& answered);
  void On(const amqp::ChannelClosed& closed);
  void On(const amqp::Cancelled& cancelled);
  void Take(std::unique_ptr<Item> item);
  bool Adopt(OpenQueue* queue, const Item& item);
  void ClimbAgain(std::unique_ptr<Item> item, const Travel& travel);
  void Bury(std::unique_ptr<Item> item, DeadReason why);
  void SettleSilently(std::unique_ptr<Item> item, std::unique_ptr<Settlement> settlement);
  Life* FindLife(amqp::Channel channel);
  void CloseChannels();

  // ---- Channels that are made anew: consumer_renewal.cc ----
  // Another channel instead. That one consumes first, as an unreliable lane's queue ends with its
  // last consumer.
  void Renew(OpenQueue* queue);
  // Steady::max(): nothing is held.
  Steady FinishAt(const OpenQueue& queue) const;
  Steady RenewAt(const OpenQueue& queue) const;
  void RenewIfHeldLong(OpenQueue* queue);
  void FitPrefetch(OpenQueue* queue);
  static bool IsIdle(const OpenQueue& queue);
  void WatchOver(OpenQueue* queue);
  // Of the two above.
  Steady NextLook(const OpenQueue& queue) const;

  // ---- Settling: consumer_settling.cc ----
  // By the table of settlement_plan.h.
  static Operation FirstOperation(const Item& item, const Settlement& settlement);
  void Acknowledge(OpenQueue* queue, const Item& item);
  void Refused(Tag tag, absl::Status status);
  void Return(Tag tag);
  void StartPublish(Tag tag);
  void PublishRetry(Tag tag, Item& item);
  void PublishDead(Tag tag, const Item& item);
  void PublishInside(Tag tag, dialect::Message message, const std::string& missing);
  void PublishEmits(Tag tag, const Item& item);
  // False: the connection broke.
  bool SendAcks(Life* life, bool everything);
  void SendReceipt(const Item& item, const Settlement& settlement);
  static std::string NameOf(const Item& item);
  static Travel TravelOf(const Item& item, dialect::Message* message);

  // ---- Handing out ----
  void HandOut(OpenQueue* queue, Time now, Arrivals* out);
  static void Takes(OpenQueue* queue);
  void Forget(OpenQueue* queue);
  void Wake() { wakeup_.Signal(); }

  RabbitmqBus* const bus_;
  const int epoll_;
  Wakeup wakeup_;
  const std::shared_ptr<Mailbox<Mail>> mailbox_;  // Publishers hold it while they work for us.
  std::unique_ptr<amqp::Connection> connection_;
  bool connecting_ = false;
  int failures_ = 0;  // To connect, in a row.
  Steady connect_at_{};
  Time now_{};
  Steady steady_{};  // At the last Poll.
  size_t endpoint_ = 0;
  std::map<amqp::Channel, std::unique_ptr<Life>> lives_;
  std::map<std::string, std::unique_ptr<OpenQueue>> queues_;
  std::map<LaneId, OpenQueue*> by_lane_;
  absl::flat_hash_map<Tag, std::unique_ptr<Item>> outs_;  // With lanes and publishers.
  // Of channels that ended, by identity: in the hands of lanes, and ended by them.
  std::unordered_multimap<uint64_t, Tag> stale_;
  std::unordered_multimap<uint64_t, Steady> remembered_;  // Until then.
  Steady sweep_at_{};
  // Retries that are being published, by identity: they must not come before they are answered.
  std::unordered_multimap<uint64_t, Tag> leaving_;
  std::multimap<Steady, Tag> climb_again_;  // Silent ones that no publisher took.
  std::vector<Settled> settled_;
  std::vector<Mail> mail_;
  Tag next_tag_ = 1;
  uint64_t next_order_ = 1;
  size_t publishing_ = 0;
  std::unique_ptr<TaskThread> helper_;  // Ends first.
};

}  // namespace outboard::bus::rabbitmq

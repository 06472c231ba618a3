#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "outboard/plugin.h"
#include "src/queue.h"

namespace outboard::internal {

// Calls the handler; what it throws becomes a RETRY with reason EXCEPTION, an event that cannot be
// read a REJECT.
Verdict CallHandler(const WorkerHandler& handler, const Delivery& delivery, DeliveryOwner* owner);

// One worker of this process: its queue and its threads, shared by all its sessions.
class Component {
 public:
  explicit Component(const Plugin::WorkerSpec& spec);
  // Waits for the handlers that run; what is queued is dropped.
  ~Component();
  Component(const Component&) = delete;
  Component& operator=(const Component&) = delete;

  const std::string& name() const { return spec_.name; }
  void Push(std::shared_ptr<Batch> batch) { queue_->Push(std::move(batch)); }

 private:
  void Run();
  void Handle(const Claim& claim);

  const Plugin::WorkerSpec& spec_;
  std::unique_ptr<DeliveryQueue> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace outboard::internal

#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "outboard/plugin.h"
#include "src/queue.h"

namespace outboard::internal {

// Calls the component's handler, with a batch of one where it takes batches; what it throws becomes
// a RETRY with reason EXCEPTION, an event that cannot be read a REJECT.
Verdict CallHandler(const Plugin::ComponentSpec& spec, const Delivery& delivery,
                    DeliveryOwner* owner);

// Calls a batch handler; afterwards each item has a verdict.
void CallBatchHandler(const BatchHandler& handler, std::span<BatchItem> batch);

// "worker", "stage" or "producer".
const char* RoleName(Role role);

// A verdict that the role does not have becomes a REJECT that says so.
Verdict ForRole(Role role, Verdict verdict);

// One component of this process: its queue and its threads, shared by all its sessions. An inline
// handler has no threads, and runs in Push.
class Component {
 public:
  explicit Component(const Plugin::ComponentSpec& spec);
  // Waits for the handlers that run; what is queued is dropped.
  ~Component();
  Component(const Component&) = delete;
  Component& operator=(const Component&) = delete;

  Role role() const { return spec_.role; }
  const std::string& name() const { return spec_.name; }
  void Push(std::shared_ptr<Batch> batch);

 private:
  // Handles what is there; with `wait`, and what comes, until the end.
  void Run(bool wait);
  void Handle(const Claim& claim);
  void RunBatches();
  void HandleBatch(const std::vector<Claim>& claims);

  const Plugin::ComponentSpec& spec_;
  std::unique_ptr<DeliveryQueue> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace outboard::internal

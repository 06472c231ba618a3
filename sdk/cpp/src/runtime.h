#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "outboard/plugin.h"
#include "outboard/plugin/v1/plugin.pb.h"
#include "src/component.h"

namespace outboard::internal {

// A plugin at work, without gRPC: its components, and one thread for the author's config functions,
// which may block. The plugin outlives it. Any thread.
class Runtime {
 public:
  explicit Runtime(const Plugin& plugin);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Null where there is none of that name.
  Component* Find(Role role, std::string_view name) const;
  // "the workers are a, b", for errors.
  std::string NamesOf(Role role) const;
  const std::string& instance_id() const { return instance_id_; }
  size_t max_response_bytes() const { return max_response_bytes_; }

  // Fills the response, then calls done; maybe on another thread.
  void Describe(const plugin::v1::DescribeRequest& request, plugin::v1::DescribeResponse* response,
                std::function<void()> done);
  // Brings the config in force, then calls done with what went wrong or nothing; maybe on another
  // thread.
  void Configure(const std::string& config_json,
                 std::function<void(const std::string& fault)> done);

 private:
  void Post(std::function<void()> task);
  void RunTasks();
  void FillComponent(const Plugin::ComponentSpec& spec, const std::string& config_json,
                     plugin::v1::Component* component) const;
  void Check(const std::string& config_json, plugin::v1::DescribeResponse* response) const;
  std::string Apply(const std::string& config_json);

  const Plugin& plugin_;
  const std::string instance_id_;
  std::atomic<size_t> max_response_bytes_{4 << 20};
  std::string applied_config_;  // Of the task thread.
  bool applied_ = false;        // The same.

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool stopped_ = false;
  std::thread task_thread_;  // Started with the first task.
  std::vector<std::unique_ptr<Component>> components_;
};

}  // namespace outboard::internal

#pragma once

// Tests of a plugin without a host. Not included by outboard.h; link outboard_sdk_testing.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "outboard/plugin.h"

namespace outboard::testing {

// How an event is delivered.
struct Delivery {
  uint32_t attempt = 1;
  std::string order_key;
  std::string route = "test";
};

struct CallOptions {
  Delivery delivery;
  std::string config_json = "{}";
  bool cancelled = false;
};

// Calls the component's handler on this thread, as Serve would: an exception becomes RETRY. No
// server, no threads. Aborts with a message where the plugin has no such component.
Verdict Call(const Plugin& plugin, std::string_view component, const NewEvent& event,
             const CallOptions& options = {});
// The same with a call of a pipeline, for a stage.
Verdict Call(const Plugin& plugin, std::string_view component, const NewCall& call,
             const CallOptions& options = {});

// One answer as it came over the wire.
struct Answer {
  uint64_t delivery_id = 0;
  Verdict verdict{Verdict::Kind::kDone};
};

// How a session or a call ended.
struct End {
  int code = 0;  // A code of gRPC; 0: OK.
  std::string message;
};

// Plays the host over real gRPC, to a plugin in this process or to one that listens somewhere. One
// session at a time. Waits at most 10 s for anything and then says what it missed. One thread.
class FakeHost {
 public:
  // Serves the plugin, which must live on, at a unix socket of its own and connects to it.
  explicit FakeHost(const Plugin& plugin);
  explicit FakeHost(Plugin&& plugin) = delete;
  // Connects to a plugin that listens at `address` or will within 10 s.
  explicit FakeHost(const std::string& address);
  ~FakeHost();
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  // What the plugin says is wrong with that config; a failed call is one error with its text.
  std::vector<ConfigError> CheckConfig(const std::string& config_json);
  // Names of its components; empty where the call failed.
  std::vector<std::string> Components();

  // Opens a session of that component, whatever its role, and waits for Opened. OK, or how the
  // stream ended instead.
  End Open(const std::string& component, const std::string& config_json = "{}");
  // Delivers one event in a frame of its own; returns its delivery id.
  uint64_t Deliver(const NewEvent& event, const Delivery& delivery = {});
  // Delivers all in one frame; the ids in their order.
  std::vector<uint64_t> Deliver(const std::vector<NewEvent>& events, const Delivery& delivery = {});
  // Delivers one call in a frame of its own.
  uint64_t Deliver(const NewCall& call, const Delivery& delivery = {});
  void Cancel(uint64_t delivery_id);

  // Waits for the answer to that delivery. Nothing where the stream ended or 10 s were over without
  // one.
  std::optional<Verdict> Wait(uint64_t delivery_id);
  // Waits until so many answers came in all, or the stream ended; all so far, in the order of
  // arrival.
  std::vector<Answer> WaitForAnswers(size_t count);
  // Waits until the delivery reported progress at least so often.
  bool WaitForProgress(uint64_t delivery_id, int times = 1);
  size_t frames_received() const;

  // Close(DRAIN) and a half-close; waits for the end of the stream.
  End Close();
  // Close(PROTOCOL_ERROR) with that message, and the rest as Close.
  End CloseForError(const std::string& message);
  // Cancels the stream, as a host that dies does.
  End Cut();
  // Waits for the plugin to end the stream.
  End WaitForEnd();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::testing

#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <string>
#include <vector>

#include "host/admin/snapshot.h"
#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/bus/bus.h"
#include "host/event/wire.h"
#include "outboard/host/v1/publisher.grpc.pb.h"

namespace outboard::admin {

// Takes events as bytes (host/plugin/wire.proto), checks each, publishes, and answers after the bus
// confirmed. Thread-safe; `bus` outlives it.
class PublisherService final : public host::v1::PublisherService::WithRawCallbackMethod_Publish<
                                   host::v1::PublisherService::WithRawCallbackMethod_PublishStream<
                                       host::v1::PublisherService::Service>> {
 public:
  PublisherService(bus::Bus* bus, EventLimits limits, const Clock* clock)
      : bus_(bus), limits_(limits), clock_(clock) {}

  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PublishStream(
      grpc::CallbackServerContext* context) override;

  PublishCounters counters() const OUTBOARD_EXCLUDES(mu_);

 private:
  class Stream;
  using Done = std::function<void(std::vector<host::v1::PublishResult>)>;

  // Publishes the valid ones among `events`; `done` gets a result for each, in order.
  void PublishAll(std::vector<std::string> events, Done done);
  void Count(const bus::PublishResult& result) OUTBOARD_REQUIRES(mu_);

  bus::Bus* const bus_;
  const EventLimits limits_;
  const Clock* const clock_;
  mutable Mutex mu_;
  PublishCounters counters_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::admin

#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <string>
#include <vector>

#include "host/access/tokens.h"
#include "host/event/wire.h"
#include "host/ingress/ingress.h"
#include "outboard/host/v1/publisher.grpc.pb.h"

namespace outboard::admin {

// Takes events as bytes (host/plugin/wire.proto), checks each, publishes, and answers after the bus
// confirmed. Thread-safe. `ingress` outlives it, and is stopped before the server that serves it:
// calls that the bus does not answer would hold that one up.
class PublisherService final : public host::v1::PublisherService::WithRawCallbackMethod_Publish<
                                   host::v1::PublisherService::WithRawCallbackMethod_PublishStream<
                                       host::v1::PublisherService::Service>> {
 public:
  // Who publishes, for what types they may.
  struct Publisher {
    access::Tokens* tokens = nullptr;                // Null: whoever may all.
    std::shared_ptr<const access::Caller> caller{};  // Set with it.
    std::optional<access::Visit> visit{};            // Of a stream: set with it.
  };

  PublisherService(ingress::Ingress* ingress, EventLimits limits)
      : ingress_(ingress), limits_(limits) {}

  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override {
    return PublishFrom({}, context, request, response);
  }
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PublishStream(
      grpc::CallbackServerContext*) override {
    return PublishStreamFrom({});
  }
  // The same for somebody who is known.
  grpc::ServerUnaryReactor* PublishFrom(const Publisher& from, grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response);
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PublishStreamFrom(Publisher from);

 private:
  class Waiting;
  class Stream;
  using Done = std::function<void(std::vector<host::v1::PublishResult>)>;

  // Publishes the valid ones among `events`; `done` gets a result for each, in order. `order`: as
  // of Ingress::Publish.
  void PublishAll(const Publisher& from, std::vector<std::string> events,
                  const ingress::Ingress::Asked& asked, ingress::Room room, Done done,
                  const std::shared_ptr<ingress::Order>& order = nullptr);

  // For a request of so many events. RESOURCE_EXHAUSTED, counted: nothing of it is to be published.
  absl::StatusOr<ingress::Ingress::Asked> AskForReceipts(Duration within, size_t events);

  ingress::Ingress* const ingress_;
  const EventLimits limits_;
};

}  // namespace outboard::admin

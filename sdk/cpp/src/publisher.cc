#include "outboard/publisher.h"

#include <grpcpp/grpcpp.h>

#include "outboard/host/v1/publisher.grpc.pb.h"
#include "src/wire.h"

namespace outboard {
namespace {

PublishResult Failure(int code, std::string message) {
  PublishResult result;
  result.code = code;
  result.message = std::move(message);
  return result;
}

}  // namespace

struct Publisher::Impl {
  std::string address;
  std::chrono::milliseconds timeout;
  std::unique_ptr<host::v1::PublisherService::Stub> stub;
};

Publisher::Publisher(const std::string& address, std::chrono::milliseconds timeout)
    : impl_(std::make_unique<Impl>()) {
  impl_->address = address;
  impl_->timeout = timeout;
  impl_->stub = host::v1::PublisherService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
}

Publisher::~Publisher() = default;

PublishResult Publisher::Publish(const NewEvent& event) {
  return Publish(std::vector<NewEvent>{event}).front();
}

std::vector<PublishResult> Publisher::Publish(const std::vector<NewEvent>& events) {
  const auto all = [&](int code, const std::string& message) {
    return std::vector<PublishResult>(events.size(), Failure(code, message));
  };
  std::string wire;
  for (const NewEvent& event : events) internal::AppendBytesField(&wire, 1, event.wire());
  host::v1::PublishRequest request;
  if (!request.ParseFromString(wire)) {
    return all(grpc::StatusCode::INVALID_ARGUMENT, "an event has text that is not UTF-8");
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + impl_->timeout);
  host::v1::PublishResponse response;
  const grpc::Status status = impl_->stub->Publish(&context, request, &response);
  if (!status.ok()) {
    return all(status.error_code(),
               "the host at " + impl_->address + " did not confirm: " + status.error_message());
  }
  if (response.results_size() != static_cast<int>(events.size())) {
    return all(grpc::StatusCode::INTERNAL, "the host answered " +
                                               std::to_string(response.results_size()) + " of " +
                                               std::to_string(events.size()) + " events");
  }
  std::vector<PublishResult> results;
  for (const auto& result : response.results()) {
    results.push_back({result.confirmed(), result.matched(), result.code(), result.message()});
  }
  return results;
}

}  // namespace outboard

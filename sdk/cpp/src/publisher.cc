#include "outboard/publisher.h"

#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

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

std::optional<Offset> ToOffset(const plugin::v1::Offset& in) {
  switch (in.value_case()) {
    case plugin::v1::Offset::kIntValue: return in.int_value();
    case plugin::v1::Offset::kDoubleValue: return in.double_value();
    case plugin::v1::Offset::kStringValue: return in.string_value();
    case plugin::v1::Offset::kBytesValue: return Bytes{in.bytes_value()};
    case plugin::v1::Offset::VALUE_NOT_SET: break;
  }
  return std::nullopt;
}

std::vector<Receipt> ToReceipts(
    const google::protobuf::RepeatedPtrField<host::v1::Receipt>& receipts) {
  std::vector<Receipt> out;
  for (const host::v1::Receipt& in : receipts) {
    Receipt& receipt = out.emplace_back();
    receipt.lane = in.lane();
    receipt.end = static_cast<Receipt::End>(in.end());
    if (in.has_offset()) receipt.offset = ToOffset(in.offset());
    if (in.has_accepted_at())
      receipt.accepted_at = Timestamp(std::chrono::seconds(in.accepted_at().seconds()) +
                                      std::chrono::nanoseconds(in.accepted_at().nanos()));
    receipt.reason = in.reason();
  }
  return out;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::shared_ptr<grpc::ChannelCredentials> Credentials(const PublisherOptions& options) {
  if (!options.tls && options.ca_file.empty() && options.cert_file.empty())
    return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  if (!options.ca_file.empty()) ssl.pem_root_certs = ReadAll(options.ca_file);
  if (!options.cert_file.empty()) ssl.pem_cert_chain = ReadAll(options.cert_file);
  if (!options.key_file.empty()) ssl.pem_private_key = ReadAll(options.key_file);
  return grpc::SslCredentials(ssl);
}

}  // namespace

std::optional<PublisherOptions> PublisherOptions::FromEnvironment() {
  const char* const address = std::getenv("OUTBOARD_PUBLISH");
  const char* const token = std::getenv("OUTBOARD_TOKEN");
  if (address == nullptr || token == nullptr) return std::nullopt;
  PublisherOptions options;
  options.address = address;
  options.token = token;
  return options;
}

struct Publisher::Impl {
  PublisherOptions options;
  std::unique_ptr<host::v1::PublisherService::Stub> stub;
};

Publisher::Publisher(const std::string& address, std::chrono::milliseconds timeout)
    : Publisher([&] {
        PublisherOptions options;
        options.address = address;
        options.timeout = timeout;
        return options;
      }()) {}

Publisher::Publisher(const PublisherOptions& options) : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->stub = host::v1::PublisherService::NewStub(
      grpc::CreateChannel(options.address, Credentials(options)));
}

Publisher::~Publisher() = default;

PublishResult Publisher::Publish(const NewEvent& event) {
  return Publish(std::vector<NewEvent>{event}).front();
}

std::vector<PublishResult> Publisher::Publish(const std::vector<NewEvent>& events) {
  return Publish(events, std::chrono::milliseconds(0));
}

std::vector<PublishResult> Publisher::Publish(const std::vector<NewEvent>& events,
                                              std::chrono::milliseconds receipts_within) {
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
  context.set_deadline(std::chrono::system_clock::now() + impl_->options.timeout + receipts_within);
  if (!impl_->options.token.empty())
    context.AddMetadata("authorization", "Bearer " + impl_->options.token);
  if (receipts_within.count() != 0) {
    request.mutable_receipts_within()->set_seconds(receipts_within.count() / 1000);
    request.mutable_receipts_within()->set_nanos(
        static_cast<int32_t>(receipts_within.count() % 1000) * 1'000'000);
  }
  host::v1::PublishResponse response;
  const grpc::Status status = impl_->stub->Publish(&context, request, &response);
  if (!status.ok()) {
    return all(status.error_code(), "the host at " + impl_->options.address +
                                        " did not confirm: " + status.error_message());
  }
  if (response.results_size() != static_cast<int>(events.size())) {
    return all(grpc::StatusCode::INTERNAL, "the host answered " +
                                               std::to_string(response.results_size()) + " of " +
                                               std::to_string(events.size()) + " events");
  }
  std::vector<PublishResult> results;
  for (const auto& result : response.results()) {
    results.push_back({result.confirmed(), result.matched(), result.code(), result.message(),
                       result.dropped_by(), ToReceipts(result.receipts())});
  }
  return results;
}

}  // namespace outboard

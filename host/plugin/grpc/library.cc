#include "host/plugin/grpc/library.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>

#include "outboard/plugin/v1/plugin.grpc.pb.h"

namespace outboard::plugin {
namespace {

using outboard::plugin::v1::DescribeRequest;
using outboard::plugin::v1::DescribeResponse;
using outboard::plugin::v1::PluginService;

// A channel keeps the library; a call on it, even one cancelled before it starts, makes the channel
// keep the callback threads.
struct Keeper {
  std::shared_ptr<grpc::Channel> channel =
      grpc::CreateChannel("unix:/nonexistent", grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  DescribeRequest request;
  DescribeResponse response;

  Keeper() {
    context.TryCancel();
    PluginService::NewStub(channel)->async()->Describe(&context, &request, &response,
                                                       [](const grpc::Status&) {});
  }
};

}  // namespace

void KeepGrpcUp() {
  static const auto* const keeper = new Keeper;
  (void)keeper;
}

}  // namespace outboard::plugin

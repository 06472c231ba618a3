#include "host/plugin/grpc/library.h"

#include <grpc/support/log.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>

#include <atomic>
#include <chrono>

#include "host/base/log.h"
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

// What gRPC says by itself, such as of handshakes that failed, goes where the host's own lines go.
// Strangers can make it say much: one line a second is enough, and the next tells how many it left.
void Tell(gpr_log_func_args* line) {
  static std::atomic<int64_t> next_second{0};
  static std::atomic<uint64_t> left_out{0};
  if (line->severity < GPR_LOG_SEVERITY_ERROR) return;
  const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                          std::chrono::steady_clock::now().time_since_epoch())
                          .count();
  int64_t next = next_second.load();
  if (now < next || !next_second.compare_exchange_strong(next, now + 1)) {
    ++left_out;
    return;
  }
  const uint64_t before = left_out.exchange(0);
  LogWarning("grpc", line->message, {{"left_out_before", std::to_string(before)}});
}

}  // namespace

void TakeGrpcLog() { gpr_set_log_function(&Tell); }

void KeepGrpcUp() {
  static const auto* const keeper = new Keeper;
  (void)keeper;
}

}  // namespace outboard::plugin

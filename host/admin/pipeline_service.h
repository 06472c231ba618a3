#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "host/access/tokens.h"
#include "host/base/clock.h"
#include "host/base/mutex.h"
#include "host/shard/shard.h"
#include "outboard/host/v1/pipeline.grpc.pb.h"

namespace outboard::admin {

// Hands calls to the shards that have their pipelines, and answers to the callers. Thread-safe.
class PipelineService final : public host::v1::PipelineService::WithCallbackMethod_Invoke<
                                  host::v1::PipelineService::WithCallbackMethod_InvokeStream<
                                      host::v1::PipelineService::Service>> {
 public:
  // Where a pipeline is. The shard outlives the server of this service.
  struct Place {
    shard::Shard* shard = nullptr;
    size_t position = 0;  // In ShardOptions::pipelines.
  };

  explicit PipelineService(const Clock* clock) : clock_(clock) {}

  // From now on calls are taken; before, callers are told to wait.
  void Open(std::map<std::string, Place> pipelines) OUTBOARD_EXCLUDES(mu_);

  grpc::ServerUnaryReactor* Invoke(grpc::CallbackServerContext* context,
                                   const host::v1::InvokeRequest* request,
                                   host::v1::InvokeResponse* response) override;
  grpc::ServerBidiReactor<host::v1::InvokeStreamRequest, host::v1::InvokeStreamResponse>*
  InvokeStream(grpc::CallbackServerContext* context) override {
    return InvokeStreamOf(context, std::nullopt);
  }
  // The same for somebody whose calls are refused once they may not come any more.
  grpc::ServerBidiReactor<host::v1::InvokeStreamRequest, host::v1::InvokeStreamResponse>*
  InvokeStreamOf(grpc::CallbackServerContext* context, std::optional<access::Visit> visit);

 private:
  class Unary;
  class Stream;
  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

  // A call on its way to its shard.
  struct Routed {
    shard::Shard* shard = nullptr;
    shard::Invocation invocation;
  };
  // What is wrong with the call otherwise, as an Answer.
  absl::StatusOr<Routed> Route(const outboard::plugin::v1::Call& call, const Metadata& metadata,
                               pipeline::Answer* refused) OUTBOARD_EXCLUDES(mu_);

  const Clock* const clock_;
  std::atomic<uint64_t> next_id_{1};
  // Under way. A stream's calls are bounded by not reading it.
  std::atomic<uint64_t> unary_calls_{0}, unary_bytes_{0}, streams_{0};
  Mutex mu_;
  bool open_ OUTBOARD_GUARDED_BY(mu_) = false;
  std::map<std::string, Place> pipelines_ OUTBOARD_GUARDED_BY(mu_);
};

}  // namespace outboard::admin

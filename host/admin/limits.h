#pragma once

#include <grpcpp/server_builder.h>

namespace outboard::admin {

// A request above it is RESOURCE_EXHAUSTED.
inline constexpr int kMaxRequestBytes = 32 << 20;
// Metadata of a call, above which it is RESOURCE_EXHAUSTED; gRPC's own default, said here so that
// it stays.
inline constexpr int kMaxMetadataBytes = 8 << 10;

// What every gRPC server of the host keeps to.
inline void SetLimits(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  // A window that is large from the beginning, in the place of a ping for each frame at low rates.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 4 << 20);
  builder->SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
}

}  // namespace outboard::admin

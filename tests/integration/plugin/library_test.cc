#include "host/plugin/grpc/library.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

namespace outboard::plugin {
namespace {

TEST(KeepGrpcUpTest, TheLibraryOutlivesTheLastChannel) {
  KeepGrpcUp();
  KeepGrpcUp();
  grpc::CreateChannel("unix:/nonexistent", grpc::InsecureChannelCredentials()).reset();
  EXPECT_NE(grpc_is_initialized(), 0);
}

}  // namespace
}  // namespace outboard::plugin

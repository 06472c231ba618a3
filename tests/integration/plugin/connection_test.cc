#include "host/plugin/grpc/connection.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <future>

#include "absl/strings/str_cat.h"
#include "outboard/plugin/v1/plugin.grpc.pb.h"

namespace outboard::plugin {
namespace {

// Takes every call and answers none.
class Silence final : public grpc::CallbackGenericService {
 private:
  class Call final : public grpc::ServerGenericBidiReactor {
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }
  };
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Call;
  }
};

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() {
    char folder[] = "/tmp/outboard-test-XXXXXX";
    path_ = absl::StrCat(mkdtemp(folder), "/socket");
  }
  ~ConnectionTest() override {
    unlink(path_.c_str());
    rmdir(path_.substr(0, path_.rfind('/')).c_str());
  }

  std::unique_ptr<grpc::Server> Serve(bool with_health) {
    grpc::EnableDefaultHealthCheckService(with_health);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path_, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    return builder.BuildAndStart();
  }
  absl::Status CheckHealth(Duration timeout = std::chrono::seconds(30)) {
    std::promise<absl::Status> answer;
    connection_ = std::make_shared<Connection>("unix:" + path_);
    connection_->CheckHealth(timeout, [&](absl::Status health) { answer.set_value(health); });
    return answer.get_future().get();
  }

  outboard::plugin::v1::PluginService::CallbackService service_;
  std::string path_;
  std::shared_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, AServerThatSaysServingIsHealthy) {
  const auto server = Serve(true);
  EXPECT_EQ(CheckHealth(), absl::OkStatus());
}

TEST_F(ConnectionTest, AServerWithoutTheHealthServiceIsHealthy) {
  const auto server = Serve(false);
  EXPECT_EQ(CheckHealth(), absl::OkStatus());
}

TEST_F(ConnectionTest, AServerThatSaysNotServingIsNot) {
  const auto server = Serve(true);
  server->GetHealthCheckService()->SetServingStatus(false);
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckHealth()));
}

TEST_F(ConnectionTest, OneThatDoesNotAnswerIsNot) {
  grpc::EnableDefaultHealthCheckService(false);
  Silence silence;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + path_, grpc::InsecureServerCredentials());
  builder.RegisterCallbackGenericService(&silence);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  EXPECT_TRUE(absl::IsDeadlineExceeded(CheckHealth(std::chrono::milliseconds(200))));
}

TEST_F(ConnectionTest, ALostConnectionIsLeftToItsSessionsToTell) {
  EXPECT_EQ(CheckHealth(), absl::OkStatus());  // Nobody listens.
}

}  // namespace
}  // namespace outboard::plugin

#include "host/conform/echo.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <cstdlib>

#include "outboard/plugin/v1/worker.grpc.pb.h"

namespace outboard::conform {
namespace {

namespace v1 = outboard::plugin::v1;

class Reactor final : public grpc::ServerBidiReactor<v1::HandleRequest, v1::HandleResponse> {
 public:
  Reactor() { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    response_.Clear();
    if (request_.has_open()) response_.mutable_opened();
    for (const v1::Delivery& delivery : request_.deliveries()) {
      response_.add_done_ids(delivery.delivery_id());
    }
    StartWrite(&response_);
  }
  void OnWriteDone(bool) override { StartRead(&request_); }
  void OnDone() override { delete this; }

 private:
  v1::HandleRequest request_;
  v1::HandleResponse response_;
};

class Service final : public v1::WorkerService::CallbackService {
 public:
  grpc::ServerBidiReactor<v1::HandleRequest, v1::HandleResponse>* Handle(
      grpc::CallbackServerContext*) override {
    return new Reactor;
  }
};

}  // namespace

struct Echo::Impl {
  std::string folder, address;
  Service service;
  std::unique_ptr<grpc::Server> server;
};

Echo::Echo(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<Echo>> Echo::Start() {
  auto impl = std::make_unique<Impl>();
  char folder[] = "/tmp/outboard-echo-XXXXXX";
  if (mkdtemp(folder) == nullptr) return absl::InternalError("cannot make a folder in /tmp");
  impl->folder = folder;
  impl->address = "unix:" + impl->folder + "/socket";
  grpc::ServerBuilder builder;
  builder.AddListeningPort(impl->address, grpc::InsecureServerCredentials());
  builder.RegisterService(&impl->service);
  impl->server = builder.BuildAndStart();
  std::unique_ptr<Echo> echo(new Echo(std::move(impl)));
  if (echo->impl_->server == nullptr) return absl::InternalError("cannot listen in /tmp");
  return echo;
}

Echo::~Echo() {
  if (impl_->server != nullptr) impl_->server->Shutdown(std::chrono::system_clock::now());
  unlink((impl_->folder + "/socket").c_str());
  rmdir(impl_->folder.c_str());
}

const std::string& Echo::address() const { return impl_->address; }

}  // namespace outboard::conform

// Publishes events over PublishStream as fast as the host confirms them, and prints what it took as
// JSON.
//
//   bench_publish --socket PATH [--events N] [--batch 256] [--under-way 16] [--size 256]

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "outboard/host/v1/publisher.grpc.pb.h"
#include "tests/bench/common.h"

namespace {

using outboard::bench::NowNanos;
using outboard::host::v1::PublisherService;
using outboard::host::v1::PublishStreamRequest;
using outboard::host::v1::PublishStreamResponse;

struct Sizes {
  uint64_t events, batch, under_way, size;
};

// A request of `batch` events whose ids are still to be set.
PublishStreamRequest Template(const Sizes& sizes) {
  PublishStreamRequest request;
  for (uint64_t i = 0; i < sizes.batch; ++i) {
    auto* event = request.add_events();
    event->set_source("storyboard");
    event->set_spec_version("1.0");
    event->set_type("story.post");
    (*event->mutable_attributes())["subject"].set_ce_string("story/" + std::to_string(i % 100));
    event->set_binary_data(outboard::bench::Payload(sizes.size, 0));
  }
  return request;
}

class Publishing {
 public:
  Publishing(PublisherService::Stub* stub, const Sizes& sizes)
      : sizes_(sizes), stream_(stub->PublishStream(&context_)) {}

  // False where not all events were confirmed, with the reason on stderr.
  bool Run() {
    PublishStreamRequest request = Template(sizes_);
    std::thread reader([this] { Read(); });
    for (uint64_t sent = 0; sent < sizes_.events && WaitForRoom();) {
      const uint64_t count = std::min(sizes_.batch, sizes_.events - sent);
      while (static_cast<uint64_t>(request.events_size()) > count)
        request.mutable_events()->RemoveLast();
      for (auto& event : *request.mutable_events()) {
        char id[40];
        std::snprintf(id, sizeof(id), "01j9z3-%020llu", static_cast<unsigned long long>(++sent));
        event.set_id(id);
      }
      request.set_request_id(sent);
      if (!stream_->Write(request)) break;
    }
    stream_->WritesDone();
    reader.join();
    const grpc::Status status = stream_->Finish();
    if (!status.ok())
      std::fprintf(stderr, "the stream broke: %s\n", status.error_message().c_str());
    if (!refusal_.empty()) std::fprintf(stderr, "refused: %s\n", refusal_.c_str());
    return confirmed_ == sizes_.events;
  }

 private:
  void Read() {
    PublishStreamResponse response;
    while (stream_->Read(&response)) {
      std::lock_guard lock(mutex_);
      for (const auto& result : response.results()) {
        if (result.confirmed())
          ++confirmed_;
        else
          refusal_ = result.message();
      }
      --open_;
      changed_.notify_one();
    }
    std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_one();
  }

  bool WaitForRoom() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return over_ || open_ < sizes_.under_way; });
    ++open_;
    return !over_ && refusal_.empty();
  }

  const Sizes sizes_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<PublishStreamRequest, PublishStreamResponse>> stream_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t open_ = 0, confirmed_ = 0;
  bool over_ = false;
  std::string refusal_;
};

}  // namespace

int main(int argc, char** argv) {
  auto flags = outboard::bench::ReadFlags(argc, argv,
                                          {{"socket", ""},
                                           {"events", "1000000"},
                                           {"batch", "256"},
                                           {"under-way", "16"},
                                           {"size", "256"}});
  const Sizes sizes{std::stoull(flags["events"]), std::stoull(flags["batch"]),
                    std::stoull(flags["under-way"]), std::stoull(flags["size"])};
  const auto channel =
      grpc::CreateChannel("unix:" + flags["socket"], grpc::InsecureChannelCredentials());
  const auto stub = PublisherService::NewStub(channel);
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const int64_t begin = NowNanos();
  const double cpu = outboard::bench::CpuSeconds();
  const bool good = Publishing(stub.get(), sizes).Run();
  std::printf("{\"begin\": %lld, \"end\": %lld, \"cpu\": %.3f}\n", static_cast<long long>(begin),
              static_cast<long long>(NowNanos()), outboard::bench::CpuSeconds() - cpu);
  return good ? 0 : 1;
}

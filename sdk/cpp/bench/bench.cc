// How fast a worker of this SDK is: plays the host to a process of its own over a unix socket, with
// frames of spliced 256-byte events, and prints events/s and the CPU time per event of both sides.
//
//   outboard_sdk_cpp_bench [events 2000000] [deliveries a frame 256] [frames in flight 4] [handler
//   threads 1]

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "outboard/outboard.h"
#include "outboard/plugin/v1/worker.pb.h"
#include "src/wire.h"

namespace {

using outboard::internal::AppendBytesField;
using outboard::internal::AppendNumberField;
using outboard::plugin::v1::HandleResponse;
using Stub = grpc::TemplatedGenericStub<grpc::ByteBuffer, HandleResponse>;

struct Sizes {
  uint64_t events = 2'000'000;
  uint64_t per_frame = 256;
  uint64_t frames_in_flight = 4;
  uint32_t threads = 1;
};

int RunWorker(uint32_t threads) {
  outboard::Plugin plugin("bench", "1");
  outboard::WorkerOptions options;
  options.concurrency = threads;
  size_t checksum = 0;
  plugin.Worker(
      "bench",
      [&checksum](const outboard::Event& event, outboard::Context&) {
        // What a handler reads at least.
        checksum += event.id().size() + event.type().size() + event.data()[0];
        return outboard::Done();
      },
      options);
  return outboard::Serve(plugin);
}

std::string SampleEvent() {
  outboard::NewEvent event("story.post");
  event.Id("0123456789abcdef0123456789abcdef").Source("storyboard").Subject("story/12");
  event.DataContentType("application/json").Data(std::string(256, 'x'));
  return event.wire();
}

// The host's side of one session.
class Driver : public grpc::ClientBidiReactor<grpc::ByteBuffer, HandleResponse> {
 public:
  Driver(Stub* stub, const Sizes& sizes) : sizes_(sizes), event_(SampleEvent()) {
    stub->PrepareBidiStreamingCall(&context_, "/outboard.plugin.v1.WorkerService/Handle", {}, this);
    std::string open, frame;
    AppendBytesField(&open, 1, "bench");
    AppendBytesField(&frame, 1, open);
    request_ = Buffer(frame);
    AddHold();
    StartWrite(&request_);
    StartRead(&response_);
    StartCall();
  }

  // Seconds from the first delivery to the last answer.
  double Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
    return std::chrono::duration<double>(end_ - begin_).count();
  }
  uint64_t response_frames() const { return response_frames_; }

 private:
  static grpc::ByteBuffer Buffer(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    return grpc::ByteBuffer(&slice, 1);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    std::unique_lock lock(mutex_);
    if (response_.has_opened()) begin_ = std::chrono::steady_clock::now();
    ++response_frames_;
    opened_ = true;
    answered_ += response_.done_ids_size();
    if (answered_ == sizes_.events) end_ = std::chrono::steady_clock::now();
    lock.unlock();
    StartRead(&response_);
    Pump();
  }

  void OnWriteDone(bool ok) override {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
    }
    if (ok) Pump();
  }

  void OnDone(const grpc::Status& status) override {
    if (!status.ok()) std::fprintf(stderr, "ended: %s\n", status.error_message().c_str());
    std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }

  void Pump() {
    std::unique_lock lock(mutex_);
    if (writing_ || closed_ || !opened_) return;
    writing_ = true;
    if (answered_ == sizes_.events) {
      closed_ = true;
      std::string frame;
      AppendBytesField(&frame, 4, "");
      request_ = Buffer(frame);
      lock.unlock();
      StartWriteLast(&request_, {});
      RemoveHold();
      return;
    }
    if (sent_ == sizes_.events ||
        sent_ - answered_ > (sizes_.frames_in_flight - 1) * sizes_.per_frame) {
      writing_ = false;
      return;
    }
    request_ = Buffer(NextFrame());
    lock.unlock();
    StartWrite(&request_);
  }

  std::string NextFrame() {
    std::string frame, head;
    const uint64_t count = std::min(sizes_.per_frame, sizes_.events - sent_);
    frame.reserve(count * (event_.size() + 16));
    for (uint64_t i = 0; i < count; ++i) {
      head.clear();
      AppendNumberField(&head, 1, ++sent_);
      AppendNumberField(&head, 4, 1);
      AppendBytesField(&head, 2, event_);
      AppendBytesField(&frame, 2, head);
    }
    return frame;
  }

  const Sizes sizes_;
  const std::string event_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  HandleResponse response_;

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t sent_ = 0, answered_ = 0, response_frames_ = 0;
  bool writing_ = true, opened_ = false, closed_ = false, done_ = false;
  std::chrono::steady_clock::time_point begin_, end_;
};

double CpuSeconds(const rusage& usage) {
  return usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 + usage.ru_stime.tv_sec +
         usage.ru_stime.tv_usec / 1e6;
}

uint64_t Argument(int argc, char** argv, int index, uint64_t otherwise) {
  return argc > index ? std::strtoull(argv[index], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  Sizes sizes;
  sizes.events = Argument(argc, argv, 1, sizes.events);
  sizes.per_frame = Argument(argc, argv, 2, sizes.per_frame);
  sizes.frames_in_flight = Argument(argc, argv, 3, sizes.frames_in_flight);
  sizes.threads = static_cast<uint32_t>(Argument(argc, argv, 4, sizes.threads));

  char folder[] = "/tmp/outboard-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 1;
  const std::string socket = std::string(folder) + "/socket", address = "unix:" + socket;
  // Before gRPC has any thread here.
  const pid_t worker = fork();
  if (worker == 0) {
    setenv("OUTBOARD_LISTEN", address.c_str(), 1);
    _exit(RunWorker(sizes.threads));
  }
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  Stub stub(channel);
  Driver driver(&stub, sizes);
  const double seconds = driver.Wait();
  kill(worker, SIGTERM);
  rusage host{}, plugin{};
  wait4(worker, nullptr, 0, &plugin);
  getrusage(RUSAGE_SELF, &host);
  unlink(socket.c_str());
  rmdir(folder);

  const double events = static_cast<double>(sizes.events);
  std::printf("%.0f events/s   CPU us/event: host %.2f, plugin %.2f   answers a frame: %.0f\n",
              events / seconds, CpuSeconds(host) * 1e6 / events, CpuSeconds(plugin) * 1e6 / events,
              events / static_cast<double>(driver.response_frames()));
  return 0;
}

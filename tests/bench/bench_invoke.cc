// Calls the pipeline "bench" of a host, whose last stage answers with the first argument.
//
//   bench_invoke --socket PATH --folder PATH [--calls 4000] [--rate 1000] [--size 256]
//   bench_invoke --socket PATH --stream 1 [--calls 400000] [--window 2048] [--frame 64]
//
// The first form makes unary calls at a steady rate; before and after, the control of the same run:
// unary calls at the same rate of a bare gRPC server in a process of its own. Prints JSON with all
// nanoseconds. The second form makes them over one stream, so many under way, and prints how long
// it took.

#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <deque>
#include <memory>

#include "outboard/host/v1/pipeline.grpc.pb.h"
#include "tests/bench/common.h"
#include "tests/bench/echo_server.h"

namespace {

using outboard::bench::AtRate;
using outboard::bench::NowNanos;
using outboard::bench::PrintList;
using outboard::bench::ServeEcho;
using outboard::host::v1::InvokeRequest;
using outboard::host::v1::InvokeResponse;
using outboard::host::v1::InvokeStreamRequest;
using outboard::host::v1::InvokeStreamResponse;
using outboard::host::v1::PipelineService;

void Fill(size_t size, outboard::plugin::v1::Call* call) {
  call->set_pipeline("bench");
  call->set_operation("create");
  call->add_args()->set_data("\"" + std::string(size - 2, 'x') + "\"");
  (*call->mutable_context())["project"] = "bench";
}

// ---- The control
// -----------------------------------------------------------------------------------

class Echo final : public PipelineService::CallbackService {
  grpc::ServerUnaryReactor* Invoke(grpc::CallbackServerContext* context,
                                   const InvokeRequest* request,
                                   InvokeResponse* response) override {
    *response->mutable_answer() = request->call().args(0);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// ---- What is measured
// ------------------------------------------------------------------------------

struct Unary {
  grpc::ClientContext context;
  InvokeRequest request;
  InvokeResponse response;
  int64_t begin = 0;
  int64_t nanos = -1;  // Until the answer; -1: it was none.
};

// Open loop: a slow answer delays no later call.
void Invoke(PipelineService::Stub* stub, int64_t count, int64_t rate, size_t size,
            std::vector<int64_t>* nanos) {
  std::deque<Unary> calls;
  std::atomic<int64_t> open{0};
  AtRate(count, rate, [&](int64_t) {
    Unary& call = calls.emplace_back();
    ++open;
    Fill(size, call.request.mutable_call());
    call.begin = NowNanos();
    stub->async()->Invoke(&call.context, &call.request, &call.response,
                          [&call, &open, size](const grpc::Status& status) {
                            if (status.ok() && call.response.answer().data().size() == size)
                              call.nanos = NowNanos() - call.begin;
                            --open;
                          });
  });
  while (open > 0) usleep(1000);
  for (const Unary& call : calls) nanos->push_back(call.nanos);
}

int Latency(PipelineService::Stub* host, const std::string& folder, int64_t count, int64_t rate,
            size_t size, pid_t echo) {
  const auto channel =
      grpc::CreateChannel("unix:" + folder + "/echo", grpc::InsecureChannelCredentials());
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const auto bare = PipelineService::NewStub(channel);
  std::vector<int64_t> answered, control;
  Invoke(bare.get(), count / 2, rate, size, &control);
  Invoke(host, count, rate, size, &answered);
  Invoke(bare.get(), count / 2, rate, size, &control);
  kill(echo, SIGKILL);
  waitpid(echo, nullptr, 0);
  std::printf("{");
  PrintList("echo", control, ", ");
  PrintList("answered", answered, "}\n");
  return 0;
}

int Stream(PipelineService::Stub* host, int64_t count, int64_t window, int64_t frame, size_t size) {
  grpc::ClientContext context;
  const auto stream = host->InvokeStream(&context);
  InvokeStreamRequest request;
  const auto fill = [&](int64_t first, int64_t calls) {
    request.clear_calls();
    for (int64_t i = 0; i < calls; ++i) {
      auto* call = request.add_calls();
      call->set_call_id(static_cast<uint64_t>(first + i));
      Fill(size, call->mutable_call());
    }
    return stream->Write(request);
  };
  const int64_t begin = NowNanos();
  int64_t sent = 0;
  int64_t answered = 0;
  InvokeStreamResponse response;
  while (answered < count) {
    while (sent < count && sent - answered + frame <= window) {
      const int64_t calls = std::min(frame, count - sent);
      if (!fill(sent, calls)) return 1;
      sent += calls;
    }
    if (!stream->Read(&response)) break;
    for (const auto& answer : response.answers()) {
      if (answer.answer().data().size() != size) {
        std::fprintf(stderr, "no answer: %s\n", answer.ShortDebugString().c_str());
        return 1;
      }
      ++answered;
    }
  }
  const int64_t end = NowNanos();
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  if (answered < count || !status.ok()) {
    std::fprintf(stderr, "the stream ended: %s\n", status.error_message().c_str());
    return 1;
  }
  std::printf("{\"begin\": %lld, \"end\": %lld, \"cpu\": %f}\n", static_cast<long long>(begin),
              static_cast<long long>(end), outboard::bench::CpuSeconds());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  auto flags = outboard::bench::ReadFlags(argc, argv,
                                          {{"socket", ""},
                                           {"folder", "."},
                                           {"calls", "4000"},
                                           {"rate", "1000"},
                                           {"size", "256"},
                                           {"stream", "0"},
                                           {"window", "2048"},
                                           {"frame", "64"}});
  const auto number = [&](const char* name) { return std::stoll(flags[name]); };
  const size_t size = std::stoull(flags["size"]);
  const bool streams = flags["stream"] != "0";
  // Before gRPC has any thread here.
  const pid_t echo = streams ? 0 : fork();
  if (!streams && echo == 0) _exit(ServeEcho<Echo>("unix:" + flags["folder"] + "/echo"));
  const auto channel =
      grpc::CreateChannel("unix:" + flags["socket"], grpc::InsecureChannelCredentials());
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const auto host = PipelineService::NewStub(channel);
  if (streams) return Stream(host.get(), number("calls"), number("window"), number("frame"), size);
  return Latency(host.get(), flags["folder"], number("calls"), number("rate"), size, echo);
}

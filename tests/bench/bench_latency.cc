// Publishes single events at a steady rate, each stamped when Publish is called; the worker takes
// the time again in its handler. Beside it the control of the same run: at the same rate, one
// commit of one row with synchronous=FULL and then one unary echo to another process over a unix
// socket, which is the least that a durable event can take. Prints JSON with all nanoseconds.
//
//   bench_latency --socket PATH --folder PATH [--events 4000] [--rate 1000] [--size 256]

#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <deque>
#include <functional>
#include <memory>

#include "outboard/host/v1/publisher.grpc.pb.h"
#include "tests/bench/common.h"
#include "tests/bench/echo_server.h"

namespace {

using outboard::bench::AtRate;
using outboard::bench::NowNanos;
using outboard::bench::PrintList;
using outboard::bench::ServeEcho;
using outboard::host::v1::PublisherService;
using outboard::host::v1::PublishRequest;
using outboard::host::v1::PublishResponse;

PublishRequest Request(int64_t number, size_t size) {
  PublishRequest request;
  auto* event = request.add_events();
  event->set_id("latency-" + std::to_string(number));
  event->set_source("storyboard");
  event->set_spec_version("1.0");
  event->set_type("story.post");
  event->set_binary_data(outboard::bench::Payload(size, NowNanos()));
  return request;
}

// ---- The control
// -----------------------------------------------------------------------------------

class Echo final : public PublisherService::CallbackService {
  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context, const PublishRequest*,
                                    PublishResponse*) override {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// One file with one table, a row a commit.
class Commits {
 public:
  explicit Commits(const std::string& path) {
    if (sqlite3_open(path.c_str(), &database_) != SQLITE_OK) Fail();
    Do("PRAGMA journal_mode=WAL");
    Do("PRAGMA synchronous=FULL");
    Do("CREATE TABLE IF NOT EXISTS log (offset INTEGER PRIMARY KEY, event BLOB)");
    if (sqlite3_prepare_v2(database_, "INSERT INTO log (event) VALUES (?)", -1, &insert_,
                           nullptr) != SQLITE_OK) {
      Fail();
    }
  }
  ~Commits() {
    sqlite3_finalize(insert_);
    sqlite3_close(database_);
  }
  Commits(const Commits&) = delete;
  Commits& operator=(const Commits&) = delete;

  void Commit(const std::string& bytes) {
    sqlite3_bind_blob(insert_, 1, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
    if (sqlite3_step(insert_) != SQLITE_DONE) Fail();
    sqlite3_reset(insert_);
  }

 private:
  void Do(const char* sql) {
    if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) Fail();
  }
  [[noreturn]] void Fail() {
    std::fprintf(stderr, "SQLite: %s\n", sqlite3_errmsg(database_));
    std::exit(1);
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

struct Control {
  std::vector<int64_t> commit, echo, both;
};

void RunControl(Commits* commits, PublisherService::Stub* stub, int64_t count, int64_t rate,
                size_t size, Control* control) {
  AtRate(count, rate, [&](int64_t i) {
    const PublishRequest request = Request(i, size);
    const std::string bytes = request.SerializeAsString();
    PublishResponse response;
    grpc::ClientContext context;
    const int64_t begin = NowNanos();
    commits->Commit(bytes);
    const int64_t committed = NowNanos();
    const grpc::Status status = stub->Publish(&context, request, &response);
    const int64_t end = NowNanos();
    if (!status.ok()) {
      std::fprintf(stderr, "echo: %s\n", status.error_message().c_str());
      std::exit(1);
    }
    control->commit.push_back(committed - begin);
    control->echo.push_back(end - committed);
    control->both.push_back(end - begin);
  });
}

// ---- What is measured
// ------------------------------------------------------------------------------

struct Call {
  grpc::ClientContext context;
  PublishRequest request;
  PublishResponse response;
  int64_t begin = 0;
  int64_t nanos = -1;  // Until the answer; -1: not confirmed.
};

// Open loop: a slow answer delays no later call. Returns the nanoseconds until each answer.
std::vector<int64_t> Publish(PublisherService::Stub* stub, int64_t count, int64_t rate,
                             size_t size) {
  std::deque<Call> calls;
  std::atomic<int64_t> open{0};
  AtRate(count, rate, [&](int64_t i) {
    Call& call = calls.emplace_back();
    ++open;
    call.begin = NowNanos();
    call.request = Request(i, size);
    stub->async()->Publish(&call.context, &call.request, &call.response,
                           [&call, &open](const grpc::Status& status) {
                             if (status.ok() && call.response.results_size() == 1 &&
                                 call.response.results(0).confirmed()) {
                               call.nanos = NowNanos() - call.begin;
                             }
                             --open;
                           });
  });
  while (open > 0) usleep(1000);
  std::vector<int64_t> nanos;
  for (const Call& call : calls) nanos.push_back(call.nanos);
  return nanos;
}

}  // namespace

int main(int argc, char** argv) {
  auto flags = outboard::bench::ReadFlags(
      argc, argv,
      {{"socket", ""}, {"folder", "."}, {"events", "4000"}, {"rate", "1000"}, {"size", "256"}});
  const int64_t events = std::stoll(flags["events"]), rate = std::stoll(flags["rate"]);
  const size_t size = std::stoull(flags["size"]);
  const std::string echo_address = "unix:" + flags["folder"] + "/echo";
  // Before gRPC has any thread here.
  const pid_t echo = fork();
  if (echo == 0) _exit(ServeEcho<Echo>(echo_address));
  const auto connect = [](const std::string& address) {
    const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
    channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
    return PublisherService::NewStub(channel);
  };
  const auto echo_stub = connect(echo_address);
  const auto host_stub = connect("unix:" + flags["socket"]);
  Control control;
  std::vector<int64_t> answered;
  {
    Commits commits(flags["folder"] + "/control.db");
    RunControl(&commits, echo_stub.get(), events / 2, rate, size, &control);
    answered = Publish(host_stub.get(), events, rate, size);
    RunControl(&commits, echo_stub.get(), events / 2, rate, size, &control);
  }
  kill(echo, SIGKILL);
  waitpid(echo, nullptr, 0);
  std::printf("{");
  PrintList("commit", control.commit, ", ");
  PrintList("echo", control.echo, ", ");
  PrintList("control", control.both, ", ");
  PrintList("answered", answered, "}\n");
  return 0;
}

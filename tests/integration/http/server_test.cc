#include "host/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "host/http/pages.h"
#include "tests/integration/http/client.h"
#include "tests/unit/metrics/sample_snapshot.h"

namespace outboard::http {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kHealthRequest[] = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
constexpr char kMetricsRequest[] = "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Server>> started =
        Server::Start({"127.0.0.1:0", [this] { return Take(); }});
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = std::move(*started);
    port_ = std::stoi(server_->address().substr(server_->address().rfind(':') + 1));
  }
  void TearDown() override { Unblock(); }

  // From now on a snapshot takes until Unblock.
  void Block() {
    blocked_ = true;
    may_go_ = go_.get_future().share();
  }
  void Unblock() {
    if (!std::exchange(blocked_, false)) return;
    go_.set_value();
  }

  admin::Snapshot Take() {
    ++taken_;
    if (may_go_.valid()) may_go_.wait();
    return admin::SampleSnapshot();
  }

  std::promise<void> go_;
  std::shared_future<void> may_go_;
  bool blocked_ = false;
  std::atomic<int> taken_{0};
  std::unique_ptr<Server> server_;
  int port_ = 0;
};

TEST_F(ServerTest, SaysThatItIsAlive) {
  EXPECT_THAT(Get(port_, "/healthz"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\r\n\r\nok\n")));
}

TEST_F(ServerTest, ServesMetrics) {
  EXPECT_THAT(Get(port_, "/metrics"),
              AllOf(StartsWith("HTTP/1.1 200 "),
                    HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                    HasSubstr("\noutboard_bus_held_bytes 4096\n")));
}

TEST_F(ServerTest, SaysWhetherItIsReady) {
  EXPECT_THAT(Get(port_, "/readyz"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\r\n\r\nready\n"),
                    HasSubstr("\nlane stories/notifier: running\n")));
  for (const char* path : {"/readyz?strict", "/readyz?strict=1", "/readyz?a=b&strict"}) {
    EXPECT_THAT(Get(port_, path), AllOf(StartsWith("HTTP/1.1 503 "),
                                        HasSubstr("not ready: lane stories/index.search")))
        << path;
  }
  for (const char* path : {"/readyz?strict=0", "/readyz?strict=false", "/readyz?stric"}) {
    EXPECT_THAT(Get(port_, path), StartsWith("HTTP/1.1 200 ")) << path;
  }
}

TEST_F(ServerTest, OtherPathsGetAListOfThoseThatThereAre) {
  EXPECT_THAT(Get(port_, "/metric"),
              AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("nothing is served at /metric;"),
                    HasSubstr("/healthz"), HasSubstr("/readyz"), HasSubstr("/metrics")));
  EXPECT_THAT(Get(port_, "/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Get(port_, "/%1b%5b31m" + std::string(4000, 'x')),
              AllOf(StartsWith("HTTP/1.1 404 "), Not(HasSubstr("\x1b")),
                    Not(HasSubstr(std::string(200, 'x')))));
}

TEST_F(ServerTest, OnlyReadsAreServed) {
  EXPECT_THAT(Get(port_, "/healthz", "DELETE"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n"),
                    HasSubstr("DELETE is not served")));
  Client client(port_);
  client.Send("POST /metrics HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_THAT(client.ReadAnswer(), StartsWith("HTTP/1.1 405 "));
}

TEST_F(ServerTest, HeadHasNoBody) {
  Client client(port_);
  client.Send("HEAD /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_THAT(client.ReadAnswer(/*head=*/true), StartsWith("HTTP/1.1 200 "));
  client.Send(kHealthRequest);  // Comes at once after the headers.
  EXPECT_THAT(client.ReadAnswer(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, AConnectionServesManyRequests) {
  Client client(port_);
  for (int i = 0; i < 3; ++i) {
    client.Send(kHealthRequest);
    EXPECT_THAT(client.ReadAnswer(), HasSubstr("ok\n"));
    client.Send(kMetricsRequest);
    EXPECT_THAT(client.ReadAnswer(), HasSubstr("outboard_draining"));
  }
  client.Send(absl::StrCat(kMetricsRequest, kHealthRequest));  // Pipelined.
  EXPECT_THAT(client.ReadAnswer(), HasSubstr("outboard_draining"));
  EXPECT_THAT(client.ReadAnswer(), HasSubstr("ok\n"));
}

TEST_F(ServerTest, HeadersThatAreTooLongAreRefused) {
  Client client(port_);
  client.Send("GET /healthz HTTP/1.1\r\nHost: test\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n");
  EXPECT_THAT(client.ReadAnswer(), Not(StartsWith("HTTP/1.1 200 ")));
  EXPECT_THAT(Get(port_, "/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, IsAliveWhileASnapshotBlocks) {
  Block();
  Client waiting(port_);
  waiting.Send(kMetricsRequest);
  while (taken_ == 0) std::this_thread::yield();
  EXPECT_THAT(Get(port_, "/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get(port_, "/nothing"), StartsWith("HTTP/1.1 404 "));
  EXPECT_FALSE(waiting.Readable());
  Unblock();
  EXPECT_THAT(waiting.ReadAnswer(), HasSubstr("outboard_draining"));
}

TEST_F(ServerTest, OnlySoManyWaitForASnapshot) {
  Block();
  constexpr size_t kTooMany = 5;
  std::vector<std::unique_ptr<Client>> clients;
  for (size_t i = 0; i < Pages::kMaxWaiting + kTooMany; ++i) {
    clients.push_back(std::make_unique<Client>(port_));
    clients.back()->Send(kMetricsRequest);
  }
  const auto answered = [&clients] {
    size_t count = 0;
    for (const auto& client : clients) count += client->Readable() ? 1 : 0;
    return count;
  };
  while (answered() < kTooMany) std::this_thread::yield();
  EXPECT_THAT(Get(port_, "/healthz"), StartsWith("HTTP/1.1 200 "));
  while (taken_ == 0) std::this_thread::yield();
  EXPECT_EQ(taken_, 1);
  Unblock();
  size_t refused = 0;
  for (const auto& client : clients) {
    const std::string answer = client->ReadAnswer();
    const bool busy = answer.find("HTTP/1.1 503 ") == 0;
    EXPECT_THAT(answer, HasSubstr(busy ? "too many wait" : "outboard_draining"));
    refused += busy ? 1 : 0;
  }
  EXPECT_EQ(refused, kTooMany);
}

TEST_F(ServerTest, ThoseWhoWaitAtTheEndAreNotLeftHanging) {
  Block();
  Client waiting(port_);
  waiting.Send(kMetricsRequest);
  while (taken_ == 0) std::this_thread::yield();
  std::thread stopping([this] { server_.reset(); });
  Unblock();
  stopping.join();
  EXPECT_TRUE(waiting.ReadEnd());
}

// As many bad clients as there are, others get their answer.
class StarvationTest : public ServerTest {
 protected:
  // False: this machine does not allow so many open files.
  static bool AllowFiles(rlim_t count) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= count) return true;
    limit.rlim_cur = count;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
  }

  void Open(size_t count, const std::string& bytes) {
    for (size_t i = 0; i < count; ++i) {
      clients_.push_back(std::make_unique<Client>(port_));
      clients_.back()->Send(bytes);
    }
  }

  std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(StarvationTest, IdleAndSlowClientsDoNotStarveOthers) {
  Open(100, "");
  Open(100, "GET /metrics HTTP/1.1\r\nHost: te");  // And no more.
  EXPECT_THAT(Get(port_, "/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get(port_, "/metrics"), StartsWith("HTTP/1.1 200 "));
  clients_.back()->Send("st\r\n\r\n");  // None of them was closed.
  EXPECT_THAT(clients_.back()->ReadAnswer(), StartsWith("HTTP/1.1 200 "));
  clients_.front()->Send(kHealthRequest);
  EXPECT_THAT(clients_.front()->ReadAnswer(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(StarvationTest, MoreClientsThanThereAreConnectionsDoNotStarveOthers) {
  if (!AllowFiles(3000)) GTEST_SKIP() << "needs 3000 open files: ulimit -n";
  Client useful(port_);
  useful.Send(kHealthRequest);
  ASSERT_THAT(useful.ReadAnswer(), StartsWith("HTTP/1.1 200 "));
  for (int i = 0; i < 10; ++i) {
    Open(40, "");
    Open(40, "GET /metrics HTTP/1.1\r\nHost: te");
    EXPECT_THAT(Get(port_, "/healthz"), StartsWith("HTTP/1.1 200 "));
    useful.Send(kHealthRequest);  // It is of use again and again, so it stays.
    EXPECT_THAT(useful.ReadAnswer(), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(Get(port_, "/metrics"), StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(clients_.front()->ReadEnd());
}

}  // namespace
}  // namespace outboard::http

// POST /events of a real server, before a bus that answers when the test says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host/http/publishing.h"
#include "host/http/server.h"
#include "tests/integration/http/client.h"
#include "tests/unit/ingress/held_bus.h"
#include "tests/unit/metrics/sample_snapshot.h"

namespace outboard::http {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kEvent[] = R"({"id":"e1","source":"storyboard","type":"story.post"})";

std::string Headers(const std::string& more, const std::string& type) {
  return absl::StrCat("POST /events HTTP/1.1\r\nHost: test\r\nContent-Type: ", type, "\r\n", more,
                      "\r\n");
}

std::string Post(const std::string& body, const std::string& type = "application/cloudevents+json",
                 const std::string& more = "") {
  return Headers(absl::StrCat(more, "Content-Length: ", body.size(), "\r\n"), type) + body;
}

class EventsTest : public testing::Test {
 protected:
  void SetUp() override { Start(&*ingress_); }

  void Start(ingress::Ingress* ingress, Duration slow_upload = std::chrono::hours(1)) {
    server_.reset();
    auto started = Server::Start({"127.0.0.1:0", [] { return admin::SampleSnapshot(); }, ingress,
                                  EventLimits{1 << 20}, bodies_, slow_upload});
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = std::move(*started);
    port_ = std::stoi(server_->address().substr(server_->address().rfind(':') + 1));
  }
  void TearDown() override {
    ingress_->Stop(Duration::zero());
    server_.reset();
  }
  void Stop(Duration grace) {
    ingress_->Stop(grace);
    server_.reset();
  }

  std::unique_ptr<Client> Posting(const std::string& request = Post(kEvent)) {
    auto client = std::make_unique<Client>(port_);
    client->Send(request);
    return client;
  }
  std::string Answer(const std::string& request) { return Posting(request)->ReadAnswer(); }
  void AwaitBodies(size_t bytes) {
    while (bodies_->under_way().bytes != bytes) std::this_thread::yield();
  }

  RealClock clock_;
  ingress::HeldBus bus_;
  std::optional<ingress::Ingress> ingress_{std::in_place, &bus_, &clock_,
                                           ingress::Load{8 << 20, 1000}};
  std::shared_ptr<ingress::Bound> bodies_ =
      std::make_shared<ingress::Bound>(ingress::Load{(8 << 20) + 16, 1});
  std::unique_ptr<Server> server_;
  int port_ = 0;
};

TEST_F(EventsTest, AnswersAfterTheBusHasConfirmedAndNotBefore) {
  const auto client = Posting();
  bus_.AwaitHeld(1);
  EXPECT_THAT(Get(port_, "/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_FALSE(client->Readable());
  bus_.Answer();
  EXPECT_THAT(client->ReadAnswer(),
              AllOf(StartsWith("HTTP/1.1 202 "), HasSubstr("Content-Type: application/json\r\n"),
                    HasSubstr("{\"id\":\"e1\",\"confirmed\":true,\"matched\":1,\"offset\":1}")));
}

TEST_F(EventsTest, AConnectionTakesManyRequests) {
  const auto client = Posting(Post(kEvent) + Post(kEvent));  // Pipelined.
  for (int i = 0; i < 2; ++i) {
    bus_.AwaitHeld(1);
    EXPECT_EQ(bus_.held(), 1u);
    bus_.Answer();
    EXPECT_THAT(client->ReadAnswer(), StartsWith("HTTP/1.1 202 "));
  }
  client->Send(Post("{}"));
  EXPECT_THAT(client->ReadAnswer(), StartsWith("HTTP/1.1 400 "));
  client->Send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_THAT(client->ReadAnswer(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(EventsTest, TellsWhatIsWrong) {
  EXPECT_THAT(Answer(Post("{}", "application/json")),
              AllOf(StartsWith("HTTP/1.1 415 "), HasSubstr("application/problem+json"),
                    HasSubstr("application/cloudevents+json")));
  EXPECT_THAT(Answer(Post("x", "text/plain", "ce-id: 1\r\nce-type: t\r\n")),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("\"header\":\"ce-source\"")));
  EXPECT_THAT(Get(port_, "/events"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: POST\r\n"),
                    HasSubstr("application/problem+json")));
  EXPECT_THAT(Get(port_, "/events", "PUT"), HasSubstr("Allow: POST\r\n"));
  EXPECT_THAT(Get(port_, "/event"), HasSubstr("/events   POST CloudEvents here"));
  EXPECT_EQ(bus_.held(), 0u);
}

TEST_F(EventsTest, ABodyBeyondTheLimitIsReadOverAndAnswered) {
  const std::string large((3 << 20) + 1, 'x');
  const auto client = Posting(Post(large));
  EXPECT_THAT(client->ReadAnswer(),
              AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("2097152"), HasSubstr("1048576")));
  client->Send(Post(kEvent));
  bus_.Answer();
  EXPECT_THAT(client->ReadAnswer(), StartsWith("HTTP/1.1 202 "));
}

TEST_F(EventsTest, AClientThatAsksFirstIsToldBeforeItSends) {
  const auto head = [](size_t length) {
    return Headers(absl::StrCat("Expect: 100-continue\r\nContent-Length: ", length, "\r\n"),
                   "application/cloudevents+json");
  };
  EXPECT_THAT(Answer(head(3 << 20)), StartsWith("HTTP/1.1 413 "));
  const auto client = Posting(head(sizeof kEvent - 1));
  EXPECT_THAT(client->ReadAnswer(), StartsWith("HTTP/1.1 100 "));
  client->Send(kEvent);
  bus_.Answer();
  EXPECT_THAT(client->ReadAnswer(), StartsWith("HTTP/1.1 202 "));
}

TEST_F(EventsTest, TakesABodyInChunks) {
  const auto client =
      Posting(Headers("Transfer-Encoding: chunked\r\n", "application/cloudevents+json"));
  for (const char c : std::string(kEvent))
    client->Send(absl::StrCat("1\r\n", std::string(1, c), "\r\n"));
  client->Send("0\r\n\r\n");
  bus_.Answer();
  EXPECT_THAT(client->ReadAnswer(), StartsWith("HTTP/1.1 202 "));
}

TEST_F(EventsTest, AClientThatGoesAwayLeavesNothingBehind) {
  {
    const auto client =
        Posting(Headers("Content-Length: 1000\r\n", "application/cloudevents+json") + "{\"id\"");
    AwaitBodies(5);
  }
  AwaitBodies(0);
  Posting();
  bus_.Answer();  // Nobody is there to be told.
  AwaitBodies(0);
  EXPECT_THAT(Get(port_, "/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(ingress_->counters().http.confirmed, 1u);
}

TEST_F(EventsTest, ManyThatWaitForTheBusLeaveRoomForOthers) {
  std::vector<std::unique_ptr<Client>> clients;
  for (size_t i = 0; i < Publishing::kMaxWaiting; ++i) clients.push_back(Posting());
  bus_.AwaitHeld(Publishing::kMaxWaiting);
  EXPECT_THAT(Answer(Post(kEvent)),
              AllOf(StartsWith("HTTP/1.1 429 "), HasSubstr("Retry-After: 1\r\n"),
                    HasSubstr("too many requests wait")));
  EXPECT_THAT(Get(port_, "/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get(port_, "/metrics"),
              HasSubstr("outboard_http_requests_total{path=\"/events\",status=\"429\"} 1\n"));
  for (size_t i = 0; i < clients.size(); ++i) bus_.Answer();
  for (const auto& client : clients) EXPECT_THAT(client->ReadAnswer(), StartsWith("HTTP/1.1 202 "));
}

TEST_F(EventsTest, BytesBeyondTheBoundAreSentBack) {
  std::vector<std::unique_ptr<Client>> clients;
  const std::string body =
      absl::StrCat(R"({"id":"e1","source":"s","type":"t","datacontenttype":"text/plain","data":")",
                   std::string(1'000'000, 'x'), "\"}");
  for (int i = 0; i < 8; ++i) clients.push_back(Posting(Post(body)));
  bus_.AwaitHeld(8);
  EXPECT_THAT(Answer(Post(body)), AllOf(StartsWith("HTTP/1.1 429 "),
                                        HasSubstr("too much is under way to the bus already: 8 ")));
  while (bus_.held() > 0) bus_.Answer();
  for (const auto& client : clients) EXPECT_THAT(client->ReadAnswer(), StartsWith("HTTP/1.1 202 "));
  EXPECT_EQ(ingress_->counters().bytes_under_way, 0u);
}

class StalledUploadsTest : public EventsTest {
 protected:
  // They take all the room there is.
  void Stall() {
    for (int i = 0; i < 8; ++i) {
      stalled_.push_back(
          Posting(Headers("Content-Length: 1048577\r\n", "application/cloudevents+json") +
                  std::string(1 << 20, ' ')));
    }
    AwaitBodies(8 << 20);
  }

  std::vector<std::unique_ptr<Client>> stalled_;
};

TEST_F(StalledUploadsTest, HaveTheirTime) {
  Stall();
  EXPECT_THAT(Answer(Post(kEvent)), StartsWith("HTTP/1.1 429 "));
  for (const auto& client : stalled_) client->Send(" ");
  for (const auto& client : stalled_)
    EXPECT_THAT(client->ReadAnswer(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(StalledUploadsTest, ThenMakeRoomForOthers) {
  Start(&*ingress_, Duration::zero());
  Stall();
  const auto good = Posting();
  bus_.Answer();
  EXPECT_THAT(good->ReadAnswer(), StartsWith("HTTP/1.1 202 "));
  EXPECT_LT(bodies_->under_way().bytes, 8u << 20);
  for (const auto& client : stalled_) client->Send(" ");
  EXPECT_THAT(stalled_.front()->ReadAnswer(),
              AllOf(StartsWith("HTTP/1.1 429 "), HasSubstr("Retry-After: 1\r\n")));
  EXPECT_THAT(stalled_.back()->ReadAnswer(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(EventsTest, ADrainTakesNoMoreAndAnswersWhatIsUnderWay) {
  const auto under_way = Posting();
  bus_.AwaitHeld(1);
  ingress_->Close(ingress::Protocol::kHttp);
  EXPECT_THAT(Answer(Post(kEvent)), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: "),
                                          HasSubstr("the host is shutting down")));
  std::thread stopping([this] { Stop(std::chrono::hours(1)); });
  bus_.Answer();
  stopping.join();
  EXPECT_THAT(under_way->ReadAnswer(), StartsWith("HTTP/1.1 202 "));
}

TEST_F(EventsTest, AStopAnswersWhatTheBusDoesNot) {
  const auto waiting = Posting();
  const auto half = Posting(Headers("Content-Length: 9\r\n", "text/plain"));
  bus_.AwaitHeld(1);
  Stop(Duration::zero());
  EXPECT_THAT(waiting->ReadAnswer(), StartsWith("HTTP/1.1 503 "));
  EXPECT_TRUE(half->ReadEnd());
  ingress_.reset();
  bus_.Answer();
  ingress_.emplace(&bus_, &clock_);
}

TEST_F(EventsTest, CanBeOff) {
  Start(nullptr);
  EXPECT_THAT(Answer(Post(kEvent)),
              AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("host.ingress: true")));
  EXPECT_THAT(Get(port_, "/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(EventsTest, MoreSlowPublishersThanConnectionsDoNotStarveOthers) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, 3000);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) GTEST_SKIP() << "needs 3000 open files: ulimit -n";
  std::vector<std::unique_ptr<Client>> slow;
  const auto good = Posting("");
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 60; ++i) {
      slow.push_back(Posting(Headers("Content-Length: 500000\r\n", "application/cloudevents+json") +
                             "{\"id\":\"e"));
    }
    for (const auto& client : slow) client->Send("1");  // A byte each now and then.
    EXPECT_THAT(Get(port_, "/healthz"), StartsWith("HTTP/1.1 200 "));
    good->Send(Post(kEvent));
    bus_.Answer();
    EXPECT_THAT(good->ReadAnswer(), StartsWith("HTTP/1.1 202 "));
  }
  EXPECT_TRUE(slow.front()->ReadEnd());
}

}  // namespace
}  // namespace outboard::http

#include "outboard/publisher.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "outboard/host/v1/publisher.grpc.pb.h"

namespace outboard {
namespace {

// Confirms events whose subject is not "bad" or "dropped", of calls with its token.
class FakePublisherService : public host::v1::PublisherService::Service {
 public:
  std::string token;  // Empty: none is asked for.

  grpc::Status Publish(grpc::ServerContext* context, const host::v1::PublishRequest* request,
                       host::v1::PublishResponse* response) override {
    const auto shown = context->client_metadata().find("authorization");
    const bool known = shown != context->client_metadata().end() &&
                       std::string(shown->second.data(), shown->second.size()) == "Bearer " + token;
    if (!token.empty() && !known) return {grpc::StatusCode::UNAUTHENTICATED, "who are you"};
    for (const auto& event : request->events()) {
      auto* result = response->add_results();
      const auto subject = event.attributes().find("subject");
      const std::string what =
          subject == event.attributes().end() ? "" : subject->second.ce_string();
      if (what == "dropped") {
        result->set_dropped_by("screen");
        continue;
      }
      const bool bad = what == "bad";
      result->set_confirmed(!bad);
      result->set_matched(bad ? 0 : 2);
      if (request->receipts_within().seconds() == 2 &&
          request->receipts_within().nanos() == 500'000'000) {
        auto* done = result->add_receipts();
        done->set_lane("a/x");
        done->set_end(host::v1::Receipt::END_DONE);
        done->mutable_offset()->set_bytes_value("\x01");
        done->mutable_accepted_at()->set_seconds(7);
        auto* dead = result->add_receipts();
        dead->set_lane("b/x");
        dead->set_end(host::v1::Receipt::END_DEAD);
        dead->set_reason("NO_ROOM");
      }
      if (!bad) continue;
      result->set_code(3);
      result->set_message("event " + event.id() + " is bad");
    }
    return grpc::Status::OK;
  }
};

class PublisherTest : public ::testing::Test {
 protected:
  PublisherTest() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  FakePublisherService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(PublisherTest, ShowsTheTokenThatTheHostGave) {
  service_.token = "0123456789abcdef";
  const NewEvent good = NewEvent("a").Id("1").Source("s");
  EXPECT_EQ(Publisher(address()).Publish(good).code, grpc::StatusCode::UNAUTHENTICATED);
  unsetenv("OUTBOARD_PUBLISH");
  EXPECT_FALSE(PublisherOptions::FromEnvironment());
  setenv("OUTBOARD_PUBLISH", address().c_str(), 1);
  setenv("OUTBOARD_TOKEN", service_.token.c_str(), 1);
  const std::optional<PublisherOptions> options = PublisherOptions::FromEnvironment();
  ASSERT_TRUE(options);
  EXPECT_TRUE(Publisher(*options).Publish(good).confirmed);
}

TEST_F(PublisherTest, TellsTheReceiptsThatWereAskedFor) {
  Publisher publisher(address());
  const NewEvent good = NewEvent("a").Id("1").Source("s");
  EXPECT_TRUE(publisher.Publish(good).receipts.empty());
  const auto results = publisher.Publish({good}, std::chrono::milliseconds(2500));
  ASSERT_EQ(results[0].receipts.size(), 2u);
  const Receipt& done = results[0].receipts[0];
  EXPECT_EQ(done.lane, "a/x");
  EXPECT_EQ(done.end, Receipt::End::kDone);
  ASSERT_TRUE(done.offset);
  EXPECT_EQ(std::get<Bytes>(*done.offset).value, "\x01");
  EXPECT_EQ(done.accepted_at, Timestamp(std::chrono::seconds(7)));
  const Receipt& dead = results[0].receipts[1];
  EXPECT_EQ(dead.end, Receipt::End::kDead);
  EXPECT_EQ(dead.reason, "NO_ROOM");
  EXPECT_FALSE(dead.offset || dead.accepted_at);
}

TEST_F(PublisherTest, SaysWhatBecameOfEachEvent) {
  Publisher publisher(address());
  const NewEvent good = NewEvent("a").Id("1").Source("s");
  EXPECT_TRUE(publisher.Publish(good).confirmed);
  EXPECT_EQ(publisher.Publish(good).matched, 2u);
  const auto results = publisher.Publish({good, NewEvent("a").Id("2").Source("s").Subject("bad")});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_TRUE(results[0].confirmed);
  EXPECT_FALSE(results[1].confirmed);
  EXPECT_EQ(results[1].message, "event 2 is bad");
  EXPECT_EQ(results[1].dropped_by, "");
  const PublishResult dropped =
      publisher.Publish(NewEvent("a").Id("3").Source("s").Subject("dropped"));
  EXPECT_FALSE(dropped.confirmed);
  EXPECT_EQ(dropped.code, 0);
  EXPECT_EQ(dropped.dropped_by, "screen");
  EXPECT_EQ(publisher.Publish(NewEvent("a").Id("\xff")).code, 3);
  server_->Shutdown();
  const PublishResult gone = publisher.Publish(good);
  EXPECT_FALSE(gone.confirmed);
  EXPECT_EQ(gone.code, 14);
}

}  // namespace
}  // namespace outboard

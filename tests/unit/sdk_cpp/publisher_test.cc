#include "outboard/publisher.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "outboard/host/v1/publisher.grpc.pb.h"

namespace outboard {
namespace {

// Confirms events whose subject is not "bad".
class FakePublisherService : public host::v1::PublisherService::Service {
 public:
  grpc::Status Publish(grpc::ServerContext*, const host::v1::PublishRequest* request,
                       host::v1::PublishResponse* response) override {
    for (const auto& event : request->events()) {
      auto* result = response->add_results();
      const auto subject = event.attributes().find("subject");
      const bool bad = subject != event.attributes().end() && subject->second.ce_string() == "bad";
      result->set_confirmed(!bad);
      result->set_matched(bad ? 0 : 2);
      if (!bad) continue;
      result->set_code(3);
      result->set_message("event " + event.id() + " is bad");
    }
    return grpc::Status::OK;
  }
};

TEST(PublisherTest, SaysWhatBecameOfEachEvent) {
  FakePublisherService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  Publisher publisher("127.0.0.1:" + std::to_string(port));
  const NewEvent good = NewEvent("a").Id("1").Source("s");
  EXPECT_TRUE(publisher.Publish(good).confirmed);
  EXPECT_EQ(publisher.Publish(good).matched, 2u);
  const auto results = publisher.Publish({good, NewEvent("a").Id("2").Source("s").Subject("bad")});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_TRUE(results[0].confirmed);
  EXPECT_FALSE(results[1].confirmed);
  EXPECT_EQ(results[1].message, "event 2 is bad");
  EXPECT_EQ(publisher.Publish(NewEvent("a").Id("\xff")).code, 3);
  server->Shutdown();
  const PublishResult gone = publisher.Publish(good);
  EXPECT_FALSE(gone.confirmed);
  EXPECT_EQ(gone.code, 14);
}

}  // namespace
}  // namespace outboard

// The writer against librdkafka's own mock cluster.

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <set>

#include "plugins/producers/kafka/writer.h"
#include "tests/unit/plugins/batch.h"

namespace outboard::kafka {
namespace {

using Kind = Verdict::Kind;

class WriterTest : public ::testing::Test {
 protected:
  WriterTest() {
    char fault[256];
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), fault, sizeof fault);
    cluster_ = rd_kafka_mock_cluster_new(client_, 1);
    rd_kafka_mock_topic_create(cluster_, "events", 1, 1);
    config_.servers = {rd_kafka_mock_cluster_bootstraps(cluster_)};
    config_.topic = "events";
    config_.key = "subject";
    config_.properties = {{"message.timeout.ms", "10000"}};
  }
  ~WriterTest() override {
    writer_.reset();
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(client_);
  }

  std::vector<Verdict> Put(size_t count, size_t bytes = 10) {
    if (!writer_) {
      writer_ = std::make_unique<Writer>(config_);
      EXPECT_EQ(writer_->Open(), "");
    }
    std::vector<NewEvent> events;
    for (size_t i = 0; i < count; ++i) {
      events.push_back(
          NewEvent("t").Source("s").Id(std::to_string(i)).Data(std::string(bytes, 'x')));
    }
    return testing::PutBatch([this](std::span<BatchItem> batch) { writer_->Put(batch); }, events);
  }

  rd_kafka_t* client_;
  rd_kafka_mock_cluster_t* cluster_;
  Config config_;
  std::unique_ptr<Writer> writer_;
};

TEST_F(WriterTest, EachEventIsAcceptedAtItsOffset) {
  const std::vector<Verdict> verdicts = Put(100);
  std::set<int64_t> offsets;
  for (const Verdict& verdict : verdicts) {
    ASSERT_EQ(verdict.kind(), Kind::kDone) << verdict.message();
    EXPECT_TRUE(verdict.accepted_at());
    offsets.insert(std::get<int64_t>(*verdict.offset()));
  }
  EXPECT_EQ(offsets.size(), 100u);
  EXPECT_EQ(*offsets.begin(), 0);
  EXPECT_EQ(*offsets.rbegin(), 99);
}

TEST_F(WriterTest, WhatIsTooLargeIsRejected) {
  config_.properties["message.max.bytes"] = "2000";
  const std::vector<Verdict> verdicts = Put(1, 3000);
  EXPECT_EQ(verdicts[0].kind(), Kind::kReject);
  EXPECT_EQ(verdicts[0].reason(), "KAFKA_MSG_SIZE_TOO_LARGE");
}

TEST_F(WriterTest, ATemporaryErrorOfABrokerIsTriedAgainByLibrdkafka) {
  rd_kafka_mock_push_request_errors(cluster_, 0 /* Produce */, 1,
                                    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
  EXPECT_EQ(Put(1)[0].kind(), Kind::kDone);
}

TEST_F(WriterTest, AnErrorOfABrokerFailsItsEventAndTheNextOneGoes) {
  rd_kafka_mock_push_request_errors(cluster_, 0 /* Produce */, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
  const Verdict failed = Put(1)[0];
  EXPECT_EQ(failed.kind(), Kind::kReject);
  EXPECT_EQ(failed.reason(), "KAFKA_INVALID_RECORD");
  const Verdict next = Put(1)[0];
  EXPECT_EQ(next.kind(), Kind::kDone) << next.reason() << ": " << next.message();
}

}  // namespace
}  // namespace outboard::kafka

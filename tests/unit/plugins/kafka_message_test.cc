#include <gtest/gtest.h>

#include <map>

#include "plugins/producers/kafka/config.h"
#include "plugins/producers/kafka/message.h"
#include "plugins/producers/kafka/outcome.h"

namespace outboard::kafka {
namespace {

std::map<std::string, std::string> Headers(const Message& message) {
  return {message.headers.begin(), message.headers.end()};
}

NewEvent Story() {
  NewEvent event("story.post");
  event.Id("1").Source("storyboard").Subject("story/12").Set("count", 3).Json("{\"a\":1}");
  return event;
}

TEST(KafkaMessageTest, BinaryHasAttributesAsHeaders) {
  const NewEvent event = Story();
  const Message message = MessageOf(event.view(), Mode::kBinary, "subject");
  EXPECT_EQ(message.key, "story/12");
  EXPECT_EQ(message.value, "{\"a\":1}");
  EXPECT_EQ(Headers(message), (std::map<std::string, std::string>{
                                  {"ce_specversion", "1.0"},
                                  {"ce_id", "1"},
                                  {"ce_source", "storyboard"},
                                  {"ce_type", "story.post"},
                                  {"ce_subject", "story/12"},
                                  {"ce_count", "3"},
                                  {"content-type", "application/json"},
                              }));
}

TEST(KafkaMessageTest, StructuredIsTheWholeEventAndDataIsDataAlone) {
  const NewEvent event = Story();
  const Message structured = MessageOf(event.view(), Mode::kStructured, "type");
  EXPECT_EQ(structured.key, "story.post");
  EXPECT_EQ(Headers(structured).at("content-type"), "application/cloudevents+json; charset=utf-8");
  EXPECT_NE(structured.value.find("\"data\":{\"a\":1}"), std::string::npos);
  const Message data = MessageOf(event.view(), Mode::kData, "partitionkey");
  EXPECT_EQ(data.key, "");
  EXPECT_TRUE(data.headers.empty());
  EXPECT_EQ(data.value, "{\"a\":1}");
}

TEST(KafkaOutcomeTest, WhatNoBrokerWillTakeIsRejected) {
  const Verdict large = FailureOf(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "m");
  EXPECT_EQ(large.kind(), Verdict::Kind::kReject);
  EXPECT_EQ(large.reason(), "KAFKA_MSG_SIZE_TOO_LARGE");
  const Verdict late = FailureOf(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "m");
  EXPECT_EQ(late.kind(), Verdict::Kind::kRetry);
  EXPECT_EQ(late.reason(), "KAFKA_MSG_TIMED_OUT");
}

TEST(KafkaConfigTest, ReadsAGoodOne) {
  Config config;
  const auto errors = ReadConfig(R"({"servers": ["a:1", "b:2"], "topic": "t", "mode": "data",
      "key": "subject", "timeout": "5s", "properties": {"compression.type": "lz4"}})",
                                 &config);
  EXPECT_TRUE(errors.empty()) << errors[0].message;
  EXPECT_EQ(config.mode, Mode::kData);
  EXPECT_EQ(config.properties.at("message.timeout.ms"), "5000");
}

TEST(KafkaConfigTest, NamesEachFaultAndWhatLibrdkafkaSays) {
  Config config;
  const auto errors = ReadConfig(
      R"({"properties": {"no.such": 1, "acks": "many", "bootstrap.servers": "x"}})", &config);
  std::map<std::string, std::string> faults;
  for (const ConfigError& error : errors) faults[error.path] = error.message;
  EXPECT_EQ(faults.size(), 5u);
  EXPECT_EQ(faults.count("/servers") + faults.count("/topic"), 2u);
  EXPECT_EQ(faults["/properties/no.such"],
            "is refused by librdkafka: No such configuration property: \"no.such\"");
  EXPECT_NE(faults["/properties/acks"].find("request.required.acks"), std::string::npos)
      << faults["/properties/acks"];
}

}  // namespace
}  // namespace outboard::kafka

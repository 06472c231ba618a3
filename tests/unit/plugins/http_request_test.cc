#include <gtest/gtest.h>

#include <map>

#include "outboard/event/v1/event.pb.h"
#include "plugins/producers/http/request.h"

namespace outboard::http {
namespace {

std::map<std::string, std::string> Headers(const Request& request) {
  return {request.headers.begin(), request.headers.end()};
}

TEST(HttpRequestTest, BinaryHasAttributesAsHeadersAndDataAsBody) {
  NewEvent event("story.post");
  event.Id("1").Source("storyboard").Subject("story/12").Set("count", 3).Set("flag", true);
  event.Time(Timestamp(std::chrono::seconds(0))).Json("{\"a\":1}");
  const Request request = BinaryRequest(event.view());
  EXPECT_EQ(request.body, "{\"a\":1}");
  EXPECT_EQ(Headers(request), (std::map<std::string, std::string>{
                                  {"ce-specversion", "1.0"},
                                  {"ce-id", "1"},
                                  {"ce-source", "storyboard"},
                                  {"ce-type", "story.post"},
                                  {"ce-subject", "story/12"},
                                  {"ce-count", "3"},
                                  {"ce-flag", "true"},
                                  {"ce-time", "1970-01-01T00:00:00Z"},
                                  {"Content-Type", "application/json"},
                              }));
}

TEST(HttpRequestTest, HeadersCannotBeBrokenOutOf) {
  NewEvent event("t");
  event.Id("a\r\nx: y").Source("s").DataContentType("text/plain\r\nx: y").Data("d");
  const auto headers = Headers(BinaryRequest(event.view()));
  EXPECT_EQ(headers.at("ce-id"), "a%0D%0Ax:%20y");
  EXPECT_EQ(headers.at("Content-Type"), "text/plain%0D%0Ax: y");
}

TEST(HttpRequestTest, ValuesArePercentEncodedAsTheBindingSays) {
  EXPECT_EQ(HeaderValue("Euro \xe2\x82\xac \"100%\""), "Euro%20%E2%82%AC%20%22100%25%22");
  EXPECT_EQ(HeaderValue(""), "");
}

TEST(HttpRequestTest, StructuredHasTheWholeEvent) {
  const Request request = StructuredRequest(NewEvent("t").Id("1").Source("s").Data("\xff").view());
  EXPECT_EQ(Headers(request),
            (std::map<std::string, std::string>{
                {"Content-Type", "application/cloudevents+json; charset=utf-8"}}));
  EXPECT_EQ(request.body,
            R"({"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"/w=="})");
}

TEST(HttpRequestTest, AMessageOfProtobufSaysSo) {
  event::v1::Event proto;
  proto.set_type("t");
  proto.mutable_proto_data()->set_type_url("x/y.Z");
  proto.mutable_proto_data()->set_value("abc");
  (*proto.mutable_attributes())["raw"].set_ce_bytes("\xff");
  const std::string wire = proto.SerializeAsString();
  const Request request = BinaryRequest(*Event::Parse(wire));
  EXPECT_EQ(Headers(request).at("Content-Type"), "application/protobuf");
  EXPECT_EQ(Headers(request).at("ce-dataschema"), "x/y.Z");
  EXPECT_EQ(Headers(request).at("ce-raw"), "/w==");
  EXPECT_EQ(request.body, "abc");
}

}  // namespace
}  // namespace outboard::http

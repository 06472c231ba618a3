#include "plugins/common/event_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "outboard/event/v1/event.pb.h"

namespace outboard::common {
namespace {

using nlohmann::json;

json Line(const NewEvent& event) {
  const std::string line = EventLine(event.view());
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  return json::parse(line);
}

TEST(EventLineTest, HasTheAttributesAndTheDataOfJson) {
  NewEvent event("story.post");
  event.Id("1").Source("storyboard").Subject("story/12").Set("count", 3).Set("flag", true);
  event.Time(Timestamp(std::chrono::seconds(0))).Data("{\"a\":\n [1,\r\n 2.50]}");
  const json line = Line(event);
  EXPECT_EQ(line["specversion"], "1.0");
  EXPECT_EQ(line["id"], "1");
  EXPECT_EQ(line["source"], "storyboard");
  EXPECT_EQ(line["type"], "story.post");
  EXPECT_EQ(line["subject"], "story/12");
  EXPECT_EQ(line["count"], 3);
  EXPECT_EQ(line["flag"], true);
  EXPECT_EQ(line["time"], "1970-01-01T00:00:00Z");
  EXPECT_EQ(line["data"]["a"][1], 2.5);
}

TEST(EventLineTest, EscapesWhateverStandsInTexts) {
  std::string nasty = "\"\\\n\r\t\x01\x7f \xc3\xa4 \xe2\x80\xa8";
  nasty.push_back('\0');
  NewEvent event("t");
  event.Id(nasty).Source("s").Subject(nasty).DataContentType("text/plain").Data(nasty);
  const json line = Line(event);
  EXPECT_EQ(line["id"], nasty);
  EXPECT_EQ(line["subject"], nasty);
  EXPECT_EQ(line["data"], nasty);
}

TEST(EventLineTest, OtherDataIsTextOrBase64) {
  EXPECT_EQ(Line(NewEvent("t").Data("not json"))["data"], "not json");
  EXPECT_EQ(Line(NewEvent("t").Data("{\"a\":1} x"))["data"], "{\"a\":1} x");
  EXPECT_EQ(Line(NewEvent("t").Data("7").DataContentType("text/plain"))["data"], "7");
  EXPECT_EQ(Line(NewEvent("t").Data("\xff"))["data_base64"], "/w==");
  EXPECT_EQ(Line(NewEvent("t").Data("\xff\x01"))["data_base64"], "/wE=");
  EXPECT_EQ(Line(NewEvent("t").Data("\xff\x01\x02"))["data_base64"], "/wEC");
  EXPECT_EQ(Line(NewEvent("t").Data("\"\xff\""))["data_base64"], "Iv8i");
  EXPECT_FALSE(Line(NewEvent("t")).contains("data"));
  event::v1::Event proto;
  proto.set_type("t");
  proto.mutable_proto_data()->set_type_url("x/y.Z");
  proto.mutable_proto_data()->set_value("abc");
  const std::string wire = proto.SerializeAsString();
  const json line = json::parse(EventLine(*Event::Parse(wire)));
  EXPECT_EQ(line["data_base64"], "YWJj");
  EXPECT_EQ(line["dataschema"], "x/y.Z");
}

TEST(EventLineTest, DeeplyNestedJsonDoesNotOverflow) {
  const std::string deep(1'000'000, '[');
  EXPECT_FALSE(IsJson(deep));
  EXPECT_TRUE(IsJson(deep + std::string(1'000'000, ']')));
}

}  // namespace
}  // namespace outboard::common

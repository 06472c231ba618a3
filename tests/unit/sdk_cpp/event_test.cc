#include "outboard/event.h"

#include <gtest/gtest.h>

#include <random>

#include "google/protobuf/stubs/logging.h"
#include "outboard/event/v1/event.pb.h"

namespace outboard {
namespace {

event::v1::Event FullEvent() {
  event::v1::Event event;
  event.set_id("1");
  event.set_source("storyboard");
  event.set_spec_version("1.0");
  event.set_type("story.post");
  auto& attributes = *event.mutable_attributes();
  attributes["subject"].set_ce_string("story/12");
  attributes["flag"].set_ce_boolean(true);
  attributes["count"].set_ce_integer(-7);
  attributes["raw"].set_ce_bytes(std::string("\x00\xff", 2));
  attributes["schema"].set_ce_uri("https://example.org/s");
  attributes["ref"].set_ce_uri_ref("/x");
  attributes["time"].mutable_ce_timestamp()->set_seconds(1'700'000'000);
  attributes["time"].mutable_ce_timestamp()->set_nanos(250'000'000);
  event.set_binary_data("{\"a\":1}");
  return event;
}

TEST(EventTest, ViewsWhatProtobufWrote) {
  const std::string wire = FullEvent().SerializeAsString();
  const std::optional<Event> event = Event::Parse(wire);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->id(), "1");
  EXPECT_EQ(event->source(), "storyboard");
  EXPECT_EQ(event->spec_version(), "1.0");
  EXPECT_EQ(event->type(), "story.post");
  EXPECT_EQ(event->data(), "{\"a\":1}");
  EXPECT_EQ(event->data_kind(), Event::DataKind::kBinary);
  EXPECT_EQ(event->subject(), "story/12");
  EXPECT_EQ(event->wire(), wire);
}

TEST(EventTest, AttributesHaveTheirTypes) {
  const std::string wire = FullEvent().SerializeAsString();
  const Event event = *Event::Parse(wire);
  EXPECT_TRUE(event.attribute("flag")->boolean);
  EXPECT_EQ(event.attribute("count")->integer, -7);
  EXPECT_EQ(event.attribute("count")->ToString(), "-7");
  EXPECT_EQ(event.attribute("raw")->kind, Attribute::Kind::kBytes);
  EXPECT_EQ(event.text("raw"), std::string_view("\x00\xff", 2));
  EXPECT_EQ(event.attribute("schema")->kind, Attribute::Kind::kUri);
  EXPECT_EQ(event.attribute("ref")->kind, Attribute::Kind::kUriRef);
  EXPECT_EQ(event.attribute("time")->ToString(), "2023-11-14T22:13:20.25Z");
  EXPECT_EQ(event.time()->time_since_epoch().count(), 1'700'000'000'250'000'000);
  EXPECT_FALSE(event.attribute("nothing"));
  int count = 0;
  event.ForEachAttribute([&](std::string_view, const Attribute&) { ++count; });
  EXPECT_EQ(count, 7);
}

TEST(EventTest, DataMayBeTextOrAMessage) {
  event::v1::Event proto = FullEvent();
  proto.set_text_data("text");
  std::string wire = proto.SerializeAsString();
  EXPECT_EQ(Event::Parse(wire)->data_kind(), Event::DataKind::kText);
  proto.mutable_proto_data()->set_type_url("type.googleapis.com/x.Y");
  proto.mutable_proto_data()->set_value("bytes");
  wire = proto.SerializeAsString();
  const Event event = *Event::Parse(wire);
  EXPECT_EQ(event.data_kind(), Event::DataKind::kProto);
  EXPECT_EQ(event.data_type_url(), "type.googleapis.com/x.Y");
  EXPECT_EQ(event.data(), "bytes");
}

TEST(EventTest, NewEventIsReadByProtobuf) {
  NewEvent made("order.paid");
  made.Id("7").Source("shop").Subject("order/9").Json("{}").Set("flag", true).Set("count", -3);
  made.Time(Timestamp(std::chrono::nanoseconds(-1)));
  event::v1::Event proto;
  ASSERT_TRUE(proto.ParseFromString(made.wire()));
  EXPECT_EQ(proto.type(), "order.paid");
  EXPECT_EQ(proto.id(), "7");
  EXPECT_EQ(proto.source(), "shop");
  EXPECT_EQ(proto.binary_data(), "{}");
  EXPECT_EQ(proto.attributes().at("subject").ce_string(), "order/9");
  EXPECT_EQ(proto.attributes().at("datacontenttype").ce_string(), "application/json");
  EXPECT_TRUE(proto.attributes().at("flag").ce_boolean());
  EXPECT_EQ(proto.attributes().at("count").ce_integer(), -3);
  EXPECT_EQ(proto.attributes().at("time").ce_timestamp().seconds(), -1);
  EXPECT_EQ(proto.attributes().at("time").ce_timestamp().nanos(), 999'999'999);
}

TEST(EventTest, TheLastSetterOfAKindCounts) {
  NewEvent made("a");
  made.Subject("one").Subject("two").Data("x").Data("y");
  EXPECT_EQ(made.view().subject(), "two");
  EXPECT_EQ(made.view().data(), "y");
}

// A host refuses what is there twice, which protobuf's reader would not show.
TEST(EventTest, WhatIsReplacedIsNotThereTwice) {
  event::v1::Event full = FullEvent();
  full.set_text_data("{\"a\":1}");
  const std::string wire = full.SerializeAsString();
  NewEvent changed = NewEvent::From(*Event::Parse(wire));
  changed.Id("2").Source("me").Subject("story/13").Set("flag", false).Json("{}");
  event::v1::Event proto;
  ASSERT_TRUE(proto.ParseFromString(changed.wire()));
  EXPECT_EQ(proto.id(), "2");
  EXPECT_EQ(proto.attributes().at("subject").ce_string(), "story/13");
  EXPECT_EQ(proto.binary_data(), "{}");
  EXPECT_EQ(proto.attributes_size(), 8);
  EXPECT_EQ(changed.wire().size(), proto.ByteSizeLong());
}

// Agrees with protobuf on damaged bytes: whatever protobuf takes, the view takes with the same
// text.
TEST(EventTest, DamagedBytesNeverReadOutside) {
  const std::string good = FullEvent().SerializeAsString();
  const google::protobuf::LogSilencer silencer;
  std::mt19937 random(7);
  int parsed = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bad = good;
    for (int i = 0; i < 1 + round % 3; ++i)
      bad[random() % bad.size()] = static_cast<char>(random());
    bad.resize(random() % (bad.size() + 1));
    const std::optional<Event> event = Event::Parse(bad);
    event::v1::Event proto;
    if (proto.ParseFromString(bad) && event) {
      ++parsed;
      EXPECT_EQ(event->id(), proto.id());
      EXPECT_EQ(event->type(), proto.type());
    }
    if (event) event->ForEachAttribute([](std::string_view, const Attribute& a) { a.ToString(); });
  }
  EXPECT_GT(parsed, 100);
}

}  // namespace
}  // namespace outboard

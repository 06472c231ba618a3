// Encode, then Decode: the same event, for random events, in every form.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "host/dialect/dialect.h"
#include "host/dialect/event_builder.h"
#include "host/dialect/media_type.h"
#include "host/event/attribute_value.h"
#include "host/event/json_members.h"
#include "tests/unit/dialect/messages.h"

namespace outboard::dialect {
namespace {

constexpr int kEvents = 4000;

class RandomEvents {
 public:
  explicit RandomEvents(unsigned seed) : random_(seed) {}

  Event Next() {
    EventBuilder builder(0);
    builder.SetText("id", Text(1, Rarely() ? 300 : 40));
    builder.SetText("source", Text(1, 40));
    builder.SetText("type", Text(1, 40));
    std::set<std::string> names;
    for (int i = Below(8); i > 0; --i) {
      const std::string name = Name();
      if (names.insert(name).second) SetAttribute(name, &builder);
    }
    if (Below(4) > 0) builder.SetData(Data());
    const auto event = builder.Finish({});
    EXPECT_TRUE(event.ok()) << event.status();
    return event.value_or(Event());
  }

 private:
  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool Rarely() { return Below(50) == 0; }

  // Without control characters.
  std::string Text(int min, int max) {
    static const char* const kParts[] = {"a", "Z", "7", " ",  "\"", "\\",
                                         "/", ".", "é", "漢", "😀",  "~"};
    std::string text;
    for (int n = min + Below(max - min + 1); static_cast<int>(text.size()) < n;) {
      text += kParts[Below(std::size(kParts))];
    }
    return text;
  }

  std::string Name() {
    static const char* const kNames[] = {"subject",         "time",        "dataschema",
                                         "datacontenttype", "traceparent", "tracestate",
                                         "outboardhops"};
    if (Below(2) == 0) return kNames[Below(std::size(kNames))];
    return absl::StrCat("x", Below(1000));
  }

  void SetAttribute(const std::string& name, EventBuilder* builder) {
    if (name == "dataschema") return builder->SetText(name, absl::StrCat("urn:x:", Below(100)));
    if (name == "datacontenttype") return builder->SetText(name, MediaType());
    if (name == "time") return Set(name, Value::Time(Time()), builder);
    const std::string text = Text(0, Rarely() ? 9000 : 30);
    switch (Below(5)) {
      case 0: return Set(name, Value::Integer(static_cast<int32_t>(random_())), builder);
      case 1: return Set(name, {Value::Kind::kBoolean, Below(2), {}, {}}, builder);
      case 2: return Set(name, Value::Time(Time()), builder);
      case 3: return Set(name, {Value::Kind::kBytes, 0, {}, text}, builder);
      default: return Set(name, Value::Text(text), builder);
    }
  }

  static void Set(const std::string& name, const Value& value, EventBuilder* builder) {
    EXPECT_EQ(builder->Set(name, value), nullptr) << name;
  }

  std::string MediaType() {
    static const char* const kTypes[] = {"application/json", "text/plain; charset=utf-8",
                                         "image/png", "application/cloudevents+json",
                                         "application/cloudevents+protobuf"};
    return Rarely() ? std::string(300, 'x') : kTypes[Below(std::size(kTypes))];
  }

  Timestamp Time() {
    return {.seconds = std::uniform_int_distribution<int64_t>(-62135596800, 253402300799)(random_),
            .nanos = Below(2) == 0 ? 0 : Below(1'000'000'000)};
  }

  std::string Data() {
    if (Below(2) == 0) return absl::StrCat("{\"n\":", Below(1000), ", \"a\": [1.0, \"\\u00e9\"]}");
    std::string data;
    for (int n = Below(200); n > 0; --n) data += static_cast<char>(Below(256));
    return data;
  }

  std::mt19937 random_;
};

// All attributes in text form, and the data where there is some.
std::map<std::string, std::string> Content(const Event& event) {
  std::map<std::string, std::string> content = {{"id", std::string(event.id())},
                                                {"source", std::string(event.source())},
                                                {"type", std::string(event.type())}};
  event_wire::Reader reader(event.bytes());
  for (event_wire::Field field; !reader.done() && reader.Next(&field);) {
    if (field.tag != event_wire::tag::kAttribute) continue;
    const event_wire::Entry entry = event_wire::ReadEntry(field.payload);
    content[std::string(entry.name)] = event_wire::ValueText(entry.value).value_or("no value");
  }
  if (!DataOf(event).empty()) content["data"] = DataOf(event);
  return content;
}

// Kept small: a broker closes a connection whose message is not.
void ExpectHarmless(const Message& message) {
  size_t size = 0;
  for (const auto& [name, field] : message.properties.headers) {
    EXPECT_LE(name.size(), kMaxShortText);
    size += name.size() + field.text.size() + 8;
  }
  EXPECT_LE(size, kMaxHeadersText);
  EXPECT_LE(message.routing_key.size(), kMaxShortText);
  EXPECT_LE(message.properties.message_id.value_or("").size(), kMaxShortText);
  EXPECT_LE(message.properties.content_type.value_or("").size(), kMaxShortText);
}

void ExpectSame(const Event& event, const Event& back, bool implies_json) {
  auto expected = Content(event);
  if (implies_json) expected.try_emplace("datacontenttype", "application/json");
  EXPECT_EQ(Content(back), expected);
}

TEST(DialectRoundTripTest, CloudEventsInBinaryModeUnderEveryPrefix) {
  RandomEvents events(1);
  int headers = 0;
  for (const char* prefix : {"cloudEvents:", "cloudEvents_", "ce-"}) {
    const DialectOptions options = {.prefix = prefix};
    for (int i = 0; i < kEvents / 3; ++i) {
      const Event event = events.Next();
      const auto message = Encode(event, options);
      ASSERT_TRUE(message.ok()) << message.status();
      ExpectHarmless(*message);
      headers += message->properties.headers.empty() ? 0 : 1;
      const auto back = Decode(*message, {});
      ASSERT_TRUE(back.ok()) << back.status();
      ExpectSame(event, *back, false);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(headers, kEvents / 2);  // The others went as protobuf.
  EXPECT_LT(headers, kEvents);
}

TEST(DialectRoundTripTest, CloudEventsInStructuredJson) {
  RandomEvents events(2);
  for (int i = 0; i < kEvents; ++i) {
    const Event event = events.Next();
    const auto message = Encode(event, {.form = CloudEventsForm::kStructuredJson});
    ASSERT_TRUE(message.ok()) << message.status();
    ExpectHarmless(*message);
    const auto back = Decode(*message, {});
    ASSERT_TRUE(back.ok()) << back.status() << "\n" << message->body;
    const bool as_json = message->properties.content_type == kStructuredJsonType;
    ExpectSame(event, *back, as_json && IsJsonText(DataOf(event)));
    if (HasFailure()) return;
  }
}

TEST(DialectRoundTripTest, CloudEventsAsProtobufAreEqualInBytes) {
  RandomEvents events(3);
  for (int i = 0; i < kEvents; ++i) {
    const Event event = events.Next();
    const auto message = Encode(event, {.form = CloudEventsForm::kProtobuf});
    ASSERT_TRUE(message.ok()) << message.status();
    ExpectHarmless(*message);
    const auto back = Decode(*message, {});
    ASSERT_TRUE(back.ok()) << back.status();
    ASSERT_EQ(back->bytes(), event.bytes());
  }
}

void ExpectMappedRoundTrips(Kind kind, unsigned seed) {
  RandomEvents events(seed);
  int passed = 0;
  for (int i = 0; i < kEvents && !testing::Test::HasFailure(); ++i) {
    const Event event = events.Next();
    const auto message = Encode(event, {.kind = kind});
    if (!message.ok()) {
      EXPECT_EQ(message.status().code(), absl::StatusCode::kInvalidArgument);
      continue;
    }
    ++passed;
    ExpectHarmless(*message);
    EXPECT_EQ(message->body, DataOf(event));
    const auto back = Decode(*message, {.kind = kind});
    ASSERT_TRUE(back.ok()) << back.status();
    ExpectSame(event, *back, kind == Kind::kJson);
  }
  EXPECT_GT(passed, kEvents / 3);
  EXPECT_LT(passed, kEvents);
}

TEST(DialectRoundTripTest, Json) { ExpectMappedRoundTrips(Kind::kJson, 4); }

TEST(DialectRoundTripTest, Raw) { ExpectMappedRoundTrips(Kind::kRaw, 5); }

}  // namespace
}  // namespace outboard::dialect

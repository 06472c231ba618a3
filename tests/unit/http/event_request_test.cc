#include "host/http/event_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/event/json.h"

namespace outboard::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using HeaderList = std::vector<std::pair<std::string, std::string>>;

EventHeaders Headers(const HeaderList& list) {
  EventHeaders headers;
  for (const auto& [name, value] : list) headers.Add(name, value);
  return headers;
}

// The events as JSON, or "place: detail" of the faults; or that the form is not known.
std::vector<std::string> Read(const HeaderList& list, const std::string& body,
                              const EventLimits& limits = {}) {
  const EventHeaders headers = Headers(list);
  const auto form = FormOf(headers);
  if (!form) return {"unknown form"};
  const ReadEvents read = ReadBody(*form, headers, body, limits);
  std::vector<std::string> out;
  for (const Fault& fault : read.faults)
    out.push_back(absl::StrCat(fault.id.empty() ? "" : fault.id + " ",
                               fault.in_header ? "header " : "", fault.place, ": ", fault.detail));
  if (!read.faults.empty()) return out;
  for (const Event& event : read.events) out.push_back(EventToJson(event));
  return out;
}

const HeaderList kPlain = {{"ce-id", "e1"}, {"ce-source", "s"}, {"ce-type", "t"}};

HeaderList With(HeaderList list, const std::string& name, const std::string& value) {
  list.emplace_back(name, value);
  return list;
}

TEST(EventRequestTest, BinaryTakesAttributesFromHeadersInAnyCase) {
  EXPECT_THAT(Read({{"Content-Type", "application/json"},
                    {"CE-ID", "e1"},
                    {"Ce-Source", "s"},
                    {"ce-type", "t"},
                    {"ce-specversion", "1.0"},
                    {"ce-time", "2026-01-31T12:00:00Z"},
                    {"ce-subject", "Euro%20%E2%82%AC"},
                    {"ce-dataschema", "https://example.com/s"},
                    {"ce-priority", "7"},
                    {"Accept", "*/*"}},
                   "{\"n\": 1}"),
              ElementsAre(R"({"specversion":"1.0","id":"e1","source":"s","type":"t",)"
                          R"("time":"2026-01-31T12:00:00Z","subject":"Euro €",)"
                          R"("dataschema":"https://example.com/s","priority":"7",)"
                          R"("datacontenttype":"application/json","data":{"n": 1}})"));
}

TEST(EventRequestTest, BinaryWithoutTypeOrBodyHasNeither) {
  EXPECT_THAT(Read(kPlain, ""),
              ElementsAre(R"({"specversion":"1.0","id":"e1","source":"s","type":"t"})"));
}

TEST(EventRequestTest, BinaryTakesTheTraceWhereTheEventHasNone) {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  EXPECT_THAT(Read(With(kPlain, "traceparent", trace), ""),
              ElementsAre(HasSubstr("\"traceparent\":\"" + trace + "\"")));
  EXPECT_THAT(Read(With(With(kPlain, "traceparent", trace), "ce-traceparent", "own"), ""),
              ElementsAre(HasSubstr("\"traceparent\":\"own\"")));
}

TEST(EventRequestTest, BinaryNamesTheHeaderThatIsWrong) {
  for (const char* name : {"ce-id", "ce-source", "ce-type"}) {
    HeaderList list = kPlain;
    std::erase_if(list, [&](const auto& header) { return header.first == name; });
    EXPECT_THAT(Read(list, ""), ElementsAre(absl::StrCat("header ", name, ": header \"", name,
                                                         "\": is missing; set it")));
  }
  EXPECT_THAT(Read(With(kPlain, "ce-time", "noon"), ""),
              ElementsAre(HasSubstr("header ce-time: header \"ce-time\": is no RFC 3339 time")));
  EXPECT_THAT(Read(With(kPlain, "ce-x", "50%"), ""),
              ElementsAre(HasSubstr("header ce-x: header \"ce-x\": has a % without")));
  EXPECT_THAT(Read(With(kPlain, "CE-Id", "e2"), ""), ElementsAre(HasSubstr("is there twice")));
  EXPECT_THAT(Read(With(kPlain, "ce-my-ext", "1"), ""),
              ElementsAre(HasSubstr("header ce-my-ext: attribute \"my-ext\": is no CloudEvents")));
  EXPECT_THAT(Read(With(kPlain, "ce-specversion", "0.3"), ""),
              ElementsAre(HasSubstr("header ce-specversion: ")));
  EXPECT_THAT(Read(With(kPlain, "ce-data", "x"), ""), ElementsAre(HasSubstr("reserved name")));
  EXPECT_THAT(Read(With(kPlain, "ce-datacontenttype", "text/plain"), ""),
              ElementsAre(HasSubstr("differs from Content-Type")));
  EXPECT_THAT(
      Read(With(With(kPlain, "ce-datacontenttype", "text/plain"), "Content-Type", "text/plain"),
           ""),
      ElementsAre(HasSubstr("\"datacontenttype\":\"text/plain\"")));
}

TEST(EventRequestTest, StructuredTakesTheBodyAlone) {
  const HeaderList json = {{"content-type", "Application/CloudEvents+JSON; charset=utf-8"}};
  EXPECT_THAT(Read(json, R"({"id":"e1","source":"s","type":"t","data":[1]})"),
              ElementsAre(HasSubstr("\"data\":[1]")));
  EXPECT_THAT(Read(json, R"({"source":"s","type":"t"})"),
              ElementsAre("#/id: member \"id\": is missing; set it"));
  EXPECT_THAT(Read(json, R"({"id":"1","source":"s","type":"t","a/b":1})"),
              ElementsAre(HasSubstr("#/a~1b: ")));
  EXPECT_THAT(Read(json, "{\n\"id\"}"), ElementsAre(HasSubstr("#: JSON: no well-formed value in "
                                                              "UTF-8 at line 2, column")));
  EXPECT_THAT(Read(json, ""), ElementsAre(HasSubstr("#: JSON: ")));
}

TEST(EventRequestTest, BatchNamesEveryEventThatIsWrong) {
  const HeaderList batch = {{"content-type", "application/cloudevents-batch+json"}};
  EXPECT_THAT(Read(batch, "[]"), IsEmpty());
  EXPECT_THAT(
      Read(batch, R"([{"id":"1","source":"s","type":"t"},{"id":"2","source":"s","type":"u"}])"),
      ElementsAre(HasSubstr("\"id\":\"1\""), HasSubstr("\"id\":\"2\"")));
  EXPECT_THAT(
      Read(
          batch,
          R"([{"id":"1","source":"s","type":"t"},{"id":"2","type":"t"},{"source":"s","type":"t"},3])"),
      ElementsAre("2 #/1/source: source: is missing; set it",
                  "#/2/id: member \"id\": is missing; set it",
                  HasSubstr("#/3: JSON: the event is no object")));
  EXPECT_THAT(Read(batch, R"({"id":"1"})"),
              ElementsAre(HasSubstr("#: JSON: the batch is no array")));
  const std::vector<std::string> many(kMaxBatchEvents + 1, "1");
  EXPECT_THAT(Read(batch, absl::StrCat("[", absl::StrJoin(many, ","), "]")),
              ElementsAre("#: the batch has more than 10000 events; send it in parts"));
}

TEST(EventRequestTest, ProtobufIsTakenAsItIs) {
  const auto event = EventFromJson(R"({"id":"1","source":"s","type":"t"})");
  const std::string bytes(event->bytes());
  EXPECT_THAT(Read({{"content-type", "application/cloudevents+protobuf"}}, bytes),
              ElementsAre(EventToJson(*event)));
  const HeaderList batch = {{"content-type", "application/cloudevents-batch+protobuf"}};
  const std::string entry =
      absl::StrCat("\x0A", std::string(1, static_cast<char>(bytes.size())), bytes);
  EXPECT_THAT(Read(batch, ""), IsEmpty());
  EXPECT_THAT(Read(batch, entry + entry), ElementsAre(EventToJson(*event), EventToJson(*event)));
  EXPECT_THAT(Read(batch, entry + std::string("\x0A\x00", 2)),
              ElementsAre(": id: is missing; set it"));
  EXPECT_THAT(Read(batch, entry + "\x0A\x7F"), ElementsAre(HasSubstr("no io.cloudevents")));
  EXPECT_THAT(Read(batch, "[]"), ElementsAre(HasSubstr("no io.cloudevents")));
}

TEST(EventRequestTest, OtherFormsAreNotKnown) {
  EXPECT_THAT(Read({{"content-type", "application/json"}}, "{}"), ElementsAre("unknown form"));
  EXPECT_THAT(Read({}, ""), ElementsAre("unknown form"));
  EXPECT_THAT(Read(With(kPlain, "content-type", "application/cloudevents+avro"), ""),
              ElementsAre("unknown form"));
  EXPECT_THAT(FormsText(), HasSubstr("application/cloudevents-batch+json"));
}

TEST(EventRequestTest, EachFormHasALimit) {
  const EventLimits limits{1000};
  EXPECT_EQ(MaxBody(EventForm::kBinary, limits), 1000u);
  EXPECT_EQ(MaxBody(EventForm::kJson, limits), 2000u);
  EXPECT_EQ(MaxBody(EventForm::kJsonBatch, limits), size_t{16} << 20);
  const ReadEvents read =
      ReadBody(EventForm::kJson, {}, R"({"id":"1","source":"s","type":"t"})", EventLimits{10});
  ASSERT_EQ(read.faults.size(), 1u);
  EXPECT_TRUE(read.faults[0].too_large);
}

}  // namespace
}  // namespace outboard::http

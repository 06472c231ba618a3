// What StoryBoard, oslo.messaging and nameko put on the wire (captured), read by json and raw.
#include <gtest/gtest.h>

#include "host/dialect/dialect.h"
#include "host/dialect/identity.h"
#include "tests/unit/dialect/messages.h"

namespace outboard::dialect {
namespace {

using From = Place::From;

DialectOptions Reading(Kind kind, Mapping mapping) {
  DialectOptions options = {.kind = kind, .mapping = std::move(mapping)};
  EXPECT_TRUE(CheckOptions(options).ok()) << CheckOptions(options);
  return options;
}

Event EventIn(const Message& message, const DialectOptions& options) {
  const auto event = Decode(message, options);
  EXPECT_TRUE(event.ok()) << event.status();
  return event.value_or(Event());
}

Message StoryBoardMessage() {
  Message message = WithBody(
      "storyboard", "task",
      R"({"author_id": 1, "method": "PUT", "url": "http://localhost/", "path": "/v1/tasks/1", )"
      R"("query_string": "", "status": 200, "resource": "task", "resource_id": "1", )"
      R"("sub_resource": null, "sub_resource_id": null, "resource_before": {"id": 1, )"
      R"("created_at": null, "title": "Tést", "status": "inprogress", "creator_id": 1, )"
      R"("story_id": 1, "project_id": 1, "assignee_id": 1, "priority": "medium"}, )"
      R"("resource_after": {"id": 1, "created_at": null, "title": "Tést", "status": "merged", )"
      R"("creator_id": 1, "story_id": 1, "project_id": 1, "assignee_id": 1, )"
      R"("priority": "medium"}})");
  message.properties.content_type = "application/json";
  message.properties.app_id = "storyboard";
  return message;
}

TEST(MappedServedSystemsTest, ReadsStoryBoard) {
  const Message message = StoryBoardMessage();
  const Mapping mapping = {.source = {Place::At(From::kAppId), Place::At(From::kExchange)},
                           .type = {Place::At(From::kRoutingKey)},
                           .subject = {Place::Body({"/resource_id"})},
                           .more = {{"method", {Place::Body({"/method"})}},
                                    {"author", {Place::Body({"/author_id"})}},
                                    {"subresource", {Place::Body({"/sub_resource"})}}}};
  for (const Kind kind : {Kind::kJson, Kind::kRaw}) {
    const Event event = EventIn(message, Reading(kind, mapping));
    EXPECT_EQ(event.id(), ContentId(message));  // It sends none.
    EXPECT_EQ(event.source(), "storyboard");
    EXPECT_EQ(event.type(), "task");
    EXPECT_EQ(event.attribute("subject"), "1");
    EXPECT_EQ(event.attribute("method"), "PUT");
    EXPECT_EQ(event.attribute("author"), "1");
    EXPECT_EQ(event.attribute("subresource"), std::nullopt);
    EXPECT_EQ(event.attribute("datacontenttype"), "application/json");
    EXPECT_EQ(DataOf(event), message.body);
  }
}

// As the drivers `messaging` (1.0) and `messagingv2` (2.0) write it.
constexpr char kOsloInner[] =
    R"({"message_id": "a14af102-2266-409a-b393-6b444b2a4226", "publisher_id": "compute.host1", )"
    R"("event_type": "compute.instance.create.end", "priority": "INFO", )"
    R"("payload": {"instance_id": 12, "name": "\u00e9", "flag": true, "none": null}, )"
    R"("timestamp": "2026-11-22 05:30:25.718500", )"
    R"("_unique_id": "f155a60b3a774f759e74f7f897f4aaf2", "_context_user_id": "u1", )"
    R"("_context_request_id": "req-1"})";
constexpr char kOsloEnvelope[] =
    R"({"oslo.version": "2.0", "oslo.message": "{\"message_id\": )"
    R"(\"a14af102-2266-409a-b393-6b444b2a4226\", \"publisher_id\": \"compute.host1\", )"
    R"(\"event_type\": \"compute.instance.create.end\", \"priority\": \"INFO\", )"
    R"(\"payload\": {\"instance_id\": 12, \"name\": \"\\u00e9\", \"flag\": true, )"
    R"(\"none\": null}, \"timestamp\": \"2026-11-22 05:30:25.718500\", )"
    R"(\"_unique_id\": \"f155a60b3a774f759e74f7f897f4aaf2\", \"_context_user_id\": \"u1\", )"
    R"(\"_context_request_id\": \"req-1\"}"})";

// A member of the notification, in the envelope or without one.
Places Notified(const std::string& pointer) {
  return {Place::Body({"/oslo.message", pointer}), Place::Body({pointer})};
}

TEST(MappedServedSystemsTest, ReadsOsloNotificationsWithAndWithoutTheirEnvelope) {
  const Mapping mapping = {.id = Notified("/message_id"),
                           .source = Notified("/publisher_id"),
                           .type = Notified("/event_type"),
                           .subject = Notified("/payload/instance_id"),
                           .time = Notified("/timestamp"),
                           .more = {{"requestid", Notified("/_context_request_id")},
                                    {"priority", Notified("/priority")}}};
  for (const char* body : {kOsloEnvelope, kOsloInner}) {
    Message message = WithBody("openstack", "notifications.info", body);
    message.properties.content_type = "application/json";
    message.properties.content_encoding = "utf-8";
    message.properties.delivery_mode = 2;
    message.properties.priority = 0;
    for (const Kind kind : {Kind::kJson, Kind::kRaw}) {
      const Event event = EventIn(message, Reading(kind, mapping));
      EXPECT_EQ(event.id(), "a14af102-2266-409a-b393-6b444b2a4226");
      EXPECT_EQ(event.source(), "compute.host1");
      EXPECT_EQ(event.type(), "compute.instance.create.end");
      EXPECT_EQ(event.attribute("subject"), "12");
      EXPECT_EQ(event.attribute("time"), "2026-11-22T05:30:25.718500Z");
      EXPECT_EQ(event.attribute("requestid"), "req-1");
      EXPECT_EQ(event.attribute("priority"), "INFO");
      EXPECT_EQ(event.attribute("datacontenttype"), "application/json");
      EXPECT_EQ(DataOf(event), body);
    }
  }
}

TEST(MappedServedSystemsTest, ReadsNamekoEvents) {
  Message message = WithBody("srcservice.events", "eventtype", R"({"a": 1})");
  message.properties.content_type = "application/json";
  message.properties.content_encoding = "utf-8";
  message.properties.delivery_mode = 2;
  message.properties.priority = 0;
  Field stack = Typed('A', 0);
  stack.items = {Field::Text("standalone_rpc_proxy.call.d0394295-0000-4000-8000-000000000000"),
                 Field::Text("srcservice.go.2eee95fe-0000-4000-8000-000000000000")};
  message.properties.headers = {{"nameko.user_id", Typed('I', 7)},
                                {"nameko.language", Field::Text("en")},
                                {"nameko.call_id_stack", stack}};
  const Mapping mapping = {.subject = {Place::Body({"/a"})},
                           .more = {{"userid", {Place::Header("nameko.user_id")}},
                                    {"language", {Place::Header("nameko.language")}}}};
  for (const Kind kind : {Kind::kJson, Kind::kRaw}) {
    const Event event = EventIn(message, Reading(kind, mapping));
    EXPECT_EQ(event.id(), ContentId(message));
    EXPECT_EQ(event.source(), "srcservice.events");
    EXPECT_EQ(event.type(), "eventtype");
    EXPECT_EQ(event.attribute("subject"), "1");
    EXPECT_EQ(event.attribute("userid"), "7");
    EXPECT_EQ(event.attribute("language"), "en");
    EXPECT_EQ(event.attribute("datacontenttype"), "application/json");
    EXPECT_EQ(DataOf(event), R"({"a": 1})");
  }
}

TEST(MappedServedSystemsTest, ReadsNamekoEventsThatAreBareValues) {
  for (const char* body : {"\"msg\"", "[1]", "null", "\"\\u00e9\""}) {
    const Event event =
        EventIn(WithBody("srcservice.events", "eventtype", body),
                Reading(Kind::kJson, {.subject = {Place::Body({"/a"}), Place::Fixed("none")}}));
    EXPECT_EQ(event.attribute("subject"), "none");
    EXPECT_EQ(DataOf(event), body);
  }
}

}  // namespace
}  // namespace outboard::dialect

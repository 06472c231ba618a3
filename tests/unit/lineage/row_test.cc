#include "host/lineage/row.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lineage/made.h"

namespace outboard::lineage {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Time kNow{seconds(1'700'000'000)};

std::string LineOf(const lane::Record& record) {
  std::string line;
  AppendLine("stories/mail", record, &line);
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line";
  line.pop_back();
  return line;
}

Row Again(const lane::Record& record) {
  const std::optional<Row> row = ReadLine(LineOf(record));
  EXPECT_TRUE(row.has_value()) << LineOf(record);
  return row.value_or(Row());
}

TEST(LineageRowTest, AnEndWithItsTurnsComesBackWhole) {
  lane::Record record = MadeRecord("e1", kNow);
  record.event = MadeEvent("e1", wire_text::StringAttribute("subject", "story/12") +
                                     wire_text::StringAttribute("traceparent", "00-a-b-01"));
  record.accepted_at = kNow - seconds(3);
  bus::Attempt turn{kNow, "retry", "BUSY", "said \"no\"\nand é", "v1"};
  turn.component = "mail.sender";
  turn.instance = 0;
  turn.quarantine = true;
  turn.took = microseconds(1234);
  record.turns = {turn};
  record.end = bus::End::kRetry;
  record.attempts = 2;
  record.due = kNow + seconds(4);
  const Row row = Again(record);
  EXPECT_EQ(row.lane, "stories/mail");
  EXPECT_EQ(row.id, "e1");
  EXPECT_EQ(row.source, "tracker");
  EXPECT_EQ(row.type, "story.created");
  EXPECT_EQ(row.subject, "story/12");
  EXPECT_EQ(row.traceparent, "00-a-b-01");
  EXPECT_EQ(row.accepted_at, record.accepted_at);
  EXPECT_EQ(row.at, kNow);
  EXPECT_THAT(row.turns, ElementsAre(turn));
  EXPECT_EQ(row.end, bus::End::kRetry);
  EXPECT_EQ(row.attempts, 2u);
  EXPECT_EQ(row.due, record.due);
}

TEST(LineageRowTest, EmitsComeBackWithWhatNamesThem) {
  lane::Record record = MadeRecord("e1", kNow);
  record.end = bus::End::kDone;
  record.emits = {MadeEvent("child \"1\""), MadeEvent("child2")};
  record.emitted = 200;
  const Row row = Again(record);
  EXPECT_EQ(row.emitted, 200u);
  EXPECT_THAT(row.emits, ElementsAre(Child{"child \"1\"", "tracker", "story.created"},
                                     Child{"child2", "tracker", "story.created"}));
  EXPECT_THAT(LineOf(record), HasSubstr(IdInLine("child \"1\"")));
}

TEST(LineageRowTest, OffsetsOfEachTypeComeBack) {
  for (const bus::Offset& offset :
       {bus::Offset(), bus::Offset(int64_t{0}), bus::Offset(2.5), bus::Offset(std::string("t/3")),
        bus::Offset(bus::Bytes{std::string("\0\xff", 2)})}) {
    lane::Record record = MadeRecord("e1", kNow);
    record.placed = bus::Placed{offset, kNow};
    EXPECT_EQ(Again(record).placed, record.placed);
  }
}

TEST(LineageRowTest, ADeadLettersReasonIsCutWhereItIsLong) {
  lane::Record record = MadeRecord("e1", kNow);
  record.end = bus::End::kDead;
  record.reason = "CRASHED";
  record.message = std::string(5000, 'x');
  const Row row = Again(record);
  EXPECT_EQ(row.reason, "CRASHED");
  EXPECT_LE(row.message.size(), 500u);
}

TEST(LineageRowTest, WhatIsNoLineIsLeftOut) {
  const std::string line = LineOf(MadeRecord("e1", kNow));
  for (size_t cut = 0; cut < line.size(); ++cut)
    EXPECT_FALSE(ReadLine(line.substr(0, cut)).has_value()) << cut;
  EXPECT_FALSE(ReadLine(std::string(100, '\0')).has_value());
  EXPECT_FALSE(ReadLine("[]").has_value());
  EXPECT_FALSE(ReadLine("{\"lane\":7,\"id\":\"e1\"}").has_value());
}

TEST(LineageRowTest, AMemberOfAnotherTypeIsAsIfItWereNotThere) {
  const auto row = ReadLine(
      R"({"lane":"a/b","id":"e1","at":"x","turns":7,"emits":[1],"end":"never","placed":[],"due":1.5})");
  ASSERT_TRUE(row.has_value());
  EXPECT_THAT(row->turns, IsEmpty());
  EXPECT_THAT(row->emits, IsEmpty());
  EXPECT_EQ(row->end, std::nullopt);
  EXPECT_EQ(row->placed, std::nullopt);
}

}  // namespace
}  // namespace outboard::lineage

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "nlohmann/json.hpp"
#include "tests/integration/cli/fake_host.h"

namespace outboard::app {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class PublishTest : public ::testing::Test {
 protected:
  Ran Publish(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), {"publish", "--socket", socket_});
    return RunVerb(std::move(arguments), input);
  }

  // A file of so many events, line n with id n.
  std::string Feed(int lines, const std::string& type = "story.post") {
    std::ofstream out(folder_ / "feed.ndjson");
    for (int i = 1; i <= lines; ++i) out << Line(i, type) << "\n";
    return folder_ / "feed.ndjson";
  }

  static std::string Line(int id, const std::string& type = "story.post") {
    return json{{"specversion", "1.0"},
                {"id", std::to_string(id)},
                {"source", "s"},
                {"type", type},
                {"data", {{"n", id}}}}
        .dump();
  }

  TempFolder folder_;
  const std::string socket_ = folder_ / "h.sock";
  FakeHost host_{socket_};
};

TEST_F(PublishTest, MakesOneEventOfFlags) {
  const Ran ran =
      Publish({"--type", "story.post", "--source", "storyboard", "--subject", "story/12", "--id",
               "e-1", "--data", "{\"a\": 1}", "--attribute", "partitionkey=k"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_EQ(ran.out, "confirmed e-1, matched: 2\n");
  ASSERT_THAT(host_.published(), SizeIs(1));
  const event::v1::Event event = host_.published()[0];
  EXPECT_EQ(event.id(), "e-1");
  EXPECT_EQ(event.source(), "storyboard");
  EXPECT_EQ(event.spec_version(), "1.0");
  EXPECT_EQ(json::parse(event.binary_data()), json({{"a", 1}}));
  EXPECT_EQ(event.attributes().at("subject").ce_string(), "story/12");
  EXPECT_EQ(event.attributes().at("partitionkey").ce_string(), "k");
  EXPECT_EQ(event.attributes().at("datacontenttype").ce_string(), "application/json");
}

TEST_F(PublishTest, GivesAFreshUuid) {
  Publish({"--type", "t", "--source", "s"});
  Publish({"--type", "t", "--source", "s"});
  ASSERT_THAT(host_.published(), SizeIs(2));
  EXPECT_THAT(host_.published()[0].id(),
              MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_NE(host_.published()[0].id(), host_.published()[1].id());
  EXPECT_EQ(host_.published()[0].data_case(), event::v1::Event::DATA_NOT_SET);
}

TEST_F(PublishTest, TakesAnyDataFromTextFilesAndInput) {
  std::ofstream(folder_ / "bytes", std::ios::binary) << std::string("\0\xFF\n", 3);
  EXPECT_EQ(Publish({"--type", "t", "--source", "s", "--data", "plain words"}).code, kOk);
  EXPECT_EQ(Publish({"--type", "t", "--source", "s", "--data-file", folder_ / "bytes"}).code, kOk);
  EXPECT_EQ(Publish({"--type", "t", "--source", "s", "--data-file", "-"}, "[1]").code, kOk);
  EXPECT_EQ(
      Publish({"--type", "t", "--source", "s", "--data", "1", "--content-type", "text/csv"}).code,
      kOk);
  ASSERT_THAT(host_.published(), SizeIs(4));
  EXPECT_EQ(host_.published()[0].binary_data(), "plain words");
  EXPECT_EQ(host_.published()[1].binary_data(), std::string("\0\xFF\n", 3));
  EXPECT_EQ(host_.published()[2].binary_data(), "[1]");
  EXPECT_EQ(host_.published()[3].binary_data(), "1");
  EXPECT_EQ(host_.published()[3].attributes().at("datacontenttype").ce_string(), "text/csv");
}

TEST_F(PublishTest, WarnsWhenNobodyTakesIt) {
  const Ran ran = Publish({"--type", "nobody", "--source", "s"});
  EXPECT_EQ(ran.code, kOk);
  EXPECT_THAT(ran.err,
              HasSubstr("matched: 0: no route of this host takes type nobody from source s"));
  const json answer =
      json::parse(Publish({"--type", "nobody", "--source", "s", "--id", "x", "--json"}).out);
  EXPECT_EQ(answer, json({{"id", "x"}, {"confirmed", true}, {"matched", 0}}));
}

TEST_F(PublishTest, SaysWhatIsMissingOrContradictory) {
  EXPECT_THAT(Publish({}).err,
              HasSubstr("nothing to publish; give --type and --source, or a file"));
  EXPECT_THAT(Publish({"--type", "t"}).err, HasSubstr("--source is missing"));
  EXPECT_THAT(Publish({"--source", "t"}).err, HasSubstr("--type is missing"));
  EXPECT_THAT(Publish({"--type", "t", "--source", "s", "f"}).err,
              HasSubstr("a file brings its own"));
  EXPECT_THAT(Publish({"--type", "t", "--source", "s", "--attribute", "x"}).err,
              HasSubstr("is no name=value"));
  EXPECT_EQ(Publish({"--type", "t", "--source", "s", "--attribute", "id=5"}).code, kUsage);
  EXPECT_EQ(Publish({"--type", "t", "--source", "s", "--attribute", "Bad-Name=5"}).code, kUsage);
  EXPECT_EQ(Publish({folder_ / "none.ndjson"}).code, kUsage);
  EXPECT_THAT(host_.published(), IsEmpty());
}

TEST_F(PublishTest, TellsOfARefusal) {
  const Ran ran = Publish({"--type", "refuse", "--source", "s"});
  EXPECT_EQ(ran.code, kFailed);
  EXPECT_EQ(ran.err, "outboard: not published: the bus is full; raise bus.max_bytes\n");
}

TEST_F(PublishTest, StreamsAFileInOrderAndInBatches) {
  const Ran ran = Publish({"--file", Feed(5000), "--confirmed-log", folder_ / "log"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out, StartsWith("confirmed 5000 events in "));
  const std::vector<event::v1::Event> events = host_.published();
  ASSERT_THAT(events, SizeIs(5000));
  std::ifstream log(folder_ / "log");
  for (int i = 1; i <= 5000; ++i) {
    ASSERT_EQ(events[static_cast<size_t>(i - 1)].id(), std::to_string(i));
    std::string id;
    ASSERT_TRUE(std::getline(log, id));
    ASSERT_EQ(id, std::to_string(i));
  }
  EXPECT_GT(host_.largest_request, 1);
  EXPECT_LE(host_.largest_request, 256);
}

TEST_F(PublishTest, ReadsStandardInputSkipsEmptyLinesAndFillsIds) {
  const Ran ran = Publish({"-"}, Line(1) + "\r\n\n  \n" +
                                     R"({"specversion":"1.0","source":"s","type":"t","data":"x"})");
  EXPECT_EQ(ran.code, kOk) << ran.err;
  ASSERT_THAT(host_.published(), SizeIs(2));
  EXPECT_THAT(host_.published()[1].id(), SizeIs(36));
}

TEST_F(PublishTest, StopsAtABadLineWithItsPlaceAndTheCount) {
  const std::string file = Feed(300);
  std::ofstream(file, std::ios::app) << "{\"specversion\": \"1.0\"\n" << Line(302) << "\n";
  const Ran ran = Publish({file});
  EXPECT_EQ(ran.code, kFailed);
  EXPECT_THAT(ran.out, StartsWith("confirmed 300 events"));
  EXPECT_THAT(ran.err, AllOf(HasSubstr(file + ":301: "), HasSubstr("at column "),
                             Not(HasSubstr("line 1,")), HasSubstr("go on with --from-line 301")));
  EXPECT_THAT(host_.published(), SizeIs(300));
  EXPECT_EQ(Publish({file, "--from-line", "302"}).code, kOk);
  EXPECT_THAT(host_.published(), SizeIs(301));
  const json answer = json::parse(Publish({file, "--json"}).out);
  EXPECT_EQ(answer["confirmed"], 300);
  EXPECT_EQ(answer["next_line"], 301);
  EXPECT_EQ(answer["error"]["code"], kFailed);
}

TEST_F(PublishTest, StopsAtARefusedLineAndSaysWhatWentOnBehindIt) {
  std::ofstream(folder_ / "f") << Line(1) << "\n" << Line(2, "refuse") << "\n" << Line(3) << "\n";
  const Ran ran = Publish({folder_ / "f"});
  EXPECT_EQ(ran.code, kFailed);
  EXPECT_THAT(ran.err,
              AllOf(HasSubstr("f:2: the host refused it: the bus is full"),
                    HasSubstr("go on with --from-line 2; 1 behind it were confirmed already")));
}

TEST_F(PublishTest, SaysWhereToGoOnWhenTheHostGoesAway) {
  host_.break_after = 1000;
  const Ran ran = Publish({Feed(5000), "--confirmed-log", folder_ / "log", "--json"});
  EXPECT_EQ(ran.code, kUnreachable);
  const json answer = json::parse(ran.out);
  const int confirmed = answer["confirmed"];
  EXPECT_LE(confirmed, 1000);
  EXPECT_EQ(answer["next_line"], confirmed + 1);
  std::ifstream log(folder_ / "log");
  int logged = 0;
  for (std::string id; std::getline(log, id);) ++logged;
  EXPECT_EQ(logged, confirmed);
}

TEST_F(PublishTest, WarnsOfTypesThatNobodyTakes) {
  const Ran ran = Publish({Feed(10, "nobody")});
  EXPECT_EQ(ran.code, kOk);
  EXPECT_EQ(
      ran.err,
      "outboard: warning: matched: 0 for 10 events of type nobody: no route of this host takes "
      "them\n");
}

TEST_F(PublishTest, PacesWithoutHoldingBack) {
  const Ran ran = Publish({Feed(20), "--rate", "1000"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(host_.published(), SizeIs(20));
}

}  // namespace
}  // namespace outboard::app

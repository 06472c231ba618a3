// plugins/audit: its lines, its file, its config.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "outboard/event/v1/event.pb.h"
#include "plugins/audit/config.h"
#include "plugins/audit/event_json.h"
#include "plugins/audit/json_lines_file.h"

namespace outboard::audit {
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

class JsonLinesFileTest : public ::testing::Test {
 protected:
  JsonLinesFileTest() {
    char folder[] = "/tmp/outboard-audit-XXXXXX";
    folder_ = mkdtemp(folder);
    path_ = folder_ + "/audit.jsonl";
  }
  ~JsonLinesFileTest() override {
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }
  void Put(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  std::string Contents() {
    std::ifstream in(path_);
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
  }

  std::string folder_, path_;
};

TEST_F(JsonLinesFileTest, AppendsToWhatIsThere) {
  Put("{\"id\":0}\n");
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, true), "");
  EXPECT_EQ(file.Append("{\"id\":1}\n"), "");
  EXPECT_EQ(Contents(), "{\"id\":0}\n{\"id\":1}\n");
}

TEST_F(JsonLinesFileTest, CutsATornLineOff) {
  Put("{\"id\":0}\n{\"id\":1,\"da");
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  EXPECT_EQ(Contents(), "{\"id\":0}\n");
}

TEST_F(JsonLinesFileTest, CompletesALineThatLacksItsNewlineOnly) {
  Put("{\"id\":0}\n{\"id\":1}");
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  EXPECT_EQ(Contents(), "{\"id\":0}\n{\"id\":1}\n");
}

TEST_F(JsonLinesFileTest, MendsALongTornLineWithoutAnyNewline) {
  Put("{\"x\":\"" + std::string(300'000, 'y'));
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  EXPECT_EQ(Contents(), "");
}

TEST_F(JsonLinesFileTest, MendsWhatAnotherWriterTore) {
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  EXPECT_EQ(file.Append("{\"id\":1}\n"), "");
  Put("{\"id\":2,");
  EXPECT_EQ(file.Append("{\"id\":3}\n"), "");
  EXPECT_EQ(Contents(), "{\"id\":1}\n{\"id\":3}\n");
}

TEST_F(JsonLinesFileTest, TwoWritersKeepEachLineWhole) {
  const auto write_all = [this](int writer) {
    JsonLinesFile file;
    ASSERT_EQ(file.Open(path_, false), "");
    for (int i = 0; i < 2000; ++i) {
      ASSERT_EQ(
          file.Append("{\"w\":" + std::to_string(writer) + ",\"i\":" + std::to_string(i) + "}\n"),
          "");
    }
  };
  std::thread other([&] { write_all(1); });
  write_all(2);
  other.join();
  std::ifstream in(path_);
  int lines = 0, next[3] = {0, 0, 0};
  for (std::string line; std::getline(in, line); ++lines) {
    const json parsed = json::parse(line);
    EXPECT_EQ(parsed["i"], next[parsed["w"].get<int>()]++);
  }
  EXPECT_EQ(lines, 4000);
}

TEST_F(JsonLinesFileTest, AFullDiskIsAnErrorAndLeavesNoHalfLine) {
  JsonLinesFile file;
  ASSERT_EQ(file.Open(path_, false), "");
  ASSERT_EQ(file.Append("{\"id\":1}\n"), "");
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{12, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string fault = file.Append("{\"id\":2}\n");
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_NE(fault.find("cannot write to " + path_), std::string::npos) << fault;
  EXPECT_EQ(Contents(), "{\"id\":1}\n");
  EXPECT_EQ(file.Append("{\"id\":2}\n"), "");
  EXPECT_EQ(Contents(), "{\"id\":1}\n{\"id\":2}\n");
}

TEST_F(JsonLinesFileTest, SaysWhyItCannotOpen) {
  JsonLinesFile file;
  EXPECT_NE(file.Open(folder_ + "/none/x", false).find("No such file"), std::string::npos);
  EXPECT_NE(file.Open(folder_, false), "");
  EXPECT_EQ(file.Append("{}\n"), "no file is open");
}

TEST(AuditConfigTest, ReadsAGoodOne) {
  Config config;
  EXPECT_TRUE(ReadConfig(R"({"path": "/x", "fsync": "each"})", &config).empty());
  EXPECT_EQ(config.path, "/x");
  EXPECT_TRUE(config.fsync_each);
}

TEST(AuditConfigTest, NamesEveryFaultWithItsPlace) {
  Config config;
  EXPECT_EQ(ReadConfig("{", &config)[0].path, "");
  EXPECT_EQ(ReadConfig("[]", &config)[0].message, "must be an object with \"path\"");
  const auto errors = ReadConfig(R"({"fsync": 1, "pth": "x"})", &config);
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[0].path, "/path");
  EXPECT_EQ(errors[1].path, "/fsync");
  EXPECT_EQ(errors[2].message, "is not known here: the keys are path and fsync");
  EXPECT_EQ(ReadConfig(R"({"path": ""})", &config)[0].path, "/path");
}

TEST(AuditConfigTest, TheSchemaIsJson) { EXPECT_TRUE(IsJson(kConfigSchema)); }

}  // namespace
}  // namespace outboard::audit

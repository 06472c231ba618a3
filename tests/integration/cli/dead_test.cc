// Dead letters given back in bulk, edited, and purged, against a real server on a real socket.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include "host/app/cli/json_layout.h"
#include "host/app/cli/line_diff.h"
#include "nlohmann/json.hpp"
#include "tests/integration/cli/fake_host.h"

namespace outboard::app {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class DeadTest : public ::testing::Test {
 protected:
  DeadTest() {
    setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
    unsetenv("OUTBOARD_CONFIG");
    unsetenv("VISUAL");
    unsetenv("EDITOR");
    mkdir((folder_ / "outboard").c_str(), 0700);
    host_ = std::make_unique<FakeHost>(socket_);
    event::v1::Event* event = host_->letter.mutable_event();
    host_->letter.set_dead_id(17);
    event->set_id("e-1");
    event->set_source("web");
    event->set_type("story.post");
    event->set_spec_version("1.0");
    (*event->mutable_attributes())["datacontenttype"].set_ce_string("application/json");
    (*event->mutable_attributes())["tenant"].set_ce_string("a");
    event->set_binary_data("{\"title\":\"old\"}");
  }

  Ran Dead(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "dead");
    arguments.push_back("--socket");
    arguments.push_back(socket_);
    return RunVerb(std::move(arguments));
  }
  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0644) {
    const std::string path = folder_ / name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }

  TempFolder folder_;
  const std::string socket_ = folder_ / "outboard/tracker.sock";
  std::unique_ptr<FakeHost> host_;
};

// ---- Replay and purge
// ------------------------------------------------------------------------------------

TEST_F(DeadTest, ADryRunGivesNothingBack) {
  host_->letters = {1, 2, 3};
  EXPECT_EQ(Dead({"replay", "--all", "--dry-run"}).out,
            "a dry run: would give 3 dead letters back to their lanes\n");
  EXPECT_THAT(host_->letters, SizeIs(3));
  const json answer = json::parse(Dead({"replay", "--all", "--dry-run", "--json"}).out);
  EXPECT_EQ(answer, json({{"replayed", 3}, {"stayed", 0}, {"dry_run", true}}));
  host_->dead.set_total(3);
  EXPECT_EQ(Dead({"purge", "--all", "--dry-run"}).out, "a dry run: would delete 3 dead letters\n");
  EXPECT_EQ(host_->purges, 0);
  EXPECT_TRUE(host_->purge_request.dry_run());
}

TEST_F(DeadTest, APurgeOfNoneAsksNothingAndDeletesNothing) {
  const Ran ran = Dead({"purge", "--reason", "NO_TITLE"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_EQ(ran.out, "nothing to delete: there are no such dead letters\n");
  EXPECT_EQ(json::parse(Dead({"purge", "--all", "--json"}).out)["purged"], 0);
  EXPECT_EQ(Dead({"purge", "--all", "--dry-run"}).out,
            "nothing to delete: there are no dead letters\n");
  EXPECT_EQ(host_->purges, 0) << "what comes meanwhile is not deleted";
}

TEST_F(DeadTest, GivesBackOnlyWhatThereWasWhenItBegan) {
  host_->letters = {1, 2, 3};
  host_->on_replay = [this] {
    host_->letters.push_back(9);  // Died again meanwhile.
    return grpc::Status::OK;
  };
  EXPECT_EQ(Dead({"replay", "--all"}).out, "gave 3 dead letters back to their lanes\n");
  EXPECT_THAT(host_->letters, ElementsAre(9));
}

TEST_F(DeadTest, ARateGivesBackSomeAtATime) {
  host_->letters = {1, 2, 3, 4, 5};
  int calls = 0;
  host_->on_replay = [&] {
    ++calls;
    return grpc::Status::OK;
  };
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Dead({"replay", "--all", "--rate", "10"}).out,
            "gave 5 dead letters back to their lanes\n");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(400));
  EXPECT_EQ(calls, 3) << "2, 2 and 1";
  EXPECT_EQ(host_->replay_request.limit(), 2u);
  EXPECT_EQ(host_->replay_request.filter().after(), 4u);
  EXPECT_EQ(host_->replay_request.filter().up_to(), 5u);
}

TEST_F(DeadTest, SaysHowFarItCameWhenInterrupted) {
  host_->letters = {1, 2, 3, 4, 5};
  host_->on_replay = [] {
    raise(SIGINT);
    return grpc::Status::OK;
  };
  const Ran ran = Dead({"replay", "--all", "--rate", "1"});
  EXPECT_EQ(ran.code, kFailed);
  EXPECT_THAT(ran.err, HasSubstr("interrupted: 1 of 5 dead letters are given back, the others are "
                                 "as they were: the same command goes on"));
  EXPECT_THAT(host_->letters, ElementsAre(2, 3, 4, 5));
}

TEST_F(DeadTest, SaysHowFarItCameWhenTheHostFails) {
  host_->letters = {1, 2, 3};
  int calls = 0;
  host_->on_replay = [&] {
    return ++calls == 1 ? grpc::Status::OK
                        : grpc::Status(grpc::StatusCode::UNAVAILABLE, "the broker is away");
  };
  const Ran ran = Dead({"replay", "--all", "--rate", "5"});
  EXPECT_NE(ran.code, kOk);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("the broker is away"),
                             HasSubstr("failed: 1 of 3 dead letters are given back")));
}

// ---- Edit
// ------------------------------------------------------------------------------------

TEST_F(DeadTest, EditsByFlags) {
  const std::string data = Write("fixed.json", "{\"title\":\"new\"}");
  const Ran ran = Dead({"edit", "17", "--set", "tenant=b", "--set", "trace=x=y", "--data", data});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out,
              AllOf(HasSubstr("-   \"tenant\": \"a\""), HasSubstr("+   \"tenant\": \"b\""),
                    HasSubstr("-     \"title\": \"old\""), HasSubstr("+     \"title\": \"new\""),
                    Not(HasSubstr("- \"id\"")), HasSubstr("outboard dead replay 17")));
  EXPECT_EQ(host_->edit_request.dead_id(), 17u);
  const event::v1::Event& event = host_->edit_request.event();
  EXPECT_EQ(event.id(), "e-1");
  EXPECT_EQ(event.attributes().at("tenant").ce_string(), "b");
  EXPECT_EQ(event.attributes().at("trace").ce_string(), "x=y");
  EXPECT_EQ(event.binary_data(), "{\"title\":\"new\"}");
}

TEST_F(DeadTest, TakesAnAttributeOut) {
  EXPECT_EQ(Dead({"edit", "17", "--set", "tenant="}).code, kOk);
  EXPECT_FALSE(host_->edit_request.event().attributes().contains("tenant"));
}

TEST_F(DeadTest, ShowsADifferenceWithoutMakingIt) {
  const Ran ran = Dead({"edit", "17", "--set", "tenant=b", "--dry-run"});
  EXPECT_THAT(ran.out, AllOf(HasSubstr("+   \"tenant\": \"b\""), HasSubstr("nothing is changed")));
  const json answer =
      json::parse(Dead({"edit", "17", "--set", "tenant=b", "--dry-run", "--json"}).out);
  EXPECT_EQ(answer["changed"], false);
  EXPECT_EQ(answer["event"]["tenant"], "b");
  EXPECT_EQ(host_->edits, 0);
}

TEST_F(DeadTest, EditsInTheEditor) {
  const std::string editor =
      Write("ed", "#!/bin/sh\nsed -i 's/old/new/' \"$2\"\necho $1 >&2\n", 0755);
  setenv("EDITOR", (editor + " --flag").c_str(), 1);
  const Ran ran = Dead({"edit", "17"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_EQ(host_->edit_request.event().binary_data(), "{\"title\":\"new\"}");
  // What is not touched stays as it is, byte by byte.
  host_->letter.mutable_event()->set_binary_data("{ \"n\": 12345678901234567890123 }");
  const std::string other = Write("ed2", "#!/bin/sh\nsed -i '/tenant/d' \"$1\"\n", 0755);
  setenv("EDITOR", other.c_str(), 1);
  EXPECT_EQ(Dead({"edit", "17"}).code, kOk);
  EXPECT_EQ(host_->edit_request.event().binary_data(), "{ \"n\": 12345678901234567890123 }");
  EXPECT_FALSE(host_->edit_request.event().attributes().contains("tenant"));
  setenv("EDITOR", "true", 1);
  EXPECT_EQ(Dead({"edit", "17"}).out, "nothing is changed\n");
  EXPECT_EQ(host_->edits, 2);
}

TEST_F(DeadTest, AnEditorChangesNoNumberThatNobodyTouched) {
  host_->letter.mutable_event()->set_binary_data(
      "{\"amount\": 12345678901234567890123, \"rate\": 0.12345678901234567890, \"e\": 1E2, "
      "\"name\": \"x\"}");
  setenv("EDITOR", Write("ed", "#!/bin/sh\nsed -i 's/\"x\"/\"y\"/' \"$1\"\n", 0755).c_str(), 1);
  const Ran ran = Dead({"edit", "17"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_EQ(host_->edit_request.event().binary_data(),
            "{\"amount\":12345678901234567890123,\"rate\":0.12345678901234567890,\"e\":1E2,"
            "\"name\":\"y\"}");
  EXPECT_THAT(ran.out, AllOf(HasSubstr("\n      \"amount\": 12345678901234567890123,\n"),
                             HasSubstr("\n+     \"name\": \"y\"\n")));
  // The last digit counts.
  setenv("EDITOR", Write("ed", "#!/bin/sh\nsed -i 's/0123,/0124,/' \"$1\"\n", 0755).c_str(), 1);
  EXPECT_THAT(Dead({"edit", "17"}).out, HasSubstr("+     \"amount\": 12345678901234567890124,\n"));
  EXPECT_THAT(host_->edit_request.event().binary_data(), HasSubstr("12345678901234567890124"));
}

TEST_F(DeadTest, GoesOnWithAnEarlierEdit) {
  *host_->letter.mutable_edited() = host_->letter.event();
  host_->letter.mutable_edited()->set_binary_data("{\"title\":\"newer\"}");
  EXPECT_EQ(Dead({"edit", "17", "--set", "tenant=b"}).code, kOk);
  EXPECT_EQ(host_->edit_request.event().binary_data(), "{\"title\":\"newer\"}");
  EXPECT_THAT(Dead({"show", "17"}).out, HasSubstr("edited; a replay gives back:\n"));
}

TEST_F(DeadTest, ABrokenEditChangesNothingAndKeepsTheText) {
  const std::string editor = Write("ed", "#!/bin/sh\necho '{\"id\": ' > \"$1\"\n", 0755);
  setenv("EDITOR", editor.c_str(), 1);
  const Ran broken = Dead({"edit", "17"});
  EXPECT_EQ(broken.code, kUsage);
  const std::string mark = "your text is in ";
  ASSERT_THAT(broken.err, HasSubstr(mark));
  std::string path = broken.err.substr(broken.err.find(mark) + mark.size());
  path = path.substr(0, path.find('\n'));
  std::ifstream kept(path);
  std::string line;
  std::getline(kept, line);
  EXPECT_EQ(line, "{\"id\": ");
  unlink(path.c_str());
  setenv("EDITOR", "false", 1);
  EXPECT_THAT(Dead({"edit", "17"}).err, HasSubstr("the editor (false) did not end well"));
  EXPECT_THAT(Dead({"edit", "17", "--set", "tenant"}).err,
              HasSubstr("--set: \"tenant\" is not NAME=VALUE"));
  EXPECT_THAT(Dead({"edit", "17", "--set", "data=1"}).err, HasSubstr("by --data FILE"));
  EXPECT_THAT(Dead({"edit", "17", "--data", folder_ / "none"}).err, HasSubstr("cannot read"));
  EXPECT_EQ(host_->edits, 0);
}

TEST_F(DeadTest, ARefusedEditKeepsTheText) {
  const std::string script =
      "#!/bin/sh\nsed -i 's/old/new/' \"$1\"\necho \"$1\" > " + (folder_ / "path") + "\n";
  setenv("EDITOR", Write("ed", script, 0755).c_str(), 1);
  const auto path = [this] {
    std::string line;
    std::ifstream file(folder_ / "path");
    std::getline(file, line);
    return line;
  };
  host_->edit_failure = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "type must stay");
  const Ran refused = Dead({"edit", "17"});
  EXPECT_EQ(refused.code, kUsage);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("type must stay"),
                                 HasSubstr("outboard: your text is in " + path() + "\n")));
  std::ostringstream text;
  text << std::ifstream(path()).rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("\"title\": \"new\""));
  unlink(path().c_str());
  EXPECT_THAT(Dead({"edit", "17", "--set", "a=b"}).err, Not(HasSubstr("your text")));
  host_->edit_failure = grpc::Status::OK;
  EXPECT_EQ(Dead({"edit", "17"}).code, kOk);
  EXPECT_NE(access(path().c_str(), F_OK), 0) << "what was taken is not kept";
}

TEST_F(DeadTest, TakesAnEditBack) {
  EXPECT_EQ(Dead({"edit", "17", "--undo"}).out, "nothing is changed\n");
  EXPECT_EQ(json::parse(Dead({"edit", "17", "--undo", "--json"}).out)["changed"], false);
  *host_->letter.mutable_edited() = host_->letter.event();
  (*host_->letter.mutable_edited()->mutable_attributes())["tenant"].set_ce_string("b");
  EXPECT_EQ(Dead({"edit", "17", "--undo", "--dry-run"}).out,
            "  ...\n"
            "    \"source\": \"web\",\n"
            "    \"type\": \"story.post\",\n"
            "    \"datacontenttype\": \"application/json\",\n"
            "-   \"tenant\": \"b\",\n"
            "+   \"tenant\": \"a\",\n"
            "    \"data\": {\n"
            "      \"title\": \"old\"\n"
            "    }\n"
            "a dry run: nothing is changed\n");
  EXPECT_EQ(host_->edits, 0);
  EXPECT_THAT(Dead({"edit", "17", "--undo"}).out,
              AllOf(HasSubstr("+   \"tenant\": \"a\",\n"),
                    HasSubstr("\na replay gives the event back as it was\n")));
  EXPECT_EQ(host_->edits, 1);
  EXPECT_EQ(host_->edit_request.dead_id(), 17u);
  EXPECT_FALSE(host_->edit_request.has_event());
  EXPECT_EQ(Dead({"edit", "17", "--undo", "--set", "a=b"}).code, kUsage);
}

TEST_F(DeadTest, WhatIsNoEventCannotBeEdited) {
  host_->letter.clear_event();
  const Ran ran = Dead({"edit", "17", "--set", "a=b"});
  EXPECT_EQ(ran.code, kFailed);
  EXPECT_THAT(ran.err, HasSubstr("could not be decoded, so there is no event to edit"));
}

// ---- Layout
// ------------------------------------------------------------------------------------

TEST(JsonLayoutTest, ChangesBlanksAlone) {
  const std::string compact =
      "{\"a\":[1.0e+5,-0,{}],\"b\":{\"a {,\\\"\":\" [\\\\\",\"b\":null},\"b\":[[],true]}";
  const std::string pretty =
      "{\n"
      "  \"a\": [\n"
      "    1.0e+5,\n"
      "    -0,\n"
      "    {}\n"
      "  ],\n"
      "  \"b\": {\n"
      "    \"a {,\\\"\": \" [\\\\\",\n"
      "    \"b\": null\n"
      "  },\n"
      "  \"b\": [\n"
      "    [],\n"
      "    true\n"
      "  ]\n"
      "}";
  EXPECT_EQ(PrettyJson(compact), pretty);
  EXPECT_EQ(CompactJson(pretty), compact);
  EXPECT_EQ(CompactJson("\t{ }\r\n"), "{}");
  EXPECT_EQ(PrettyJson(" [ \n ] "), "[]");
  EXPECT_EQ(PrettyJson(" 1e400 "), "1e400");
  EXPECT_EQ(CompactJson("\" x \""), "\" x \"");
}

TEST(JsonLayoutTest, WhatIsNestedWithoutEndStaysSmall) {
  const std::string deep = std::string(20'000, '[') + std::string(20'000, ']');
  EXPECT_LT(PrettyJson(deep).size(), deep.size() * 200);
  EXPECT_EQ(CompactJson(PrettyJson(deep)), deep);
}

// ---- The difference
// ------------------------------------------------------------------------------------

TEST(LineDiffTest, ShowsWhatDiffersWithWhatIsAround) {
  EXPECT_EQ(LineDiff("a\nb\n", "a\nb\n"), "");
  EXPECT_EQ(LineDiff("a\nb\nc", "a\nx\nc"), "  a\n- b\n+ x\n  c\n");
  EXPECT_EQ(LineDiff("a\nb", "a\nnew\nb"), "  a\n+ new\n  b\n");
  EXPECT_EQ(LineDiff("a\nb\nc\nd", "b\nc"), "- a\n  b\n  c\n- d\n");
  EXPECT_EQ(LineDiff("1\n2\n3\n4\n5\n6\n7\n8\n9", "x\n2\n3\n4\n5\n6\n7\n8\ny"),
            "- 1\n+ x\n  2\n  3\n  4\n  ...\n  6\n  7\n  8\n- 9\n+ y\n");
}

TEST(LineDiffTest, OfHugeTextsTheMiddleIsAllDifferent) {
  std::string a, b;
  for (int i = 0; i < 3000; ++i) a += "a\n", b += "b\n";
  const std::string diff = LineDiff("same\n" + a + "end", "same\n" + b + "end");
  EXPECT_EQ(std::count(diff.begin(), diff.end(), '\n'), 6002);
}

}  // namespace
}  // namespace outboard::app

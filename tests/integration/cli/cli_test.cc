// The verbs against a real server on a real socket.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

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
using ::testing::StartsWith;

class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    // Nothing of this machine's hosts and files.
    setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
    unsetenv("OUTBOARD_CONFIG");
    mkdir((folder_ / "outboard").c_str(), 0700);
  }

  // With --socket of the fake host.
  Ran RunHere(std::vector<std::string> arguments) {
    arguments.push_back("--socket");
    arguments.push_back(socket_);
    return RunVerb(std::move(arguments));
  }

  TempFolder folder_;
  const std::string socket_ = folder_ / "outboard/tracker.sock";
};

TEST_F(CliTest, SaysWhatThereIsForAVerbThatIsNot) {
  const Ran typo = RunVerb({"stauts"});
  EXPECT_EQ(typo.code, kUsage);
  EXPECT_EQ(
      typo.err,
      "outboard: there is no verb stauts; did you mean status?\n"
      "verbs: serve, check, status, publish, tail, dead, lane, reload, why, new, try, conform, "
      "version\n");
  EXPECT_THAT(RunVerb({"dead", "lst"}).err,
              AllOf(HasSubstr("there is no verb dead lst; did you mean dead list?"),
                    HasSubstr("verbs: list, group, show, edit, replay, purge")));
  EXPECT_THAT(RunVerb({"lane", "paus"}).err, HasSubstr("did you mean lane pause?"));
  EXPECT_THAT(RunVerb({"\x1b[2J"}).err, Not(HasSubstr("\x1b")));
}

TEST_F(CliTest, HelpsWithAnExample) {
  EXPECT_EQ(RunVerb({"--help"}).code, kOk);
  for (const std::vector<std::string>& verb :
       std::vector<std::vector<std::string>>{{"serve"},
                                             {"check"},
                                             {"status"},
                                             {"publish"},
                                             {"tail"},
                                             {"new"},
                                             {"dead", "list"},
                                             {"dead", "group"},
                                             {"dead", "show"},
                                             {"dead", "edit"},
                                             {"dead", "replay"},
                                             {"dead", "purge"},
                                             {"lane", "list"},
                                             {"lane", "forget"},
                                             {"why"},
                                             {"version"}}) {
    std::vector<std::string> arguments = verb;
    arguments.push_back("--help");
    const Ran help = RunVerb(arguments);
    EXPECT_EQ(help.code, kOk);
    EXPECT_THAT(help.out, AllOf(HasSubstr("Example:\n  outboard " + verb[0]), HasSubstr("--json")))
        << verb[0];
    EXPECT_THAT(help.err, IsEmpty());
  }
}

TEST_F(CliTest, SaysHowAVerbWasMisused) {
  const Ran flag = RunVerb({"status", "--jsn"});
  EXPECT_EQ(flag.code, kUsage);
  EXPECT_THAT(flag.err, AllOf(StartsWith("outboard status: "), HasSubstr("--jsn"),
                              HasSubstr("see outboard status --help")));
  EXPECT_EQ(RunVerb({}).code, kUsage);
  EXPECT_EQ(RunVerb({"dead"}).code, kUsage);
  EXPECT_EQ(RunVerb({"dead", "show", "x"}).code, kUsage);
  EXPECT_EQ(RunVerb({"publish", "f", "--rate", "0"}).code, kUsage);
  EXPECT_EQ(RunVerb({"lane", "forget", "a", "--discard", "--to-dead"}).code, kUsage);
}

TEST_F(CliTest, HandsServeAndCheckTheirFlags) {
  EXPECT_EQ(RunVerb({"serve", "--config", "a.yaml", "--json"}).out, "serve a.yaml json");
  EXPECT_EQ(RunVerb({"serve"}).code, 40);
  EXPECT_EQ(RunVerb({"check"}).out, "check  plugins broker");
  EXPECT_EQ(RunVerb({"check", "--no-plugins", "--json"}).out, "check  json broker");
  EXPECT_EQ(RunVerb({"check", "--offline"}).out, "check ");
  EXPECT_THAT(RunVerb({"check", "--help"}).out, Not(HasSubstr("{")));
  EXPECT_EQ(RunVerb({"check"}).code, 41);
}

TEST_F(CliTest, TellsItsVersionWithoutAHost) {
  EXPECT_THAT(RunVerb({"version"}).out, StartsWith(std::string("outboard ") + OUTBOARD_VERSION));
  EXPECT_EQ(json::parse(RunVerb({"version", "--json"}).out)["version"], OUTBOARD_VERSION);
}

TEST_F(CliTest, SaysHowToStartAHostThatIsNotThere) {
  const Ran ran = RunVerb({"status", "--name", "tracker"});
  EXPECT_EQ(ran.code, kUnreachable);
  EXPECT_EQ(ran.err, "outboard: no host answers at " + socket_ +
                         " (No such file or directory); start one with: outboard serve\n");
  const json error = json::parse(RunVerb({"status", "--name", "tracker", "--json"}).out);
  EXPECT_EQ(error["error"]["code"], kUnreachable);
  std::ofstream(folder_ / "o.yaml")
      << "host: {name: tracker}\nplugins: [{name: p, run: \"${UNSET_HERE}\"}]\n";
  EXPECT_THAT(RunVerb({"status", "--config", folder_ / "o.yaml"}).err,
              HasSubstr("outboard serve --config " + (folder_ / "o.yaml")));
}

TEST_F(CliTest, NamesTheHostsThatRunInstead) {
  FakeHost host(socket_);
  EXPECT_THAT(RunVerb({"status", "--name", "other"}).err, HasSubstr("with --name tracker"));
}

TEST_F(CliTest, FindsTheHostByNameConfigAndVariable) {
  FakeHost host(socket_);
  host.status.set_host("tracker");
  EXPECT_EQ(RunVerb({"status", "--name", "tracker"}).code, kOk);
  std::ofstream(folder_ / "o.yaml")
      << "host: {name: tracker}\nplugins: [{name: p, run: \"${UNSET_HERE}\"}]\n";
  EXPECT_EQ(RunVerb({"status", "--config", folder_ / "o.yaml"}).code, kOk);
  setenv("OUTBOARD_CONFIG", (folder_ / "o.yaml").c_str(), 1);
  EXPECT_EQ(RunVerb({"status"}).code, kOk);
  std::ofstream(folder_ / "s.yaml") << "host: {admin_socket: outboard/tracker.sock}\n";
  EXPECT_EQ(RunVerb({"status", "--config", folder_ / "s.yaml"}).code, kOk);
}

TEST_F(CliTest, SaysWhatKeepsTheConfigFromNamingAHost) {
  std::ofstream(folder_ / "o.yaml") << "host: {nmae: tracker}\n";
  const Ran wrong = RunVerb({"status", "--config", folder_ / "o.yaml"});
  EXPECT_EQ(wrong.code, kUsage);
  EXPECT_THAT(wrong.err, HasSubstr("o.yaml:1:8: host.nmae: unknown key; did you mean name?"));
  EXPECT_EQ(RunVerb({"status", "--config", folder_ / "none.yaml"}).code, kUsage);
}

TEST_F(CliTest, ShowsWhatDeliveriesBecomeOnABroker) {
  FakeHost host(socket_);
  host::v1::SettlementPlan* plan = host.status.mutable_bus()->mutable_settlement();
  plan->set_basis("quorum queues, RabbitMQ 4.0.9");
  host::v1::SettlementRow* done = plan->add_rows();
  done->set_end("done");
  done->add_operations("ack");
  host::v1::SettlementRow* retry = plan->add_rows();
  retry->set_end("retry");
  retry->set_lanes("reliable");
  retry->add_operations("publish to rung");
  retry->add_operations("ack");
  EXPECT_THAT(RunHere({"status"}).out,
              HasSubstr("settlement: quorum queues, RabbitMQ 4.0.9, from the documentation, not "
                        "run\n  done: ack; retry (reliable): publish to rung, ack\n"));
  plan->set_run(true);
  EXPECT_THAT(RunHere({"status"}).out, HasSubstr("RabbitMQ 4.0.9, run\n"));
  const json told = json::parse(RunHere({"status", "--json"}).out)["bus"]["settlement"];
  EXPECT_EQ(told["run"], true);
  EXPECT_EQ(told["rows"][1]["operations"], json({"publish to rung", "ack"}));
}

TEST_F(CliTest, ShowsTheStatus) {
  FakeHost host(socket_);
  host.status.set_host("tracker");
  host.status.set_version("9.9");
  host.status.set_pid(42);
  host.status.mutable_started_at()->set_seconds(time(nullptr) - 3 * 3600 - 5);
  host.status.mutable_bus()->set_kind("embedded");
  host.status.mutable_bus()->set_connected(true);
  host.status.set_http_address("127.0.0.1:8080");
  host.status.add_warnings("bus is 85 % full; raise bus.max_bytes");
  host::v1::PluginStatus* plugin = host.status.add_plugins();
  plugin->set_name("notifier");
  host::v1::InstanceStatus* instance = plugin->add_instances();
  instance->set_number(1);
  instance->set_state("ready");
  instance->set_pid(4711);
  host::v1::SuspectStatus* suspect = plugin->add_suspects();
  suspect->set_event_id("e-7");
  suspect->set_lane("stories/notifier");
  host::v1::LaneStatus* lane = host.status.add_lanes();
  lane->set_name("stories/notifier");
  lane->set_state("running");
  lane->set_backlog(17);
  lane->mutable_lag()->set_seconds(120);
  host::v1::LaneStatus* old = host.status.add_lanes();
  old->set_name("stories/old");
  old->set_backlog(18);
  old->mutable_counted_ago()->set_seconds(180);
  host::v1::LaneStatus* unknown = host.status.add_lanes();
  unknown->set_name("stories/unknown");
  unknown->set_uncounted(true);
  const Ran ran = RunHere({"status"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  for (const char* part :
       {"tracker: outboard 9.9, pid 42, up 3h", "metrics: http://127.0.0.1:8080/metrics",
        "notifier#1", "4711", "suspect: event e-7 of lane stories/notifier",
        "stories/notifier  running", " 17 ", "2m", "18 (3m ago)", " ? ",
        "warning: bus is 85 % full"}) {
    EXPECT_THAT(ran.out, HasSubstr(part));
  }
  EXPECT_THAT(ran.out, Not(HasSubstr("settlement"))) << "the bus has none to show";
  EXPECT_THAT(ran.out, Not(HasSubstr("\x1b"))) << "no terminal, no colour";
  const json status = json::parse(RunHere({"status", "--json"}).out);
  EXPECT_EQ(status["lanes"][0]["backlog"], 17);
  EXPECT_EQ(status["lanes"][0]["lag_seconds"], 120.0);
  EXPECT_EQ(status["plugins"][0]["instances"][0]["pid"], 4711);
  EXPECT_THAT(status["started_at"].get<std::string>(), HasSubstr("T"));
}

TEST_F(CliTest, TellsWhyTheHostRefused) {
  FakeHost host(socket_);
  host.failure = grpc::Status(grpc::StatusCode::INTERNAL, "the bus file is broken");
  EXPECT_EQ(RunHere({"status"}).code, kFailed);
  EXPECT_EQ(RunHere({"status"}).err, "outboard: the bus file is broken\n");
  host.failure = grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining");
  EXPECT_EQ(RunHere({"status"}).code, kUnreachable);
  host.failure = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "bad");
  EXPECT_EQ(RunHere({"status"}).code, kUsage);
  host.failure = grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
  EXPECT_THAT(RunHere({"status"}).err, HasSubstr("outboard version"));
}

TEST_F(CliTest, TailsOneLineAnEvent) {
  FakeHost host(socket_);
  for (int i = 1; i <= 2; ++i) {
    host::v1::TailResponse& item = host.tail.emplace_back();
    item.set_offset(i);
    item.mutable_accepted_at()->set_seconds(1'700'000'000);
    item.mutable_event()->set_id("e" + std::to_string(i));
    item.mutable_event()->set_source("storyboard");
    item.mutable_event()->set_spec_version("1.0");
    item.mutable_event()->set_type("story.post");
    (*item.mutable_event()->mutable_attributes())["subject"].set_ce_string("story/12");
    item.mutable_event()->set_binary_data("{\"title\":\"a\nb\x1b[2J\"}");
  }
  const Ran ran = RunHere({"tail", "--type", "story.#", "--type", "task.*", "--last", "5"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(host.tail_request.types(), ElementsAre("story.#", "task.*"));
  EXPECT_EQ(host.tail_request.last(), 5u);
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 2);
  EXPECT_THAT(
      ran.out,
      HasSubstr("1  story.post  storyboard  story/12  e1  {\"title\":\"a\\x0Ab\\x1B[2J\"}"));
  const Ran as_json = RunHere({"tail", "--json"});
  const json line = json::parse(as_json.out.substr(0, as_json.out.find('\n')));
  EXPECT_EQ(line["offset"], 1);
  EXPECT_EQ(line["event"]["id"], "e1");
  EXPECT_EQ(line["event"]["subject"], "story/12");
  EXPECT_EQ(RunHere({"tail", "--type", "a.b*"}).code, kUsage);
}

TEST_F(CliTest, ListsDeadLetters) {
  FakeHost host(socket_);
  EXPECT_EQ(RunHere({"dead", "list"}).out, "no dead letters\n");
  host::v1::DeadLetter* letter = host.dead.add_letters();
  letter->set_dead_id(17);
  letter->set_lane("stories/notifier");
  letter->set_event_id("e-1");
  letter->set_reason("CRASH");
  letter->set_attempts(3);
  letter->set_message("signal 11 \x1b[2J");
  letter->mutable_died_at()->set_seconds(time(nullptr) - 5 * 86400);
  host.dead.set_total(9);
  const Ran ran = RunHere({"dead", "list", "--lane", "stories/notifier", "--reason", "CRASH",
                           "--limit", "1", "--after", "16"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("17"), HasSubstr("5d"), HasSubstr("stories/notifier"),
                             HasSubstr("CRASH"), HasSubstr("signal 11 \\x1B[2J"),
                             HasSubstr("1 of 9; more with --after 17")));
  EXPECT_EQ(host.list_request.filter().lane(), "stories/notifier");
  EXPECT_EQ(host.list_request.filter().reason(), "CRASH");
  EXPECT_EQ(host.list_request.limit(), 1u);
  EXPECT_EQ(host.list_request.after(), 16u);
  EXPECT_EQ(json::parse(RunHere({"dead", "list", "--json"}).out)["letters"][0]["dead_id"], 17);
}

TEST_F(CliTest, EveryFilterOfDeadLettersIsAsked) {
  FakeHost host(socket_);
  const Ran ran = RunHere({"dead",     "list",     "--route",          "stories",
                           "--target", "notifier", "--plugin-version", "1.2",
                           "--group",  "0a",       "--type",           "story.#",
                           "--source", "web",      "--subject",        "story/1",
                           "--event",  "e-1",      "--attribute",      "tenant=a=b",
                           "--since",  "3d",       "--before",         "2026-01-31T12:00:00Z"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_EQ(ran.out, "no such dead letters\n");
  const host::v1::DeadFilter& filter = host.list_request.filter();
  EXPECT_EQ(filter.route(), "stories");
  EXPECT_EQ(filter.target(), "notifier");
  EXPECT_EQ(filter.plugin_version(), "1.2");
  EXPECT_EQ(filter.group(), "0a");
  EXPECT_EQ(filter.event_type(), "story.#");
  EXPECT_EQ(filter.attributes().at("source"), "web");
  EXPECT_EQ(filter.attributes().at("subject"), "story/1");
  EXPECT_EQ(filter.attributes().at("id"), "e-1");
  EXPECT_EQ(filter.attributes().at("tenant"), "a=b");
  EXPECT_NEAR(static_cast<double>(filter.died_after().seconds()), time(nullptr) - 3 * 86400, 60);
  EXPECT_EQ(filter.died_before().seconds(), 1769860800);
}

TEST_F(CliTest, AFilterThatIsNoneSaysHowToWriteIt) {
  FakeHost host(socket_);
  const Ran when = RunHere({"dead", "list", "--since", "yesterday"});
  EXPECT_EQ(when.code, kUsage);
  EXPECT_THAT(when.err, HasSubstr("--since: \"yesterday\" is no time: say how long ago, as 15m"));
  const Ran what = RunHere({"dead", "group", "--attribute", "tenant"});
  EXPECT_EQ(what.code, kUsage);
  EXPECT_THAT(what.err, HasSubstr("--attribute: \"tenant\" is not NAME=VALUE"));
}

TEST_F(CliTest, GroupsDeadLettersWithWhatToDoNext) {
  FakeHost host(socket_);
  EXPECT_EQ(RunHere({"dead", "group"}).out, "no dead letters\n");
  host::v1::DeadGroup* group = host.groups.add_groups();
  group->set_group("0a1b2c3d4e5f");
  group->set_lane("stories/notifier");
  group->set_reason("REJECTED");
  group->set_error("no user * \x1b");
  group->set_plugin_version("1.2");
  group->set_count(12);
  group->set_example_dead_id(17);
  group->mutable_first_died_at()->set_seconds(time(nullptr) - 5 * 86400);
  group->mutable_last_died_at()->set_seconds(time(nullptr) - 3 * 3600);
  const Ran ran = RunHere({"dead", "group", "--lane", "stories/notifier"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_EQ(ran.out,
            "12 dead letters of stories/notifier: REJECTED, no user * \\x1B\n"
            "  first 5d ago, last 3h ago; plugin version 1.2\n"
            "  one of them:   outboard dead show 17\n"
            "  list them:     outboard dead list --group 0a1b2c3d4e5f\n"
            "  replay them:   outboard dead replay --group 0a1b2c3d4e5f\n");
  EXPECT_EQ(host.group_request.filter().lane(), "stories/notifier");
  const json answer = json::parse(RunHere({"dead", "group", "--json"}).out);
  EXPECT_EQ(answer["groups"][0]["count"], 12);
  EXPECT_EQ(answer["groups"][0]["example_dead_id"], 17);
}

TEST_F(CliTest, ShowsWhatIsKnownOfADeadLettersLife) {
  FakeHost host(socket_);
  host.letter.set_dead_id(17);
  host.letter.set_event_subject("story/1");
  host.letter.set_trace_id("4bf92f3577b34da6a3ce929d0e0e4736");
  host.letter.set_plugin_version("1.2");
  host.letter.set_offset(42);
  host.letter.set_group("0a1b2c3d4e5f");
  host.letter.mutable_accepted_at()->set_seconds(1769860800);
  host::v1::DeadAttempt* attempt = host.letter.add_history();
  attempt->mutable_at()->set_seconds(1769860801);
  attempt->set_outcome("retry");
  attempt->set_reason("BUSY");
  attempt->set_message("later \x1b");
  attempt->set_plugin_version("1.1");
  const Ran ran = RunHere({"dead", "show", "17"});
  EXPECT_THAT(
      ran.out,
      AllOf(HasSubstr("subject      story/1\n"),
            HasSubstr("trace        4bf92f3577b34da6a3ce929d0e0e4736\n"),
            HasSubstr("accepted     2026-01-31 12:00:00.000 UTC\n"), HasSubstr("offset       42\n"),
            HasSubstr("plugin       version 1.2\n"), HasSubstr("group        0a1b2c3d4e5f\n")));
  EXPECT_THAT(ran.out, HasSubstr("2026-01-31 12:00:01.000 UTC  retry    BUSY    1.1      later "
                                 "\\x1B\n"));
  const json answer = json::parse(RunHere({"dead", "show", "17", "--json"}).out);
  EXPECT_EQ(answer["history"][0]["outcome"], "retry");
  EXPECT_EQ(answer["history"][0]["at"], "2026-01-31T12:00:01+00:00");
}

TEST_F(CliTest, ShowsADeadLetterWhole) {
  FakeHost host(socket_);
  host.letter.set_dead_id(17);
  host.letter.set_message("signal 11");
  host.letter.set_detail("first line\nsecond \x1b line");
  host.letter.mutable_event()->set_id("e-1");
  host.letter.mutable_event()->set_source("s");
  host.letter.mutable_event()->set_type("t");
  host.letter.mutable_event()->set_binary_data("{\"n\": 1}");
  const Ran ran = RunHere({"dead", "show", "17"});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("message      signal 11"),
                             HasSubstr("first line\nsecond \\x1B line\n"),
                             HasSubstr("\"id\": \"e-1\""), HasSubstr("outboard dead replay 17")));
  EXPECT_EQ(json::parse(RunHere({"dead", "show", "17", "--json"}).out)["event"]["id"], "e-1");
  const Ran none = RunHere({"dead", "show", "99"});
  EXPECT_EQ(none.code, kFailed);
  EXPECT_THAT(none.err, HasSubstr("there is no dead letter 99; see dead list"));
}

TEST_F(CliTest, ReplaysOnlyWhatIsSaid) {
  FakeHost host(socket_);
  const Ran nothing = RunHere({"dead", "replay"});
  EXPECT_EQ(nothing.code, kUsage);
  EXPECT_THAT(nothing.err,
              HasSubstr("which dead letters? Give their ids, --group, --lane, --reason or another "
                        "filter, or --all"));
  EXPECT_EQ(RunHere({"dead", "replay", "1", "--all"}).code, kUsage);
  host.replayed.set_replayed(2);
  EXPECT_EQ(RunHere({"dead", "replay", "17", "18"}).out,
            "gave 2 dead letters back to their lanes\n");
  EXPECT_THAT(host.replay_request.filter().dead_ids(), ElementsAre(17, 18));
  EXPECT_EQ(RunHere({"dead", "replay", "--all"}).code, kOk);
  EXPECT_EQ(host.replay_request.filter().dead_ids_size(), 0);
}

TEST_F(CliTest, SaysWhyDeadLettersWereNotReplayed) {
  FakeHost host(socket_);
  EXPECT_EQ(RunHere({"dead", "replay", "--all"}).out,
            "nothing to give back: there are no dead letters\n");
  EXPECT_EQ(RunHere({"dead", "replay", "--reason", "R"}).out,
            "nothing to give back: there are no such dead letters\n");
  host.replayed.set_stayed(3);
  const Ran stayed = RunHere({"dead", "replay", "--all"});
  EXPECT_EQ(stayed.code, kOk);
  EXPECT_EQ(stayed.out, "gave 0 dead letters back to their lanes\n");
  EXPECT_THAT(stayed.err, HasSubstr("3 dead letters stayed: no route makes their lanes any more"));
  EXPECT_EQ(json::parse(RunHere({"dead", "replay", "--all", "--json"}).out)["stayed"], 3);
}

TEST_F(CliTest, PurgesOnlyAfterAYes) {
  FakeHost host(socket_);
  host.dead.set_total(3);
  const Ran unsure = RunHere({"dead", "purge", "--lane", "a/b"});
  EXPECT_EQ(unsure.code, kUsage);
  EXPECT_THAT(unsure.err,
              HasSubstr("nothing deleted; this is about 3 dead letters and needs a yes on the "
                        "terminal, or --yes"));
  EXPECT_EQ(host.purges, 0);
  EXPECT_EQ(RunHere({"dead", "purge", "--lane", "a/b", "--yes"}).out, "deleted 1 dead letter\n");
  EXPECT_EQ(host.purge_request.filter().lane(), "a/b");
  EXPECT_EQ(json::parse(RunHere({"dead", "purge", "--all", "--yes", "--json"}).out)["purged"], 1);
}

TEST_F(CliTest, ListsAndForgetsLanes) {
  FakeHost host(socket_);
  EXPECT_THAT(RunHere({"lane", "list"}).out, StartsWith("no lanes"));
  host.lanes.add_lanes()->set_name("stories/old");
  EXPECT_THAT(RunHere({"lane", "list"}).out, HasSubstr("stories/old"));
  EXPECT_EQ(json::parse(RunHere({"lane", "list", "--json"}).out)["lanes"][0]["name"],
            "stories/old");
  const Ran full = RunHere({"lane", "forget", "stories/old"});
  EXPECT_EQ(full.code, kFailed);
  EXPECT_THAT(full.err, HasSubstr("lane holds 5 events; say --discard or --to-dead"));
  EXPECT_EQ(RunHere({"lane", "forget", "stories/old", "--discard"}).code, kUsage);
  EXPECT_EQ(RunHere({"lane", "forget", "stories/old", "--discard", "--yes"}).out,
            "forgot lane stories/old, deleted 5 events\n");
  EXPECT_EQ(host.forget_request.remainder(), host::v1::ForgetLaneRequest::REMAINDER_DISCARD);
  EXPECT_EQ(RunHere({"lane", "forget", "stories/old", "--to-dead"}).code, kOk);
  EXPECT_EQ(host.forget_request.remainder(), host::v1::ForgetLaneRequest::REMAINDER_TO_DEAD);
}

}  // namespace
}  // namespace outboard::app

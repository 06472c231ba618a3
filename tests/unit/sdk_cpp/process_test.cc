// The plugins of this repository as processes: started as the host does, spoken to over their
// socket.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "outboard/outboard.h"
#include "outboard/testing.h"

namespace outboard {
namespace {

using testing::FakeHost;
using Kind = Verdict::Kind;

std::string bin_folder;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

// A plugin process with a pipe at its stdin and a socket in a folder of its own.
class Process {
 public:
  explicit Process(const std::string& program, std::vector<std::string> arguments = {},
                   bool listen = true) {
    char folder[] = "/tmp/outboard-process-XXXXXX";
    folder_ = mkdtemp(folder);
    int pipe_ends[2];
    EXPECT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
    stdin_ = pipe_ends[1];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[0], STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (folder_ + "/stderr").c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    arguments.insert(arguments.begin(), bin_folder + "/" + program);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::string variable = "OUTBOARD_LISTEN=" + address();
    char* environment[] = {listen ? variable.data() : nullptr, nullptr};
    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environment), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[0]);
  }
  ~Process() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      Wait();
    }
    CloseStdin();
    std::filesystem::remove_all(folder_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  std::string address() const { return "unix:" + folder_ + "/socket"; }
  std::string folder() const { return folder_; }
  pid_t pid() const { return pid_; }
  void CloseStdin() {
    if (stdin_ >= 0) close(stdin_);
    stdin_ = -1;
  }
  // Waits for the end: the exit code, or minus the signal.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }
  bool alive() const { return kill(pid_, 0) == 0; }
  std::string Stderr() const { return ReadFile(folder_ + "/stderr"); }

 private:
  std::string folder_;
  int stdin_ = -1;
  pid_t pid_ = -1;
};

NewEvent Fault(const std::string& fault, const std::string& id = "e1") {
  NewEvent event("test.event");
  event.Id(id).Source("s").Data("payload");
  if (!fault.empty()) event.Set("faulty", std::string_view(fault));
  return event;
}

// What became of one event with that fault.
std::optional<Verdict> Do(const std::string& fault, testing::Delivery delivery = {}) {
  Process process("outboard-faulty");
  FakeHost host(process.address());
  EXPECT_EQ(host.Open("faulty").code, 0);
  return host.Wait(host.Deliver(Fault(fault), delivery));
}

int ExitOf(const std::string& fault) {
  Process process("outboard-faulty");
  FakeHost host(process.address());
  EXPECT_EQ(host.Open("faulty").code, 0);
  host.Deliver(Fault(fault));
  EXPECT_NE(host.WaitForEnd().code, 0);
  return process.Wait();
}

TEST(FaultyTest, AnswersAsTheEventAsks) {
  EXPECT_EQ(Do("")->kind(), Kind::kDone);
  EXPECT_EQ(Do("slow:10ms")->kind(), Kind::kDone);
  EXPECT_EQ(Do("late:10ms")->kind(), Kind::kDone);
  EXPECT_EQ(Do("retry:2s")->retry_after(), std::chrono::seconds(2));
  EXPECT_EQ(Do("retry")->reason(), "FAULTY");
  EXPECT_EQ(Do("reject")->kind(), Kind::kReject);
  EXPECT_EQ(Do("release")->kind(), Kind::kRelease);
  EXPECT_EQ(Do("emit:order.paid")->emits().at(0).view().type(), "order.paid");
  EXPECT_EQ(Do("emit-many:3")->emits().size(), 3u);
  EXPECT_EQ(Do("no-such-fault")->kind(), Kind::kDone);
  testing::Delivery second, third;
  second.attempt = 2;
  third.attempt = 3;
  EXPECT_EQ(Do("retry-until:3", second)->kind(), Kind::kRetry);
  EXPECT_EQ(Do("retry-until:3", third)->kind(), Kind::kDone);
  for (const char* harmless : {"noise:3", "noise-long", "noise-bytes", "noise-json", "leak:1m",
                               "progress:100ms", "pause:10ms", "flood:10", "opened-again"}) {
    EXPECT_EQ(Do(harmless)->kind(), Kind::kDone) << harmless;
  }
}

TEST(FaultyTest, DiesAsTheEventAsks) {
  EXPECT_EQ(ExitOf("segv"), -SIGSEGV);
  EXPECT_EQ(ExitOf("abort"), -SIGABRT);
  EXPECT_EQ(ExitOf("kill"), -SIGKILL);
  EXPECT_EQ(ExitOf("exit:3"), 3);
  EXPECT_EQ(ExitOf("oom:64m"), -SIGABRT);
}

TEST(FaultyTest, BreaksTheStreamAsTheEventAsks) {
  Process process("outboard-faulty");
  FakeHost host(process.address());
  const auto end_of = [&](const char* fault) {
    EXPECT_EQ(host.Open("faulty").code, 0);
    host.Deliver(Fault(fault));
    return host.WaitForEnd().code;
  };
  EXPECT_EQ(end_of("end-ok"), 0);
  EXPECT_EQ(end_of("end-error"), 13);
  EXPECT_NE(end_of("oversize"), 0);  // More than this client takes.
}

TEST(FaultyTest, LiesAsTheEventAsks) {
  Process process("outboard-faulty");
  FakeHost host(process.address());
  ASSERT_EQ(host.Open("faulty").code, 0);
  const uint64_t id = host.Deliver(Fault("unknown-id"));
  EXPECT_EQ(host.WaitForAnswers(2).at(0).delivery_id, id + 1'000'000'000);
  host.Deliver(Fault("twice"));
  EXPECT_EQ(host.WaitForAnswers(4).at(3).delivery_id, id + 1);
  host.Deliver(Fault("contradict"));
  EXPECT_EQ(host.WaitForAnswers(6).at(5).verdict.kind(), Kind::kReject);
  host.Deliver(Fault("zero-id"));
  EXPECT_EQ(host.WaitForAnswers(8).at(6).delivery_id, 0u);
}

TEST(FaultyTest, ModeHasItsLimits) {
  Process process("outboard-faulty",
                  {"--mode", "reject", "--after", "2", "--every", "3", "--times", "2"});
  FakeHost host(process.address());
  ASSERT_EQ(host.Open("faulty").code, 0);
  host.Deliver(std::vector<NewEvent>(20, Fault("")));
  std::set<uint64_t> rejected;
  for (const testing::Answer& answer : host.WaitForAnswers(20)) {
    if (answer.verdict.kind() == Kind::kReject) rejected.insert(answer.delivery_id);
  }
  EXPECT_EQ(rejected, (std::set<uint64_t>{5, 8}));
  EXPECT_EQ(host.Close().code, 0);
}

TEST(FaultyTest, TheLedgerHasEveryDoneOfAllProcesses) {
  Process one("outboard-faulty", {"--ledger", "/tmp/outboard-ledger-" + std::to_string(getpid())});
  const std::string ledger = "/tmp/outboard-ledger-" + std::to_string(getpid());
  Process two("outboard-faulty", {"--ledger", ledger, "--concurrency", "3"});
  FakeHost first(one.address()), second(two.address());
  ASSERT_EQ(first.Open("faulty").code, 0);
  ASSERT_EQ(second.Open("faulty").code, 0);
  std::set<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    const std::string id = "id" + std::to_string(i);
    (i % 2 == 0 ? first : second).Deliver(Fault(i % 10 == 0 ? "retry" : "", id));
    const pid_t pid = i % 2 == 0 ? one.pid() : two.pid();
    if (i % 10 != 0) expected.insert(id + " 1 " + std::to_string(pid));
  }
  EXPECT_EQ(first.WaitForAnswers(150).size(), 150u);
  EXPECT_EQ(second.WaitForAnswers(150).size(), 150u);
  std::set<std::string> lines;
  std::ifstream in(ledger);
  for (std::string line; std::getline(in, line);) lines.insert(line);
  EXPECT_EQ(lines, expected);
  unlink(ledger.c_str());
}

TEST(FaultyTest, EndsWithItsStdinUnlessItIgnoresEverything) {
  Process good("outboard-faulty");
  FakeHost(good.address()).Components();
  good.CloseStdin();
  EXPECT_EQ(good.Wait(), 0);
  Process stubborn("outboard-faulty", {"--ignore-everything"});
  FakeHost host(stubborn.address());
  stubborn.CloseStdin();
  kill(stubborn.pid(), SIGTERM);
  kill(stubborn.pid(), SIGINT);
  kill(stubborn.pid(), SIGHUP);
  ASSERT_EQ(host.Open("faulty").code, 0);
  EXPECT_TRUE(host.Wait(host.Deliver(Fault(""))));
  EXPECT_TRUE(stubborn.alive());
}

TEST(FaultyTest, FailsAtTheMomentsAskedFor) {
  EXPECT_EQ(Process("outboard-faulty", {"--at-start", "exit:4"}).Wait(), 4);
  Process describe("outboard-faulty", {"--at-describe", "abort"});
  EXPECT_TRUE(FakeHost(describe.address()).Components().empty());
  EXPECT_EQ(describe.Wait(), -SIGABRT);
  Process open("outboard-faulty", {"--at-open", "end-error"});
  EXPECT_EQ(FakeHost(open.address()).Open("faulty").code, 9);
  Process config("outboard-faulty", {"--config-error", "wrong"});
  EXPECT_EQ(FakeHost(config.address()).CheckConfig("{}").at(0).message, "wrong");
}

TEST(ServeTest, SaysHowToStartItByHand) {
  Process process("outboard-audit", {}, /*listen=*/false);
  EXPECT_EQ(process.Wait(), 2);
  EXPECT_NE(process.Stderr().find("OUTBOARD_LISTEN is not set"), std::string::npos);
}

TEST(ServeTest, EndsWithItsStdin) {
  Process process("outboard-audit");
  EXPECT_EQ(FakeHost(process.address()).Components(), std::vector<std::string>{"audit"});
  process.CloseStdin();
  EXPECT_EQ(process.Wait(), 0);
}

TEST(ServeTest, SigtermLetsTheHostDrainFirst) {
  Process process("outboard-audit");
  FakeHost host(process.address());
  ASSERT_EQ(host.Open("audit", "{\"path\":\"" + process.folder() + "/a.jsonl\"}").code, 0);
  kill(process.pid(), SIGTERM);
  EXPECT_TRUE(host.Wait(host.Deliver(Fault(""))));
  EXPECT_EQ(host.Close().code, 0);
  EXPECT_EQ(process.Wait(), 0);
}

TEST(ServeTest, ASecondSignalEndsAtOnce) {
  Process process("outboard-audit");
  FakeHost host(process.address());
  ASSERT_EQ(host.Open("audit", "{\"path\":\"" + process.folder() + "/a.jsonl\"}").code, 0);
  kill(process.pid(), SIGTERM);
  host.Wait(host.Deliver(Fault("")));  // The first one was taken by then.
  kill(process.pid(), SIGINT);
  EXPECT_NE(host.WaitForEnd().code, 0);
  EXPECT_EQ(process.Wait(), 1);
}

TEST(AuditTest, WhatWasDoneIsInTheFileAfterKills) {
  char folder[] = "/tmp/outboard-audit-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/audit.jsonl";
  std::set<std::string> done;
  for (int round = 0; round < 5; ++round) {
    Process process("outboard-audit");
    FakeHost host(process.address());
    ASSERT_EQ(host.Open("audit", "{\"path\":\"" + path + "\"}").code, 0);
    std::vector<NewEvent> events;
    for (int i = 0; i < 2000; ++i) {
      events.push_back(Fault("", std::to_string(round) + "-" + std::to_string(i)));
    }
    host.Deliver(events);
    host.WaitForAnswers(300);
    kill(process.pid(), SIGKILL);
    host.WaitForEnd();
    for (const testing::Answer& answer : host.WaitForAnswers(2000)) {
      done.emplace(events[answer.delivery_id - 1].view().id());
    }
    std::ofstream(path, std::ios::app) << "{\"torn\":";
  }
  Process process("outboard-audit");
  FakeHost host(process.address());
  ASSERT_EQ(host.Open("audit", "{\"path\":\"" + path + "\"}").code, 0);
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const auto parsed = nlohmann::json::parse(line);
    EXPECT_EQ(parsed["data"], "payload");
    done.erase(parsed["id"].get<std::string>());
  }
  EXPECT_TRUE(done.empty());
  std::filesystem::remove_all(folder);
}

TEST(AuditTest, RefusesABadConfigWithItsReason) {
  Process process("outboard-audit");
  FakeHost host(process.address());
  EXPECT_EQ(host.CheckConfig("{\"fsync\":\"often\"}").size(), 2u);
  const testing::End end = host.Open("audit", "{\"path\":\"/nowhere/at/all\"}");
  EXPECT_EQ(end.code, 9);
  EXPECT_EQ(end.message, "cannot open /nowhere/at/all: No such file or directory");
}

}  // namespace
}  // namespace outboard

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  outboard::bin_folder = argc > 1 ? argv[1] : ".";
  return RUN_ALL_TESTS();
}

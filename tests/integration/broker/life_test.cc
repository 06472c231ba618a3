// Brokers that are killed, and what is left of those whose program ended.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/broker/broker.h"
#include "tests/integration/broker/amqp_client.h"

extern char** environ;

namespace outboard::tests {
namespace {

using testing::Optional;

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Living processes of the node in that folder: the runtime and its helpers.
std::vector<int> ProcessesOf(const std::string& folder) {
  std::vector<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (ReadFile(entry.path() / "environ").find(folder + "/") != std::string::npos) {
      found.push_back(std::stoi(name));
    }
  }
  return found;
}

bool Gone(const std::string& folder) { return ProcessesOf(folder).empty(); }

// True once `condition` holds; false if it does not within half a minute.
template <typename Condition>
bool Eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

// All epmd of this machine: none may come by a broker of ours.
std::vector<std::string> PortMappers() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    if (ReadFile(entry.path() / "comm") == "epmd\n") found.push_back(entry.path().filename());
  }
  return found;
}

// A program that holds the shared broker, started; its broker's folder.
class DoomedProgram {
 public:
  DoomedProgram() {
    int out[2];
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string path = std::filesystem::read_symlink("/proc/self/exe").parent_path() /
                       "broker_doomed_test_program";
    char* argv[] = {path.data(), nullptr};
    unsetenv("OUTBOARD_TEST_BROKER");  // a broker of its own
    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    FILE* said = fdopen(out[0], "r");
    char line[4096] = "";
    EXPECT_NE(fgets(line, sizeof line, said), nullptr);
    fclose(said);
    folder_.assign(line, std::string(line).find('\n'));
  }

  ~DoomedProgram() { Kill(); }

  void Kill() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  int keeper() const { return std::stoi(ReadFile(folder_ + "/lock")); }
  const std::string& folder() const { return folder_; }

 private:
  pid_t pid_ = 0;
  std::string folder_;
};

TEST(BrokerLifeTest, KeepsWhatIsDurableWhenItIsKilledOrStopped) {
  const std::unique_ptr<Broker> broker = Broker::Make();
  broker->Start();
  const int port = broker->port();
  const std::string vhost = broker->NewVhost();
  {
    AmqpClient client(port, vhost);
    client.DeclareDurable("q");
    ASSERT_TRUE(client.Publish("q", "one"));
    ASSERT_TRUE(client.Publish("q", "two"));
  }
  broker->Kill();
  EXPECT_TRUE(Eventually([&] { return Gone(broker->folder()); }));
  broker->Start();
  EXPECT_EQ(broker->port(), port);
  EXPECT_THAT(AmqpClient(port, vhost).Get("q"), Optional(std::string("one")));
  broker->Stop();
  EXPECT_TRUE(Eventually([&] { return Gone(broker->folder()); }));
  broker->Start();
  EXPECT_THAT(AmqpClient(port, vhost).Get("q"), Optional(std::string("two")));
  EXPECT_NE(broker->NewVhost(), vhost);
}

TEST(BrokerLifeTest, LeavesNothingWhenItsOwnerIsDoneWithIt) {
  const std::vector<std::string> port_mappers = PortMappers();
  std::unique_ptr<Broker> broker = Broker::Make();
  broker->Start();
  const std::string folder = broker->folder();
  EXPECT_FALSE(Gone(folder));
  EXPECT_EQ(PortMappers(), port_mappers);
  EXPECT_THAT(broker->Ctl("list_vhosts --silent"), testing::HasSubstr("/"));
  EXPECT_EQ(PortMappers(), port_mappers);
  broker.reset();
  EXPECT_TRUE(Eventually([&] { return Gone(folder); }));
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(BrokerLifeTest, LeavesNothingWhenItsProgramIsKilled) {
  DoomedProgram program;
  const std::string folder = program.folder();
  ASSERT_FALSE(Gone(folder));
  program.Kill();
  EXPECT_TRUE(Eventually([&] { return Gone(folder) && !std::filesystem::exists(folder); }));
}

TEST(BrokerLifeTest, LeavesNoProcessWhenTheKeeperIsKilledToo) {
  DoomedProgram program;
  const std::string folder = program.folder();
  ASSERT_FALSE(Gone(folder));
  ASSERT_EQ(kill(program.keeper(), SIGKILL), 0);
  program.Kill();
  EXPECT_TRUE(Eventually([&] { return Gone(folder); }));
  // The next keeper clears the folder away.
  EXPECT_TRUE(std::filesystem::exists(folder));
  Broker::Make();
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
}  // namespace outboard::tests

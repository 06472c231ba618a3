#include "host/supervise/launcher_options.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace outboard::supervise {
namespace {

std::vector<char*> Pointers(std::vector<std::string>* words) {
  std::vector<char*> pointers;
  for (std::string& word : *words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

TEST(LauncherOptionsTest, EndAtTheTwoDashes) {
  std::vector<std::string> words = {"files=64", "write=/a", "write=/b=c", "--", "prog", "files=1"};
  std::vector<char*> argv = Pointers(&words);
  char** rest = nullptr;
  const LauncherOptions options(argv.data(), &rest);
  EXPECT_STREQ(options.Get("files"), "64");
  EXPECT_STREQ(*rest, "prog");
  EXPECT_EQ(options.Get("file"), nullptr);
  std::vector<std::string> writes;
  options.ForEach("write", [&](const char* path) { writes.emplace_back(path); });
  EXPECT_EQ(writes, (std::vector<std::string>{"/a", "/b=c"}));
}

TEST(LauncherOptionsTest, SayThatThereIsNoProgram) {
  std::vector<std::string> words = {"files=64"};
  std::vector<char*> argv = Pointers(&words);
  char** rest = argv.data();
  EXPECT_TRUE(LauncherOptions(argv.data(), &rest).Has("files"));
  EXPECT_EQ(rest, nullptr);
}

}  // namespace
}  // namespace outboard::supervise

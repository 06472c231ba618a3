#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "host/app/cli/new/scaffold.h"
#include "tests/integration/cli/fake_host.h"

namespace outboard::app {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(NewTest, ANameBeginsWithALetterAndHasFewKindsOfCharacters) {
  for (const char* good : {"a", "Greeter", "story-greeter_2", "x1"}) {
    EXPECT_TRUE(CheckPluginName(good).ok()) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("2x"), std::string("-x"), std::string("a b"), std::string("a/b"),
        std::string("a.b"), std::string("ä"), std::string(51, 'a')}) {
    EXPECT_THAT(std::string(CheckPluginName(bad).message()), HasSubstr("use letters, digits"))
        << bad;
  }
  EXPECT_FALSE(CheckPluginName("Null").ok());
}

TEST(NewTest, APathThatCMakeOrPipWouldReadOtherwiseIsRefused) {
  EXPECT_TRUE(CheckSdkPath("/a b/ö/sdk").ok());
  for (const char* bad : {"/a\"b", "/a$b", "/a;b", "/a\nb", "/a#b"}) {
    EXPECT_FALSE(CheckSdkPath(bad).ok()) << bad;
  }
}

TEST(NewTest, PlaceholdersAreReplacedInOnePass) {
  EXPECT_EQ(Fill("__NAME__-x __SDK__", {{"__NAME__", "__SDK__"}, {"__SDK__", "s"}}), "__SDK__-x s");
}

TEST(NewTest, EachKindHasItsFilesAndNoPlaceholderIsLeft) {
  for (const char* language : {"python", "cpp"}) {
    for (const char* role : {"worker", "stage", "producer"}) {
      const auto files = ScaffoldFiles({"greeter", language, role, "/clone/sdk"});
      for (const char* file : {"README.md", "outboard.yaml", "events.ndjson", ".gitignore"}) {
        EXPECT_TRUE(files.contains(file)) << language << " " << role << " " << file;
      }
      for (const auto& [name, text] : files) {
        for (const char* placeholder : {"__NAME__", "__ROLE__", "__LANGUAGE__", "__SDK__",
                                        "__BUILD__", "__TEST__", "__COMMAND__", "__RUN"}) {
          EXPECT_THAT(text, Not(HasSubstr(placeholder))) << language << " " << role << " " << name;
        }
      }
    }
  }
}

TEST(NewTest, MakesAFolderOrFillsAnEmptyOne) {
  TempFolder temp;
  const std::string folder = temp / "greeter";
  const Ran made = RunVerb({"new", "--lang", "cpp", "--folder", folder, "greeter"});
  EXPECT_EQ(made.code, kOk) << made.err;
  EXPECT_THAT(made.out, AllOf(HasSubstr("cmake --build build\n"), HasSubstr("outboard serve\n")));
  EXPECT_TRUE(fs::exists(folder + "/plugin.cc"));
  const std::string empty = temp / "empty";
  fs::create_directory(empty);
  EXPECT_EQ(RunVerb({"new", "--lang", "python", "--folder", empty + "/", "greeter"}).code, kOk);
  EXPECT_TRUE(fs::exists(empty + "/main.py"));
  EXPECT_EQ(std::distance(fs::directory_iterator(temp.path()), {}), 2);
}

TEST(NewTest, OverwritesNothing) {
  TempFolder temp;
  std::ofstream(temp / "file") << "mine";
  for (const std::string& folder : {temp.path(), temp / "file"}) {
    const Ran ran = RunVerb({"new", "--lang", "python", "--folder", folder, "greeter"});
    EXPECT_EQ(ran.code, kUsage);
    EXPECT_THAT(ran.err, AllOf(HasSubstr(folder + " is there and "),
                               HasSubstr("take another name, or say --folder DIR")));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(temp.path()), {}), 1);
}

TEST(NewTest, SaysWhatIsWrongWithTheCommandLine) {
  TempFolder temp;
  const std::string folder = temp / "x";
  EXPECT_THAT(RunVerb({"new", "greeter"}).err, HasSubstr("--lang is required"));
  EXPECT_EQ(RunVerb({"new", "--lang", "cobol", "greeter"}).code, kUsage);
  EXPECT_THAT(RunVerb({"new", "--lang", "cpp", "--folder", folder, "a b"}).err,
              HasSubstr("\"a b\" is no name of a plugin"));
  EXPECT_THAT(RunVerb({"new", "--lang", "cpp", "--folder", folder, "--sdk", temp.path(), "a"}).err,
              HasSubstr("give the folder sdk of a clone of Outboard"));
  EXPECT_THAT(RunVerb({"new", "--lang", "cpp", "--folder", folder + "/y", "a"}).err,
              HasSubstr("make it first"));
  const Ran json = RunVerb({"new", "--json", "--lang", "cpp", "--folder", folder, "a b"});
  EXPECT_THAT(json.out, HasSubstr("\"code\":2"));
  EXPECT_THAT(json.err, IsEmpty());
  EXPECT_FALSE(fs::exists(folder));
}

}  // namespace
}  // namespace outboard::app

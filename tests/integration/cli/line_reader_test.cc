#include "host/app/cli/line_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace outboard::app {
namespace {

class LineReaderTest : public ::testing::Test {
 protected:
  LineReaderTest() { EXPECT_EQ(pipe2(ends_, O_NONBLOCK), 0); }
  ~LineReaderTest() override {
    close(ends_[0]);
    Close();
  }
  void Write(const std::string& text) {
    ASSERT_EQ(write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void Close() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

  int ends_[2];
};

TEST_F(LineReaderTest, CountsLinesAndTakesOneWithoutAnEnd) {
  LineReader reader(ends_[0]);
  Write("a\r\n\nlong");
  std::string line;
  ASSERT_TRUE(reader.Next(&line));
  EXPECT_EQ(line, "a");
  EXPECT_TRUE(reader.HasLine());
  ASSERT_TRUE(reader.Next(&line));
  EXPECT_EQ(line, "");
  EXPECT_FALSE(reader.HasLine()) << "a part of a line is none";
  Write("er");
  Close();
  ASSERT_TRUE(reader.Next(&line));
  EXPECT_EQ(line, "longer");
  EXPECT_EQ(reader.number(), 3u);
  EXPECT_FALSE(reader.Next(&line));
  EXPECT_TRUE(reader.status().ok());
}

TEST_F(LineReaderTest, TakesLinesLongerThanItsBuffer) {
  const std::string name = "/tmp/outboard-lines-" + std::to_string(getpid());
  const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  unlink(name.c_str());
  std::string text(1'000'002, 'x');
  text[700'000] = '\n';
  text[1'000'000] = '\n';
  ASSERT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  lseek(fd, 0, SEEK_SET);
  LineReader reader(fd);
  std::string line;
  ASSERT_TRUE(reader.Next(&line));
  EXPECT_EQ(line, std::string(700'000, 'x'));
  ASSERT_TRUE(reader.Next(&line));
  EXPECT_EQ(line, std::string(299'999, 'x'));
  ASSERT_TRUE(reader.Next(&line));
  EXPECT_EQ(line, "x");
  EXPECT_FALSE(reader.Next(&line));
  close(fd);
}

TEST_F(LineReaderTest, SaysWhyItCannotRead) {
  LineReader reader(ends_[1]);  // The end that only writes.
  std::string line;
  EXPECT_FALSE(reader.Next(&line));
  EXPECT_FALSE(reader.status().ok());
}

}  // namespace
}  // namespace outboard::app

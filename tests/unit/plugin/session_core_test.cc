#include "host/plugin/session_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "host/event/wire.h"
#include "tests/unit/event/wire_text.h"

namespace outboard::plugin {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Write = SessionCore::Write;

// Writes down what it is told.
class Listener final : public SessionSink {
 public:
  void OnOpened(lane::SessionId session, const std::string& instance_id) override {
    heard.push_back(absl::StrCat("opened ", session, " ", instance_id));
  }
  void OnAnswers(lane::AnswersArrived answers) override {
    heard.push_back(absl::StrCat("answers ", answers.done_ids.size()));
  }
  void OnBroken(lane::SessionId session, std::string rule) override {
    heard.push_back("broken");
    broken_rule = std::move(rule);
  }
  void OnReadsOver(lane::SessionId session) override { heard.push_back("reads over"); }
  void OnEnded(lane::SessionId session, absl::Status status) override {
    heard.push_back(absl::StrCat("ended ", absl::StatusCodeToString(status.code())));
  }

  std::vector<std::string> heard;
  std::string broken_rule;
};

class SessionCoreTest : public ::testing::Test {
 protected:
  SessionCoreTest() : core_(3, lane::Role::kWorker, Open(), &listener_) {}

  static outboard::plugin::v1::Open Open() {
    outboard::plugin::v1::Open open;
    open.set_component("indexer");
    return open;
  }
  static lane::SendFrame Frame(uint64_t first_id) {
    lane::SendFrame frame;
    frame.first_id = first_id;
    frame.items.push_back({*CheckEvent(wire_text::Core()), 1, 0, ""});
    return frame;
  }
  void Close(lane::CloseCause cause = lane::CloseCause::kDrain) {
    core_.Close({3, cause, "why", milliseconds(2'500)});
  }
  // What may be written now, one word a frame.
  std::vector<std::string> Writes() {
    std::vector<std::string> out;
    while (core_.HasWrite()) {
      std::string bytes;
      switch (core_.TakeWrite(&bytes)) {
        case Write::kHalfClose: out.push_back("half-close"); continue;
        case Write::kNothing: ADD_FAILURE() << "HasWrite said that there is something"; return out;
        case Write::kFrame: break;
      }
      wire::Request frame;
      EXPECT_TRUE(frame.ParseFromString(bytes));
      if (bytes.empty()) out.push_back("empty");
      if (frame.has_open()) out.push_back("open " + frame.open().component());
      if (frame.deliveries_size() > 0) {
        out.push_back(absl::StrCat("delivery ", frame.deliveries(0).delivery_id()));
      }
      if (frame.cancel_ids_size() > 0) out.push_back(absl::StrCat("cancel ", frame.cancel_ids(0)));
      if (frame.has_close()) {
        out.push_back("close " + outboard::plugin::v1::Close::Cause_Name(frame.close().cause()));
        last_close_ = frame.close();
      }
    }
    return out;
  }
  bool ReadOpened() {
    wire::Response response;
    response.mutable_opened()->set_instance_id("i-1");
    return core_.OnRead(&response);
  }
  bool ReadDone(int count = 1) {
    wire::Response response;
    for (int i = 1; i <= count; ++i) response.add_done_ids(static_cast<uint64_t>(i));
    return core_.OnRead(&response);
  }

  Listener listener_;
  SessionCore core_;
  outboard::plugin::v1::Close last_close_;
};

// ---- What is written
// -----------------------------------------------------------------------------

TEST_F(SessionCoreTest, WritesOpenFirst) {
  EXPECT_EQ(core_.id(), 3u);
  EXPECT_THAT(Writes(), ElementsAre("open indexer"));
  std::string frame;
  EXPECT_EQ(core_.TakeWrite(&frame), Write::kNothing);
}

TEST_F(SessionCoreTest, WritesFramesInTheOrderGiven) {
  core_.Send(Frame(1), {"stories"});
  core_.Cancel({3, {1}});
  core_.Send(Frame(2), {"stories"});
  EXPECT_THAT(Writes(), ElementsAre("open indexer", "delivery 1", "cancel 1", "delivery 2"));
}

TEST_F(SessionCoreTest, ASignOfLifeIsAnEmptyFrame) {
  core_.SendSignOfLife();
  EXPECT_THAT(Writes(), ElementsAre("open indexer")) << "none is needed where a frame is to go";
  core_.SendSignOfLife();
  core_.SendSignOfLife();
  core_.Send(Frame(1), {"stories"});
  EXPECT_THAT(Writes(), ElementsAre("empty", "delivery 1"));
  Close();
  core_.SendSignOfLife();
  EXPECT_THAT(Writes(), ElementsAre("close CAUSE_DRAIN", "half-close"));
}

TEST_F(SessionCoreTest, CloseIsTheLastFrameAndThenTheStreamIsHalfClosedOnce) {
  core_.Send(Frame(1), {});
  Close();
  core_.Send(Frame(2), {});
  core_.Cancel({3, {1}});
  Close(lane::CloseCause::kProtocolError);
  EXPECT_THAT(Writes(),
              ElementsAre("open indexer", "delivery 1", "close CAUSE_DRAIN", "half-close"));
  EXPECT_EQ(last_close_.message(), "why");
  EXPECT_EQ(last_close_.time_left().seconds(), 2);
  EXPECT_EQ(last_close_.time_left().nanos(), 500'000'000);
  EXPECT_FALSE(core_.HasWrite());
}

TEST_F(SessionCoreTest, AProtocolErrorDropsWhatWasNotYetWritten) {
  EXPECT_THAT(Writes(), ElementsAre("open indexer"));
  core_.Send(Frame(1), {});
  Close(lane::CloseCause::kProtocolError);
  EXPECT_THAT(Writes(), ElementsAre("close CAUSE_PROTOCOL_ERROR", "half-close"));
  EXPECT_FALSE(last_close_.has_time_left());
}

TEST_F(SessionCoreTest, NothingIsWrittenAfterTheEnd) {
  core_.Send(Frame(1), {});
  core_.OnEnd(absl::OkStatus());
  EXPECT_FALSE(core_.HasWrite());
  Close();
  EXPECT_FALSE(core_.HasWrite());
  std::string frame;
  EXPECT_EQ(core_.TakeWrite(&frame), Write::kNothing);
}

// ---- What is read
// --------------------------------------------------------------------------------

TEST_F(SessionCoreTest, OpenedComesBeforeAnswers) {
  EXPECT_TRUE(ReadOpened());
  EXPECT_TRUE(ReadDone(2));
  EXPECT_EQ(listener_.heard.front(), "opened 3 i-1");
  EXPECT_EQ(listener_.heard.back(), "answers 2");
}

TEST_F(SessionCoreTest, TheFirstFrameMayBringMoreThanOpened) {
  wire::Response response;
  response.mutable_opened()->set_instance_id("i-1");
  response.set_window(5);
  EXPECT_TRUE(core_.OnRead(&response));
  EXPECT_THAT(listener_.heard, ElementsAre("opened 3 i-1", "answers 0"));
}

TEST_F(SessionCoreTest, AnAnswerBeforeOpenedBreaksTheContract) {
  EXPECT_FALSE(ReadDone());
  EXPECT_THAT(listener_.heard, ElementsAre("broken"));
  EXPECT_THAT(listener_.broken_rule, HasSubstr("the first frame has no opened"));
}

TEST_F(SessionCoreTest, ASecondOpenedBreaksTheContract) {
  ReadOpened();
  EXPECT_FALSE(ReadOpened());
  EXPECT_EQ(listener_.heard.back(), "broken");
  EXPECT_THAT(listener_.broken_rule, HasSubstr("second time"));
}

TEST_F(SessionCoreTest, NothingOfABrokenSessionCounts) {
  ReadDone();
  listener_.heard.clear();
  EXPECT_FALSE(ReadOpened());
  EXPECT_FALSE(ReadDone());
  EXPECT_THAT(listener_.heard, IsEmpty());
  core_.OnEnd(absl::CancelledError(""));
  EXPECT_THAT(listener_.heard, ElementsAre("ended CANCELLED"));
}

TEST_F(SessionCoreTest, ABrokenSessionStillWritesItsClose) {
  ReadDone();
  Close(lane::CloseCause::kProtocolError);
  EXPECT_THAT(Writes(), ElementsAre("close CAUSE_PROTOCOL_ERROR", "half-close"));
}

TEST_F(SessionCoreTest, AnswersStillCountAfterADrainBegan) {
  ReadOpened();
  Close();
  listener_.heard.clear();
  EXPECT_TRUE(ReadDone());
  EXPECT_THAT(listener_.heard, ElementsAre("answers 1"));
}

TEST_F(SessionCoreTest, EndsOnceAndTellsHow) {
  ReadOpened();
  core_.OnEnd(absl::UnavailableError("socket closed"));
  core_.OnEnd(absl::OkStatus());
  EXPECT_EQ(listener_.heard.back(), "ended UNAVAILABLE");
  const size_t heard = listener_.heard.size();
  EXPECT_FALSE(ReadDone());
  EXPECT_EQ(listener_.heard.size(), heard) << "nothing comes after the end";
}

// The host sends while the carrier writes and reads: for the sanitizers, and nothing is lost.
TEST_F(SessionCoreTest, IsUsedByTwoThreads) {
  constexpr uint64_t kFrames = 2'000;
  std::thread host([this] {
    for (uint64_t id = 1; id <= kFrames; ++id) core_.Send(Frame(id), {});
    Close();
  });
  ReadOpened();
  uint64_t next = 1;
  for (bool open = true; open;) {
    std::string bytes;
    wire::Request frame;
    switch (core_.TakeWrite(&bytes)) {
      case Write::kNothing: std::this_thread::yield(); break;
      case Write::kHalfClose: open = false; break;
      case Write::kFrame:
        EXPECT_TRUE(frame.ParseFromString(bytes));
        if (frame.deliveries_size() == 1) {
          EXPECT_EQ(frame.deliveries(0).delivery_id(), next++);
        }
        break;
    }
  }
  host.join();
  EXPECT_EQ(next, kFrames + 1);
}

}  // namespace
}  // namespace outboard::plugin

// The session's rules without gRPC: what is written when, and how it ends.

#include "src/session_core.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <semaphore>

#include "outboard/plugin/v1/worker.pb.h"
#include "src/runtime.h"

namespace outboard::internal {
namespace {

// A stream whose writes end when the test says so.
class FakeTransport : public Transport {
 public:
  void Write(std::string frame) override {
    plugin::v1::HandleResponse response;
    EXPECT_TRUE(response.ParseFromString(frame));
    std::lock_guard lock(mutex_);
    EXPECT_FALSE(writing_) << "two writes at once";
    EXPECT_FALSE(end_) << "a write after the end";
    writing_ = true;
    frames_.push_back(std::move(response));
    changed_.notify_all();
  }
  void Finish(const StreamEnd& end) override {
    std::lock_guard lock(mutex_);
    EXPECT_FALSE(writing_) << "the end during a write";
    EXPECT_FALSE(end_) << "two ends";
    end_ = end;
    changed_.notify_all();
  }
  void SetAlarm(std::chrono::milliseconds) override { ++alarms_; }

  plugin::v1::HandleResponse WaitForFrame() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !frames_.empty(); });
    plugin::v1::HandleResponse frame = frames_.front();
    frames_.pop_front();
    return frame;
  }
  void EndWrite() {
    std::lock_guard lock(mutex_);
    writing_ = false;
  }
  StreamEnd WaitForEnd() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return end_.has_value(); });
    return *end_;
  }
  bool idle() {
    std::lock_guard lock(mutex_);
    return frames_.empty() && !end_;
  }
  int alarms() const { return alarms_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<plugin::v1::HandleResponse> frames_;
  std::optional<StreamEnd> end_;
  bool writing_ = false;
  std::atomic<int> alarms_{0};
};

// The handler never runs on its own here: the tests answer in its place, from a worker that takes
// nothing.
class SessionCoreTest : public ::testing::Test {
 protected:
  SessionCoreTest() {
    plugin_.Worker("w", [this](const Event&, Context&) {
      started_.release();
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return released_; });
      return Done();
    });
    runtime_ = std::make_unique<Runtime>(plugin_);
    core_ = std::make_shared<SessionCore>(runtime_.get(), Role::kWorker, &transport_);
  }
  ~SessionCoreTest() override {
    ReleaseHandlers();
    runtime_.reset();
  }

  void ReleaseHandlers() {
    {
      std::lock_guard lock(mutex_);
      released_ = true;
    }
    changed_.notify_all();
  }

  bool Frame(const plugin::v1::HandleRequest& request) {
    auto bytes = std::make_shared<std::string>(request.SerializeAsString());
    const std::string_view view = *bytes;
    return core_->OnFrame(view, std::move(bytes));
  }
  void EndWrite() {
    transport_.EndWrite();
    core_->OnWriteDone(true);
  }
  void Open() {
    plugin::v1::HandleRequest request;
    request.mutable_open()->set_component("w");
    ASSERT_TRUE(Frame(request));
    EXPECT_EQ(transport_.WaitForFrame().opened().instance_id(), runtime_->instance_id());
    EndWrite();
  }
  // The first deliveries; the one thread of the worker is stuck in them, so that the test may
  // answer.
  void Deliver(int count) {
    plugin::v1::HandleRequest request;
    for (int i = 0; i < count; ++i) request.add_deliveries()->set_delivery_id(++sent_);
    ASSERT_TRUE(Frame(request));
    started_.acquire();
  }
  plugin::v1::HandleRequest CloseFrame(plugin::v1::Close::Cause cause) {
    plugin::v1::HandleRequest request;
    request.mutable_close()->set_cause(cause);
    return request;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool released_ = false;
  std::counting_semaphore<> started_{0};
  uint64_t sent_ = 0;
  Plugin plugin_{"p", "1"};
  FakeTransport transport_;
  std::unique_ptr<Runtime> runtime_;
  std::shared_ptr<SessionCore> core_;
};

TEST_F(SessionCoreTest, WhatGathersDuringAWriteLeavesWithTheNextFlush) {
  Open();
  Deliver(10);
  core_->Answer(2, Done());
  core_->Flush();
  EXPECT_EQ(transport_.WaitForFrame().done_ids(0), 2u);
  core_->Answer(3, Done());
  core_->Answer(4, Done());
  core_->Flush();
  EXPECT_TRUE(transport_.idle());
  EndWrite();
  core_->Flush();
  EXPECT_EQ(transport_.WaitForFrame().done_ids_size(), 2);
}

TEST_F(SessionCoreTest, AfterARecentWriteAnAnswerWaitsForTheAlarmAtMost) {
  Open();
  Deliver(10);
  core_->Flush();
  core_->Answer(2, Done());
  core_->Flush();
  transport_.WaitForFrame();
  core_->Answer(3, Done());
  EndWrite();
  if (transport_.alarms() > 0) core_->OnAlarm();
  EXPECT_EQ(transport_.WaitForFrame().done_ids(0), 3u);
}

TEST_F(SessionCoreTest, TheLastAnswerWaitsForNothing) {
  Open();
  Deliver(2);
  core_->Flush();
  core_->Answer(1, Done());
  core_->Flush();
  transport_.WaitForFrame();
  EndWrite();
  const int alarms = transport_.alarms();
  core_->Answer(2, Done());  // Right behind it, and nothing else is in hand.
  EXPECT_EQ(transport_.alarms(), alarms);
  EXPECT_EQ(transport_.WaitForFrame().done_ids(0), 2u);
}

TEST_F(SessionCoreTest, AFullFrameWaitsForNothing) {
  Open();
  Deliver(400);
  core_->Answer(2, Done());
  core_->Flush();
  transport_.WaitForFrame();
  for (uint64_t id = 3; id < 203; ++id) core_->Answer(id, Done());
  EndWrite();
  EXPECT_EQ(transport_.WaitForFrame().done_ids_size(), 200);
}

TEST_F(SessionCoreTest, FirstFrameMustOpen) {
  plugin::v1::HandleRequest request;
  request.add_deliveries()->set_delivery_id(1);
  EXPECT_FALSE(Frame(request));
  EXPECT_EQ(transport_.WaitForEnd().code, 3);
}

TEST_F(SessionCoreTest, GarbageEndsTheStreamWithAReason) {
  Open();
  EXPECT_FALSE(core_->OnFrame("\xff\xff\xff\xff", nullptr));
  EXPECT_EQ(transport_.WaitForEnd().code, 3);
}

TEST_F(SessionCoreTest, ASecondOpenEndsTheStream) {
  Open();
  plugin::v1::HandleRequest request;
  request.mutable_open()->set_component("w");
  EXPECT_FALSE(Frame(request));
  EXPECT_EQ(transport_.WaitForEnd().code, 3);
}

TEST_F(SessionCoreTest, DrainEndsWithTheLastAnswerWritten) {
  Open();
  Deliver(2);
  EXPECT_FALSE(Frame(CloseFrame(plugin::v1::Close::CAUSE_DRAIN)));
  core_->OnReadsEnded();
  EXPECT_TRUE(transport_.idle());
  core_->Answer(1, Done());
  core_->Answer(2, Done());
  plugin::v1::HandleResponse first = transport_.WaitForFrame();
  EndWrite();
  if (first.done_ids_size() < 2) {
    EXPECT_EQ(transport_.WaitForFrame().done_ids_size(), 1);
    EndWrite();
  }
  EXPECT_EQ(transport_.WaitForEnd().code, 0);
}

TEST_F(SessionCoreTest, ACloseWithNothingInHandEndsAtOnce) {
  Open();
  EXPECT_FALSE(Frame(CloseFrame(plugin::v1::Close::CAUSE_UNSPECIFIED)));
  EXPECT_EQ(transport_.WaitForEnd().code, 0);
}

TEST_F(SessionCoreTest, AHalfCloseWithoutCloseIsALostHost) {
  Open();
  Deliver(2);
  core_->OnReadsEnded();
  EXPECT_EQ(transport_.WaitForEnd().code, 1);
  EXPECT_TRUE(core_->discarded());
  core_->Answer(1, Done());  // Comes too late: nothing is written after the end.
}

TEST_F(SessionCoreTest, ALossDuringAWriteEndsAfterIt) {
  Open();
  Deliver(2);
  core_->Answer(2, Done());
  core_->Flush();
  transport_.WaitForFrame();
  core_->OnCancelled();
  EXPECT_TRUE(transport_.idle());
  transport_.EndWrite();
  core_->OnWriteDone(false);
  EXPECT_EQ(transport_.WaitForEnd().code, 1);
}

TEST_F(SessionCoreTest, ACancelledDeliveryThatWasNotBegunIsReleased) {
  Open();
  Deliver(2);
  plugin::v1::HandleRequest request;
  request.add_cancel_ids(2);
  EXPECT_TRUE(Frame(request));
  ReleaseHandlers();
  uint64_t done = 0, released = 0;
  while (done == 0 || released == 0) {
    const plugin::v1::HandleResponse frame = transport_.WaitForFrame();
    if (frame.done_ids_size() > 0) done = frame.done_ids(0);
    if (frame.verdicts_size() > 0) {
      EXPECT_EQ(frame.verdicts(0).outcome(), plugin::v1::WorkerVerdict::OUTCOME_RELEASE);
      released = frame.verdicts(0).delivery_id();
    }
    EndWrite();
  }
  EXPECT_EQ(done, 1u);
  EXPECT_EQ(released, 2u);
}

TEST_F(SessionCoreTest, CancelledIsKnownPerDelivery) {
  Open();
  Deliver(3);
  plugin::v1::HandleRequest request;
  request.add_cancel_ids(2);
  EXPECT_TRUE(Frame(request));
  EXPECT_FALSE(core_->Cancelled(1));
  EXPECT_TRUE(core_->Cancelled(2));
}

}  // namespace
}  // namespace outboard::internal

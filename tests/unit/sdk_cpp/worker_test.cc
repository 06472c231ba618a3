// A worker over real gRPC: FakeHost plays the host.

#include <grpc/grpc.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "outboard/outboard.h"
#include "outboard/testing.h"

namespace outboard {
namespace {

using testing::FakeHost;
using Kind = Verdict::Kind;

// A door that handlers wait at until the test opens it.
class Door {
 public:
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void WaitUntilOpen() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void WaitForVisitors(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

// A worker "w" that answers as the event's data says.
Verdict AsAsked(const Event& event, Context& context) {
  if (event.data() == "retry") return Retry(std::chrono::seconds(2), "LATER", "not now");
  if (event.data() == "reject") return Reject("BAD", "never");
  if (event.data() == "release") return Release();
  if (event.data() == "throw") throw std::runtime_error("broken pipe");
  if (event.data() == "throw-int") throw 7;
  if (event.data() == "emit") return Done(NewEvent("made.here").Subject("s").Data("d"));
  if (event.data() == "attempt") return Reject("ATTEMPT", std::to_string(context.attempt()));
  if (event.data() == "config") return Reject("CONFIG", std::string(context.config_json()));
  return Done();
}

NewEvent Say(std::string_view data) {
  return NewEvent("test.event").Id("1").Source("s").Data(data);
}

Plugin AskedPlugin(WorkerOptions options = {}) {
  Plugin plugin("test", "1.0");
  plugin.Worker("w", AsAsked, std::move(options));
  return plugin;
}

TEST(CallTest, CallsAHandlerWithoutAServer) {
  const Plugin plugin = AskedPlugin();
  EXPECT_EQ(testing::Call(plugin, "w", Say("ok")).kind(), Kind::kDone);
  const Verdict thrown = testing::Call(plugin, "w", Say("throw"));
  EXPECT_EQ(thrown.kind(), Kind::kRetry);
  EXPECT_EQ(thrown.reason(), "EXCEPTION");
  EXPECT_EQ(thrown.message(), "broken pipe");
  EXPECT_EQ(thrown.detail(), "thrown: std::runtime_error");
  testing::CallOptions options;
  options.delivery.attempt = 4;
  EXPECT_EQ(testing::Call(plugin, "w", Say("attempt"), options).message(), "4");
}

TEST(WorkerTest, TheEndOfAServerLeavesTheLibraryUp) {
  const Plugin plugin = AskedPlugin();
  { FakeHost host(plugin); }
  EXPECT_NE(grpc_is_initialized(), 0);
}

TEST(WorkerTest, EveryVerdictArrives) {
  const Plugin plugin = AskedPlugin();
  FakeHost host(plugin);
  EXPECT_EQ(host.Components(), std::vector<std::string>{"w"});
  ASSERT_EQ(host.Open("w", "{\"a\":1}").code, 0);
  EXPECT_EQ(host.Wait(host.Deliver(Say("ok")))->kind(), Kind::kDone);
  const Verdict retry = *host.Wait(host.Deliver(Say("retry")));
  EXPECT_EQ(retry.reason(), "LATER");
  EXPECT_EQ(retry.retry_after(), std::chrono::seconds(2));
  EXPECT_EQ(host.Wait(host.Deliver(Say("reject")))->reason(), "BAD");
  EXPECT_EQ(host.Wait(host.Deliver(Say("release")))->kind(), Kind::kRelease);
  EXPECT_EQ(host.Wait(host.Deliver(Say("throw")))->reason(), "EXCEPTION");
  EXPECT_EQ(host.Wait(host.Deliver(Say("throw-int")))->detail(), "thrown: int");
  EXPECT_EQ(host.Wait(host.Deliver(Say("config")))->message(), "{\"a\":1}");
  const Verdict emitted = *host.Wait(host.Deliver(Say("emit")));
  ASSERT_EQ(emitted.emits().size(), 1u);
  EXPECT_EQ(emitted.emits()[0].view().type(), "made.here");
  EXPECT_EQ(emitted.emits()[0].view().subject(), "s");
  EXPECT_EQ(host.Close().code, 0);
}

TEST(WorkerTest, AnEmptyFrameIsASignOfLife) {
  const Plugin plugin = AskedPlugin();
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  host.Deliver(std::vector<NewEvent>{});
  EXPECT_EQ(host.Wait(host.Deliver(Say("ok")))->kind(), Kind::kDone);
  EXPECT_EQ(host.Close().code, 0);
}

TEST(WorkerTest, AnswersEachOfManyOnceAndInFewerFrames) {
  const Plugin plugin = AskedPlugin();
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  constexpr size_t kFrames = 40, kPerFrame = 250;
  for (size_t i = 0; i < kFrames; ++i) {
    host.Deliver(std::vector<NewEvent>(kPerFrame, Say("ok")));
  }
  const std::vector<testing::Answer> answers = host.WaitForAnswers(kFrames * kPerFrame);
  std::set<uint64_t> ids;
  for (const testing::Answer& answer : answers) ids.insert(answer.delivery_id);
  EXPECT_EQ(answers.size(), kFrames * kPerFrame);
  EXPECT_EQ(ids.size(), kFrames * kPerFrame);
  EXPECT_LT(host.frames_received(), kFrames * kPerFrame / 4);
  EXPECT_EQ(host.Close().code, 0);
}

TEST(WorkerTest, ASlowEventDoesNotHoldUpOthersWhileAThreadIsFree) {
  Door door;
  Plugin plugin("test", "1");
  WorkerOptions options;
  options.concurrency = 2;
  plugin.Worker(
      "w",
      [&](const Event& event, Context&) {
        if (event.data() == "slow") door.WaitUntilOpen();
        return Done();
      },
      options);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  const auto ids = host.Deliver({Say("slow"), Say("a"), Say("b"), Say("c")});
  EXPECT_TRUE(host.Wait(ids[1]));
  EXPECT_TRUE(host.Wait(ids[3]));
  door.Open();
  EXPECT_TRUE(host.Wait(ids[0]));
}

TEST(WorkerTest, AnAnswerIsNotHeldWhileTheNextHandlerRuns) {
  Door door;
  Plugin plugin("test", "1");
  plugin.Worker("w", [&](const Event& event, Context&) {
    if (event.data() == "slow") door.WaitUntilOpen();
    return Done();
  });
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  const auto ids = host.Deliver({Say("a"), Say("b"), Say("c"), Say("slow")});
  EXPECT_TRUE(host.Wait(ids[2]));  // The only thread is in the slow one by then, or will be.
  door.WaitForVisitors(1);
  door.Open();
  EXPECT_TRUE(host.Wait(ids[3]));
}

TEST(WorkerTest, DrainAnswersAllThenEndsOk) {
  Door door;
  Plugin plugin("test", "1");
  plugin.Worker("w", [&](const Event&, Context&) {
    door.WaitUntilOpen();
    return Done();
  });
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  host.Deliver(std::vector<NewEvent>(20, Say("x")));
  door.WaitForVisitors(1);
  std::thread opener([&] { door.Open(); });
  EXPECT_EQ(host.Close().code, 0);
  opener.join();
  EXPECT_EQ(host.WaitForAnswers(20).size(), 20u);
}

TEST(WorkerTest, AfterAProtocolErrorNothingMoreIsBegun) {
  Door door;
  std::atomic<int> handled{0};
  Plugin plugin("test", "1");
  plugin.Worker("w", [&](const Event&, Context&) {
    ++handled;
    door.WaitUntilOpen();
    return Done();
  });
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  host.Deliver(std::vector<NewEvent>(5, Say("x")));
  door.WaitForVisitors(1);
  EXPECT_EQ(host.CloseForError("delivery 9 was never sent").code, 0);
  door.Open();
  ASSERT_EQ(host.Open("w").code, 0);
  EXPECT_TRUE(host.Wait(host.Deliver(Say("next"))));
  EXPECT_EQ(handled, 2);
}

TEST(WorkerTest, ALostHostLeavesThePluginReadyForTheNext) {
  Door door;
  std::atomic<bool> saw_cancel{false};
  Plugin plugin("test", "1");
  plugin.Worker("w", [&](const Event& event, Context& context) {
    if (event.data() == "slow") {
      door.WaitUntilOpen();
      while (!context.cancelled()) std::this_thread::yield();
      saw_cancel = true;
    }
    return Done();
  });
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  host.Deliver(std::vector<NewEvent>(3, Say("slow")));
  door.WaitForVisitors(1);
  EXPECT_EQ(host.Cut().code, 1);
  door.Open();
  ASSERT_EQ(host.Open("w").code, 0);
  EXPECT_TRUE(host.Wait(host.Deliver(Say("ok"))));
  EXPECT_TRUE(saw_cancel);
}

TEST(WorkerTest, ProgressArrivesBeforeTheVerdict) {
  Door door;
  Plugin plugin("test", "1");
  plugin.Worker("w", [&](const Event&, Context& context) {
    context.Progress();
    door.WaitUntilOpen();
    return Done();
  });
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  const uint64_t id = host.Deliver(Say("x"));
  EXPECT_TRUE(host.WaitForProgress(id));
  door.Open();
  EXPECT_TRUE(host.Wait(id));
}

TEST(WorkerTest, InOrderReleasesTheRestOfAKeyAfterAFailure) {
  WorkerOptions options;
  options.in_order = true;
  options.concurrency = 4;
  const Plugin plugin = AskedPlugin(options);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  testing::Delivery keyed;
  keyed.order_key = "story/1";
  const auto ids = host.Deliver({Say("ok"), Say("retry"), Say("ok"), Say("ok")}, keyed);
  EXPECT_EQ(host.Wait(ids[0])->kind(), Kind::kDone);
  EXPECT_EQ(host.Wait(ids[1])->kind(), Kind::kRetry);
  EXPECT_EQ(host.Wait(ids[2])->kind(), Kind::kRelease);
  EXPECT_EQ(host.Wait(ids[3])->kind(), Kind::kRelease);
  EXPECT_EQ(host.Wait(host.Deliver(Say("ok"), keyed))->kind(), Kind::kDone);
}

TEST(WorkerTest, InOrderHandlesAKeyInTheOrderOfArrival) {
  std::mutex mutex;
  std::vector<std::string> handled;
  WorkerOptions options;
  options.in_order = true;
  options.concurrency = 4;
  Plugin plugin("test", "1");
  plugin.Worker(
      "w",
      [&](const Event& event, Context&) {
        std::lock_guard lock(mutex);
        handled.emplace_back(event.data());
        return Done();
      },
      options);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  testing::Delivery keyed;
  keyed.order_key = "k";
  std::vector<std::string> expected;
  std::vector<NewEvent> events;
  for (int i = 0; i < 500; ++i) {
    expected.push_back(std::to_string(i));
    events.push_back(Say(expected.back()));
  }
  host.Deliver(events, keyed);
  EXPECT_EQ(host.WaitForAnswers(500).size(), 500u);
  EXPECT_EQ(handled, expected);
}

// ---- Inline handlers

TEST(InlineTest, AnswersLikeOneWithThreads) {
  WorkerOptions options;
  options.inline_handler = true;
  const Plugin plugin = AskedPlugin(options);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  EXPECT_EQ(host.Wait(host.Deliver(Say("retry")))->reason(), "LATER");
  EXPECT_EQ(host.Wait(host.Deliver(Say("throw")))->reason(), "EXCEPTION");
  constexpr size_t kFrames = 40, kPerFrame = 250;
  for (size_t i = 0; i < kFrames; ++i) host.Deliver(std::vector<NewEvent>(kPerFrame, Say("ok")));
  std::set<uint64_t> ids;
  for (const testing::Answer& answer : host.WaitForAnswers(kFrames * kPerFrame + 2))
    ids.insert(answer.delivery_id);
  EXPECT_EQ(ids.size(), kFrames * kPerFrame + 2);
  EXPECT_EQ(host.Close().code, 0);
}

TEST(InlineTest, RunsBeforeTheNextFrameIsRead) {
  std::atomic<int> under_way{0};
  std::atomic<int> most{0};
  Plugin plugin("test", "1.0");
  WorkerOptions options;
  options.inline_handler = true;
  plugin.Worker(
      "w",
      [&](const Event&, Context&) {
        most = std::max(most.load(), ++under_way);
        --under_way;
        return Done();
      },
      options);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  for (int i = 0; i < 200; ++i) host.Deliver(std::vector<NewEvent>(5, Say("ok")));
  EXPECT_EQ(host.WaitForAnswers(1000).size(), 1000u);
  EXPECT_EQ(most, 1);
  EXPECT_EQ(host.Close().code, 0);
}

TEST(InlineTest, InOrderReleasesTheRestOfAKeyAfterAFailure) {
  WorkerOptions options;
  options.inline_handler = options.in_order = true;
  const Plugin plugin = AskedPlugin(options);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("w").code, 0);
  testing::Delivery key;
  key.order_key = "k";
  const auto ids = host.Deliver({Say("ok"), Say("retry"), Say("ok"), Say("ok")}, key);
  EXPECT_EQ(host.Wait(ids[0])->kind(), Kind::kDone);
  EXPECT_EQ(host.Wait(ids[1])->kind(), Kind::kRetry);
  EXPECT_EQ(host.Wait(ids[2])->kind(), Kind::kRelease);
  EXPECT_EQ(host.Wait(ids[3])->kind(), Kind::kRelease);
  EXPECT_EQ(host.Wait(host.Deliver(Say("ok"), key))->kind(), Kind::kDone);
}

TEST(InlineTest, HasNoConcurrencyAndNoBatches) {
  WorkerOptions options;
  options.inline_handler = true;
  EXPECT_EQ(AskedPlugin(options).Fault(), "");
  options.concurrency = 2;
  EXPECT_NE(AskedPlugin(options).Fault().find("inline handler"), std::string::npos);
  options.concurrency = 1;
  const auto batches = [](std::span<BatchItem>) {};
  EXPECT_NE(Plugin("p", "1").BatchProducer("put", batches, options).Fault().find("inline handler"),
            std::string::npos);
}

TEST(WorkerTest, AnUnknownComponentIsRefusedByName) {
  const Plugin plugin = AskedPlugin();
  FakeHost host(plugin);
  const testing::End end = host.Open("nope");
  EXPECT_EQ(end.code, 5);
  EXPECT_EQ(end.message, "no worker 'nope' here: the workers are w");
}

TEST(WorkerTest, ConfigIsCheckedAndTakenOnce) {
  std::atomic<int> taken{0};
  Plugin plugin = AskedPlugin();
  plugin.CheckConfig([](std::string_view config) -> std::vector<ConfigError> {
    if (config == "{}") return {};
    return {{"/path", "is wrong"}};
  });
  plugin.OnConfig([&](std::string_view config) -> std::string {
    ++taken;
    return config == "bad" ? "cannot use it" : "";
  });
  FakeHost host(plugin);
  EXPECT_TRUE(host.CheckConfig("{}").empty());
  ASSERT_EQ(host.CheckConfig("{\"x\":1}").size(), 1u);
  EXPECT_EQ(host.CheckConfig("{\"x\":1}")[0].path, "/path");
  EXPECT_EQ(taken, 0);
  ASSERT_EQ(host.Open("w", "{}").code, 0);
  EXPECT_EQ(host.Close().code, 0);
  ASSERT_EQ(host.Open("w", "{}").code, 0);
  EXPECT_EQ(host.Close().code, 0);
  EXPECT_EQ(taken, 1);
  const testing::End refused = host.Open("w", "bad");
  EXPECT_EQ(refused.code, 9);
  EXPECT_EQ(refused.message, "cannot use it");
}

TEST(PluginTest, SaysWhyItCannotBeServed) {
  EXPECT_EQ(Plugin("p", "1").Fault(),
            "plugin 'p' has no component: add one with Worker(), Stage() or Producer()");
  EXPECT_EQ(AskedPlugin().Fault(), "");
  Plugin twice = AskedPlugin();
  twice.Worker("w", AsAsked);
  EXPECT_NE(twice.Fault().find("there twice"), std::string::npos);
  WorkerOptions options;
  options.concurrency = 0;
  EXPECT_NE(AskedPlugin(options).Fault().find("concurrency 0"), std::string::npos);
}

}  // namespace
}  // namespace outboard

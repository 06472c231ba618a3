// Stages and producers over real gRPC: FakeHost plays the host.

#include <gtest/gtest.h>

#include <stdexcept>

#include "outboard/outboard.h"
#include "outboard/testing.h"

namespace outboard {
namespace {

using testing::FakeHost;
using Kind = Verdict::Kind;

Verdict Guard(const Event& event, Context&) {
  if (event.data() == "halt") return Halt();
  if (event.data() == "change") return Continue(NewEvent::From(event).Data("changed"));
  if (event.data() == "retry") return Retry("LATER");
  if (event.data() == "emit") return Done(NewEvent("no.stage.emits"));
  return Continue();
}

Verdict Put(const Event& event, Context&) {
  const Timestamp at{std::chrono::seconds(7)};
  if (event.data() == "int") return Accepted(int64_t{-5}, at);
  if (event.data() == "double") return Accepted(0.5);
  if (event.data() == "text") return Accepted("a-1");
  if (event.data() == "bytes") return Accepted(Bytes{std::string("\0\xff", 2)});
  if (event.data() == "halt") return Halt();
  return Accepted();
}

Plugin Both() { return Plugin("p", "1").Stage("guard", Guard).Producer("put", Put); }

NewEvent Asking(std::string_view data) {
  return NewEvent("test.event").Id("1").Source("s").Subject("x").Data(data);
}

TEST(StageTest, AnswersWithEachVerdict) {
  const Plugin plugin = Both();
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("guard").code, 0);
  EXPECT_TRUE(host.Wait(host.Deliver(Asking("pass")))->plain());
  EXPECT_EQ(host.Wait(host.Deliver(Asking("halt")))->kind(), Kind::kHalt);
  EXPECT_EQ(host.Wait(host.Deliver(Asking("retry")))->reason(), "LATER");
  const auto changed = host.Wait(host.Deliver(Asking("change")));
  ASSERT_TRUE(changed->changed());
  const Event event = changed->changed()->view();
  EXPECT_EQ(event.id(), "1");
  EXPECT_EQ(event.source(), "s");
  EXPECT_EQ(event.data(), "changed");
  EXPECT_EQ(event.text("subject"), "x");
  EXPECT_EQ(host.Close().code, 0);
}

TEST(StageTest, WhatOnlyWorkersSayIsRefused) {
  const Plugin plugin = Both();
  const Verdict verdict = testing::Call(plugin, "guard", Asking("emit"));
  EXPECT_EQ(verdict.reason(), "INVALID_VERDICT");
  EXPECT_EQ(verdict.message(), "a stage answered with emits");
}

TEST(ProducerTest, AnswersWithOffsetsOfEachType) {
  const Plugin plugin = Both();
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("put").code, 0);
  EXPECT_TRUE(host.Wait(host.Deliver(Asking("")))->plain());
  const auto integer = host.Wait(host.Deliver(Asking("int")));
  EXPECT_EQ(std::get<int64_t>(*integer->offset()), -5);
  EXPECT_EQ(integer->accepted_at(), Timestamp(std::chrono::seconds(7)));
  EXPECT_EQ(std::get<double>(*host.Wait(host.Deliver(Asking("double")))->offset()), 0.5);
  EXPECT_EQ(std::get<std::string>(*host.Wait(host.Deliver(Asking("text")))->offset()), "a-1");
  EXPECT_EQ(std::get<Bytes>(*host.Wait(host.Deliver(Asking("bytes")))->offset()).value,
            std::string("\0\xff", 2));
  EXPECT_EQ(host.Wait(host.Deliver(Asking("halt")))->reason(), "INVALID_VERDICT");
}

// Counts its batches, and answers as each event's data says.
struct Batches {
  std::vector<size_t> sizes;
  void operator()(std::span<BatchItem> batch) {
    sizes.push_back(batch.size());
    for (BatchItem& item : batch) {
      if (item.event.data() == "throw") throw std::runtime_error("broken pipe");
      if (item.event.data() == "forget") continue;
      item.verdict = Put(item.event, item.context);
      if (item.event.data() == "retry") item.verdict = Retry("LATER");
      if (item.event.data() == "reject") item.verdict = Reject("NEVER");
    }
  }
};

Plugin Batching(Batches* batches, bool in_order) {
  ProducerOptions options;
  options.in_order = in_order;
  options.max_batch = 4;
  return Plugin("p", "1").BatchProducer("put", std::ref(*batches), options);
}

std::vector<Kind> Kinds(FakeHost& host, const std::vector<uint64_t>& ids) {
  std::vector<Kind> kinds;
  for (const uint64_t id : ids) kinds.push_back(host.Wait(id)->kind());
  return kinds;
}

TEST(BatchProducerTest, GetsWhatIsThereUpToItsMost) {
  Batches batches;
  const Plugin plugin = Batching(&batches, false);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("put").code, 0);
  const auto ids = host.Deliver(std::vector<NewEvent>(9, Asking("int")));
  for (const uint64_t id : ids) {
    EXPECT_EQ(std::get<int64_t>(*host.Wait(id)->offset()), -5);
  }
  EXPECT_EQ(host.Close().code, 0);
  EXPECT_EQ(batches.sizes, (std::vector<size_t>{4, 4, 1}));
}

TEST(BatchProducerTest, WhatHasNoVerdictIsRetried) {
  Batches batches;
  const Plugin plugin = Batching(&batches, false);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("put").code, 0);
  auto ids = host.Deliver({Asking("int"), Asking("forget")});
  EXPECT_EQ(host.Wait(ids[0])->kind(), Kind::kDone);
  EXPECT_EQ(host.Wait(ids[1])->reason(), "NO_VERDICT");
  ids = host.Deliver({Asking("int"), Asking("throw"), Asking("int")});
  EXPECT_EQ(host.Wait(ids[0])->kind(), Kind::kDone);
  EXPECT_EQ(host.Wait(ids[1])->reason(), "EXCEPTION");
  EXPECT_EQ(host.Wait(ids[2])->message(), "broken pipe");
  EXPECT_EQ(testing::Call(plugin, "put", Asking("throw")).reason(), "EXCEPTION");
}

TEST(BatchProducerTest, InOrderWhatFailsBehindAFailureOfItsKeyIsReleased) {
  Batches batches;
  const Plugin plugin = Batching(&batches, true);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("put").code, 0);
  testing::Delivery keyed;
  keyed.order_key = "a";
  const auto ids = host.Deliver({Asking("int"), Asking("retry"), Asking("reject"), Asking("retry"),
                                 Asking("int"), Asking("int")},
                                keyed);
  EXPECT_EQ(Kinds(host, ids), (std::vector<Kind>{Kind::kDone, Kind::kRetry, Kind::kRelease,
                                                 Kind::kRelease, Kind::kRelease, Kind::kRelease}));
  EXPECT_EQ(host.Wait(host.Deliver(Asking("int"), keyed))->kind(), Kind::kDone);
}

TEST(BatchProducerTest, WithoutOrderEachAnswersForItself) {
  Batches batches;
  const Plugin plugin = Batching(&batches, false);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("put").code, 0);
  testing::Delivery keyed;
  keyed.order_key = "a";
  const auto ids = host.Deliver({Asking("retry"), Asking("reject"), Asking("int")}, keyed);
  EXPECT_EQ(Kinds(host, ids), (std::vector<Kind>{Kind::kRetry, Kind::kReject, Kind::kDone}));
}

TEST(BatchProducerTest, ABatchHasOneEventOrMore) {
  ProducerOptions options;
  options.max_batch = 0;
  EXPECT_EQ(Plugin("p", "1").BatchProducer("put", Batches(), options).Fault(),
            "producer 'put' of plugin 'p' has max_batch 0: it is a number of events, 1 to 65536");
}

TEST(RolesTest, AComponentIsFoundByItsRole) {
  const Plugin plugin = Plugin("p", "1").Stage("same", Guard).Producer("same", Put);
  EXPECT_EQ(plugin.Fault(), "");
  FakeHost host(plugin);
  EXPECT_EQ(host.Components(), (std::vector<std::string>{"same", "same"}));
  const auto end = host.Open("other");
  EXPECT_EQ(end.message, "no worker 'other' here: there is no worker");
}

TEST(RolesTest, FaultsNameTheRole) {
  EXPECT_EQ(Plugin("p", "1").Stage("s", Guard).Stage("s", Guard).Fault(),
            "stage 's' of plugin 'p' is there twice: names are unique");
  StageOptions emits;
  emits.emits = {"a.b"};
  EXPECT_EQ(Plugin("p", "1").Stage("s", Guard, emits).Fault(),
            "stage 's' of plugin 'p' has emits: only workers emit");
  StageOptions in_order;
  in_order.in_order = true;
  EXPECT_EQ(Plugin("p", "1").Stage("s", Guard, in_order).Fault(),
            "stage 's' of plugin 'p' is in_order: only workers and producers can be");
}

// ---- Calls

Verdict Answering(const Call& call, Context& context) {
  if (call.operation() == "echo") return Halt(call.arg(0)->Copy());
  if (call.operation() == "named") return Halt(call.kwarg("name")->Copy());
  if (call.operation() == "null") return Halt(Json("null"));
  if (call.operation() == "nothing") return Halt();
  if (call.operation() == "project")
    return Halt(Json("\"" + std::string(call.context("project").value_or("none")) + "\""));
  if (call.operation() == "change") {
    NewCall changed = NewCall::From(call);
    changed.args[0] = Json("2");
    changed.kwargs["added"] = {"\x01", "application/octet-stream"};
    return Continue(std::move(changed));
  }
  if (call.operation() == "event") return Continue(NewEvent("x"));
  if (call.operation() == "throw") throw std::runtime_error("broken");
  return Continue();
}

NewCall Calling(const std::string& operation) {
  NewCall call;
  call.pipeline = "queue";
  call.operation = operation;
  call.args = {Json("1"), {"\xff", "image/png"}};
  call.kwargs["name"] = Json("\"q\"");
  call.context["project"] = "p1";
  return call;
}

TEST(CallStageTest, AnswersWithEachVerdict) {
  const Plugin plugin = Plugin("p", "1").Stage("store", Answering);
  FakeHost host(plugin);
  ASSERT_EQ(host.Open("store").code, 0);
  const auto answer = [&](const std::string& operation) {
    return *host.Wait(host.Deliver(Calling(operation)));
  };
  EXPECT_TRUE(answer("other").plain());
  EXPECT_EQ(answer("echo").answer()->data, "1");
  EXPECT_EQ(answer("named").answer()->data, "\"q\"");
  EXPECT_EQ(answer("null").answer()->data, "null");
  EXPECT_EQ(answer("nothing").kind(), Kind::kHalt);
  EXPECT_FALSE(answer("nothing").answer());
  EXPECT_EQ(answer("project").answer()->data, "\"p1\"");
  EXPECT_EQ(answer("throw").reason(), "EXCEPTION");
  EXPECT_EQ(answer("event").message(), "a call was answered with a changed event");
  const Verdict changed = answer("change");
  ASSERT_TRUE(changed.changed_call());
  EXPECT_EQ(changed.changed_call()->pipeline, "queue");
  EXPECT_EQ(changed.changed_call()->operation, "change");
  EXPECT_EQ(changed.changed_call()->args[0].data, "2");
  EXPECT_EQ(changed.changed_call()->args[1].content_type, "image/png");
  EXPECT_EQ(changed.changed_call()->args[1].data, "\xff");
  EXPECT_EQ(changed.changed_call()->kwargs.at("added").data, "\x01");
  EXPECT_EQ(changed.changed_call()->kwargs.at("name").data, "\"q\"");
  EXPECT_EQ(changed.changed_call()->context.at("project"), "p1");
  EXPECT_EQ(host.Close().code, 0);
}

TEST(CallStageTest, AStageMayTakeEventsAndCalls) {
  const Plugin plugin = Plugin("p", "1").Stage("both", Guard, Answering);
  EXPECT_EQ(testing::Call(plugin, "both", Asking("halt")).kind(), Kind::kHalt);
  EXPECT_EQ(testing::Call(plugin, "both", Calling("echo")).answer()->data, "1");
  const Plugin calls = Plugin("p", "1").Stage("calls", Answering);
  EXPECT_EQ(testing::Call(calls, "calls", Asking("pass")).reason(), "CALLS_ONLY");
  const Plugin events = Plugin("p", "1").Stage("events", Guard);
  EXPECT_EQ(testing::Call(events, "events", Calling("echo")).reason(), "EVENTS_ONLY");
}

TEST(CallStageTest, OperationsNeedAHandlerOfCalls) {
  StageOptions options;
  options.operations = {"create"};
  EXPECT_NE(Plugin("p", "1").Stage("x", Guard, options).Fault().find("has operations"),
            std::string::npos);
  EXPECT_EQ(Plugin("p", "1").Stage("x", Answering, options).Fault(), "");
}

TEST(CallTest, ReadsWhatNewCallWrites) {
  const NewCall made = Calling("create");
  const std::string wire = made.Encode();
  const std::optional<Call> call = Call::Parse(wire);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->pipeline(), "queue");
  EXPECT_EQ(call->operation(), "create");
  EXPECT_EQ(call->arg_count(), 2u);
  EXPECT_TRUE(call->arg(0)->is_json());
  EXPECT_FALSE(call->arg(1)->is_json());
  EXPECT_FALSE(call->arg(2));
  EXPECT_FALSE(call->kwarg("none"));
  EXPECT_FALSE(call->context("none"));
  EXPECT_EQ(NewCall::From(*call).Encode(), wire);
  EXPECT_FALSE(Call::Parse("\x0a\x05q"));
}

}  // namespace
}  // namespace outboard

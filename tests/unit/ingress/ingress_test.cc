#include "host/ingress/ingress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <thread>

#include "tests/unit/ingress/held_bus.h"
#include "tests/unit/ingress/held_screen.h"

namespace outboard::ingress {
namespace {

using Results = std::vector<Result>;

class IngressTest : public testing::Test {
 protected:
  // Publishes one event of 10 bytes; the results will be in the future.
  std::future<Results> Publish(Protocol protocol = Protocol::kHttp,
                               Duration within = Duration::zero()) {
    auto promise = std::make_shared<std::promise<Results>>();
    Room room = ingress_->NewRoom();
    EXPECT_TRUE(room.Take({10, 1}));
    ingress_->Publish(protocol, {EventOf("e")}, std::move(room), within,
                      [promise](Results results) { promise->set_value(std::move(results)); });
    return promise->get_future();
  }
  static bool IsReady(const std::future<Results>& future) {
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

  RealClock clock_;
  HeldBus bus_;
  std::optional<Ingress> ingress_{std::in_place, &bus_, &clock_, Load{100, 5}};
};

TEST_F(IngressTest, AnswersAfterTheBusAndNotBefore) {
  std::future<Results> answer = Publish();
  EXPECT_FALSE(IsReady(answer));
  EXPECT_EQ(ingress_->counters().events_under_way, 1u);
  EXPECT_EQ(ingress_->counters().bytes_under_way, 10u);
  bus_.Answer();
  const Results results = answer.get();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].status.ok());
  EXPECT_EQ(results[0].offset, 1u);
  EXPECT_EQ(ingress_->counters().bytes_under_way, 0u);
}

TEST_F(IngressTest, WaitsForTheReceiptsThatWereAskedFor) {
  std::promise<Results> promise;
  bus_.set_reporting(1);
  ingress_->Publish(Protocol::kGrpc, {EventOf("e")}, ingress_->NewRoom(), Duration::zero(),
                    [&](Results results) { promise.set_value(std::move(results)); }, nullptr,
                    {ingress_->AskForReceipts(1), std::chrono::hours(1)});
  std::future<Results> answer = promise.get_future();
  bus_.Answer();
  EXPECT_FALSE(IsReady(answer));
  EXPECT_EQ(ingress_->counters().grpc.confirmed, 1u);
  const bus::Receipt receipt{"all/x", bus::End::kDropped, {}, ""};
  bus_.Tell(0, receipt);
  EXPECT_EQ(answer.get()[0].receipts, std::vector<bus::Receipt>{receipt});
}

TEST_F(IngressTest, AStopDoesNotWaitForReceipts) {
  std::promise<Results> promise;
  bus_.set_reporting(1);
  ingress_->Publish(Protocol::kGrpc, {EventOf("e")}, ingress_->NewRoom(), Duration::zero(),
                    [&](Results results) { promise.set_value(std::move(results)); }, nullptr,
                    {ingress_->AskForReceipts(1), std::chrono::hours(1)});
  bus_.Answer();
  ingress_->Stop(std::chrono::hours(1));
  std::future<Results> answer = promise.get_future();
  ASSERT_TRUE(IsReady(answer));
  const Results results = answer.get();
  EXPECT_TRUE(results[0].confirmed());
  EXPECT_TRUE(results[0].receipts.empty());
}

TEST_F(IngressTest, CountsByProtocolAndOutcome) {
  auto first = Publish(Protocol::kGrpc);
  auto second = Publish(Protocol::kHttp);
  bus_.Answer();
  bus_.Answer(absl::ResourceExhaustedError("full"));
  ingress_->CountRefused(Protocol::kHttp, 2);
  ingress_->CountPushedBack(Protocol::kGrpc, 3);
  const Counters counters = ingress_->counters();
  EXPECT_EQ(counters.grpc.confirmed, 1u);
  EXPECT_EQ(counters.grpc.pushed_back, 3u);
  EXPECT_EQ(counters.http.failed, 1u);
  EXPECT_EQ(counters.http.refused, 2u);
  EXPECT_EQ(counters.http.confirmed, 0u);
}

TEST_F(IngressTest, GivesUpABusThatDoesNotAnswerInTimeAndKeepsItsRoom) {
  auto patient = Publish(Protocol::kGrpc);
  auto hasty = Publish(Protocol::kHttp, std::chrono::milliseconds(1));
  auto hastier = Publish(Protocol::kHttp, Duration(1));
  EXPECT_EQ(hasty.get()[0].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(hastier.get()[0].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(IsReady(patient));
  EXPECT_EQ(ingress_->counters().events_under_way, 3u);
  EXPECT_EQ(ingress_->counters().http.failed, 2u);
  for (int i = 0; i < 3; ++i) bus_.Answer();  // Those given up are not answered again.
  EXPECT_TRUE(patient.get()[0].status.ok());
  EXPECT_EQ(ingress_->counters().events_under_way, 0u);
  EXPECT_EQ(ingress_->counters().http.confirmed, 0u);
}

TEST_F(IngressTest, AClosedProtocolTakesNoMoreAndTheOtherDoes) {
  auto under_way = Publish(Protocol::kHttp);
  ingress_->Close(Protocol::kHttp);
  EXPECT_TRUE(ingress_->IsClosed(Protocol::kHttp));
  EXPECT_EQ(Publish(Protocol::kHttp).get()[0].status.code(), absl::StatusCode::kUnavailable);
  auto other = Publish(Protocol::kGrpc);
  bus_.Answer();
  bus_.Answer();
  EXPECT_TRUE(under_way.get()[0].status.ok());
  EXPECT_TRUE(other.get()[0].status.ok());
}

TEST_F(IngressTest, AStopAnswersWhatTheBusDoesNot) {
  auto under_way = Publish(Protocol::kGrpc);
  ingress_->Stop(Duration(1));
  EXPECT_EQ(under_way.get()[0].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Publish(Protocol::kGrpc).get()[0].status.code(), absl::StatusCode::kUnavailable);
  ingress_.reset();
  bus_.Answer();  // Late, and harmless.
}

TEST_F(IngressTest, AStopWaitsForTheBusWithinItsGrace) {
  auto under_way = Publish(Protocol::kGrpc);
  std::thread stopping([this] { ingress_->Stop(std::chrono::hours(1)); });
  bus_.Answer();
  stopping.join();
  EXPECT_TRUE(under_way.get()[0].status.ok());
}

TEST_F(IngressTest, SaysWhatIsUnderWayToWhomItPushesBack) {
  auto under_way = Publish();
  EXPECT_EQ(ingress_->PushBackText(),
            "too much is under way to the bus already: 1 events of 10 bytes, of at most 5 and 100: "
            "publish again a little later, and less at a time");
  bus_.Answer();
}

// ---- With a screen ----

class ScreenedIngressTest : public testing::Test {
 protected:
  std::future<Results> Publish(const std::vector<std::string>& ids,
                               Duration within = Duration::zero(),
                               const std::shared_ptr<Order>& order = nullptr) {
    auto promise = std::make_shared<std::promise<Results>>();
    std::vector<Event> events;
    for (const std::string& id : ids) events.push_back(EventOf(id));
    Room room = ingress_->NewRoom();
    EXPECT_TRUE(room.Take({BytesOf(events), ids.size()}));
    ingress_->Publish(
        Protocol::kGrpc, std::move(events), std::move(room), within,
        [promise](Results results) { promise->set_value(std::move(results)); }, order);
    return promise->get_future();
  }
  static size_t BytesOf(const std::vector<Event>& events) {
    size_t bytes = 0;
    for (const Event& event : events) bytes += event.size();
    return bytes;
  }
  static bool IsReady(const std::future<Results>& future) {
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

  RealClock clock_;
  HeldBus bus_;
  HeldScreen screen_;
  std::optional<Ingress> ingress_{std::in_place, &bus_, &clock_, Load{1000, 10}, &screen_};
};

TEST_F(ScreenedIngressTest, NothingIsPublishedBeforeItIsLetIn) {
  auto answer = Publish({"a", "b"});
  EXPECT_EQ(bus_.held(), 0u);
  EXPECT_EQ(ingress_->counters().events_under_way, 2u) << "the bound covers this time too";
  screen_.Answer(0);
  EXPECT_EQ(bus_.held(), 1u);
  EXPECT_FALSE(IsReady(answer));
  bus_.Answer();
  EXPECT_TRUE(answer.get()[1].confirmed());
  EXPECT_EQ(ingress_->counters().events_under_way, 0u);
}

TEST_F(ScreenedIngressTest, WhatDoesNotConcernTheScreenGoesStraightOn) {
  auto answer = Publish({"free"});
  EXPECT_EQ(screen_.held(), 0u);
  bus_.Answer();
  EXPECT_TRUE(answer.get()[0].confirmed());
}

TEST_F(ScreenedIngressTest, ResultsStandWhereTheirEventsStood) {
  auto answer = Publish({"a", "b", "c", "d", "free"});
  screen_.Answer(0,
                 {DroppedBy("s"), std::nullopt, FailedBy("s", absl::InvalidArgumentError("spam")),
                  FailedBy("s", absl::UnavailableError("down"))});
  bus_.AnswerWith(
      [](size_t i) { return i == 0 ? absl::OkStatus() : absl::ResourceExhaustedError("full"); });
  const Results results = answer.get();
  ASSERT_EQ(results.size(), 5u);
  EXPECT_TRUE(results[0].dropped());
  EXPECT_TRUE(results[1].confirmed());
  EXPECT_TRUE(results[2].rejected());
  EXPECT_EQ(results[3].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(results[4].status.code(), absl::StatusCode::kResourceExhausted);
  const Counters counters = ingress_->counters();
  EXPECT_EQ(counters.grpc.confirmed, 1u);
  EXPECT_EQ(counters.grpc.dropped, 1u);
  EXPECT_EQ(counters.grpc.refused, 1u);
  EXPECT_EQ(counters.grpc.failed, 2u);
  EXPECT_EQ(counters.unmatched, 0u) << "what was dropped is not looked for by routes";
}

TEST_F(ScreenedIngressTest, ARequestOfWhichNothingIsLeftNeverGetsToTheBus) {
  auto answer = Publish({"a"});
  screen_.Answer(0, {DroppedBy("s")});
  EXPECT_EQ(bus_.held(), 0u);
  EXPECT_TRUE(answer.get()[0].dropped());
  EXPECT_EQ(ingress_->counters().events_under_way, 0u);
}

TEST_F(ScreenedIngressTest, RequestsOfOneOrderStayInIt) {
  const auto order = std::make_shared<Order>();
  auto first = Publish({"a"}, Duration::zero(), order);
  auto second = Publish({"free"}, Duration::zero(), order);
  auto third = Publish({"c"}, Duration::zero(), order);
  auto other = Publish({"free of any order"});
  ASSERT_EQ(bus_.held(), 1u);
  bus_.Answer();
  EXPECT_TRUE(IsReady(other));
  screen_.Answer(1);
  EXPECT_EQ(bus_.held(), 0u) << "two wait for the first";
  screen_.Answer(0);
  ASSERT_EQ(bus_.held(), 3u);
  for (std::future<Results>* answer : {&first, &second, &third}) {
    EXPECT_FALSE(IsReady(*answer));
    bus_.Answer();
    EXPECT_TRUE(IsReady(*answer));
  }
}

TEST_F(ScreenedIngressTest, WhatStagesAddTakesRoom) {
  auto answer = Publish({"a"});
  const size_t before = ingress_->counters().bytes_under_way;
  screen_.Change(0, EventOf("a" + std::string(100, 'a')));
  EXPECT_EQ(ingress_->counters().bytes_under_way, before + 100);
  bus_.Answer();
  EXPECT_TRUE(answer.get()[0].confirmed());
  EXPECT_EQ(ingress_->counters().bytes_under_way, 0u);
}

TEST_F(ScreenedIngressTest, WhatIsGivenUpWhileItIsScreenedIsNeverPublished) {
  auto answer = Publish({"a"}, std::chrono::milliseconds(1));
  EXPECT_LT(screen_.deadline(0), clock_.Now() + std::chrono::seconds(1));
  const Results results = answer.get();
  EXPECT_EQ(results[0].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(results[0].status.message()), testing::HasSubstr("none was published"));
  screen_.Answer(0);  // Too late.
  EXPECT_EQ(bus_.held(), 0u);
  EXPECT_EQ(ingress_->counters().events_under_way, 0u);
}

TEST_F(ScreenedIngressTest, AStopAnswersWhatIsScreened) {
  const auto order = std::make_shared<Order>();
  auto lost = Publish({"a"}, Duration::zero(), order);
  auto behind = Publish({"free"}, Duration::zero(), order);
  auto late = Publish({"b"});
  ingress_->Stop(Duration(1));
  for (std::future<Results>* answer : {&lost, &behind, &late})
    EXPECT_EQ(answer->get()[0].status.code(), absl::StatusCode::kUnavailable);
  screen_.Forget(0);
  ingress_.reset();
  screen_.Answer(0);  // Harmless.
  EXPECT_EQ(bus_.held(), 0u);
}

}  // namespace
}  // namespace outboard::ingress

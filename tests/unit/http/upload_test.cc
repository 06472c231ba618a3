#include "host/http/upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingress/held_bus.h"

namespace outboard::http {
namespace {

using testing::HasSubstr;

constexpr size_t kMiB = 1 << 20;

class UploadTest : public testing::Test {
 protected:
  static UploadHead Head(std::optional<uint64_t> length = std::nullopt,
                         const std::string& type = "text/plain") {
    UploadHead head;
    head.events.Add("ce-id", "e1");
    head.events.Add("Content-Type", type);
    head.length = length;
    return head;
  }
  Upload Begin(UploadHead head) { return Upload(std::move(head), {kMiB}, &ingress_, bodies_); }

  RealClock clock_;
  ingress::HeldBus bus_;
  ingress::Ingress ingress_{&bus_, &clock_};
  std::shared_ptr<ingress::Bound> bodies_ =
      std::make_shared<ingress::Bound>(ingress::Load{4 * kMiB, 1});
};

TEST_F(UploadTest, GathersTheBodyAndTakesRoomForIt) {
  Upload upload = Begin(Head());
  EXPECT_EQ(upload.Add("ab"), Upload::Added::kOk);
  EXPECT_EQ(upload.Add("cd"), Upload::Added::kOk);
  EXPECT_EQ(upload.body(), "abcd");
  EXPECT_EQ(bodies_->under_way().bytes, 4u);
  EXPECT_EQ(upload.refusal(), nullptr);
  EXPECT_EQ(upload.form(), EventForm::kBinary);
}

TEST_F(UploadTest, ABodyThatIsTooLargeIsReadOverAndRefused) {
  Upload upload = Begin(Head());
  EXPECT_EQ(upload.Add(std::string(kMiB, 'x')), Upload::Added::kOk);
  EXPECT_EQ(upload.refusal(), nullptr);
  EXPECT_EQ(upload.Add("x"), Upload::Added::kOk);
  ASSERT_NE(upload.refusal(), nullptr);
  EXPECT_EQ(upload.refusal()->status, 413u);
  EXPECT_THAT(*upload.refusal()->body, HasSubstr("1048576 (bus.max_event_bytes)"));
  EXPECT_EQ(bodies_->under_way().bytes, 0u);
  EXPECT_EQ(ingress_.counters().http.refused, 1u);
  const std::string chunk(kMiB, 'x');
  for (size_t mib = 1; mib < Upload::kMaxDiscarded / kMiB; ++mib)
    EXPECT_EQ(upload.Add(chunk), Upload::Added::kOk);
  EXPECT_EQ(upload.Add(chunk), Upload::Added::kHopeless);
}

TEST_F(UploadTest, RefusesAtOnceWhereNoBodyIsUnderWay) {
  UploadHead asks = Head(kMiB + 1);
  asks.expects_continue = true;
  EXPECT_EQ(Begin(asks).early()->status, 413u);
  EXPECT_EQ(Begin(Head(kMiB + 1)).early(), nullptr);  // Its body is read over.
  EXPECT_EQ(Begin(Head(kMiB + 1)).refusal()->status, 413u);
  EXPECT_EQ(Begin(Head(Upload::kMaxDiscarded + 1)).early()->status, 413u);
  EXPECT_EQ(Begin(Head(0, "application/cloudevents+avro")).early()->status, 415u);
  asks.length = kMiB;
  EXPECT_EQ(Begin(asks).early(), nullptr);
  EXPECT_EQ(Begin(asks).refusal(), nullptr);
}

TEST_F(UploadTest, AnUnknownTypeIsToldTheKnownOnes) {
  UploadHead head;
  head.events.Add("Content-Type", "application/json");
  const Upload upload = Begin(head);
  ASSERT_NE(upload.refusal(), nullptr);
  EXPECT_EQ(upload.refusal()->status, 415u);
  EXPECT_THAT(*upload.refusal()->body,
              testing::AllOf(HasSubstr("Content-Type application/json"),
                             HasSubstr("application/cloudevents+json"), HasSubstr("ce- headers")));
  EXPECT_THAT(*Begin(UploadHead{}).refusal()->body, HasSubstr("there is no Content-Type"));
}

TEST_F(UploadTest, IsPushedBackWhereOthersHaveTheRoom) {
  ingress::Room room(bodies_);
  ASSERT_TRUE(room.Take({4 * kMiB - 1, 0}));
  Upload upload = Begin(Head());
  EXPECT_EQ(upload.Add("a"), Upload::Added::kOk);
  EXPECT_EQ(upload.Add("b"), Upload::Added::kNoRoom);
  EXPECT_EQ(upload.refusal(), nullptr);
  upload.PushBack();
  EXPECT_EQ(upload.Add("b"), Upload::Added::kOk);
  ASSERT_NE(upload.refusal(), nullptr);
  EXPECT_EQ(upload.refusal()->status, 429u);
  EXPECT_EQ(upload.refusal()->retry_after, 1u);
  EXPECT_EQ(bodies_->under_way().bytes, 4 * kMiB - 1);
  EXPECT_EQ(ingress_.counters().http.pushed_back, 1u);
}

TEST_F(UploadTest, AClosedIngressRefusesBeforeAnythingElse) {
  ingress_.Close(ingress::Protocol::kHttp);
  const Upload upload = Begin(Head(0, "application/cloudevents+avro"));
  ASSERT_NE(upload.early(), nullptr);
  EXPECT_EQ(upload.early()->status, 503u);
  EXPECT_GT(upload.early()->retry_after, 0u);
}

}  // namespace
}  // namespace outboard::http

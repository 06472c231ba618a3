#include <gmock/gmock.h>

#include "tests/contract/rabbitmq/rabbitmq_fixture.h"

// What people made of dead letters, on the broker.
namespace outboard::bus {
namespace {

using ::testing::HasSubstr;

constexpr char kEditsQueue[] = "outboard.outboard.edits";

class EditsTest : public RabbitmqFixture {
 protected:
  void Start(RabbitmqBusOptions options) {
    bus_ = Open(std::move(options));
    ASSERT_NE(bus_, nullptr);
    Declare(*bus_, {MakeLane("a/x", "story.#")});
    reader_ = std::make_unique<Reader>(*bus_, clock_);
    reader_->Open(1, "a/x", 1000);
  }
  void Bury(const std::vector<std::string>& ids) {
    PublishIds(*bus_, ids);
    for (const Delivery& delivery : reader_->Take(1, ids.size()))
      reader_->Finish(delivery, End::kDead);
  }
  absl::Status Edit(uint64_t letter, const std::string& id, const std::string& data) {
    return bus_->EditDead(letter, MakeEvent(id, "story.post", "storyboard", data));
  }
  // Nothing: the queue is not there.
  std::optional<uint32_t> Edits() {
    std::optional<uint32_t> count;
    OnBroker([&](amqp::Connection& connection, amqp::Channel channel) {
      const auto found = connection.CheckQueue(channel, kEditsQueue);
      if (found.ok()) count = found->ready;
      return absl::OkStatus();
    });
    return count;
  }

  std::unique_ptr<RabbitmqBus> bus_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(EditsTest, AreOneForEachLetterAndGoWithIt) {
  Start(Options());
  Bury({"1", "2"});
  const std::vector<DeadLetter> letters = List(*bus_);
  ASSERT_TRUE(Edit(letters[0].id, "1", "[1]").ok());
  ASSERT_TRUE(Edit(letters[1].id, "2", "[2]").ok());
  ASSERT_TRUE(Edit(letters[0].id, "1", "[3]").ok());
  EXPECT_TRUE(Eventually([&] { return Edits() == 2u; })) << "an edit takes the place of the last";
  ASSERT_EQ(*bus_->ReplayDead(OfId(letters[0].id)), 1u);
  EXPECT_TRUE(Eventually([&] { return Edits() == 1u; }));
  ASSERT_EQ(*bus_->PurgeDead(OfId(letters[1].id)), 1u);
  EXPECT_TRUE(Eventually([&] { return Edits() == 0u; }));
}

TEST_F(EditsTest, OfAJsonDialectComeAsTheyWereMade) {
  RabbitmqBusOptions options = Options();
  options.dialect.kind = dialect::Kind::kJson;
  Start(std::move(options));
  Bury({"1"});
  const DeadLetter letter = List(*bus_).at(0);
  ASSERT_TRUE(Edit(letter.id, std::string(letter.event.id()), "{\"n\":1}").ok());
  const DeadLetter edited = List(*bus_).at(0);
  EXPECT_EQ(edited.event.bytes(), letter.event.bytes());
  ASSERT_EQ(*bus_->ReplayDead({}), 1u);
  EXPECT_EQ(reader_->TakeOne(1).event.bytes(), edited.edited.bytes());
}

TEST_F(EditsTest, ThatAreLeftOverAreNotUsed) {
  Start(Options());
  Bury({"1"});
  ASSERT_TRUE(Edit(List(*bus_).at(0).id, "1", "[1]").ok());
  DeleteQueue("outboard.outboard.a/x.dead");
  Declare(*bus_, {MakeLane("a/x", "story.#")});
  Bury({"1"});
  EXPECT_TRUE(List(*bus_).at(0).edited.empty());
  ASSERT_EQ(*bus_->ReplayDead({}), 1u);
  EXPECT_EQ(reader_->TakeOne(1).event.bytes(), MakeEvent("1").bytes());
}

TEST_F(EditsTest, AreKnownToAllReplicas) {
  Start(Options());
  Bury({"1"});
  const uint64_t id = List(*bus_).at(0).id;
  ASSERT_TRUE(Edit(id, "1", "[1]").ok());
  RabbitmqBusOptions other = Options();
  other.replica = "there";
  other.data = folder_ + "/there";
  const auto bus = Open(std::move(other));
  ASSERT_NE(bus, nullptr);
  Declare(*bus, {MakeLane("a/x", "story.#")});
  ASSERT_EQ(List(*bus).size(), 1u);
  EXPECT_FALSE(List(*bus)[0].edited.empty());
}

TEST_F(EditsTest, WhatTheBrokerGaveUpCannotBeEdited) {
  Start(Options());
  PublishIds(*bus_, {"1"});
  reader_->Finish(reader_->TakeOne(1), End::kRetry, [&](Settlement* s) {
    s->attempts = 1;
    s->due = clock_.Now();
  });
  reader_.reset();
  DeleteQueue("outboard.outboard.a/x");
  ASSERT_TRUE(Eventually([&] { return List(*bus_).size() == 1; }));
  const absl::Status status = Edit(List(*bus_)[0].id, "1", "[1]");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("given up by the broker, not by a lane"));
}

}  // namespace
}  // namespace outboard::bus

#include "host/conform/transcript.h"

#include <gtest/gtest.h>

namespace outboard::conform {
namespace {

using Who = Transcript::Who;

TEST(TranscriptTest, ShortensRunsOfIds) {
  EXPECT_EQ(WordsOfIds({}), "");
  EXPECT_EQ(WordsOfIds({1, 2, 4}), "1, 2, 4");
  EXPECT_EQ(WordsOfIds({1, 2, 3, 4, 7, 9, 10, 11}), "1..4, 7, 9..11");
}

TEST(TranscriptTest, SaysWhatIsInAFrameOfTheHost) {
  HostFrame frame;
  EXPECT_EQ(Words(frame), "(an empty frame)");
  v1::Delivery& delivery = *frame.add_deliveries();
  delivery.set_delivery_id(1);
  delivery.set_attempt(2);
  delivery.set_order_key("k");
  delivery.mutable_event()->set_id("e\n1");
  delivery.mutable_event()->set_type("story.post");
  delivery.mutable_event()->set_binary_data("abc");
  frame.add_cancel_ids(1);
  EXPECT_EQ(Words(frame),
            "deliveries[1 {event e\\x0A1 of type story.post, 3 bytes, attempt 2, order_key k}] "
            "cancel_ids[1]");
  for (uint64_t id = 2; id <= 256; ++id) frame.add_deliveries()->set_delivery_id(id);
  EXPECT_EQ(Words(frame), "deliveries[1..256] cancel_ids[1]");
}

TEST(TranscriptTest, SaysHowASessionBeginsAndEnds) {
  HostFrame frame;
  frame.mutable_open()->set_component("ledger");
  frame.mutable_open()->set_config_json("{}");
  frame.mutable_open()->mutable_time_limit()->set_seconds(30);
  EXPECT_EQ(Words(frame), "open{component: \"ledger\", config_json: {}, time_limit: 30 s}");
  frame.Clear();
  frame.mutable_close()->set_cause(v1::Close::CAUSE_DRAIN);
  frame.mutable_close()->mutable_time_left()->set_nanos(500'000'000);
  EXPECT_EQ(Words(frame), "close{DRAIN, time_left: 0.5 s}");
}

TEST(TranscriptTest, NamesAnswersAsTheRoleDoes) {
  PluginFrame frame;
  frame.bare_ids = {1, 2, 3};
  frame.verdicts.emplace_back().id = 4;
  frame.verdicts.back().outcome = kReject;
  frame.verdicts.back().failure.emplace().set_reason("NO");
  frame.window = 0;
  EXPECT_EQ(Words(v1::ROLE_STAGE, frame), "continue_ids[1..3] verdicts[4 REJECT NO \"\"] window 0");
  frame.verdicts.back() = {};
  frame.verdicts.back().outcome = kGood;
  frame.verdicts.back().offset.emplace().set_int_value(7);
  EXPECT_EQ(Words(v1::ROLE_PRODUCER, frame),
            "accepted_ids[1..3] verdicts[0 ACCEPTED offset int 7] window 0");
}

TEST(TranscriptTest, KeepsBeginningAndEndOfALongSession) {
  Transcript transcript;
  for (int i = 0; i < 200; ++i) transcript.Add(Who::kHost, std::to_string(i));
  const auto lines = transcript.lines();
  EXPECT_EQ(lines.front().text, "0");
  EXPECT_EQ(lines.back().text, "199");
  EXPECT_EQ(lines[40].text, "(120 frames left out)");
  EXPECT_EQ(transcript.Last(Who::kHost, 2), "198; 199");
  EXPECT_EQ(transcript.Last(Who::kPlugin, 2), "");
}

}  // namespace
}  // namespace outboard::conform

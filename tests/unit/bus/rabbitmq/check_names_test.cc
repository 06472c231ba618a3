#include "host/bus/rabbitmq/check_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::bus::rabbitmq {
namespace {

using ::testing::HasSubstr;

std::string Problem(const std::vector<LaneSpec>& lanes, const std::string& replica = "r1") {
  const Sources sources({}, {{"events", {.exchange = "amq.topic"}}});
  return std::string(CheckNames("tracker", replica, sources, lanes).message());
}

LaneSpec Lane(const std::string& name, Mode mode, const std::string& service,
              std::vector<std::string> types = {}) {
  LaneSpec lane;
  lane.name = name;
  lane.mode = mode;
  lane.filters = {{service, std::move(types)}};
  return lane;
}

const std::string kLong(200, 'x');

TEST(CheckNamesTest, LetsUsualNamesBe) {
  EXPECT_EQ(Problem({Lane("a/x", Mode::kPool, "storyboard", {"story.#"}),
                     Lane("a/y", Mode::kBroadcast, ""), Lane("b/x", Mode::kSingleton, "events")}),
            "");
}

TEST(CheckNamesTest, RefusesNamesThatAreTooLongForTheBroker) {
  const std::string lane = "a/" + kLong;
  EXPECT_EQ(Problem({Lane(lane, Mode::kPool, "s")}), "");
  EXPECT_THAT(Problem({Lane(lane, Mode::kBroadcast, "s")}, std::string(63, 'r')),
              HasSubstr("the name of its queue would have 286 bytes on the broker, but 255 is the "
                        "most: shorten those of host, route or target"));
  EXPECT_THAT(Problem({Lane("a/" + std::string(235, 'x'), Mode::kPool, "s")}),
              HasSubstr("the name of its queue of dead letters would have 259 bytes"));
  EXPECT_THAT(Problem({Lane("a/x", Mode::kSingleton, kLong + kLong.substr(0, 50))}),
              HasSubstr("shorten the name of its source"));
  EXPECT_THAT(Problem({Lane("a/x", Mode::kPool, kLong + kLong)}),
              HasSubstr("the exchange of its source would have 400 bytes"));
  EXPECT_THAT(Problem({Lane("a/x", Mode::kPool, "s", {kLong + kLong})}),
              HasSubstr("a type of its events would have 400 bytes"));
}

TEST(CheckNamesTest, RefusesExchangesThatAreNotForSources) {
  EXPECT_THAT(Problem({Lane("a/x", Mode::kPool, "outboard.due")}),
              HasSubstr("lane 'a/x': names of exchanges that begin with outboard. or amq. are not "
                        "for sources, as 'outboard.due' is"));
  EXPECT_THAT(Problem({Lane("a/x", Mode::kPool, "amq.topic")}), HasSubstr("'amq.topic'"));
}

TEST(CheckNamesTest, RefusesALaneWhoseQueueIsTheDeadLettersOfAnother) {
  EXPECT_THAT(Problem({Lane("a/x", Mode::kPool, "s"), Lane("a/x.dead", Mode::kPool, "s")}),
              HasSubstr("lane 'a/x.dead': its queue would be the dead letters' of lane 'a/x'"));
  EXPECT_EQ(Problem({Lane("a/x", Mode::kPool, "s"), Lane("b/x.dead", Mode::kPool, "s")}), "");
}

}  // namespace
}  // namespace outboard::bus::rabbitmq

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ReadBusTest, ReadsEveryKey) {
  const ReadResult result = Read(R"(
bus:
  kind: embedded
  path: log
  synchronous: normal
  retain: {time: 1d, bytes: 2GiB}
  max_bytes: 4GiB
  max_event_bytes: 64KiB
)");
  ASSERT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  const Bus& bus = result.config.bus;
  EXPECT_EQ(bus.kind, "embedded");
  EXPECT_EQ(bus.path, "/srv/app/log");
  EXPECT_EQ(bus.synchronous, Synchronous::kNormal);
  EXPECT_EQ(bus.retain_for, std::chrono::hours(24));
  EXPECT_EQ(bus.retain_bytes, uint64_t{2} << 30);
  EXPECT_EQ(bus.max_bytes, uint64_t{4} << 30);
  EXPECT_EQ(bus.max_event_bytes, uint64_t{64} << 10);
}

TEST(ReadBusTest, LiesInTheDataFolderByDefault) {
  EXPECT_EQ(Read("host: {data: d}").config.bus.path, "/srv/app/d");
  EXPECT_EQ(Read("").config.bus.kind, "embedded");
}

TEST(ReadBusTest, RefusesSizesThatContradictEachOther) {
  EXPECT_THAT(Problems("bus: {max_bytes: 1MiB, max_event_bytes: 2MiB}"),
              HasSubstr("bus.max_bytes: max_bytes (1MiB) is less than one event may have (2MiB)"));
  EXPECT_THAT(Problems("bus: {max_bytes: 1MiB, retain: {bytes: 2MiB}}"),
              HasSubstr("bus.max_bytes: max_bytes (1MiB) is less than retain.bytes (2MiB)"));
}

TEST(ReadBusTest, KeepsNoMoreThanItMayHold) {
  const ReadResult result = Read("bus: {max_bytes: 100MiB}");
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.config.bus.retain_bytes, uint64_t{100} << 20);
}

TEST(ReadBusTest, WarnsThatOffLosesEvents) {
  const ReadResult result = Read("bus: {synchronous: off}");
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.config.bus.synchronous, Synchronous::kOff);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_THAT(result.warnings[0].text(), HasSubstr("bus.synchronous: with off a power cut loses"));
}

TEST(ReadBusTest, KnowsTheKinds) {
  EXPECT_EQ(Read("bus: {kind: memory}").config.bus.kind, "memory");
  EXPECT_THAT(Problems("bus: {kind: kafka}"),
              HasSubstr("unknown value \"kafka\"; use one of embedded, memory"));
}

}  // namespace
}  // namespace outboard::config

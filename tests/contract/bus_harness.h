#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "host/bus/bus.h"

// What the contract tests of buses share. Nothing here assumes that an effect is visible at once:
// whatever a bus owes is awaited with a deadline.
namespace outboard::bus {

// A clock that any thread may read and the test moves.
class TestClock final : public Clock {
 public:
  Time Now() const override { return Time(Duration(now_.load())); }
  void Advance(Duration d) { now_ += d.count(); }

 private:
  std::atomic<int64_t> now_{1'700'000'000'000'000};
};

// One bus of the kind under test, with its place of storage.
class BusUnderTest {
 public:
  virtual ~BusUnderTest() = default;
  virtual Bus& bus() = 0;
  virtual TestClock& clock() = 0;

  // True if it lies in another process: what waits for a retry waits there, where nobody sees it
  // but by its coming, and a plain end needs nothing but a connection some time.
  virtual bool remote() const { return false; }
  // Ends the bus in order and starts it again. Its consumers are gone.
  virtual void Restart() {}
  // The same as if the process had been killed. Its consumers are gone or abandoned.
  virtual void Crash() {}
  // While on, the bus cannot write what it is given. Afterwards it may take a while until it can:
  // Reader::AwaitConnected.
  virtual void FailWrites(bool on) = 0;
};

struct BusKind {
  std::string name;
  std::function<std::unique_ptr<BusUnderTest>()> make;
  bool durable = true;  // What it accepted outlives its process.
  bool has_log = true;  // Which can be read again.
};
inline void PrintTo(const BusKind& kind, std::ostream* out) { *out << kind.name; }
// Every bus there is.
std::vector<BusKind> AllBuses();
std::vector<BusKind> BusesThat(bool BusKind::*can);
// One on a real broker.
std::unique_ptr<BusUnderTest> MakeRabbitmqBusUnderTest(bool quorum);

// A well-formed event.
Event MakeEvent(const std::string& id, const std::string& type = "story.post",
                const std::string& source = "storyboard", const std::string& data = "{}");

// A lane for all events of `type` (a topic pattern).
LaneSpec MakeLane(const std::string& name, const std::string& type = "#");

// Publishes and waits for the answers.
std::vector<PublishResult> PublishAll(Bus& bus, std::vector<Event> events);
PublishResult PublishOne(Bus& bus, const Event& event);
// Publishes events with these ids; each must be accepted.
void PublishIds(Bus& bus, const std::vector<std::string>& ids,
                const std::string& type = "story.post");

std::vector<std::string> Ids(const std::vector<Delivery>& deliveries);
LaneInfo InfoOf(Bus& bus, const std::string& lane);
// `n` ids: prefix0, prefix1, …
std::vector<std::string> Numbered(const std::string& prefix, size_t n);

// A consumer with verbs. Deliveries and answers that were not asked for yet are kept.
class Reader {
 public:
  Reader(Bus& bus, const Clock& clock) : bus_(bus), clock_(clock), consumer_(bus.NewConsumer()) {}

  Consumer& consumer() { return *consumer_; }
  void Open(LaneId lane, const std::string& name, uint32_t credit);
  // The same for a lane that another machine may have to make first: until it takes events of
  // `type`. What it took until then is done.
  void OpenUnreliable(LaneId lane, const std::string& name, uint32_t credit,
                      const std::string& type = "story.post");
  void Credit(LaneId lane, uint32_t more) { consumer_->SetCredit(lane, more); }

  // Waits for `n` deliveries on the lane and removes them. Fewer, with a failure, when the deadline
  // is over.
  std::vector<Delivery> Take(LaneId lane, size_t n);
  Delivery TakeOne(LaneId lane);
  // True if nothing waits on `lane` once an event published now has come on the lane `probe` (which
  // takes type "probe").
  bool NothingOn(LaneId lane, LaneId probe);

  // Hands a settlement over; its cookie.
  uint64_t Settle(const Delivery& delivery, End end,
                  std::function<void(Settlement*)> more = nullptr);
  // Waits for the answer to a cookie.
  Settled Await(uint64_t cookie);
  // Settles and waits; fails the test unless the bus made it.
  void Finish(const Delivery& delivery, End end, std::function<void(Settlement*)> more = nullptr);
  void FinishAll(const std::vector<Delivery>& deliveries, End end = End::kDone);

  // One Poll.
  void Pump();
  // Until the bus is connected, this consumer as well.
  void AwaitConnected();
  size_t waiting(LaneId lane) { return arrived_[lane].size(); }

 private:
  bool PumpUntil(const std::function<bool()>& enough);

  Bus& bus_;
  const Clock& clock_;
  std::unique_ptr<Consumer> consumer_;
  std::map<LaneId, std::vector<Delivery>> arrived_;
  std::map<uint64_t, Settled> settled_;
  uint64_t next_cookie_ = 1;
};

// Polls `condition` until it holds or the deadline is over.
bool Eventually(const std::function<bool()>& condition);

// Base of all suites: one bus a test, declared with lanes "all" and "probe" by Start().
class BusContract : public ::testing::TestWithParam<BusKind> {
 protected:
  void SetUp() override { under_test_ = GetParam().make(); }

  Bus& bus() { return under_test_->bus(); }
  TestClock& clock() { return under_test_->clock(); }
  BusUnderTest& under_test() { return *under_test_; }
  void Declare(std::vector<LaneSpec> lanes) {
    lanes.push_back(MakeLane("probe/probe", "probe"));
    const absl::Status status = bus().Declare(lanes);
    ASSERT_TRUE(status.ok()) << status;
  }
  std::unique_ptr<Reader> NewReader() {
    auto reader = std::make_unique<Reader>(bus(), clock());
    reader->Open(kProbe, "probe/probe", 1000);
    return reader;
  }

  static constexpr LaneId kProbe = 99;

 private:
  std::unique_ptr<BusUnderTest> under_test_;
};

std::string KindName(const ::testing::TestParamInfo<BusKind>& info);

#define OUTBOARD_EVERY_BUS(suite) \
  INSTANTIATE_TEST_SUITE_P(Every, suite, ::testing::ValuesIn(AllBuses()), KindName)
// Those whose log can be read again.
#define OUTBOARD_EVERY_BUS_WITH_A_LOG(suite)                                                \
  INSTANTIATE_TEST_SUITE_P(Every, suite, ::testing::ValuesIn(BusesThat(&BusKind::has_log)), \
                           KindName)

}  // namespace outboard::bus

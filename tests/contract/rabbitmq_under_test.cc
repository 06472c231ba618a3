#include <cstdlib>
#include <filesystem>

#include "host/bus/rabbitmq/rabbitmq_bus.h"
#include "tests/broker/broker.h"
#include "tests/broker/gate.h"
#include "tests/contract/bus_harness.h"

namespace outboard::bus {
namespace {

using tests::Broker;
using tests::TcpGate;

// On a vhost of its own, behind a gate. Retries climb a ladder of one short rung until the test's
// clock says that they are due.
class RabbitmqBusUnderTest final : public BusUnderTest {
 public:
  explicit RabbitmqBusUnderTest(bool quorum)
      : quorum_(quorum), gate_(Broker::Shared().port()), vhost_(Broker::Shared().NewVhost()) {
    char folder[] = "/tmp/outboard-bus-XXXXXX";
    folder_ = mkdtemp(folder);
    Start();
  }
  ~RabbitmqBusUnderTest() override {
    bus_.reset();
    Broker::Shared().DeleteVhost(vhost_);
    std::filesystem::remove_all(folder_);
  }

  Bus& bus() override { return *bus_; }
  TestClock& clock() override { return clock_; }
  bool remote() const override { return true; }
  void Restart() override {
    bus_.reset();
    Start();
  }
  // What the broker sees when the process is killed.
  void Crash() override {
    gate_.Refuse(true);
    gate_.CutAll();
    bus_.reset();
    gate_.Refuse(false);
    Start();
  }
  void FailWrites(bool on) override {
    gate_.Refuse(on);
    if (!on) return;
    gate_.CutAll();
    EXPECT_TRUE(Eventually([&] { return !bus_->Info().connected; }));
  }

 private:
  void Start() {
    RabbitmqBusOptions options;
    options.connection.endpoints = {{"127.0.0.1", gate_.port()}};
    options.connection.vhost = vhost_;
    options.replica = "here";
    options.data = folder_;
    options.quorum = quorum_;
    options.dialect.form = dialect::CloudEventsForm::kProtobuf;
    options.limits.max_bytes = 64 << 20;
    options.rungs = {std::chrono::milliseconds(20)};
    options.prefetch = 4000;  // Tests take a thousand at once beside what they hold.
    // Tests compare counts with what has just happened.
    options.counting = {Duration::zero(), std::chrono::seconds(30)};
    options.clock = &clock_;
    auto bus = RabbitmqBus::Open(std::move(options));
    ASSERT_TRUE(bus.ok()) << bus.status();
    bus_ = *std::move(bus);
  }

  const bool quorum_;
  TcpGate gate_;
  const std::string vhost_;
  std::string folder_;
  TestClock clock_;
  std::unique_ptr<RabbitmqBus> bus_;
};

}  // namespace

std::unique_ptr<BusUnderTest> MakeRabbitmqBusUnderTest(bool quorum) {
  return std::make_unique<RabbitmqBusUnderTest>(quorum);
}

}  // namespace outboard::bus

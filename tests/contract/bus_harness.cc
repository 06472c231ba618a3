#include "tests/contract/bus_harness.h"

#include <poll.h>

#include <chrono>
#include <future>
#include <thread>

#include "host/event/wire.h"

namespace outboard::bus {
namespace {

constexpr auto kDeadline = std::chrono::seconds(30);

void AppendField(int number, const std::string& text, std::string* out) {
  out->push_back(static_cast<char>(number << 3 | 2));
  size_t size = text.size();
  for (; size >= 0x80; size >>= 7) out->push_back(static_cast<char>(size | 0x80));
  out->push_back(static_cast<char>(size));
  *out += text;
}

}  // namespace

Event MakeEvent(const std::string& id, const std::string& type, const std::string& source,
                const std::string& data) {
  std::string bytes;
  AppendField(1, id, &bytes);
  AppendField(2, source, &bytes);
  AppendField(3, "1.0", &bytes);
  AppendField(4, type, &bytes);
  AppendField(6, data, &bytes);
  return CheckEvent(std::move(bytes), {.max_bytes = 64 << 20}).value();
}

LaneSpec MakeLane(const std::string& name, const std::string& type) {
  LaneSpec spec;
  spec.name = name;
  spec.filters = {{"", {type}}};
  return spec;
}

std::vector<PublishResult> PublishAll(Bus& bus, std::vector<Event> events) {
  std::promise<std::vector<PublishResult>> promise;
  auto future = promise.get_future();
  bus.Publish(std::move(events),
              [&](std::vector<PublishResult> results) { promise.set_value(std::move(results)); });
  return future.get();
}

PublishResult PublishOne(Bus& bus, const Event& event) { return PublishAll(bus, {event}).at(0); }

void PublishIds(Bus& bus, const std::vector<std::string>& ids, const std::string& type) {
  std::vector<Event> events;
  for (const std::string& id : ids) events.push_back(MakeEvent(id, type));
  for (const PublishResult& result : PublishAll(bus, std::move(events))) {
    ASSERT_TRUE(result.status.ok()) << result.status;
  }
}

std::vector<std::string> Ids(const std::vector<Delivery>& deliveries) {
  std::vector<std::string> ids;
  for (const Delivery& delivery : deliveries) {
    ids.emplace_back(delivery.event.id().data(), delivery.event.id().size());
  }
  return ids;
}

LaneInfo InfoOf(Bus& bus, const std::string& lane) {
  const absl::StatusOr<std::vector<LaneInfo>> lanes = bus.Lanes();
  EXPECT_TRUE(lanes.ok()) << lanes.status();
  if (lanes.ok()) {
    for (const LaneInfo& info : *lanes) {
      if (info.name == lane) return info;
    }
  }
  ADD_FAILURE() << "no lane " << lane;
  return {};
}

std::vector<std::string> Numbered(const std::string& prefix, size_t n) {
  std::vector<std::string> ids;
  for (size_t i = 0; i < n; ++i) ids.push_back(prefix + std::to_string(i));
  return ids;
}

void Reader::Open(LaneId lane, const std::string& name, uint32_t credit) {
  const absl::Status status = consumer_->Open(lane, name);
  ASSERT_TRUE(status.ok()) << status;
  if (credit > 0) consumer_->SetCredit(lane, credit);
}

void Reader::OpenUnreliable(LaneId lane, const std::string& name, uint32_t credit,
                            const std::string& type) {
  Open(lane, name, credit);
  std::string last;
  EXPECT_TRUE(PumpUntil([&] {
    last = "try " + std::to_string(next_cookie_++);
    return PublishOne(bus_, MakeEvent(last, type)).matched > 0;
  })) << name
      << " takes nothing";
  for (;;) {
    const Delivery delivery = TakeOne(lane);
    if (delivery.event.empty()) return;
    Finish(delivery, End::kDone);
    if (delivery.event.id() == last) break;
  }
  Credit(lane, credit);
}

void Reader::Pump() {
  Arrivals arrivals;
  consumer_->Poll(clock_.Now(), &arrivals);
  for (Delivery& delivery : arrivals.deliveries) {
    arrived_[delivery.lane].push_back(std::move(delivery));
  }
  for (Settled& settled : arrivals.settled) {
    const uint64_t cookie = settled.cookie;
    EXPECT_TRUE(settled_.emplace(cookie, std::move(settled)).second)
        << "answered twice: " << cookie;
  }
}

bool Reader::PumpUntil(const std::function<bool()>& enough) {
  const auto end = std::chrono::steady_clock::now() + kDeadline;
  for (;;) {
    Pump();
    if (enough()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    pollfd fd{consumer_->fd(), POLLIN, 0};
    // A retry that is due already makes Poll worth calling though the descriptor is quiet.
    poll(&fd, 1, consumer_->NextDue() <= clock_.Now() ? 0 : 1000);
  }
}

void Reader::AwaitConnected() {
  // The first Poll notices what was cut.
  EXPECT_TRUE(PumpUntil([&] { return bus_.Info().connected; }));
}

std::vector<Delivery> Reader::Take(LaneId lane, size_t n) {
  std::vector<Delivery>& arrived = arrived_[lane];
  EXPECT_TRUE(PumpUntil([&] { return arrived.size() >= n; }))
      << "lane " << lane << ": " << arrived.size() << " of " << n << " deliveries came";
  const auto end = arrived.begin() + static_cast<ptrdiff_t>(std::min(n, arrived.size()));
  std::vector<Delivery> taken(std::make_move_iterator(arrived.begin()),
                              std::make_move_iterator(end));
  arrived.erase(arrived.begin(), end);
  return taken;
}

Delivery Reader::TakeOne(LaneId lane) {
  std::vector<Delivery> taken = Take(lane, 1);
  return taken.empty() ? Delivery{} : std::move(taken[0]);
}

bool Reader::NothingOn(LaneId lane, LaneId probe) {
  PublishIds(bus_, {"probe"}, "probe");
  const Delivery delivery = TakeOne(probe);
  Finish(delivery, End::kDone);
  return arrived_[lane].empty();
}

uint64_t Reader::Settle(const Delivery& delivery, End end, std::function<void(Settlement*)> more) {
  Settlement settlement;
  settlement.lane = delivery.lane;
  settlement.tag = delivery.tag;
  settlement.cookie = next_cookie_++;
  settlement.end = end;
  settlement.attempts = delivery.attempts;
  if (end == End::kDead) {
    settlement.dead =
        std::make_unique<DeadReason>(DeadReason{"REJECTED", "no use", "line 1\nline 2"});
  }
  if (more) more(&settlement);
  const uint64_t cookie = settlement.cookie;
  consumer_->Settle(std::move(settlement));
  return cookie;
}

Settled Reader::Await(uint64_t cookie) {
  EXPECT_TRUE(PumpUntil([&] { return settled_.contains(cookie); })) << "no answer to " << cookie;
  Settled settled = std::move(settled_[cookie]);
  settled_.erase(cookie);
  return settled;
}

void Reader::Finish(const Delivery& delivery, End end, std::function<void(Settlement*)> more) {
  const Settled settled = Await(Settle(delivery, end, std::move(more)));
  EXPECT_TRUE(settled.status.ok()) << settled.status;
  EXPECT_EQ(settled.lane, delivery.lane);
}

void Reader::FinishAll(const std::vector<Delivery>& deliveries, End end) {
  std::vector<uint64_t> cookies;
  for (const Delivery& delivery : deliveries) cookies.push_back(Settle(delivery, end));
  for (const uint64_t cookie : cookies) {
    const Settled settled = Await(cookie);
    EXPECT_TRUE(settled.status.ok()) << settled.status;
  }
}

bool Eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kDeadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

std::string KindName(const ::testing::TestParamInfo<BusKind>& info) { return info.param.name; }

}  // namespace outboard::bus

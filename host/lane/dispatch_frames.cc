// What goes to which session, and in which frame.
#include <algorithm>
#include <utility>

#include "host/lane/dispatcher_impl.h"
#include "host/route/filter.h"

namespace outboard::lane {
namespace {

// What a delivery needs on the wire beside its event and key: ids, attempt, route, lengths.
constexpr size_t kDeliveryOverhead = 112;

// For an in_order component; of a hop behind the first the key is with that one.
std::string KeyFor(const Item& item, const SessionLedger& session) {
  const LaneOptions& lane = item.lane->options();
  if (!session.up().in_order) return "";
  if (item.key != nullptr) return item.key->value;
  return lane.first || lane.order_by.empty() ? ""
                                             : item.event.attribute(lane.order_by).value_or("");
}

size_t WireBytes(const Item& item, const SessionLedger& session) {
  return item.bytes + KeyFor(item, session).size() + item.lane->options().route.size() +
         kDeliveryOverhead;
}

}  // namespace

std::optional<Duration> Dispatcher::Impl::TimeLeft(const Item& item) const {
  const std::optional<Duration>& limit = item.lane->options().time_limit;
  if (item.call_deadline == kNever) return limit;
  const Duration left = std::max(item.call_deadline - now, Duration(0));
  return std::min(left, limit.value_or(options.time_limit));
}

bool Dispatcher::Impl::MayTake(const Lane& lane) const {
  if (!lane.has_ready() || lane.stats.stopped) return false;
  return !lane.probe.on || (lane.stats.in_flight == 0 && now >= lane.probe.next);
}

void Dispatcher::Impl::Pump(ComponentId component) {
  if (circuit != CircuitState::kClosed) return forming[component].reset();
  while (true) {
    size_t ready = 0;
    size_t ready_bytes = 0;
    for (const Lane* lane : lanes_of[component]) {
      if (!MayTake(*lane)) continue;
      ready += lane->probe.on ? 1 : lane->ready_count();
      ready_bytes += lane->probe.on ? lane->front()->bytes : lane->ready_bytes();
    }
    SessionLedger* session = ready == 0 ? nullptr : BestSession(component);
    if (session == nullptr) {
      forming[component].reset();
      return;
    }
    const uint32_t room = session->Room(now);
    if (!FrameMayLeave(*session, ready, ready_bytes, room)) {
      std::optional<Time>& since = forming[component];
      if (!since) since = now;
      if (now < *since + options.linger) return;
    }
    forming[component].reset();
    if (!SendFrameTo(*session, room)) return;
  }
}

SessionLedger* Dispatcher::Impl::BestSession(ComponentId component) {
  size_t bytes = 0;
  for (const Lane* lane : lanes_of[component]) {
    if (MayTake(*lane)) bytes = std::max(bytes, lane->front()->bytes);
  }
  SessionLedger* best = nullptr;
  const auto better = [this](SessionLedger& a, SessionLedger& b) {
    const bool a_free = a.open_frames() < 2;
    const bool b_free = b.open_frames() < 2;
    if (a_free != b_free) return a_free;
    return a.Room(now) > b.Room(now);
  };
  for (auto& [id, session] : sessions) {
    const bool usable = session->up().component == component && !session->draining &&
                        !session->broken && !session->up().quarantine && !session->reserved;
    if (!usable || session->Room(now) == 0 || !session->FitsBytes(bytes)) continue;
    if (best == nullptr || better(*session, *best)) best = session.get();
  }
  return best;
}

bool Dispatcher::Impl::FrameMayLeave(const SessionLedger& session, size_t ready, size_t ready_bytes,
                                     uint32_t room) {
  if (session.open_frames() < 2) return true;
  const size_t deliveries = std::min<size_t>(ready, room);
  const size_t bytes = deliveries * (ready_bytes / ready + kDeliveryOverhead);  // About.
  return deliveries >= options.frame_deliveries ||
         bytes > std::min(options.frame_bytes, session.up().max_message_bytes);
}

bool Dispatcher::Impl::SendFrameTo(SessionLedger& session, uint32_t room) {
  const ComponentId component = session.up().component;
  const std::vector<Lane*>& all = lanes_of[component];
  SendFrame frame;
  frame.session = session.id();
  frame.first_id = session.next_id();
  room = std::min(room, options.frame_deliveries);
  size_t bytes = 0;
  const auto ended = [this] {
    return out->settlements.size() + out->forwards.size() + out->call_ends.size();
  };
  const size_t before = ended();
  for (size_t i = 0; i < all.size(); ++i) {
    Lane& lane = *all[(turn[component] + i) % all.size()];
    if (!AddToFrame(session, lane, frame, room, &bytes)) break;
  }
  turn[component] = (turn[component] + 1) % all.size();
  // Too large for any frame, or not hooked.
  const bool settled_some = ended() > before;
  if (frame.items.empty()) return settled_some;
  out->frames.push_back(std::move(frame));
  return true;
}

bool Dispatcher::Impl::TooLarge(const Item& item, const SessionLedger& session) const {
  return WireBytes(item, session) > session.up().max_message_bytes;
}

bool Dispatcher::Impl::Takes(const SessionLedger& session, const Item& item) const {
  if (item.call != nullptr && !item.call->is_event())
    return HooksOperation(session.up().operations, *item.call);
  const std::vector<std::string>& types = session.up().event_types;
  if (types.empty()) return true;
  return std::any_of(types.begin(), types.end(), [&item](const std::string& pattern) {
    return route::TopicMatches(pattern, item.event.type());
  });
}

bool Dispatcher::Impl::SettleUnfit(Lane& lane, const SessionLedger& session) {
  Item* item = lane.front();
  if (item->call != nullptr && !Takes(session, *item)) {
    lane.PopFront();
    PassBy(item);
    return true;
  }
  if (!Takes(session, *item) && lane.options().next) {  // The stage does not hook its type.
    lane.PopFront();
    Forward(item, item->event);
    return true;
  }
  if (!Takes(session, *item)) {
    lane.PopFront();
    bus::Settlement dropped;
    dropped.end = bus::End::kDropped;
    Settle(item, std::move(dropped));
    return true;
  }
  if (!TooLarge(*item, session)) return false;
  lane.PopFront();
  SettleTooLarge(item, session);
  return true;
}

void Dispatcher::Impl::SettleTooLarge(Item* item, const SessionLedger& session) {
  if (item->lane->options().fail_open) return Forward(item, item->event);
  SettleDead(item, "TOO_LARGE",
             (item->event.empty() ? "the call has " : "the event has ") +
                 std::to_string(item->bytes) + " bytes; the plugin takes messages of at most " +
                 std::to_string(session.up().max_message_bytes) +
                 ": raise max_message_bytes in its Describe and its server's receive limit",
             "");
}

bool Dispatcher::Impl::AddToFrame(SessionLedger& session, Lane& lane, SendFrame& frame,
                                  uint32_t room, size_t* bytes) {
  const size_t most = std::min(options.frame_bytes, session.up().max_message_bytes);
  while (MayTake(lane)) {
    if (frame.items.size() >= room) return false;
    Item* item = lane.front();
    if (SettleUnfit(lane, session)) continue;
    const size_t wire = WireBytes(*item, session);
    if (!frame.items.empty() && *bytes + wire > most) return false;
    if (!session.FitsBytes(item->bytes)) return false;
    *bytes += wire;
    lane.PopFront();
    Key* key = item->key;
    if (key != nullptr) key->failed_on = 0;
    Put(item, session, frame);
    if (key != nullptr && session.up().in_order) AddRun(session, lane, key, frame, room, bytes);
  }
  return true;
}

void Dispatcher::Impl::AddRun(SessionLedger& session, Lane& lane, Key* key, SendFrame& frame,
                              uint32_t room, size_t* bytes) {
  // Of a key one event at a time goes on to the next hop.
  if (lane.options().next) return;
  if (lane.probe.on || key->active.size() > 1) return;  // An older one may wait still.
  const size_t most = std::min(options.frame_bytes, session.up().max_message_bytes);
  while (frame.items.size() < room && !key->parked.empty()) {
    const Item& next = *key->parked.front();
    if (TooLarge(next, session) || *bytes + WireBytes(next, session) > most ||
        !session.FitsBytes(next.bytes))
      return;
    *bytes += WireBytes(next, session);
    Put(lane.TakeParked(key), session, frame);
  }
}

void Dispatcher::Impl::Put(Item* item, SessionLedger& session, SendFrame& frame) {
  if (frame.items.empty()) session.BeginFrame();
  session.Add(item);
  item->state = ItemState::kInFlight;
  item->session = session.id();
  item->sent_at = now;
  item->took.reset();
  item->delivery_id = session.next_id() - 1;
  ++item->lane->stats.in_flight;
  frame.items.push_back({item->event, item->attempts + 1, item->lane_id, KeyFor(*item, session),
                         TimeLeft(*item), item->event.empty() ? item->call : nullptr});
}

void Dispatcher::Impl::SendAlone(Item* item, SessionLedger& session) {
  if (item->key != nullptr) item->key->failed_on = 0;
  SendFrame frame;
  frame.session = session.id();
  frame.first_id = session.next_id();
  Put(item, session, frame);
  out->frames.push_back(std::move(frame));
}

}  // namespace outboard::lane

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "host/conform/plays.h"
#include "host/conform/stand.h"

namespace outboard::conform {
namespace {

constexpr uint32_t kNobodysField = 19'999'999;

// Fields that no version of the contract has, of both kinds that parsers tell apart.
template <typename Message>
void AddUnknown(Message* message) {
  auto* unknown = message->GetReflection()->MutableUnknownFields(message);
  unknown->AddVarint(kNobodysField, 7);
  unknown->AddLengthDelimited(kNobodysField + 1, "of a later version");
}

// Opens a session and has these answered.
Finding OpenAndExchange(Stand& stand, std::vector<v1::Delivery> deliveries,
                        size_t frame_size = 256) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  return stand.Exchange(session, std::move(deliveries), frame_size).value_or(Pass());
}

std::string Zeros(size_t bytes) { return std::string(bytes, 'x'); }

}  // namespace

Finding PlayOrdinary(Stand& stand) {
  std::optional<Finding>& played = stand.ordinary();
  if (!played) played = OpenAndExchange(stand, stand.samples().Next(24), 10);
  return *played;
}

// For rules that watch what every session does: the judge collects what they saw.
Finding PlayWatched(Stand& stand) {
  const Finding played = PlayOrdinary(stand);
  if (played.kind == Finding::kPass) return Pass();
  return Skip("see delivery.answered: " + played.came);
}

Finding PlayCalls(Stand& stand) {
  if (stand.component().operations().empty()) return Skip("it hooks no operation");
  std::vector<v1::Delivery> calls;
  for (int i = 0; i < std::max(4, stand.component().operations_size()); ++i) {
    calls.push_back(stand.samples().NextCall());
    calls.back().mutable_time_left()->set_seconds(30);
  }
  return OpenAndExchange(stand, std::move(calls));
}

Finding PlayUnusual(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  for (auto& [what, event] : stand.samples().Unusual()) {
    std::vector<v1::Delivery> one;
    one.push_back(stand.samples().Deliver(std::move(event)));
    if (auto fault = stand.Exchange(session, std::move(one))) {
      fault->sent = absl::StrCat("an event with ", what, ": ", fault->sent);
      return *fault;
    }
  }
  return Pass();
}

Finding PlayUnknownFields(Stand& stand) {
  Session& session = stand.NewStream();
  HostFrame open;
  open.mutable_open()->set_component(stand.component().name());
  open.mutable_open()->set_config_json(stand.subject().config_json);
  AddUnknown(open.mutable_open());
  AddUnknown(&open);
  session.Send(std::move(open));
  if (!session.WaitOpened(stand.subject().start_timeout)) {
    return Fail("open with a field of a later version", session.LastCame());
  }
  std::vector<v1::Delivery> deliveries = stand.samples().Next(2);
  // Not in the event itself: the host lets none with unknown fields in.
  for (v1::Delivery& delivery : deliveries) AddUnknown(&delivery);
  auto fault = stand.Exchange(session, std::move(deliveries));
  if (!fault) return Pass();
  fault->sent = "deliveries with fields of a later version: " + fault->sent;
  return *fault;
}

Finding PlayAgain(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  v1::Delivery first = stand.samples().Next();
  v1::Delivery second = first;
  second.set_attempt(2);
  v1::Delivery third = first;
  third.set_attempt(7);
  for (v1::Delivery* delivery : {&first, &second, &third}) {
    std::vector<v1::Delivery> one = {*delivery};
    if (auto fault = stand.Exchange(session, std::move(one))) return *fault;
  }
  return Pass();
}

Finding PlayFullFrame(Stand& stand) {
  return OpenAndExchange(stand, stand.samples().Next(512), 256);
}

Finding PlayFullWindow(Stand& stand) {
  const size_t count = std::min<size_t>(1024, stand.MostInFlight());
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  std::vector<v1::Delivery> deliveries = stand.samples().Next(count);
  std::vector<uint64_t> ids;
  // Without waiting for any answer.
  for (size_t begin = 0; begin < count; begin += 128) {
    const auto end = deliveries.begin() + static_cast<ptrdiff_t>(std::min(count, begin + 128));
    std::vector<v1::Delivery> frame(
        std::make_move_iterator(deliveries.begin() + static_cast<ptrdiff_t>(begin)),
        std::make_move_iterator(end));
    for (const uint64_t id : session.Deliver(std::move(frame))) ids.push_back(id);
  }
  return stand.WaitAnswered(session, ids).value_or(Pass());
}

Finding PlayLarge(Stand& stand) {
  // The largest event that a host takes by default, if the plugin takes that much.
  const size_t bytes = std::min<size_t>((1 << 20) - 1024, stand.MaxMessageBytes() - 2048);
  v1::Delivery large = stand.samples().Next();
  large.mutable_event()->set_binary_data(absl::StrCat("\"", Zeros(bytes), "\""));
  return OpenAndExchange(stand, {std::move(large)});
}

Finding PlayLargestFrame(Stand& stand) {
  const size_t bytes = std::min<size_t>(stand.MaxMessageBytes(), kMaxFrameBytes);
  const uint32_t own = stand.component().max_in_flight_bytes();
  if (own > 0 && own < bytes) return Skip("max_in_flight_bytes is below max_message_bytes");
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  v1::Delivery largest = stand.samples().Next();
  largest.mutable_event()->set_binary_data(absl::StrCat("\"", Zeros(bytes - 4096), "\""));
  const auto ids = session.Deliver({std::move(largest)});
  auto fault = stand.WaitAnswered(session, ids);
  if (!fault) return Pass(absl::StrCat(bytes, " bytes"));
  fault->sent = absl::StrCat("a frame of nearly ", bytes, " bytes: ", fault->sent);
  return *fault;
}

Finding PlayCancelAnswered(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  if (auto fault = stand.Exchange(session, stand.samples().Next(2))) return *fault;
  session.CancelIds({1, 2});
  return stand.Exchange(session, stand.samples().Next(2)).value_or(Pass());
}

Finding PlayCancelPending(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session)) return *fault;
  const size_t count = std::min<size_t>(32, stand.MostInFlight());
  const auto ids = session.Deliver(stand.samples().Next(count));
  session.CancelIds(ids);
  return stand.WaitAnswered(session, ids).value_or(Pass());
}

Finding PlayShortTime(Stand& stand) {
  Session& session = stand.NewStream();
  if (auto fault = stand.OpenIn(session, std::chrono::milliseconds(1))) return *fault;
  std::vector<v1::Delivery> deliveries = stand.samples().Next(4);
  deliveries.back().mutable_time_left()->set_nanos(1);
  return stand.Exchange(session, std::move(deliveries)).value_or(Pass());
}

Finding PlayOrder(Stand& stand) {
  if (!stand.component().in_order()) return Skip("the component is not in_order");
  return OpenAndExchange(stand, stand.samples().Next(64), 64);
}

}  // namespace outboard::conform

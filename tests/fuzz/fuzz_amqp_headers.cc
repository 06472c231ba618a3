// Any properties of a message from a broker: what the host reads beside a message it writes and
// reads again, whoever wrote it first.
#include <amqp.h>
#include <amqp_framing.h>

#include "absl/strings/str_cat.h"
#include "host/base/text.h"
#include "host/bus/amqp/raw_message.h"
#include "host/bus/amqp/table.h"
#include "host/bus/attempts.h"
#include "host/bus/rabbitmq/headers.h"
#include "host/bus/rabbitmq/orphans.h"
#include "tests/fuzz/fuzz.h"

namespace outboard::fuzz {
namespace {

using bus::rabbitmq::PutTravel;
using bus::rabbitmq::ReadTravel;
using bus::rabbitmq::TakeTravel;
using bus::rabbitmq::Travel;
using dialect::Message;
using dialect::MessageView;

std::string CompareTravels(const std::optional<Travel>& a, const std::optional<Travel>& b) {
  if (a.has_value() != b.has_value()) return "one is no copy";
  if (!a) return "";
  const auto same = [&](auto Travel::*member) { return (*a).*member == (*b).*member; };
  if (!same(&Travel::exchange) || !same(&Travel::routing_key)) return "another origin";
  if (!same(&Travel::accepted_at) || !same(&Travel::attempts) || !same(&Travel::due))
    return "another attempt";
  if (!same(&Travel::serial) || !same(&Travel::receipt) || !same(&Travel::user_id))
    return "another publisher";
  if (!same(&Travel::dead_id) || !same(&Travel::lane) || !same(&Travel::died_at))
    return "another letter";
  return a->why.reason == b->why.reason && a->why.message == b->why.message &&
                 a->why.detail == b->why.detail
             ? ""
             : "another reason";
}

// Texts are cut when they are written, once; a letter has no receipts.
void CheckTravel(const Message& message, absl::string_view input) {
  Message copy = message;
  std::optional<Travel> travel = TakeTravel(&copy);
  if (!travel) return;
  for (const auto& [name, field] : copy.properties.headers) {
    Expect(bus::rabbitmq::IsBrokersNote(name) ? "a note of the broker travels" : "", input);
  }
  bus::FromHistory(travel->history);
  PutTravel(*travel, &copy);
  const std::optional<Travel> once = ReadTravel(copy);
  Expect(once && once->attempts == travel->attempts && once->due == travel->due &&
                 once->dead_id == travel->dead_id
             ? ""
             : "what was put is not there",
         input);
  Message again = copy;
  std::optional<Travel> taken = TakeTravel(&again);
  PutTravel(*taken, &again);
  Expect(CompareTravels(ReadTravel(again), once), input);
}

// It is called the same whenever it is looked at, and what went back into the message is what a
// replay sends.
void CheckOrphan(const Message& message, absl::string_view input) {
  Message copy = message, again = message;
  const bus::rabbitmq::Orphan orphan = bus::rabbitmq::TakeOrphan(&copy);
  const bus::rabbitmq::Orphan twice = bus::rabbitmq::TakeOrphan(&again);
  Expect(orphan.queue == twice.queue ? "" : "for another queue", input);
  Expect(CompareTravels(orphan.travel, twice.travel), input);
  const auto year = orphan.travel.died_at.time_since_epoch() / std::chrono::hours(24 * 365);
  Expect(year >= 0 && year < 10'000 ? "" : "it died at no time", input);
  Expect(orphan.travel.exchange == copy.exchange && orphan.travel.routing_key == copy.routing_key
             ? ""
             : "it goes back to another place",
         input);
}

void CheckReceipt(const Message& message, absl::string_view input) {
  const auto receipt = bus::rabbitmq::ReadReceipt(message);
  if (!receipt) return;
  const auto again = bus::rabbitmq::ReadReceipt(
      bus::rabbitmq::ToMessage(receipt->second, {"receipts", receipt->first}));
  // A number that is none is not the same as itself.
  const auto* real = std::get_if<double>(&receipt->second.placed.offset);
  Expect(
      again && (*again == *receipt || (real != nullptr && *real != *real)) ? "" : "another receipt",
      input);
}

// What goes out again is what came in, where the library can write it, and both readers take it for
// the same.
void CheckWriting(const Message& message, absl::string_view input) {
  amqp_pool_t pool;
  init_amqp_pool(&pool, 4096);
  amqp_basic_properties_t written{};
  if (bus::amqp::TableWriter(&pool).Write(message.properties, &written).ok()) {
    const dialect::Properties back = bus::amqp::ReadProperties(written);
    Expect(back.headers.size() == message.properties.headers.size() ? "" : "other headers", input);
    std::string bytes(input.size() + 1024, '\0');
    const int size = amqp_encode_properties(AMQP_BASIC_CLASS, &written,
                                            amqp_bytes_t{bytes.size(), bytes.data()});
    Expect(size >= 0 ? "" : "not encoded", input);
    bus::amqp::RawMessage raw("exchange", "key", 0);
    raw.SetProperties(absl::string_view(bytes).substr(0, static_cast<size_t>(size)), 0);
    Expect(CompareTravels(ReadTravel(raw.View()), ReadTravel(message)), input);
  }
  empty_amqp_pool(&pool);
}

}  // namespace
}  // namespace outboard::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outboard::fuzz;  // NOLINT: the entry point has no namespace.
  namespace rabbitmq = outboard::bus::rabbitmq;
  const absl::string_view input = AsText(data, size);
  outboard::bus::amqp::RawMessage raw("exchange", "key", input.size());
  raw.SetProperties(input, 0);
  const MessageView view = raw.View();
  rabbitmq::ReadTravel(view);
  rabbitmq::ReadReceipt(view);
  rabbitmq::AcceptedAt(view);
  const Message message = raw.Copy();
  if (message.properties == outboard::dialect::Properties())
    return 0;  // Malformed, for the library.
  CheckTravel(message, input);
  CheckOrphan(message, input);
  CheckReceipt(message, input);
  CheckWriting(message, input);
  return 0;
}

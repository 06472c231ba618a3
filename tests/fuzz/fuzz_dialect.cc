// Decode on any message: what it takes is an event for libprotobuf, too, and what is encoded of it
// decodes to an event that is encoded the same.
#include "absl/strings/numbers.h"
#include "host/dialect/dialect.h"
#include "tests/fuzz/event_oracle.h"
#include "tests/fuzz/fuzz.h"

namespace outboard::fuzz {
namespace {

using dialect::CloudEventsForm;
using dialect::DialectOptions;
using dialect::Field;
using dialect::Kind;
using dialect::Message;
using dialect::Place;

// Up to the newline, which goes too.
absl::string_view TakeLine(absl::string_view* input) {
  const absl::string_view line = input->substr(0, input->find('\n'));
  input->remove_prefix(std::min(line.size() + 1, input->size()));
  return line;
}

// c, j or r: the dialect; then b, s or p: the form of CloudEvents that is written.
DialectOptions OptionsOf(absl::string_view line) {
  DialectOptions options;
  const auto has = [line](char c) { return line.find(c) != absl::string_view::npos; };
  if (has('j')) options.kind = Kind::kJson;
  if (has('r')) options.kind = Kind::kRaw;
  if (has('s')) options.form = CloudEventsForm::kStructuredJson;
  if (has('p')) options.form = CloudEventsForm::kProtobuf;
  options.mapping.id = {Place::Body({"/inner", "/id"}), Place::Body({"/id"})};
  options.mapping.subject = {Place::Body({"/list/1/a~1b"}), Place::Header("subject")};
  options.mapping.time = {Place::Body({"/time"}), Place::At(Place::From::kTimestamp)};
  options.mapping.more = {{"n", {Place::Header("n")}}, {"x", {Place::Body({"/list/0"})}}};
  return options;
}

// @c, @i, @e, @k and a text: content_type, message_id, exchange, routing key. Else the letter of a
// type, the name of a header, = and its text or number.
void ReadLine(absl::string_view line, Message* message) {
  const std::string rest(line.substr(std::min<size_t>(2, line.size())));
  if (line[0] != '@') {
    const size_t equals = std::min(line.find('='), line.size() - 1);
    Field field = Field::Text(std::string(line.substr(equals + 1)));
    field.type = line[0];
    if (!absl::SimpleAtoi(field.text, &field.number)) field.real = 0.5;
    if (!field.is_text()) field.text.clear();
    const std::string name(line.substr(1, std::max<size_t>(equals, 1) - 1));
    message->properties.headers.emplace_back(name, std::move(field));
  } else if (line.size() > 1) {
    if (line[1] == 'c') message->properties.content_type = rest;
    if (line[1] == 'i') message->properties.message_id = rest;
    if (line[1] == 'e') message->exchange = rest;
    if (line[1] == 'k') message->routing_key = rest;
  }
}

// Decode(Encode(event)); empty where the dialect has no message for it.
Event Again(const Event& event, const DialectOptions& options, absl::string_view input) {
  const auto message = Encode(event, options);
  if (!message.ok()) return {};
  const auto back = Decode(*message, options, {.max_bytes = 4 << 20});
  Expect(back.ok() ? "" : std::string(back.status().message()), input);
  return *back;
}

}  // namespace
}  // namespace outboard::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outboard::fuzz;  // NOLINT: the entry point has no namespace.
  const absl::string_view input = AsText(data, size);
  absl::string_view rest = input;
  const DialectOptions options = OptionsOf(TakeLine(&rest));
  Message message;
  for (absl::string_view line = TakeLine(&rest); !line.empty(); line = TakeLine(&rest)) {
    ReadLine(line, &message);
  }
  message.body = std::string(rest);
  const auto event = Decode(message, options);
  if (!event.ok()) return 0;
  Expect(FindDisagreement(event->bytes()), input);
  const outboard::Event once = Again(*event, options, input);
  if (once.empty()) return 0;
  // What a form implies was added by now.
  const outboard::Event twice = Again(once, options, input);
  Expect(twice.bytes() == once.bytes() ? "" : "the second message differs from the first", input);
  return 0;
}

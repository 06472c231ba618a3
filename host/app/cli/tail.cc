#include <unistd.h>

#include <csignal>
#include <ostream>

#include "absl/time/time.h"
#include "host/app/cli/receipt_text.h"
#include "host/app/cli/verbs.h"
#include "host/base/text.h"
#include "host/event/wire.h"
#include "host/route/filter.h"

namespace outboard::app {
namespace {

constexpr size_t kMaxData = 100;

// Tail has no end of its own: Ctrl-C is how it succeeds.
void EndQuietly(int) { _exit(kOk); }

std::string ClockTime(const google::protobuf::Timestamp& time) {
  const absl::Time t = absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  return absl::FormatTime("%H:%M:%E3S", t, absl::LocalTimeZone());
}

std::string SubjectOf(const event::v1::Event& event) {
  const auto it = event.attributes().find("subject");
  return it == event.attributes().end() ? "-" : it->second.ce_string();
}

void PrintLine(const host::v1::TailResponse& item, const Terminal& terminal) {
  const event::v1::Event& event = item.event();
  terminal.out << Paint(terminal, Colour::kDim, ClockTime(item.accepted_at())) << "  "
               << item.offset() << "  "
               << Paint(terminal, Colour::kGreen, EscapeForPeople(event.type())) << "  "
               << EscapeForPeople(event.source()) << "  " << EscapeForPeople(SubjectOf(event))
               << "  " << EscapeForPeople(event.id()) << "  "
               << EscapeForPeople(Truncate(event.binary_data(), kMaxData)) << std::endl;
  for (const host::v1::Receipt& receipt : item.receipts())
    terminal.out << "              " << ReceiptText(receipt) << std::endl;
}

}  // namespace

int RunTail(const TailOptions& options, const Terminal& terminal) {
  for (const std::string& type : options.types) {
    const absl::Status valid = route::ValidatePattern(type);
    if (valid.ok()) continue;
    return TellError(terminal, options.host.json, kUsage,
                     "--type: " + std::string(valid.message()));
  }
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::TailRequest request;
  for (const std::string& type : options.types) request.add_types(type);
  request.set_last(options.last);
  grpc::ClientContext context;
  client.Authorize(&context);
  const auto stream = client.admin().Tail(&context, request);
  if (terminal.out_is_terminal) std::signal(SIGINT, EndQuietly);
  host::v1::TailResponse item;
  while (stream->Read(&item)) {
    if (client.json()) {
      terminal.out << ToLine(ToJson(item)) << std::endl;
    } else {
      PrintLine(item, terminal);
    }
    if (!terminal.out.good()) {  // Whoever read it has seen enough: `outboard tail | head`.
      context.TryCancel();
      stream->Finish();
      return kOk;
    }
  }
  const grpc::Status status = stream->Finish();
  return status.ok() ? kOk : client.Fail(status);
}

}  // namespace outboard::app

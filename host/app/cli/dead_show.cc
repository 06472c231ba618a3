#include <ostream>

#include "absl/strings/str_split.h"
#include "host/app/cli/dead_filter.h"
#include "host/app/cli/table.h"
#include "host/base/text.h"

namespace outboard::app {
namespace {

constexpr size_t kMaxRawBytes = 4096;

void PrintHistory(const host::v1::DeadLetter& letter, const Terminal& terminal) {
  if (letter.history().empty()) return;
  terminal.out << "\n";
  Table table({"WHEN", "OUTCOME", "REASON", "VERSION", "MESSAGE"});
  for (const host::v1::DeadAttempt& attempt : letter.history()) {
    table.Add({TimeText(attempt.at()), attempt.outcome(), attempt.reason(),
               attempt.plugin_version(), Truncate(attempt.message(), 100)});
  }
  table.Print(terminal);
}

void Print(const host::v1::DeadLetter& letter, const Terminal& terminal) {
  const auto line = [&](const char* name, const std::string& value) {
    terminal.out << name << EscapeForPeople(value.empty() ? "-" : value) << "\n";
  };
  const auto if_any = [&](const char* name, const std::string& value) {
    if (!value.empty()) line(name, value);
  };
  line("dead letter  ",
       std::to_string(letter.dead_id()) + ", " + FormatAge(AgeOf(letter.died_at())) + " old");
  line("lane         ", letter.lane());
  line("event        ", letter.event_id());
  line("type         ", letter.event_type());
  line("source       ", letter.event_source());
  if_any("subject      ", letter.event_subject());
  if_any("trace        ", letter.trace_id());
  line("accepted     ", TimeText(letter.accepted_at()));
  if (letter.offset() > 0) line("offset       ", std::to_string(letter.offset()));
  line("died         ", TimeText(letter.died_at()));
  line("reason       ", letter.reason());
  line("message      ", letter.message());
  line("attempts     ", std::to_string(letter.attempts()));
  if (letter.waiting() > 0)
    line("waiting      ", std::to_string(letter.waiting()) + " later events of its key");
  line("plugin       ",
       letter.plugin_version().empty() ? "" : "version " + letter.plugin_version());
  if_any("group        ", letter.group());
  PrintHistory(letter, terminal);
  if (!letter.detail().empty()) {
    terminal.out << "\n";
    for (const absl::string_view text : absl::StrSplit(letter.detail(), '\n')) {
      terminal.out << EscapeForPeople(text) << "\n";
    }
  }
  if (!letter.raw().empty()) {
    terminal.out << "\nnot decoded, " << letter.raw().size() << " bytes:\n"
                 << EscapeForPeople(Truncate(letter.raw(), kMaxRawBytes)) << "\n";
  }
  if (letter.has_event()) {
    terminal.out << "\n"
                 << ToJson(letter.event()).dump(2, ' ', false, Json::error_handler_t::replace)
                 << "\n";
  }
  if (letter.has_edited()) {
    terminal.out << "\nedited; a replay gives back:\n"
                 << ToJson(letter.edited()).dump(2, ' ', false, Json::error_handler_t::replace)
                 << "\n";
  }
  terminal.out << "\ntry again: outboard dead replay " << letter.dead_id() << std::endl;
}

}  // namespace

int RunDeadShow(const DeadOptions& options, const Terminal& terminal) {
  Client client(options.host, terminal);
  if (!client.connected()) return client.exit_code();
  host::v1::GetDeadRequest request;
  request.set_dead_id(options.ids.at(0));
  host::v1::GetDeadResponse response;
  if (!client.Call(&host::v1::AdminService::Stub::GetDead, request, &response))
    return client.exit_code();
  if (client.json()) {
    terminal.out << ToLine(ToJson(response.letter())) << std::endl;
  } else {
    Print(response.letter(), terminal);
  }
  return kOk;
}

}  // namespace outboard::app

#include <ostream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "host/app/cli/plugin_subject.h"
#include "host/app/cli/verbs.h"
#include "host/base/log.h"
#include "host/base/text.h"
#include "host/conform/trial.h"
#include "host/event/json.h"
#include "host/event/wire.h"

namespace outboard::app {
namespace {

using conform::Answer;
using conform::Tried;

// The emit as the host would publish it, or why it would not.
Json EmitToJson(const Tried& tried, uint32_t index) {
  const absl::StatusOr<Event> parent = CheckEvent(tried.event.SerializeAsString(), kAnySize);
  if (!parent.ok()) return {{"error", std::string(parent.status().message())}};
  const absl::StatusOr<Event> emit =
      MakeEmit(*parent, tried.component.name(), index,
               tried.answer.events[index].SerializeAsString(), kAnySize);
  if (!emit.ok()) return {{"error", std::string(emit.status().message())}};
  return Json::parse(EventToJson(*emit), nullptr, /*allow_exceptions=*/false);
}

Json FailureToJson(const outboard::plugin::v1::Failure& failure) {
  Json json = {{"reason", failure.reason()}, {"message", failure.message()}};
  if (!failure.detail().empty()) json["detail"] = failure.detail();
  for (const auto& [name, value] : failure.metadata()) json["metadata"][name] = value;
  return json;
}

// With the type that the producer chose: {"int": 7}.
Json OffsetToJson(const outboard::plugin::v1::Offset& offset) {
  using outboard::plugin::v1::Offset;
  switch (offset.value_case()) {
    case Offset::kIntValue: return {{"int", offset.int_value()}};
    case Offset::kDoubleValue: return {{"double", offset.double_value()}};
    case Offset::kStringValue: return {{"string", offset.string_value()}};
    case Offset::kBytesValue: return {{"bytes", absl::Base64Escape(offset.bytes_value())}};
    case Offset::VALUE_NOT_SET: break;
  }
  return nullptr;
}

Json TriedToJson(const Tried& tried) {
  const Answer& answer = tried.answer;
  const outboard::plugin::v1::Role role = tried.component.role();
  Json json = {{"id", tried.event.id()},
               {"type", tried.event.type()},
               {"outcome", conform::OutcomeName(role, answer.outcome)}};
  if (answer.failure) json["failure"] = FailureToJson(*answer.failure);
  if (answer.retry_after) json["retry_after_seconds"] = *answer.retry_after;
  if (role == outboard::plugin::v1::ROLE_STAGE && !answer.events.empty()) {
    json["event"] = ToJson(answer.events[0]);
  }
  if (role == outboard::plugin::v1::ROLE_WORKER && !answer.events.empty()) {
    for (uint32_t i = 0; i < answer.events.size(); ++i) json["emits"] += EmitToJson(tried, i);
  }
  if (answer.offset) json["offset"] = OffsetToJson(*answer.offset);
  return json;
}

bool Failed(const Answer& answer) {
  return answer.outcome == conform::kRetry || answer.outcome == conform::kReject;
}

void PrintFor(const Tried& tried, const Terminal& terminal) {
  const Answer& answer = tried.answer;
  const std::string outcome = conform::OutcomeName(tried.component.role(), answer.outcome);
  terminal.out << EscapeForPeople(tried.event.id()) << "  " << EscapeForPeople(tried.event.type())
               << "  " << Paint(terminal, Failed(answer) ? Colour::kRed : Colour::kGreen, outcome);
  if (answer.failure) {
    terminal.out << " " << EscapeForPeople(answer.failure->reason()) << ": "
                 << EscapeForPeople(answer.failure->message());
  }
  if (answer.retry_after) terminal.out << " (after " << *answer.retry_after << " s)";
  terminal.out << "\n";
  if (tried.component.role() == outboard::plugin::v1::ROLE_STAGE) {
    for (const event::v1::Event& event : answer.events) {
      terminal.out << "  event   " << EscapeForPeople(ToLine(ToJson(event))) << "\n";
    }
  } else {
    for (uint32_t i = 0; i < answer.events.size(); ++i) {
      terminal.out << "  emits   " << EscapeForPeople(ToLine(EmitToJson(tried, i))) << "\n";
    }
  }
  if (answer.offset) terminal.out << "  offset  " << ToLine(OffsetToJson(*answer.offset)) << "\n";
  terminal.out << std::flush;
}

}  // namespace

int RunTry(const TryOptions& options, const Terminal& terminal) {
  InitLog(LogFormat::kText, LogLevel::kNone);
  const absl::StatusOr<conform::Subject> subject = SubjectFrom(options.plugin);
  if (!subject.ok() || subject->events.empty()) {
    const std::string why = subject.ok() ? "which events? give them with --event FILE"
                                         : std::string(subject.status().message());
    return TellError(terminal, options.json, kUsage,
                     absl::StrCat(why, "; see outboard try --help"));
  }
  uint64_t shown = 0, failed = 0;
  const absl::Status status =
      TryEvents(*subject, options.plugin.component, [&](const Tried& tried) {
        ++shown;
        failed += Failed(tried.answer) ? 1 : 0;
        if (options.json) {
          terminal.out << ToLine(TriedToJson(tried)) << std::endl;
        } else {
          PrintFor(tried, terminal);
        }
      });
  if (!status.ok()) {
    const int code = absl::IsUnavailable(status)          ? kUnreachable
                     : absl::IsFailedPrecondition(status) ? kFailed
                                                          : kUsage;
    return TellError(terminal, options.json, code, std::string(status.message()));
  }
  if (!options.json) {
    terminal.out << shown << (shown == 1 ? " event, " : " events, ") << failed << " failed"
                 << std::endl;
  }
  return failed == 0 ? kOk : kFailed;
}

}  // namespace outboard::app

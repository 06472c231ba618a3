#include "host/conform/trial.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host/base/status.h"
#include "host/base/text.h"

namespace outboard::conform {
namespace {

constexpr size_t kAtOnce = 64;  // So that what a slow plugin said is shown as it goes.

absl::StatusOr<v1::DescribeResponse> Describe(Stand& stand) {
  OUTBOARD_RETURN_IF_ERROR(stand.Ready());
  if (!stand.start_fault().empty()) return absl::FailedPreconditionError(stand.start_fault());
  auto description =
      stand.connection().Describe(stand.subject().config_json, stand.subject().start_timeout);
  if (!description.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("its Describe: ", EscapeForPeople(description.status().message())));
  }
  std::vector<std::string> errors;
  for (const v1::ConfigError& error : description->config_errors()) {
    errors.push_back(absl::StrCat(error.path().empty() ? "/" : error.path(), " ", error.message()));
  }
  if (errors.empty()) return description;
  return absl::FailedPreconditionError(absl::StrCat(
      "it refuses its config: ", EscapeForPeople(absl::StrJoin(errors, "; ")), "; see --config"));
}

absl::StatusOr<v1::Component> Choose(const v1::DescribeResponse& description,
                                     const std::string& name) {
  std::vector<v1::Component> found;
  std::vector<std::string> names;
  for (const v1::Component& component : description.components()) {
    names.push_back(component.name());
    if (name.empty() || component.name() == name) found.push_back(component);
  }
  const std::string list = EscapeForPeople(absl::StrJoin(names, ", "));
  if (found.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("which component? say --component with one of ", list));
  }
  if (found.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the plugin has no component ", name, "; it has: ", list));
  }
  if (found[0].disabled()) {
    return absl::FailedPreconditionError(absl::StrCat("with this config it is disabled: ",
                                                      EscapeForPeople(found[0].disabled_reason())));
  }
  return found[0];
}

absl::Status ToStatus(const Finding& finding, Stand& stand) {
  std::string text = absl::StrCat("sent: ", finding.sent, "; came: ", finding.came);
  // The stream ends a moment before the process is known to be gone.
  const auto end = stand.process() == nullptr
                       ? std::nullopt
                       : stand.process()->WaitEnd(std::chrono::milliseconds(300));
  if (end) {
    absl::StrAppend(&text, "; the process ", end->Describe(),
                    "; its last words: ", end->stderr_tail.empty() ? "nothing" : end->stderr_tail);
  }
  return absl::FailedPreconditionError(text + "; see outboard conform");
}

absl::Status CheckBreaches(const Session& session) {
  for (const Breach& breach : session.breaches()) {
    return absl::FailedPreconditionError(absl::StrCat("it broke ", breach.rule, ": ", breach.came,
                                                      "; see outboard conform --rule ",
                                                      breach.rule));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TryEvents(const Subject& subject, const std::string& component,
                       const std::function<void(const Tried&)>& show) {
  Stand stand(subject);
  OUTBOARD_ASSIGN_OR_RETURN(stand.description(), Describe(stand));
  OUTBOARD_ASSIGN_OR_RETURN(const v1::Component chosen, Choose(stand.description(), component));
  stand.Use(chosen);
  Session& session = stand.NewStream();
  session.KeepAnswers();
  if (const auto fault = stand.OpenIn(session)) return ToStatus(*fault, stand);
  for (size_t begin = 0; begin < subject.events.size(); begin += kAtOnce) {
    const size_t count = std::min(kAtOnce, subject.events.size() - begin);
    const auto fault = stand.Exchange(session, stand.samples().Next(count));
    for (auto& [id, answer] : session.TakeAnswers()) {
      if (id > 0 && id <= subject.events.size()) {
        show({chosen, subject.events[id - 1], std::move(answer)});
      }
    }
    if (fault) return ToStatus(*fault, stand);
  }
  if (const auto fault = stand.Drain(session)) return ToStatus(*fault, stand);
  return CheckBreaches(session);
}

}  // namespace outboard::conform

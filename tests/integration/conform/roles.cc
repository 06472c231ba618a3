// A plugin made with the C++ SDK that plays every role, for `outboard conform`.

#include <string>
#include <string_view>
#include <vector>

#include "outboard/outboard.h"

int main() {
  outboard::Plugin plugin("roles", "1.0");
  plugin.ConfigSchema(R"({"type": "object", "additionalProperties": false})");
  plugin.CheckConfig([](std::string_view json) {
    std::vector<outboard::ConfigError> errors;
    if (json.find(':') != std::string_view::npos) errors.push_back({"", "takes no config"});
    return errors;
  });
  outboard::WorkerOptions echo;
  echo.emits = {"roles.*"};
  echo.concurrency = 4;
  plugin.Worker(
      "echo",
      [](const outboard::Event& event, outboard::Context&) {
        return outboard::Done(outboard::NewEvent("roles.echoed").Data(event.data()));
      },
      echo);
  // Some fail, so that the rest of their key has to be released.
  outboard::WorkerOptions ordered;
  ordered.concurrency = 4;
  ordered.in_order = true;
  plugin.Worker(
      "ordered",
      [](const outboard::Event& event, outboard::Context&) {
        return event.id().ends_with('5') ? outboard::Retry("AS_ASKED") : outboard::Done();
      },
      ordered);
  plugin.Stage("change", [](const outboard::Event& event, outboard::Context&) {
    return outboard::Continue(outboard::NewEvent::From(event).Set("seen", true));
  });
  // Both kinds of verdict on a call.
  outboard::StageOptions hooks;
  hooks.operations = {"create", "delete"};
  plugin.Stage(
      "calls",
      [](const outboard::Call& call, outboard::Context&) {
        if (call.operation() == "delete") return outboard::Halt(outboard::Json("{\"gone\": true}"));
        outboard::NewCall changed = outboard::NewCall::From(call);
        changed.kwargs["limit"] = outboard::Json("10");
        return outboard::Continue(std::move(changed));
      },
      hooks);
  plugin.Producer("put", [](const outboard::Event& event, outboard::Context&) {
    return outboard::Accepted(outboard::Offset(static_cast<int64_t>(event.data().size())));
  });
  return outboard::Serve(plugin);
}

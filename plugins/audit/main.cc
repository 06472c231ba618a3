// outboard-audit: writes every event it gets as one line of JSON to a file.

#include "outboard/outboard.h"
#include "plugins/audit/config.h"
#include "plugins/common/event_json.h"
#include "plugins/common/json_lines_file.h"

int main() {
  namespace audit = outboard::audit;
  outboard::common::JsonLinesFile file;
  outboard::Plugin plugin("audit", OUTBOARD_VERSION);
  plugin.ConfigSchema(audit::kConfigSchema);
  plugin.CheckConfig([](std::string_view json) {
    audit::Config config;
    return audit::ReadConfig(json, &config);
  });
  plugin.OnConfig([&file](std::string_view json) {
    audit::Config config;
    const std::vector<outboard::ConfigError> errors = audit::ReadConfig(json, &config);
    if (!errors.empty()) return errors.front().path + " " + errors.front().message;
    return file.Open(config.path, config.fsync_each);
  });
  plugin.Worker("audit", [&file](const outboard::Event& event, outboard::Context&) {
    const std::string fault = file.Append(outboard::common::EventLine(event));
    return fault.empty() ? outboard::Done() : outboard::Retry("WRITE_FAILED", fault);
  });
  return outboard::Serve(plugin);
}

#pragma once

#include <map>
#include <string>

#include "host/config/reader.h"

namespace outboard::config {

// Reads `yaml` as /srv/app/outboard.yaml with these environment variables.
inline ReadResult Read(const std::string& yaml, const std::map<std::string, std::string>& env = {},
                       const std::string& path = "/srv/app/outboard.yaml") {
  return ReadConfigText(yaml, path, [env](const std::string& name) -> std::optional<std::string> {
    const auto it = env.find(name);
    return it == env.end() ? std::nullopt : std::optional<std::string>(it->second);
  });
}

// All problems as text, one a line.
inline std::string Problems(const std::string& yaml,
                            const std::map<std::string, std::string>& env = {}) {
  return ToText(Read(yaml, env).problems);
}

}  // namespace outboard::config

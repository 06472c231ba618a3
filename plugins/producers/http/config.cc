#include "plugins/producers/http/config.h"

#include <algorithm>
#include <cctype>

#include "plugins/common/config_reader.h"
#include "plugins/producers/http/signature.h"

namespace outboard::http {
namespace {

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool IsToken(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool IsOurs(const std::string& name) {
  const std::string lower = Lower(name);
  return lower.rfind("ce-", 0) == 0 || lower.rfind("webhook-", 0) == 0 || lower == "content-type" ||
         lower == "content-length" || lower == "transfer-encoding" || lower == "expect";
}

void CheckHeaders(const std::map<std::string, std::string>& headers, common::ConfigReader* reader) {
  for (const auto& [name, value] : headers) {
    if (!IsToken(name)) {
      reader->Fault("/headers/" + name, "is no name of a header: letters, digits and -");
    } else if (IsOurs(name)) {
      reader->Fault("/headers/" + name, "is set by the producer: leave it out");
    }
    if (value.find_first_of(std::string("\r\n\0", 3)) != std::string::npos) {
      reader->Fault("/headers/" + name, "has a line break in its value: give one line");
    }
  }
}

void ReadKeys(common::ConfigReader* reader, Config* config) {
  for (const std::string& secret : reader->Texts("secrets")) {
    if (auto key = KeyOfSecret(secret)) {
      config->keys.push_back(std::move(*key));
    } else {
      reader->Fault("/secrets",
                    "has one that is not \"whsec_\" and 24 to 64 bytes in Base64: make "
                    "it by: echo \"whsec_$(openssl rand -base64 32)\"");
    }
  }
}

}  // namespace

const char kConfigSchema[] = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "properties": {
    "url": {"type": "string", "pattern": "^https?://.", "description": "Where events are posted"},
    "mode": {"enum": ["binary", "structured"],
             "description": "Mode of the CloudEvents HTTP binding"},
    "headers": {"type": "object", "description": "More headers, such as Authorization"},
    "secrets": {"type": ["string", "array"], "items": {"type": "string"},
                "description": "Standard Webhooks: each signs, whsec_ and Base64"},
    "timeout": {"type": "string", "description": "Of one request, such as 10s"},
    "ca_file": {"type": "string", "description": "PEM of who signs the server's certificate"},
    "cert_file": {"type": "string", "description": "PEM of the client's certificate"},
    "key_file": {"type": "string", "description": "PEM of its key"}
  },
  "required": ["url"],
  "additionalProperties": false
})";

std::vector<ConfigError> ReadConfig(std::string_view json, Config* config) {
  using std::chrono::milliseconds;
  common::ConfigReader reader(json);
  config->url = reader.RequiredText("url", "where events are posted, such as https://host/path");
  const std::string scheme = Lower(config->url.substr(0, config->url.find("://")));
  if (!config->url.empty() && scheme != "http" && scheme != "https") {
    reader.Fault("/url", "must begin with http:// or https://");
  }
  config->structured = reader.Choice("mode", {"binary", "structured"}) == "structured";
  config->headers = reader.Map("headers");
  CheckHeaders(config->headers, &reader);
  ReadKeys(&reader, config);
  config->timeout = reader.Duration("timeout", milliseconds(1), milliseconds(10'000));
  config->tls = reader.Tls();
  return reader.Finish();
}

}  // namespace outboard::http

#pragma once

#include <rapidjson/document.h>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "outboard/plugin.h"

namespace outboard::common {

// Names of files in PEM; empty: the system's CAs, and no certificate of the client's.
struct TlsFiles {
  std::string ca, cert, key;
};

// Reads a plugin's config, a JSON object, and gathers all that is wrong with it. Ask for each key
// once, then Finish(). A faulty or absent key reads as its default.
class ConfigReader {
 public:
  explicit ConfigReader(std::string_view json);

  // `what` says what the text is, for an error: "the file that the lines go to".
  std::string RequiredText(const std::string& name, std::string_view what);
  std::string Text(const std::string& name, std::string_view otherwise = "");
  std::string Choice(const std::string& name, const std::vector<std::string>& choices);
  int64_t Integer(const std::string& name, int64_t least, int64_t most, int64_t otherwise);
  bool Flag(const std::string& name, bool otherwise);
  // Written as "500ms", "30s", "5m", "2h" or "7d".
  std::chrono::milliseconds Duration(const std::string& name, std::chrono::milliseconds least,
                                     std::chrono::milliseconds otherwise);
  // In bytes; written as a number, or as "64KiB", "100MiB" or "2GiB".
  int64_t Size(const std::string& name, int64_t least, int64_t otherwise);
  // One text, or a list of them.
  std::vector<std::string> Texts(const std::string& name);
  // An object whose values are texts, numbers or booleans.
  std::map<std::string, std::string> Map(const std::string& name);

  // The keys ca_file, cert_file and key_file; the last two go together.
  TlsFiles Tls();

  // Something else that is wrong; `path` as in ConfigError.
  void Fault(std::string path, std::string message);
  bool Has(const std::string& name) const;

  // All faults, with the keys that nobody asked for.
  std::vector<ConfigError> Finish();

 private:
  // Nothing where the key is absent.
  const rapidjson::Value* Find(const std::string& name);

  rapidjson::Document document_;
  std::set<std::string> known_;
  std::vector<ConfigError> errors_;
  bool readable_ = false;
};

}  // namespace outboard::common

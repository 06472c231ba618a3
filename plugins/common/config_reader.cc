#include "plugins/common/config_reader.h"

#include <rapidjson/error/en.h>

#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace outboard::common {
namespace {

using Units = std::vector<std::pair<std::string_view, int64_t>>;

std::string TextOf(const rapidjson::Value& value) {
  return std::string(value.GetString(), value.GetStringLength());
}

// A whole number and one of the units, in the smallest unit; nothing where it is none.
std::optional<int64_t> Parse(const rapidjson::Value& value, const Units& units) {
  if (!value.IsString()) return std::nullopt;
  const std::string text = TextOf(value);
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || number < 0) return std::nullopt;
  for (const auto& [unit, factor] : units) {
    if (std::string_view(rest, static_cast<size_t>(end - rest)) != unit) continue;
    if (number > std::numeric_limits<int64_t>::max() / factor) return std::nullopt;
    return number * factor;
  }
  return std::nullopt;
}

std::string Join(const std::vector<std::string>& words, const std::string& last) {
  std::string all;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) all += i + 1 == words.size() ? last : ", ";
    all += words[i];
  }
  return all;
}

}  // namespace

ConfigReader::ConfigReader(std::string_view json) {
  document_.Parse(json.data(), json.size());
  if (document_.HasParseError()) {
    Fault("", std::string("is not JSON: ") +
                  rapidjson::GetParseError_En(document_.GetParseError()) + " (at byte " +
                  std::to_string(document_.GetErrorOffset()) + ")");
    return;
  }
  readable_ = document_.IsObject();
  if (!readable_) Fault("", "must be an object, such as {\"key\": \"value\"}");
}

const rapidjson::Value* ConfigReader::Find(const std::string& name) {
  known_.insert(name);
  if (!readable_) return nullptr;
  const auto found = document_.FindMember(name.c_str());
  return found == document_.MemberEnd() ? nullptr : &found->value;
}

bool ConfigReader::Has(const std::string& name) const {
  return readable_ && document_.HasMember(name.c_str());
}

TlsFiles ConfigReader::Tls() {
  TlsFiles files{Text("ca_file"), Text("cert_file"), Text("key_file")};
  if (files.cert.empty() != files.key.empty()) {
    Fault(files.cert.empty() ? "/cert_file" : "/key_file",
          "is missing: cert_file and key_file go together");
  }
  return files;
}

void ConfigReader::Fault(std::string path, std::string message) {
  errors_.push_back({std::move(path), std::move(message)});
}

std::string ConfigReader::RequiredText(const std::string& name, std::string_view what) {
  const rapidjson::Value* value = Find(name);
  if (value == nullptr) {
    if (readable_) Fault("/" + name, "is missing: give " + std::string(what));
    return "";
  }
  if (value->IsString() && value->GetStringLength() > 0) return TextOf(*value);
  Fault("/" + name, "must be a text that is not empty: " + std::string(what));
  return "";
}

std::string ConfigReader::Text(const std::string& name, std::string_view otherwise) {
  const rapidjson::Value* value = Find(name);
  if (value != nullptr && value->IsString()) return TextOf(*value);
  if (value != nullptr) Fault("/" + name, "must be a text");
  return std::string(otherwise);
}

std::string ConfigReader::Choice(const std::string& name, const std::vector<std::string>& choices) {
  const rapidjson::Value* value = Find(name);
  if (value == nullptr) return choices.front();
  for (const std::string& choice : choices) {
    if (value->IsString() && TextOf(*value) == choice) return choice;
  }
  Fault("/" + name, "must be " + Join(choices, " or "));
  return choices.front();
}

int64_t ConfigReader::Integer(const std::string& name, int64_t least, int64_t most,
                              int64_t otherwise) {
  const rapidjson::Value* value = Find(name);
  if (value == nullptr) return otherwise;
  if (value->IsInt64() && value->GetInt64() >= least && value->GetInt64() <= most) {
    return value->GetInt64();
  }
  Fault("/" + name,
        "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return otherwise;
}

bool ConfigReader::Flag(const std::string& name, bool otherwise) {
  const rapidjson::Value* value = Find(name);
  if (value == nullptr) return otherwise;
  if (value->IsBool()) return value->GetBool();
  Fault("/" + name, "must be true or false");
  return otherwise;
}

std::chrono::milliseconds ConfigReader::Duration(const std::string& name,
                                                 std::chrono::milliseconds least,
                                                 std::chrono::milliseconds otherwise) {
  static const Units units = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  const rapidjson::Value* value = Find(name);
  if (value == nullptr) return otherwise;
  const std::optional<int64_t> parsed = Parse(*value, units);
  if (parsed && *parsed >= least.count()) return std::chrono::milliseconds(*parsed);
  Fault("/" + name,
        "must be a time such as \"500ms\", \"30s\", \"5m\", \"2h\" or \"7d\", of at "
        "least " +
            std::to_string(least.count()) + "ms");
  return otherwise;
}

int64_t ConfigReader::Size(const std::string& name, int64_t least, int64_t otherwise) {
  static const Units units = {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  const rapidjson::Value* value = Find(name);
  if (value == nullptr) return otherwise;
  const std::optional<int64_t> parsed =
      value->IsInt64() ? std::optional(value->GetInt64()) : Parse(*value, units);
  if (parsed && *parsed >= least) return *parsed;
  Fault("/" + name,
        "must be a size such as 1048576, \"64KiB\", \"100MiB\" or \"2GiB\", of at "
        "least " +
            std::to_string(least) + " bytes");
  return otherwise;
}

std::vector<std::string> ConfigReader::Texts(const std::string& name) {
  const rapidjson::Value* value = Find(name);
  std::vector<std::string> texts;
  if (value == nullptr) return texts;
  if (value->IsString()) return {TextOf(*value)};
  bool good = value->IsArray();
  if (good) {
    for (const rapidjson::Value& one : value->GetArray()) {
      good = good && one.IsString();
      if (one.IsString()) texts.push_back(TextOf(one));
    }
  }
  if (!good) Fault("/" + name, "must be a text or a list of texts");
  return texts;
}

std::map<std::string, std::string> ConfigReader::Map(const std::string& name) {
  const rapidjson::Value* value = Find(name);
  std::map<std::string, std::string> map;
  if (value == nullptr) return map;
  if (!value->IsObject()) {
    Fault("/" + name, "must be an object of texts");
    return map;
  }
  for (const auto& member : value->GetObject()) {
    const std::string key = TextOf(member.name);
    const std::string path = "/" + name + "/";
    if (member.value.IsString()) {
      map[key] = TextOf(member.value);
    } else if (member.value.IsBool()) {
      map[key] = member.value.GetBool() ? "true" : "false";
    } else if (member.value.IsInt64()) {
      map[key] = std::to_string(member.value.GetInt64());
    } else {
      Fault(path + key, "must be a text, a whole number, true or false");
    }
  }
  return map;
}

std::vector<ConfigError> ConfigReader::Finish() {
  if (readable_) {
    for (const auto& member : document_.GetObject()) {
      const std::string name = TextOf(member.name);
      if (known_.count(name) > 0) continue;
      Fault("/" + name,
            "is not known here: the keys are " + Join({known_.begin(), known_.end()}, " and "));
    }
  }
  return std::move(errors_);
}

}  // namespace outboard::common

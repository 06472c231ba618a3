#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "host/config/json.h"
#include "host/config/scalar.h"
#include "host/config/section.h"
#include "host/config/sections.h"
#include "host/config/units.h"
#include "host/config/words.h"
#include "host/route/filter.h"

namespace outboard::config {
namespace {

constexpr uint32_t kMaxCount = 1'000'000'000;

void ReadRun(const Value& value, std::vector<std::string>* out) {
  const size_t before = value.reading().problems.size();
  std::vector<std::string> run;
  if (value.node().IsSequence()) {
    for (const Value& item : ReadItems(value)) {
      run.emplace_back();
      ReadText(item, Secrecy::kSecret, &run.back());
    }
  } else {
    std::string line;
    ReadText(value, Secrecy::kSecret, &line);
    absl::StatusOr<std::vector<std::string>> words = SplitWords(line);
    if (words.ok()) {
      run = *std::move(words);
    } else {
      value.Problem("is no plain command line: one of its words needs a shell, or a quote is open",
                    "write a list: [program, argument], or [sh, -c, \"...\"]");
    }
  }
  if (value.reading().problems.size() > before) return;
  if (run.empty() || run[0].empty()) {
    value.Problem("names no program", "write [program, argument, ...]");
    return;
  }
  *out = std::move(run);
}

bool IsDnsAddress(absl::string_view text) {
  return absl::ConsumePrefix(&text, "dns:///") && IsHostPort(text, /*port_zero=*/false);
}

void ReadAddress(const Value& value, std::string* out) {
  std::string text;
  const size_t before = value.reading().problems.size();
  ReadText(value, Secrecy::kOpen, &text);
  if (value.reading().problems.size() > before) return;
  absl::string_view path = text;
  if (absl::ConsumePrefix(&path, "unix:")) {
    absl::ConsumePrefix(&path, "//");
    const std::filesystem::path file =
        std::filesystem::path(value.reading().directory) / std::string(path);
    *out = absl::StrCat("unix:", file.lexically_normal().string());
    if (!path.empty() && out->size() <= 5 + 107) return;
    value.Problem(path.empty() ? "names no socket" : "the socket's path is longer than 107 bytes",
                  "write unix:/path/to/socket");
  } else if (IsDnsAddress(text) || IsHostPort(text, /*port_zero=*/false)) {
    *out = text;
  } else {
    value.Problem(absl::StrCat(value.Shown(), " is no address"),
                  "write dns:///name:port, host:port or unix:/path");
  }
}

bool IsVariable(absl::string_view name) {
  if (name.empty() || absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

void ReadVariables(const Value& value, std::map<std::string, std::string>* out) {
  for (const auto& [name, entry] : ReadEntries(value)) {
    if (!IsVariable(name)) {
      entry.Problem("no name of an environment variable", "use letters, digits and _");
    } else if (absl::StartsWith(name, "OUTBOARD_")) {
      entry.Problem("the host itself sets the OUTBOARD_ variables", "choose another name");
    } else if (entry.node().IsNull()) {
      entry.Problem("has no value", "write \"\" for an empty one, or ${NAME} for the host's own");
    } else {
      ReadText(entry, Secrecy::kSecret, &(*out)[name]);
    }
  }
}

void ReadPluginConfig(const Value& value, std::string* out) {
  if (std::optional<std::string> json = ToJsonObject(value)) *out = *std::move(json);
}

void ReadRestart(const Value& value, Plugin* plugin) {
  const Section section(value, {"initial", "max"});
  section.With("initial", ReadDuration, kMillisecond, &plugin->restart_initial);
  section.With("max", ReadDuration, kMillisecond, &plugin->restart_max);
  if (!section.Has("max") && plugin->restart_max < plugin->restart_initial) {
    plugin->restart_max = plugin->restart_initial;
  }
  if (plugin->restart_max < plugin->restart_initial) {
    value.Problem("max is shorter than initial", "raise max or lower initial");
  }
}

void ReadCircuit(const Value& value, Circuit* circuit) {
  const Section section(value, {"crashes", "within", "trial_after"});
  section.With("crashes", ReadCount, 1u, 1000u, &circuit->crashes);
  section.With("within", ReadDuration, kMillisecond, &circuit->within);
  section.With("trial_after", ReadDuration, kMillisecond, &circuit->trial_after);
}

// Topic patterns, at least one.
void ReadTypes(const Value& value, std::vector<std::string>* out) {
  std::vector<std::string> types;
  for (const Value& item : ReadItems(value)) {
    std::string pattern;
    if (!Clean(item, [&] { ReadText(item, Secrecy::kOpen, &pattern); })) continue;
    const absl::Status valid = route::ValidatePattern(pattern);
    if (!valid.ok()) item.Problem(std::string(valid.message()));
    types.push_back(pattern);
  }
  if (types.empty()) value.Problem("names no type", "write patterns as in [story.#], or remove it");
  *out = std::move(types);
}

void ReadClientTls(const Value& value, std::optional<ClientTls>* out) {
  const Section section(value, {"ca_file", "cert_file", "key_file", "server_name"});
  ClientTls& tls = out->emplace();
  section.With("ca_file", ReadPath, &tls.ca_file);
  section.With("cert_file", ReadPath, &tls.cert_file);
  section.With("key_file", ReadPath, &tls.key_file);
  section.With("server_name", ReadText, Secrecy::kOpen, &tls.server_name);
  if (tls.cert_file.empty() != tls.key_file.empty())
    value.Problem("has one of cert_file and key_file", "give both, or neither");
}

// Of token_file and tls, which only remote plugins have.
void CheckRemote(const Section& section, const Plugin& plugin) {
  const auto refuse = [&section](const char* key, const char* what, const char* fix) {
    if (const std::optional<Value> value = section.Get(key)) value->Problem(what, fix);
  };
  if (section.Has("run")) {
    refuse("token_file", "the host gives a launched plugin its token itself", "remove it");
    refuse("tls", "the host speaks to a launched plugin over a socket of its own", "remove it");
    return;
  }
  if (plugin.publish.empty() != plugin.token_file.empty()) {
    refuse("publish", "a remote plugin needs a token for it", "give token_file: a file with one");
    refuse("token_file", "is of no use without publish:", "say which types it may publish");
  }
  if (absl::StartsWith(plugin.address, "unix:"))
    refuse("tls", "nothing is encrypted on a unix socket", "remove it, or give host:port");
}

// Exactly one of run and address, and with address nothing that is about processes.
void CheckWhere(const Section& section) {
  const bool run = section.Has("run");
  const bool address = section.Has("address");
  if (!run && !address) {
    section.value().Problem("has neither run nor address",
                            "give run: [program, ...] to launch it, or address: to dial it");
  } else if (run && address) {
    section.Get("address")
        .value_or(section.value())
        .Problem("has both run and address", "keep run to launch it, or address to dial it");
  } else if (address) {
    for (const char* key : {"instances", "env", "grace", "core", "limits", "sandbox"}) {
      if (const std::optional<Value> value = section.Has(key) ? section.Get(key) : std::nullopt) {
        value->Problem("only a launched plugin has it, and this one is dialled by its address",
                       "remove it");
      }
    }
  }
}

}  // namespace

void ReadPlugin(const Value& value, Plugin* plugin) {
  const Section section(
      value, {"name",       "run",         "address",       "instances", "config",
              "env",        "time_limit",  "start_timeout", "grace",     "core",
              "restart",    "crash_limit", "max_in_flight", "circuit",   "publish",
              "token_file", "emits",       "tls",           "limits",    "sandbox"},
      {{"directory", "working folder per plugin (programs run in the config's folder)"}});
  if (!value.node().IsMap()) {
    if (value.node().IsNull()) value.Problem("is empty", "write {name: ..., run: [...]}");
    return;
  }
  plugin->line = value.line();
  if (!section.Has("name")) value.Problem("has no name", "give name:");
  section.With("name", ReadName, false, &plugin->name);
  section.With("run", ReadRun, &plugin->run);
  section.With("address", ReadAddress, &plugin->address);
  CheckWhere(section);
  section.With("instances", ReadCount, 1u, 1024u, &plugin->instances);
  section.With("config", ReadPluginConfig, &plugin->config_json);
  section.With("env", ReadVariables, &plugin->env);
  section.With("time_limit", ReadDuration, kMillisecond, &plugin->time_limit);
  section.With("start_timeout", ReadDuration, kMillisecond, &plugin->start_timeout);
  section.With("grace", ReadDuration, Duration(0), &plugin->grace);
  section.With("core", ReadBool, &plugin->core);
  section.With("restart", ReadRestart, plugin);
  section.With("crash_limit", ReadCount, 1u, 100u, &plugin->crash_limit);
  section.With("max_in_flight", ReadCount, 0u, kMaxCount, &plugin->max_in_flight);
  section.With("circuit", ReadCircuit, &plugin->circuit);
  section.With("limits", ReadLimits, &plugin->limits);
  section.With("sandbox", ReadSandbox, &plugin->sandbox);
  section.With("publish", ReadTypes, &plugin->publish);
  section.With("token_file", ReadPath, &plugin->token_file);
  section.With("emits", ReadTypes, &plugin->emits);
  section.With("tls", ReadClientTls, &plugin->tls);
  CheckRemote(section, *plugin);
}

}  // namespace outboard::config

#include "host/config/reader.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "host/base/text.h"
#include "host/config/rabbitmq_limits.h"
#include "host/config/references.h"
#include "host/config/sandbox_warnings.h"
#include "host/config/scalar.h"
#include "host/config/section.h"
#include "host/config/sections.h"
#include "host/config/value.h"
#include "yaml-cpp/emitterstyle.h"
#include "yaml-cpp/eventhandler.h"

namespace outboard::config {
namespace {

constexpr size_t kMaxFileBytes = 4 << 20;

ConfigProblem FileProblem(const Reading& reading, std::string message, std::string fix) {
  return {.file = reading.file, .path = "", .message = std::move(message), .fix = std::move(fix)};
}

// yaml-cpp ends at a stray control character without a word, and takes other encodings for UTF-8.
bool CheckCharacters(absl::string_view text, Reading* reading) {
  int line = 1;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const bool end = i == text.size() || text[i] == '\n';
    const bool control = !end && (static_cast<unsigned char>(text[i]) < 0x20 || text[i] == 0x7F) &&
                         text[i] != '\t' && text[i] != '\r';
    if (!end && !control) continue;
    if (control || !IsValidUtf8(text.substr(begin, i - begin))) {
      ConfigProblem problem =
          FileProblem(*reading, control ? "a control character" : "text that is not UTF-8",
                      "save it as UTF-8 text");
      problem.line = line;
      problem.column = control ? static_cast<int>(i - begin) + 1 : 1;
      reading->problems.push_back(std::move(problem));
      return false;
    }
    ++line;
    begin = i + 1;
  }
  return true;
}

std::vector<Value> ReadList(const Value& value) {
  if (value.node().IsSequence()) return ReadItems(value);
  value.Problem(absl::StrCat("needs a list, not ", value.Shown()), "begin each item with -");
  return {};
}

void ReadRoot(const YAML::Node& root, Reading* reading, Config* config) {
  const Value top(root, "", reading);
  const Section section(top, {"host", "bus", "plugins", "routes", "pipelines", "ingress"},
                        {{"buses", "second bus"}});
  section.With("host", ReadHost, &config->host);
  section.With("bus", ReadBus, &config->bus);
  // An empty list under its key is no mistake, so no Get: that reports it.
  std::vector<Value> plugins, routes, pipelines, ingress;
  if (section.Has("plugins"))
    section.With("plugins", [&](const Value& v) { plugins = ReadList(v); });
  if (section.Has("routes")) section.With("routes", [&](const Value& v) { routes = ReadList(v); });
  if (section.Has("pipelines"))
    section.With("pipelines", [&](const Value& v) { pipelines = ReadList(v); });
  if (section.Has("ingress"))
    section.With("ingress", [&](const Value& v) { ingress = ReadList(v); });
  config->plugins.resize(plugins.size());
  config->routes.resize(routes.size());
  config->pipelines.resize(pipelines.size());
  config->ingress.resize(ingress.size());
  for (size_t i = 0; i < plugins.size(); ++i) ReadPlugin(plugins[i], &config->plugins[i]);
  for (size_t i = 0; i < routes.size(); ++i) ReadRoute(routes[i], &config->routes[i]);
  for (size_t i = 0; i < pipelines.size(); ++i) ReadPipeline(pipelines[i], &config->pipelines[i]);
  for (size_t i = 0; i < ingress.size(); ++i) ReadIngress(ingress[i], &config->ingress[i]);
  CheckReferences(*config, {plugins, routes, pipelines, ingress});
  CheckRabbitmqLimits(*config, plugins, routes);
  WarnOfSandboxes(*config, top, plugins);
}

// What probably mends a syntax error at `mark`.
std::string YamlFix(const std::string& text, const YAML::Mark& mark) {
  if (!mark.is_null() && mark.pos >= 0 && static_cast<size_t>(mark.pos) < text.size()) {
    const size_t begin = text.rfind('\n', static_cast<size_t>(mark.pos)) + 1;
    const size_t end = text.find('\n', static_cast<size_t>(mark.pos));
    if (text.substr(begin, end - begin).find("${") != std::string::npos) {
      return "inside { } and [ ] a value with ${...} needs quotes: \"${NAME}\"";
    }
  }
  return "mend the YAML; often it is the indentation or a missing quote";
}

// Does nothing with what it is told.
class Ignore final : public YAML::EventHandler {
  using Style = YAML::EmitterStyle::value;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, Style) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, Style) override {}
  void OnMapEnd() override {}
};

// YAML::LoadAll never ends on text behind a document that begins none, such as the b of "[a], b".
bool HasOneDocument(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  Ignore ignore;
  return !parser.HandleNextDocument(ignore) || !parser.HandleNextDocument(ignore);
}

// The one place where yaml-cpp's exceptions can appear, and where they stop.
void Parse(const std::string& text, Reading* reading, Config* config) {
  try {
    if (!HasOneDocument(text)) {
      reading->problems.push_back(FileProblem(
          *reading, "holds more than one document, or text behind its end",
          "remove the --- lines, or what is outside of the brackets that the file begins with"));
      return;
    }
    ReadRoot(YAML::Load(text), reading, config);
  } catch (const YAML::Exception& error) {
    ConfigProblem problem = FileProblem(*reading, absl::StrCat("no valid YAML: ", error.msg),
                                        YamlFix(text, error.mark));
    if (!error.mark.is_null()) {
      problem.line = error.mark.line + 1;
      problem.column = error.mark.column + 1;
    }
    reading->problems.push_back(std::move(problem));
  }
}

void SortAndDedupe(std::vector<ConfigProblem>* problems) {
  const auto key = [](const ConfigProblem& p) {
    return std::tie(p.line, p.column, p.path, p.message);
  };
  std::stable_sort(problems->begin(), problems->end(),
                   [&](const auto& a, const auto& b) { return key(a) < key(b); });
  problems->erase(std::unique(problems->begin(), problems->end(),
                              [&](const auto& a, const auto& b) { return key(a) == key(b); }),
                  problems->end());
}

Reading MakeReading(const std::string& path, const Env& env, Config* config) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error).lexically_normal();
  config->path = absolute.string();
  config->directory = absolute.parent_path().string();
  return Reading{
      .file = path, .directory = config->directory, .env = env, .problems = {}, .warnings = {}};
}

// What depends on where the file lies.
void FillPaths(Config* config) {
  const auto absolute = [&](const std::string& path) {
    return (std::filesystem::path(config->directory) / path).lexically_normal().string();
  };
  config->host.data = absolute(config->host.data);
  if (config->bus.path.empty()) config->bus.path = config->host.data;
}

ReadResult Finish(Reading reading, Config config) {
  FillPaths(&config);
  SortAndDedupe(&reading.problems);
  SortAndDedupe(&reading.warnings);
  return {std::move(config), std::move(reading.problems), std::move(reading.warnings)};
}

ReadResult Unreadable(const std::string& path, const Env& env, std::string message,
                      std::string fix) {
  Config config;
  Reading reading = MakeReading(path, env, &config);
  reading.problems.push_back(FileProblem(reading, std::move(message), std::move(fix)));
  return Finish(std::move(reading), std::move(config));
}

}  // namespace

Env ProcessEnv() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

ReadResult ReadConfigText(absl::string_view text, const std::string& path, const Env& env) {
  Config config;
  Reading reading = MakeReading(path, env, &config);
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  if (CheckCharacters(text, &reading)) Parse(std::string(text), &reading, &config);
  return Finish(std::move(reading), std::move(config));
}

ReadResult ReadConfigFile(const std::string& path, const Env& env) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return Unreadable(path, env, "is a folder", "name the file in it");
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const bool missing = errno == ENOENT;
    return Unreadable(path, env, absl::StrCat("cannot be read: ", std::strerror(errno)),
                      missing ? "create it, or name another with --config FILE or $OUTBOARD_CONFIG"
                              : "let this user read it");
  }
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxFileBytes) {
    return Unreadable(path, env, "is larger than 4 MiB", "name a configuration file");
  }
  return ReadConfigText(text, path, env);
}

std::string ResolveConfigPath(absl::string_view flag, const Env& env) {
  if (!flag.empty()) return std::string(flag);
  const std::optional<std::string> variable = env("OUTBOARD_CONFIG");
  if (variable.has_value() && !variable->empty()) return *variable;
  return "./outboard.yaml";
}

}  // namespace outboard::config

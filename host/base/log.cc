#include "host/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "host/base/mutex.h"
#include "host/base/text.h"

namespace outboard {
namespace {

struct Secrets {
  Mutex mu;
  std::vector<std::string> values OUTBOARD_GUARDED_BY(mu);
};

// Never destroyed: threads may log while the process exits.
Secrets& TheSecrets() {
  static Secrets* const secrets = new Secrets;
  return *secrets;
}

LogFormat g_format = LogFormat::kText;

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kNone: return spdlog::level::off;
  }
  return spdlog::level::err;
}

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  const std::string clean = EscapeForPeople(text);
  for (const char c : clean) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (c == '\t') {
      out += "\\t";
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto l = std::make_shared<spdlog::logger>("outboard",
                                              std::make_shared<spdlog::sinks::stderr_sink_mt>());
    l->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
    return l;
  }();
  return *logger;
}

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
    case LogLevel::kNone: break;
  }
  return "error";
}

// Secrets are replaced before escaping, which could hide them.
std::string TextLine(LogLevel level, absl::string_view module, absl::string_view message,
                     absl::Span<const LogField> fields) {
  static constexpr absl::string_view kNames[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
  std::string line = absl::StrCat(kNames[static_cast<int>(level)], " ", module, ": ",
                                  EscapeForPeople(RedactSecrets(message)));
  for (const LogField& field : fields) {
    const std::string clean = RedactSecrets(field.second);
    const std::string value = EscapeForPeople(clean);
    const bool bare = !value.empty() && value.find_first_of(" \"=\t") == std::string::npos;
    absl::StrAppend(&line, " ", field.first, "=", bare ? value : JsonString(clean));
  }
  return line;
}

std::string JsonLine(LogLevel level, absl::string_view module, absl::string_view message,
                     absl::Span<const LogField> fields) {
  std::string line =
      absl::StrCat("\"level\":\"", LevelName(level), "\",\"module\":", JsonString(module),
                   ",\"message\":", JsonString(RedactSecrets(message)));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, ",", JsonString(field.first), ":",
                    JsonString(RedactSecrets(field.second)));
  }
  return line;
}

}  // namespace

void InitLog(LogFormat format, LogLevel min_level) {
  g_format = format;
  spdlog::logger& logger = Logger();
  logger.set_level(ToSpdlog(min_level));
  logger.flush_on(spdlog::level::debug);
  logger.set_pattern(format == LogFormat::kJson ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v}"
                                                : "%Y-%m-%dT%H:%M:%S.%eZ %v",
                     spdlog::pattern_time_type::utc);
}

void AddLogSecret(std::string secret) {
  if (secret.size() < 4) return;
  Secrets& secrets = TheSecrets();
  MutexLock lock(secrets.mu);
  secrets.values.push_back(std::move(secret));
}

std::string RedactSecrets(absl::string_view text) {
  Secrets& secrets = TheSecrets();
  MutexLock lock(secrets.mu);
  // All in one pass: it takes the longest where several match, so no tail of a secret is left
  // behind.
  std::vector<std::pair<absl::string_view, absl::string_view>> replacements;
  for (const std::string& secret : secrets.values) replacements.emplace_back(secret, "***");
  return absl::StrReplaceAll(text, replacements);
}

void Log(LogLevel level, absl::string_view module, absl::string_view message,
         std::initializer_list<LogField> fields) {
  LogWithFields(level, module, message, absl::MakeConstSpan(fields.begin(), fields.size()));
}

void LogWithFields(LogLevel level, absl::string_view module, absl::string_view message,
                   absl::Span<const LogField> fields) {
  spdlog::logger& logger = Logger();
  if (!logger.should_log(ToSpdlog(level))) return;
  const std::string line = g_format == LogFormat::kJson ? JsonLine(level, module, message, fields)
                                                        : TextLine(level, module, message, fields);
  logger.log(ToSpdlog(level), "{}", line);
}

}  // namespace outboard

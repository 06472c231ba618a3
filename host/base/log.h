#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace outboard {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kNone };  // kNone: only as the least.
enum class LogFormat { kText, kJson };

// Extra facts of a line: key, value. Keys are lower_snake_case; values are escaped by the log.
using LogField = std::pair<absl::string_view, std::string>;

// Sets up the process's log on standard error. Call once, before other threads start.
// Text:  2026-01-31T12:00:00.123Z INFO  shard: message key=value
// JSON:  {"time":"…","level":"info","module":"shard","message":"…","key":"value"}
void InitLog(LogFormat format, LogLevel min_level);

// Values that never appear in a log line: each occurrence is replaced by "***". Any thread; values
// shorter than 4 bytes are ignored, since they would blank out ordinary text.
void AddLogSecret(std::string secret);
// `text` with every secret replaced, for what is shown to people by other ways than the log.
std::string RedactSecrets(absl::string_view text);

// Writes one line. Any thread, never blocks for longer than a write to standard error.
void Log(LogLevel level, absl::string_view module, absl::string_view message,
         std::initializer_list<LogField> fields = {});

// The same where the fields are only known at run time.
void LogWithFields(LogLevel level, absl::string_view module, absl::string_view message,
                   absl::Span<const LogField> fields);

inline void LogInfo(absl::string_view module, absl::string_view message,
                    std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, module, message, fields);
}
inline void LogWarning(absl::string_view module, absl::string_view message,
                       std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, module, message, fields);
}
inline void LogError(absl::string_view module, absl::string_view message,
                     std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, module, message, fields);
}

}  // namespace outboard

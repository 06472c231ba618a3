#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "host/http/answer.h"

namespace outboard::http {

// One event of a request that is not valid, or the request as a whole.
struct Fault {
  std::optional<size_t> index;  // Of the event in its batch.
  std::string id;               // Of the event; empty: it has none that can be read.
  std::string attribute;        // Empty: the whole event.
  std::string place;            // JSON Pointer as a fragment, or header; empty: as `attribute`.
  bool in_header = false;       // What `place` is.
  std::string detail;           // What is wrong and how to mend it.
  bool too_large = false;
};

// An error as application/problem+json (RFC 9457): status, title, detail, and
// "errors": [{"index", "id", "attribute", "pointer" or "header", "detail"}]. Texts of any bytes;
// secrets of the configuration are replaced.
struct Problem {
  unsigned status = 400;
  const char* title = nullptr;  // Null: that of the status.
  std::string detail = {};
  std::vector<Fault> faults = {};  // At most kMaxFaults are told.
  std::string results = {};        // JSON text of the member "results"; empty: none.
  const char* allow = nullptr;     // As in Answer.
  unsigned retry_after = 0;

  static constexpr size_t kMaxFaults = 20;
  Answer ToAnswer() const;
};

// A text from outside as a JSON value.
std::string JsonText(absl::string_view text);

}  // namespace outboard::http

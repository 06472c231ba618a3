#pragma once

#include <microhttpd.h>

#include <memory>
#include <optional>
#include <string>

#include "host/access/tokens.h"
#include "host/http/answer.h"

namespace outboard::http {

// Who sent a request, or the answer for those who may not.
struct Admission {
  std::shared_ptr<const access::Caller> caller;  // Null: nobody was asked.
  std::optional<Answer> refusal;
  bool stranger = false;  // May see no more than whether the host is ready.
};

// `tokens` null: whoever may all. `path` as in KnownPath; /healthz is for all.
Admission Admit(access::Tokens* tokens, MHD_Connection* connection, const std::string& path);

// The same without what is for those with a token.
Answer ForStrangers(const Answer& readiness);

}  // namespace outboard::http

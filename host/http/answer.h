#pragma once

#include <memory>
#include <string>

namespace outboard::http {

struct Answer {
  unsigned status = 200;
  const char* content_type = "text/plain; charset=utf-8";
  std::shared_ptr<const std::string> body;  // Shared by all who got the same page.
  const char* allow = nullptr;              // Of 405: the methods that there are.
  unsigned retry_after = 0;                 // Seconds; 0: not said.
  bool asks_for_token = false;              // Of 401.
};

}  // namespace outboard::http

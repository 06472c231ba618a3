#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outboard::http {

// The key of a secret as Standard Webhooks writes it, "whsec_" and Base64 of 24 to 64 bytes.
// Nothing where it is none.
std::optional<std::string> KeyOfSecret(std::string_view secret);

// The value of the header webhook-signature: an HMAC-SHA256 by each key, so that a secret can be
// replaced while the old one is still in use.
std::string Signatures(const std::vector<std::string>& keys, std::string_view webhook_id,
                       int64_t timestamp, std::string_view body);

}  // namespace outboard::http

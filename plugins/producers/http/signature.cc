#include "plugins/producers/http/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "plugins/common/base64.h"

namespace outboard::http {

std::optional<std::string> KeyOfSecret(std::string_view secret) {
  constexpr std::string_view kPrefix = "whsec_";
  if (secret.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  const std::optional<std::string> key = common::FromBase64(secret.substr(kPrefix.size()));
  const bool good = key && key->size() >= 24 && key->size() <= 64;
  return good ? std::optional<std::string>(*key) : std::nullopt;
}

std::string Signatures(const std::vector<std::string>& keys, std::string_view webhook_id,
                       int64_t timestamp, std::string_view body) {
  std::string signed_text(webhook_id);
  signed_text.append(".").append(std::to_string(timestamp)).append(".").append(body);
  std::string all;
  for (const std::string& key : keys) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(), digest,
         &size);
    if (!all.empty()) all += ' ';
    all += "v1," + common::Base64({reinterpret_cast<const char*>(digest), size});
  }
  return all;
}

}  // namespace outboard::http

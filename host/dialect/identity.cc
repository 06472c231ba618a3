#include "host/dialect/identity.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace outboard::dialect {

std::string ContentId(const MessageView& message) {
  // With their lengths, so that no two different messages give the same text.
  const std::string text =
      absl::StrCat(message.exchange.size(), ":", message.exchange, message.routing_key.size(), ":",
                   message.routing_key, message.body);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest) / 2));
}

bool IsContentId(absl::string_view id, const MessageView& message) {
  return id.size() == SHA256_DIGEST_LENGTH && id == ContentId(message);
}

}  // namespace outboard::dialect

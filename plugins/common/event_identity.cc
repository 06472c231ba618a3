#include "plugins/common/event_identity.h"

#include <openssl/sha.h>

#include <algorithm>

namespace outboard::common {

EventIdentity IdentityOf(const Event& event) {
  std::string name(event.source());
  name.push_back('\0');
  name.append(event.id());
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(name.data()), name.size(), digest);
  EventIdentity identity;
  std::copy_n(digest, identity.size(), identity.begin());
  return identity;
}

std::string Hex(const EventIdentity& identity) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : identity) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace outboard::common

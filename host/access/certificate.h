#pragma once

#include <gnutls/gnutls.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "host/access/file_stamp.h"
#include "host/base/clock.h"

namespace outboard::access {

// Files in PEM.
struct TlsFiles {
  std::string cert;  // The server's, with those between it and its CA.
  std::string key;
  std::string client_ca;  // Of clients' certificates, which they have to show; empty: none.
};

using Credentials = std::shared_ptr<gnutls_certificate_credentials_st>;

// All of them, checked. The error names the file and the fix, and holds nothing of the key.
absl::StatusOr<Credentials> LoadCredentials(const TlsFiles& files);

// The certificate of a listener, read again when a file changes; what is not valid then leaves it
// as it was, and the log says so. One thread.
class Certificate {
 public:
  static absl::StatusOr<Certificate> Load(TlsFiles files, const Clock* clock);

  const TlsFiles& files() const { return files_; }
  // The one in force. Looks at the files at most once a second.
  const Credentials& Current();

 private:
  struct Stamps {
    FileStamp cert, key, client_ca;
    friend bool operator==(const Stamps&, const Stamps&) = default;
  };

  Certificate(TlsFiles files, const Clock* clock) : files_(std::move(files)), clock_(clock) {}
  Stamps StampsNow() const;

  TlsFiles files_;
  const Clock* clock_;
  Stamps stamps_;
  Time look_at_{};
  Credentials credentials_;
};

}  // namespace outboard::access

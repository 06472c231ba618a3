#include "host/access/certificate.h"

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/log.h"
#include "host/base/status.h"

namespace outboard::access {
namespace {

absl::Status CheckReadable(const std::string& path, const char* what) {
  if (std::ifstream(path).good()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("cannot read the ", what, " ", path,
                                          ": let the host's user read it, or name another file"));
}

}  // namespace

absl::StatusOr<Credentials> LoadCredentials(const TlsFiles& files) {
  gnutls_certificate_credentials_t plain = nullptr;
  if (gnutls_certificate_allocate_credentials(&plain) < 0)
    return absl::InternalError("gnutls has no memory for a certificate");
  Credentials credentials(plain, gnutls_certificate_free_credentials);
  OUTBOARD_RETURN_IF_ERROR(CheckReadable(files.cert, "certificate"));
  OUTBOARD_RETURN_IF_ERROR(CheckReadable(files.key, "key"));
  const int pair = gnutls_certificate_set_x509_key_file(plain, files.cert.c_str(),
                                                        files.key.c_str(), GNUTLS_X509_FMT_PEM);
  if (pair < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "certificate ", files.cert, " and key ", files.key, ": ", gnutls_strerror(pair),
        ": give a certificate in PEM with the key that belongs to it, without passphrase"));
  }
  if (files.client_ca.empty()) return credentials;
  OUTBOARD_RETURN_IF_ERROR(CheckReadable(files.client_ca, "CA of clients"));
  const int count =
      gnutls_certificate_set_x509_trust_file(plain, files.client_ca.c_str(), GNUTLS_X509_FMT_PEM);
  if (count > 0) return credentials;
  return absl::InvalidArgumentError(absl::StrCat(
      files.client_ca, " has no certificate of a CA: give one in PEM, or remove client_ca_file"));
}

Certificate::Stamps Certificate::StampsNow() const {
  return {FileStamp::Of(files_.cert), FileStamp::Of(files_.key), FileStamp::Of(files_.client_ca)};
}

absl::StatusOr<Certificate> Certificate::Load(TlsFiles files, const Clock* clock) {
  Certificate certificate(std::move(files), clock);
  certificate.stamps_ = certificate.StampsNow();
  OUTBOARD_ASSIGN_OR_RETURN(certificate.credentials_, LoadCredentials(certificate.files_));
  return certificate;
}

const Credentials& Certificate::Current() {
  const Time now = clock_->Now();
  if (now < look_at_) return credentials_;
  look_at_ = now + kLookEvery;
  const Stamps stamps = StampsNow();
  if (stamps == stamps_) return credentials_;
  stamps_ = stamps;
  absl::StatusOr<Credentials> loaded = LoadCredentials(files_);
  if (loaded.ok()) {
    credentials_ = *std::move(loaded);
    LogInfo("access", "read the certificate again", {{"file", files_.cert}});
  } else {
    // Between the replacing of one file and the next they do not belong together.
    LogWarning("access",
               absl::StrCat("the certificate stays as it was: ", loaded.status().message()));
  }
  return credentials_;
}

}  // namespace outboard::access

#include "host/http/tls.h"

#include <gnutls/x509.h>

namespace outboard::http {

const char kTlsPriorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

// NOLINTNEXTLINE(readability-function-size): the parameters are GnuTLS's.
int NoCertificate(gnutls_session_t, const struct gnutls_cert_retr_st*, gnutls_pcert_st**,
                  unsigned int*, gnutls_ocsp_data_st**, unsigned int*, gnutls_privkey_t*,
                  unsigned int*) {
  return -1;
}

void PrepareTls(MHD_Connection* connection, const access::Credentials& with, bool ask_client) {
  const MHD_ConnectionInfo* info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  auto* const session = static_cast<gnutls_session_t>(info->tls_session);
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, with.get());
  if (!ask_client) return;
  gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
  // GnuTLS keeps the address.
  static gnutls_typed_vdata_st purpose = {
      GNUTLS_DT_KEY_PURPOSE_OID,
      reinterpret_cast<unsigned char*>(const_cast<char*>(GNUTLS_KP_TLS_WWW_CLIENT)), 0};
  gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
}

}  // namespace outboard::http

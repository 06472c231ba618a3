#pragma once

#include <gnutls/abstract.h>
#include <microhttpd.h>

#include "host/access/certificate.h"

namespace outboard::http {

// What libmicrohttpd is told of TLS: versions, and a certificate that no connection comes to use,
// since PrepareTls gives each its own.
extern const char kTlsPriorities[];
int NoCertificate(gnutls_session_t session, const struct gnutls_cert_retr_st* info,
                  gnutls_pcert_st** certificates, unsigned int* count, gnutls_ocsp_data_st** ocsp,
                  unsigned int* ocsp_count, gnutls_privkey_t* key, unsigned int* flags);

// Before the handshake of a connection: what it shows, and what it asks of the client. `with` lives
// as long as the connection.
void PrepareTls(MHD_Connection* connection, const access::Credentials& with, bool ask_client);

}  // namespace outboard::http

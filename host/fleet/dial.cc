#include "host/fleet/dial.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/base/status.h"
#include "host/fleet/resolver.h"

namespace outboard::fleet {

absl::StatusOr<std::shared_ptr<plugin::Connection>> Connect(const PluginSpec& spec,
                                                            const std::string& address) {
  if (!spec.tls) return std::make_shared<plugin::Connection>(address);
  std::string name = spec.tls->server_name;
  if (name.empty()) {
    OUTBOARD_ASSIGN_OR_RETURN(const RemoteAddress named, ParseAddress(spec.address));
    name = named.host;
  }
  OUTBOARD_ASSIGN_OR_RETURN(auto credentials, plugin::ReadCredentials(*spec.tls));
  return std::make_shared<plugin::Connection>(address, std::move(credentials), name);
}

absl::Status NoDescription(const PluginSpec& spec, const std::string& address,
                           const absl::Status& why) {
  const std::string what = absl::StrCat("does not answer Describe at ", address);
  if (absl::IsDeadlineExceeded(why)) {
    return absl::DeadlineExceededError(
        absl::StrCat(what, " within start_timeout: ",
                     spec.remote() ? "start it, mend its address"
                                   : "see that it serves gRPC at $OUTBOARD_LISTEN",
                     ", or raise start_timeout"));
  }
  if (absl::IsResourceExhausted(why)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, ": ", why.message(), ": a description may have ",
                     plugin::kMaxResponseBytes, " bytes; shorten config_schema_json or the like"));
  }
  if (absl::IsUnimplemented(why)) {
    return absl::UnimplementedError(absl::StrCat(what,
                                                 ": something else serves there; a plugin serves "
                                                 "outboard.plugin.v1.PluginService"));
  }
  if (spec.tls) {
    return absl::Status(
        why.code(), absl::StrCat(what, " over TLS: ", why.message(),
                                 ": see that it is up, and shows a certificate of tls.ca_file for ",
                                 spec.tls->server_name.empty() ? "the host of its address"
                                                               : spec.tls->server_name,
                                 "; of its side, that it takes the host's (tls.cert_file)"));
  }
  return absl::Status(why.code(), absl::StrCat(what, ": ", why.message()));
}

}  // namespace outboard::fleet

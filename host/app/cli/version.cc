#include <google/protobuf/stubs/common.h>

#include <ostream>

#include "host/app/cli/verbs.h"

namespace outboard::app {

int RunVersion(bool json, const Terminal& terminal) {
  const std::string protobuf = google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION);
  if (json) {
    terminal.out << ToLine({{"version", OUTBOARD_VERSION},
                            {"grpc", grpc::Version()},
                            {"protobuf", protobuf}})
                 << std::endl;
  } else {
    terminal.out << "outboard " << OUTBOARD_VERSION << " (gRPC " << grpc::Version() << ", protobuf "
                 << protobuf << ")" << std::endl;
  }
  return kOk;
}

}  // namespace outboard::app

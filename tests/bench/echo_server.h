#pragma once

#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/prctl.h>

#include <string>

namespace outboard::bench {

// Serves `Service`, the bare control of a benchmark, in a process of its own: until it is killed,
// or its parent is gone.
template <typename Service>
int ServeEcho(const std::string& address) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Service service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  builder.BuildAndStart()->Wait();
  return 0;
}

}  // namespace outboard::bench

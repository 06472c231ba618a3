// A test program to be killed: starts the shared broker, prints its folder, and waits.

#include <stdio.h>
#include <unistd.h>

#include "tests/broker/broker.h"

int main() {
  printf("%s\n", outboard::tests::Broker::Shared().folder().c_str());
  fflush(stdout);
  for (;;) pause();
}

// A worker behind the stage: prints what reaches it.
#include <outboard/outboard.h>

#include <iostream>

int main() {
  outboard::Plugin plugin("__NAME__-printer", "0.1.0");
  plugin.Worker("__NAME__-printer", [](const outboard::Event& event, outboard::Context&) {
    std::cout << event.type() << " " << event.subject() << ": " << event.data() << std::endl;
    return outboard::Done();
  });
  return outboard::Serve(plugin);
}

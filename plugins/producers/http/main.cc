// outboard-http-producer: posts events to a webhook.

#include <charconv>
#include <cstdio>
#include <string_view>

#include "outboard/outboard.h"
#include "plugins/common/in_force.h"
#include "plugins/producers/http/client.h"
#include "plugins/producers/http/config.h"

namespace {

// Reads [--concurrency N]; false where it is anything else.
bool ReadArguments(int argc, char** argv, uint32_t* concurrency) {
  if (argc == 1) return true;
  if (argc != 3 || std::string_view(argv[1]) != "--concurrency") return false;
  const std::string_view number = argv[2];
  const auto [rest, error] =
      std::from_chars(number.data(), number.data() + number.size(), *concurrency);
  return error == std::errc() && rest == number.data() + number.size() && *concurrency >= 1 &&
         *concurrency <= 1024;
}

}  // namespace

int main(int argc, char** argv) {
  namespace http = outboard::http;
  outboard::ProducerOptions options;
  // Not in_order: runs of one key would take the places of other keys, and of each one is on its
  // way at once anyhow.
  options.concurrency = 16;
  if (!ReadArguments(argc, argv, &options.concurrency)) {
    std::fprintf(stderr,
                 "usage: outboard-http-producer [--concurrency N]: requests at once, 1 to "
                 "1024 (16)\n");
    return 2;
  }
  outboard::common::InForce<http::Config, http::Client> client;
  outboard::Plugin plugin("http", OUTBOARD_VERSION);
  client.Attach(&plugin, http::kConfigSchema, http::ReadConfig);
  plugin.Producer(
      "http",
      [&client](const outboard::Event& event, outboard::Context& context) {
        return client.get()->Post(event, context);
      },
      options);
  return outboard::Serve(plugin);
}

#pragma once

#include <curl/curl.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "outboard/plugin.h"
#include "plugins/producers/http/config.h"

namespace outboard::http {

// Posts events to one URL. Each call uses one of the connections that are free and kept alive, or a
// new one. Any thread, many at once.
class Client {
 public:
  explicit Client(Config config) : config_(std::move(config)) {}

  // Says what cannot work, or nothing. Connects only with the first event.
  std::string Open();
  Verdict Post(const Event& event, const Context& context);

 private:
  struct Free {
    void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  };
  using Handle = std::unique_ptr<CURL, Free>;

  Handle Take();
  void Give(Handle handle);
  // Sets what is the same for all requests.
  void SetUp(CURL* curl) const;

  const Config config_;
  std::mutex mutex_;
  std::vector<Handle> free_;
};

}  // namespace outboard::http

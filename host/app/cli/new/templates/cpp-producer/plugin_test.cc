#include "plugin.h"

#include <outboard/testing.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "expect.h"

namespace fs = std::filesystem;

int main() {
  const fs::path folder = fs::current_path() / "__NAME__-test-outbox";
  fs::remove_all(folder);
  const outboard::Plugin plugin = MakePlugin();
  outboard::testing::FakeHost host(plugin);
  Expect(host.CheckConfig(R"({"path": 7})").at(0).path == "/path");
  Expect(host.Open("__NAME__", R"({"path": "__NAME__-test-outbox"})").code == 0);
  outboard::NewEvent event("story.post");
  event.Id("s/1").Source("me").Json(R"({"title": "Hello"})");
  // The second time is the same event again.
  for (int i = 0; i < 2; ++i) {
    const auto verdict = host.Wait(host.Deliver(event));
    Expect(verdict && verdict->offset());
    Expect(std::get<std::string>(*verdict->offset()) == "me+s%2F1");
  }
  std::ifstream file(folder / "me+s%2F1");
  Expect(std::string(std::istreambuf_iterator<char>(file), {}) == R"({"title": "Hello"})");
  Expect(std::distance(fs::directory_iterator(folder), {}) == 1);
  event.Id(std::string(300, 'x'));
  Expect(host.Wait(host.Deliver(event))->reason() == "ID_TOO_LONG");
  Expect(host.Close().code == 0);
  fs::remove_all(folder);
}

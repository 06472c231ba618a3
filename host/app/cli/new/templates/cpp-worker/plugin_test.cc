#include "plugin.h"

#include <outboard/testing.h>

#include "expect.h"

int main() {
  const outboard::Plugin plugin = MakePlugin();
  // On this thread, without a server: easy to step through.
  outboard::NewEvent untitled("story.post");
  untitled.Json("{}");
  Expect(outboard::testing::Call(plugin, "__NAME__", untitled).reason() == "NO_TITLE");

  // Over gRPC, as a host does.
  outboard::testing::FakeHost host(plugin);
  Expect(host.CheckConfig(R"({"greeting": 7})").at(0).path == "/greeting");
  Expect(host.Open("__NAME__", R"({"greeting": "Good morning"})").code == 0);
  outboard::NewEvent posted("story.post");
  posted.Json(R"({"title": "Hello"})").Subject("story/12");
  const auto verdict = host.Wait(host.Deliver(posted));
  Expect(verdict && verdict->kind() == outboard::Verdict::Kind::kDone);
  Expect(verdict->emits().size() == 1);
  const outboard::Event sent = verdict->emits()[0].view();
  Expect(sent.subject() == "story/12");
  Expect(sent.data() == R"({"text":"Good morning: Hello"})");
  Expect(host.Close().code == 0);
}

#include "plugin.h"

#include <outboard/testing.h>

#include "expect.h"

using Kind = outboard::Verdict::Kind;

int main() {
  const outboard::Plugin plugin = MakePlugin();
  outboard::testing::FakeHost host(plugin);
  Expect(host.CheckConfig(R"({"hide": "author_email"})").at(0).path == "/hide");
  Expect(host.Open("__NAME__", R"({"hide": ["author_email"]})").code == 0);
  const auto answer = [&](std::string_view data) {
    outboard::NewEvent event("story.post");
    event.Id("s1").Source("me").Json(data);
    const auto verdict = host.Wait(host.Deliver(event));
    Expect(verdict.has_value());
    return *verdict;
  };
  Expect(answer(R"({"title": "Hello"})").plain());
  Expect(answer(R"({"title": "Soon", "draft": true})").kind() == Kind::kHalt);
  Expect(answer("{}").reason() == "NO_TITLE");
  const auto verdict = answer(R"({"title": "Hello", "author_email": "ada@example.org"})");
  Expect(verdict.changed() && verdict.changed()->view().data() == R"({"title":"Hello"})");
  Expect(host.Close().code == 0);
}

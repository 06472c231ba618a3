// What an answer, or a deadline without one, means for a delivery.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/wire_text.h"
#include "tests/unit/lane/dispatcher_harness.h"

namespace outboard::lane {
namespace {

using ::testing::ElementsAre;

TEST(DispatchEmitsOfTheConfigTest, AreTheOnlyOnesThatGo) {
  DispatcherOptions options = OneLane();
  options.plugin = "mail";
  options.emits = {"story.*"};
  DispatcherHarness harness(options);
  SessionUp session = Session(1);
  session.emits = {"#"};
  harness.Up(session);
  harness.Deliver(2);
  harness.DoneWith("e1", {wire_text::Type("story.indexed")});
  harness.DoneWith("e2", {wire_text::Type("audit.a")});
  EXPECT_THAT(harness.Settlements(), ElementsAre("e1 done", "e2 dead EMIT_REFUSED"));
  EXPECT_EQ(harness.SettlementOf("e2").dead->message,
            "emit 0: plugin mail may not emit type audit.a: add it to its emits: in the host's "
            "configuration");
}

}  // namespace
}  // namespace outboard::lane

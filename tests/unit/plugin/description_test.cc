#include "host/plugin/description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::plugin {
namespace {

using outboard::plugin::v1::Component;
using outboard::plugin::v1::DescribeResponse;
using outboard::plugin::v1::Role;
using ::testing::HasSubstr;
using ::testing::Not;

Component* Add(DescribeResponse& description, const std::string& name,
               Role role = v1::ROLE_WORKER) {
  Component* component = description.add_components();
  component->set_name(name);
  component->set_role(role);
  return component;
}

void ExpectRefused(const DescribeResponse& description, const std::string& text) {
  const absl::Status status = CheckDescription(description);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  // Who says it puts the plugin's name before it.
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("search")));
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
}

// ---- CheckDescription
// ----------------------------------------------------------------------------

TEST(CheckDescriptionTest, TakesComponentsOfAllRolesWithTopics) {
  DescribeResponse description;
  Component* indexer = Add(description, "indexer");
  indexer->add_event_types("story.*");
  indexer->add_event_types("audit.#");
  indexer->add_emits("story.indexed");
  Add(description, "guard", v1::ROLE_STAGE);
  Add(description, "bridge", v1::ROLE_PRODUCER);
  EXPECT_TRUE(CheckDescription(description).ok());
}

TEST(CheckDescriptionTest, TakesOneNameInTwoRoles) {
  DescribeResponse description;
  Add(description, "indexer", v1::ROLE_WORKER);
  Add(description, "indexer", v1::ROLE_STAGE);
  EXPECT_TRUE(CheckDescription(description).ok());
}

TEST(CheckDescriptionTest, RefusesWhatTheHostCouldNotWorkWith) {
  DescribeResponse none;
  ExpectRefused(none, "names no component: name at least one");

  DescribeResponse unnamed;
  Add(unnamed, "");
  ExpectRefused(unnamed, "a component without a name: set Component.name");

  DescribeResponse no_role;
  Add(no_role, "indexer", v1::ROLE_UNSPECIFIED);
  ExpectRefused(no_role, "gives component indexer no role");

  DescribeResponse new_role;
  Add(new_role, "indexer", static_cast<Role>(17));
  ExpectRefused(new_role, "no role that this host knows");

  DescribeResponse twice;
  Add(twice, "indexer");
  Add(twice, "indexer");
  ExpectRefused(twice, "names component indexer twice");

  DescribeResponse bad_type;
  Add(bad_type, "indexer")->add_event_types("story.cre*");
  ExpectRefused(bad_type, "bad pattern in event_types of component indexer");

  DescribeResponse bad_emit;
  Add(bad_emit, "indexer")->add_emits("");
  ExpectRefused(bad_emit, "bad pattern in emits of component indexer");
}

TEST(CheckDescriptionTest, TellsAllThatIsWrongWithTheConfig) {
  DescribeResponse description;  // Without components: that does not matter yet.
  auto* first = description.add_config_errors();
  first->set_path("/index/url");
  first->set_message("not a URL");
  description.add_config_errors()->set_message("say which index");
  const absl::Status status = CheckDescription(description);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(status.message(), "refuses its config: /index/url: not a URL; /: say which index");
}

// ---- FindComponent
// -------------------------------------------------------------------------------

class FindComponentTest : public ::testing::Test {
 protected:
  FindComponentTest() {
    Add(description_, "indexer");
    Add(description_, "mailer");
    Add(description_, "guard", v1::ROLE_STAGE);
  }
  std::string Refusal(const std::string& component, Use use) {
    const auto found = FindComponent("search", component, use, description_);
    EXPECT_TRUE(absl::IsFailedPrecondition(found.status()));
    return std::string(found.status().message());
  }
  DescribeResponse description_;
};

TEST_F(FindComponentTest, FindsByName) {
  const auto found = FindComponent("search", "mailer", Use::kTarget, description_);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->name(), "mailer");
}

TEST_F(FindComponentTest, TheOnlyOneForAUseNeedsNoName) {
  const auto found = FindComponent("search", "", Use::kStage, description_);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->name(), "guard");
}

TEST_F(FindComponentTest, SeveralForAUseNeedOne) {
  EXPECT_EQ(Refusal("", Use::kTarget),
            "has several workers and producers (indexer, mailer): write search.NAME as the target");
}

TEST_F(FindComponentTest, AnUnknownNameGetsTheCandidatesAndTheNearest) {
  EXPECT_EQ(Refusal("indexr", Use::kTarget),
            "has no worker or producer indexr; did you mean indexer? (it has: indexer, mailer)");
}

TEST_F(FindComponentTest, ANameForAnotherUseDoesNotCount) {
  EXPECT_THAT(Refusal("indexer", Use::kStage), HasSubstr("(it has: guard)"));
  EXPECT_THAT(Refusal("guard", Use::kTarget), HasSubstr("(it has: indexer, mailer)"));
}

TEST_F(FindComponentTest, AProducerIsATarget) {
  Add(description_, "kafka", v1::ROLE_PRODUCER);
  const auto found = FindComponent("search", "kafka", Use::kTarget, description_);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->role(), v1::ROLE_PRODUCER);
}

}  // namespace
}  // namespace outboard::plugin

#include "host/access/caller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outboard::access {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Caller With(Role role) { return {"grafana", role, {}, "its line in /etc/tokens"}; }

TEST(CallerTest, OperateIncludesTheOtherRolesWhichDoNotIncludeEachOther) {
  for (const Role needed : {Role::kRead, Role::kPublish, Role::kOperate}) {
    EXPECT_TRUE(CheckRole(With(needed), needed, "X").ok());
    EXPECT_TRUE(CheckRole(With(Role::kOperate), needed, "X").ok());
  }
  EXPECT_FALSE(CheckRole(With(Role::kRead), Role::kPublish, "X").ok());
  EXPECT_FALSE(CheckRole(With(Role::kPublish), Role::kRead, "X").ok());
  EXPECT_FALSE(CheckRole(With(Role::kRead), Role::kOperate, "X").ok());
  EXPECT_FALSE(CheckRole(With(Role::kPublish), Role::kOperate, "X").ok());
}

TEST(CallerTest, SaysWhoWhatAndTheFix) {
  const absl::Status role = CheckRole(With(Role::kRead), Role::kOperate, "PurgeDead");
  EXPECT_TRUE(absl::IsPermissionDenied(role));
  EXPECT_EQ(role.message(),
            "grafana may read, and PurgeDead needs operate: use a token of that role, or change "
            "its line in /etc/tokens");
  Caller plugin{"plugin mail", Role::kPublish, {"story.#", "task.*"}, "publish: of plugin mail"};
  const absl::Status type = CheckType(plugin, "user.post");
  EXPECT_TRUE(absl::IsPermissionDenied(type));
  EXPECT_EQ(type.message(),
            "plugin mail may not publish user.post, only story.#, task.*: add the type to publish: "
            "of plugin mail");
}

TEST(CallerTest, TypesArePatternsOfWords) {
  Caller caller{"a", Role::kPublish, {"story.#", "task.*"}, "x"};
  EXPECT_TRUE(CheckType(caller, "story.post.x").ok());
  EXPECT_TRUE(CheckType(caller, "task.put").ok());
  EXPECT_FALSE(CheckType(caller, "task.put.x").ok());
  EXPECT_FALSE(CheckType(caller, "storyx").ok());
  caller.types.clear();
  EXPECT_TRUE(CheckType(caller, "anything").ok());
}

TEST(CallerTest, ATypeOfAnyBytesCanBeSaid) {
  Caller caller{"a", Role::kPublish, {"story.#"}, "x"};
  EXPECT_THAT(
      std::string(CheckType(caller, std::string("\x01", 1) + std::string(500, 'y')).message()),
      AllOf(HasSubstr("\\x01"), testing::SizeIs(testing::Lt(300))));
}

}  // namespace
}  // namespace outboard::access

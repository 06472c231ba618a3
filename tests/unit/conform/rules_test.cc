#include <gtest/gtest.h>

#include <set>

#include "host/conform/rule.h"

namespace outboard::conform {
namespace {

TEST(RulesTest, EachHasAnIdATextAFixAndAPlay) {
  std::set<std::string> ids;
  for (const Rule& rule : AllRules()) {
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id << " is there twice";
    EXPECT_TRUE(rule.text.ends_with('.')) << rule.id;
    EXPECT_TRUE(rule.fix.ends_with('.')) << rule.id;
    EXPECT_NE(rule.play, nullptr) << rule.id;
    EXPECT_EQ(FindRule(rule.id), &rule);
  }
}

TEST(RulesTest, EachNeedsOnlyWhatIsPlayedBeforeItAndIsNoHarder) {
  std::set<std::string> played;
  for (const Rule& rule : AllRules()) {
    for (const std::string& need : rule.needs) {
      EXPECT_TRUE(played.contains(need)) << rule.id << " needs " << need;
      if (!played.contains(need)) continue;
      // Else the rule would be skipped where only its grade is asked for.
      EXPECT_LE(FindRule(need)->grade, rule.grade) << rule.id << " needs " << need;
    }
    played.insert(rule.id);
  }
}

TEST(RulesTest, KnowWhichRolesTheyApplyTo) {
  EXPECT_TRUE(AppliesTo(*FindRule("stage.change"), v1::ROLE_STAGE));
  EXPECT_FALSE(AppliesTo(*FindRule("stage.change"), v1::ROLE_WORKER));
  EXPECT_TRUE(AppliesTo(*FindRule("answer.once"), v1::ROLE_PRODUCER));
  EXPECT_FALSE(AppliesTo(*FindRule("describe.answers"), v1::ROLE_WORKER));
  EXPECT_EQ(FindRule("no.such.rule"), nullptr);
}

}  // namespace
}  // namespace outboard::conform

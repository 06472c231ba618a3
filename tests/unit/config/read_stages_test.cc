#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/read.h"

namespace outboard::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kTwoPlugins[] = "plugins: [{name: p, run: x}, {name: q, run: x}]\n";

std::string PipelineProblems(const std::string& pipeline) {
  return Problems(kTwoPlugins + ("pipelines: [" + pipeline + "]\n"));
}

TEST(ReadPipelineTest, ReadsStagesInOrder) {
  const ReadResult result =
      Read(std::string(kTwoPlugins) +
           "pipelines:\n- {name: queue, stages: [p.a, {stage: q, time_limit: 250ms}]}\n"
           "- {name: topic, stages: p}\n");
  ASSERT_THAT(result.problems, IsEmpty());
  EXPECT_THAT(result.warnings, IsEmpty()) << "a pipeline uses them";
  ASSERT_THAT(result.config.pipelines, SizeIs(2));
  const Pipeline& queue = result.config.pipelines[0];
  EXPECT_EQ(queue.name, "queue");
  ASSERT_THAT(queue.stages, SizeIs(2));
  EXPECT_EQ(queue.stages[0].component.text(), "p.a");
  EXPECT_EQ(queue.stages[0].time_limit, std::nullopt);
  EXPECT_EQ(queue.stages[1].component.text(), "q");
  EXPECT_EQ(queue.stages[1].time_limit, std::chrono::milliseconds(250));
  EXPECT_THAT(result.config.pipelines[1].stages, SizeIs(1));
}

TEST(ReadPipelineTest, WantsANameAndAStage) {
  EXPECT_THAT(PipelineProblems("{}"), AllOf(HasSubstr("pipelines[0]: has no name"),
                                            HasSubstr("pipelines[0]: has no stage")));
  EXPECT_THAT(PipelineProblems("{name: a, stages: []}"),
              HasSubstr("pipelines[0].stages: is an empty list"));
  EXPECT_THAT(PipelineProblems("{name: a, stages: [{time_limit: 1s}]}"),
              HasSubstr("pipelines[0].stages[0]: has no stage"));
}

TEST(ReadPipelineTest, HasNothingThatOnlyEventsKnow) {
  EXPECT_THAT(PipelineProblems("{name: a, stages: [{stage: p, fail: open}]}"),
              HasSubstr("pipelines[0].stages[0].fail"));
  EXPECT_THAT(PipelineProblems("{name: a, stages: [{stage: p, observe: true}]}"),
              HasSubstr("pipelines[0].stages[0].observe"));
}

TEST(ReadPipelineTest, NamesWhatIsThereTwiceOrNotAtAll) {
  EXPECT_THAT(PipelineProblems("{name: a, stages: [p]}, {name: a, stages: [q]}"),
              HasSubstr("there is another pipeline a on line 2"));
  EXPECT_THAT(PipelineProblems("{name: a, stages: [p, p]}"),
              HasSubstr("pipelines[0].stages[1]: stage p is there twice"));
  EXPECT_THAT(PipelineProblems("{name: a, stages: [pp]}"),
              HasSubstr("there is no plugin pp; did you mean p?"));
}

std::string IngressProblems(const std::string& ingress) {
  return Problems(kTwoPlugins + ("ingress: [" + ingress + "]\n"));
}

TEST(ReadIngressTest, ReadsWhoseEventsGoThroughWhat) {
  const ReadResult result =
      Read(std::string(kTwoPlugins) +
           "ingress:\n- name: screening\n  source: {service: storyboard, events: story.#}\n"
           "  stages: [p.a, {stage: q, time_limit: 250ms, fail: open}]\n"
           "- {name: rest, stages: p}\n");
  ASSERT_THAT(result.problems, IsEmpty());
  EXPECT_THAT(result.warnings, IsEmpty()) << "the ingress uses them";
  ASSERT_THAT(result.config.ingress, SizeIs(2));
  const Ingress& screening = result.config.ingress[0];
  EXPECT_EQ(screening.name, "screening");
  EXPECT_EQ(screening.service, "storyboard");
  EXPECT_THAT(screening.events, ElementsAre("story.#"));
  ASSERT_THAT(screening.stages, SizeIs(2));
  EXPECT_EQ(screening.stages[0].component.text(), "p.a");
  EXPECT_FALSE(screening.stages[0].fail_open);
  EXPECT_TRUE(screening.stages[1].fail_open);
  EXPECT_EQ(screening.stages[1].time_limit, std::chrono::milliseconds(250));
  EXPECT_EQ(result.config.ingress[1].service, "");
  EXPECT_THAT(result.config.ingress[1].stages, SizeIs(1));
}

TEST(ReadIngressTest, WantsANameAndAStage) {
  EXPECT_THAT(IngressProblems("{}"),
              AllOf(HasSubstr("ingress[0]: has no name"), HasSubstr("ingress[0]: has no stage")));
  EXPECT_THAT(IngressProblems("{name: a, stages: []}"),
              HasSubstr("ingress[0].stages: is an empty list"));
  EXPECT_THAT(IngressProblems("{name: a, stage: [p]}"),
              HasSubstr("ingress[0].stage: unknown key; did you mean stages?"));
  EXPECT_THAT(Problems("ingress: true\n"), HasSubstr("ingress: needs a list, not \"true\""));
}

TEST(ReadIngressTest, HasTheFilterOfARoute) {
  EXPECT_THAT(IngressProblems("{name: a, source: {service: 'x*'}, stages: [p]}"),
              HasSubstr("ingress[0].source.service: \"x*\" has a wildcard"));
  EXPECT_THAT(IngressProblems("{name: a, source: {types: b}, stages: [p]}"),
              HasSubstr("ingress[0].source.types: unknown key"));
}

TEST(ReadIngressTest, HasNoObserversYet) {
  EXPECT_THAT(
      IngressProblems("{name: a, stages: [{stage: p, observe: true}]}"),
      HasSubstr("ingress[0].stages[0].observe: not built yet: this version has no observers in "
                "front of the bus"));
}

TEST(ReadIngressTest, NamesWhatIsThereTwiceOrNotAtAll) {
  EXPECT_THAT(IngressProblems("{name: a, stages: [p]}, {name: a, stages: [q]}"),
              HasSubstr("there is another ingress a on line 2"));
  EXPECT_THAT(IngressProblems("{name: a, stages: [p, p]}"),
              HasSubstr("ingress[0].stages[1]: stage p is there twice"));
  EXPECT_THAT(IngressProblems("{name: a, stages: [pp]}"),
              HasSubstr("there is no plugin pp; did you mean p?"));
}

TEST(ReadIngressTest, WarnsOfAnEntryBehindOneThatTakesAllOfIt) {
  const auto warnings = [](const std::string& second) {
    return ToText(Read(std::string(kTwoPlugins) +
                       "ingress:\n- {name: a, source: {service: s}, stages: [p]}\n"
                       "- {name: b, source: {" +
                       second + "}, stages: [q]}\n")
                      .warnings);
  };
  EXPECT_THAT(warnings("service: s, events: story.#"),
              HasSubstr("ingress[1]: no event gets to ingress b: the first that fits has it, and a "
                        "on line 3 takes all of these"));
  EXPECT_THAT(warnings("service: other"), IsEmpty());
  EXPECT_THAT(warnings("events: story.#"), IsEmpty());
}

}  // namespace
}  // namespace outboard::config

#include "host/metrics/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/unit/metrics/sample_snapshot.h"

namespace outboard::metrics {
namespace {

using admin::SampleSnapshot;
using testing::HasSubstr;
using testing::Not;

constexpr char kGolden[] = OUTBOARD_SOURCE_DIR "/tests/golden/metrics.txt";
constexpr char kReference[] = OUTBOARD_SOURCE_DIR "/docs/reference/metrics.md";
constexpr char kBegin[] = "<!-- begin of the table: kept by exposition_test -->\n";
constexpr char kEnd[] = "<!-- end of the table -->\n";
constexpr char kHowToUpdate[] =
    "names of metrics are a contract with dashboards and alerts; if the change is meant, run "
    "`OUTBOARD_UPDATE_GOLDEN=1 bin/metrics_test` in the build folder and put it in CHANGELOG.md";

struct Family {
  std::string name, help, type;
  std::set<std::vector<std::string>> label_names;  // One entry, if all is well.
};

struct Parsed {
  std::vector<Family> families;
  std::map<std::string, std::string> samples;  // "name{labels}" to value.
};

std::vector<std::string> LabelNames(const std::string& series) {
  std::vector<std::string> names;
  const size_t open = series.find('{');
  if (open == std::string::npos) return names;
  const std::string inner = series.substr(open + 1, series.size() - open - 2);
  for (const absl::string_view label : absl::StrSplit(inner, ',')) {  // No sample has a comma.
    const std::vector<std::string> parts = absl::StrSplit(label, '=');
    if (parts[0] != "le") names.push_back(parts[0]);
  }
  return names;
}

Parsed Parse(const std::string& text) {
  Parsed parsed;
  for (const absl::string_view view : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::string line(view);
    if (absl::StartsWith(line, "# HELP ")) {
      const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(' ', 3));
      parsed.families.push_back({parts[2], parts[3], "", {}});
    } else if (absl::StartsWith(line, "# TYPE ")) {
      const std::vector<std::string> parts = absl::StrSplit(line, ' ');
      EXPECT_EQ(parsed.families.back().name, parts[2]);
      parsed.families.back().type = parts[3];
    } else {
      const size_t space = line.rfind(' ');
      const std::string series = line.substr(0, space);
      EXPECT_TRUE(parsed.samples.emplace(series, line.substr(space + 1)).second)
          << "twice: " << series;
      EXPECT_TRUE(absl::StartsWith(series, parsed.families.back().name)) << series;
      parsed.families.back().label_names.insert(LabelNames(series));
    }
  }
  return parsed;
}

std::string LabelList(const Family& family, const char* separator) {
  return family.label_names.empty() ? "" : absl::StrJoin(*family.label_names.begin(), separator);
}

std::string Catalogue(const Parsed& parsed) {
  std::string out;
  for (const Family& family : parsed.families) {
    absl::StrAppend(&out, "# HELP ", family.name, " ", family.help, "\n# TYPE ", family.name, " ",
                    family.type, "\n", family.name, "{", LabelList(family, ","), "}\n");
  }
  return out;
}

std::string Table(const Parsed& parsed) {
  std::string out = "| Name | Type | Labels | What it tells |\n|---|---|---|---|\n";
  for (const Family& family : parsed.families) {
    absl::StrAppend(&out, "| `", family.name, "` | ", family.type, " | ", LabelList(family, ", "),
                    " | ", family.help, " |\n");
  }
  return out;
}

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

bool Updating() { return std::getenv("OUTBOARD_UPDATE_GOLDEN") != nullptr; }

TEST(ExpositionTest, HasEveryNameTypeLabelAndHelpOfTheGoldenFile) {
  const std::string catalogue = Catalogue(Parse(Exposition(SampleSnapshot())));
  if (Updating()) std::ofstream(kGolden) << catalogue;
  EXPECT_EQ(Read(kGolden), catalogue) << kHowToUpdate;
}

TEST(ExpositionTest, IsDescribedByTheReference) {
  const std::string table = Table(Parse(Exposition(SampleSnapshot())));
  std::string page = Read(kReference);
  const size_t begin = page.find(kBegin);
  const size_t end = page.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const size_t from = begin + sizeof kBegin - 1;
  if (Updating()) {
    page.replace(from, end - from, table);
    std::ofstream(kReference) << page;
  } else {
    EXPECT_EQ(page.substr(from, end - from), table) << kHowToUpdate;
  }
}

TEST(ExpositionTest, FollowsTheNamingRules) {
  const Parsed parsed = Parse(Exposition(SampleSnapshot()));
  ASSERT_GT(parsed.families.size(), 40u);
  std::set<std::string> names;
  for (const Family& family : parsed.families) {
    const std::string& name = family.name;
    EXPECT_TRUE(absl::StartsWith(name, "outboard_") || absl::StartsWith(name, "process_")) << name;
    EXPECT_EQ(absl::EndsWith(name, "_total"), family.type == "counter") << name;
    EXPECT_TRUE(absl::EndsWith(family.help, ".")) << name;
    EXPECT_EQ(family.label_names.size(), 1u) << name << ": series with different labels, or none";
    // OpenMetrics drops _total from a counter's family name: no two may then be the same.
    const std::string open_metrics_name(absl::StripSuffix(name, "_total"));
    EXPECT_TRUE(names.insert(open_metrics_name).second) << name;
  }
}

TEST(ExpositionTest, CountsWhatLanesDid) {
  const std::string text = Exposition(SampleSnapshot());
  const std::string lane = "route=\"stories\",target=\"notifier\"";
  EXPECT_THAT(text, HasSubstr("outboard_lane_events_received_total{" + lane + "} 50\n"));
  EXPECT_THAT(text,
              HasSubstr("outboard_lane_events_settled_total{" + lane + ",outcome=\"done\"} 30\n"));
  EXPECT_THAT(text,
              HasSubstr("outboard_lane_events_settled_total{" + lane + ",outcome=\"dead\"} 4\n"));
  EXPECT_THAT(
      text, HasSubstr("outboard_lane_events_settled_total{" + lane + ",outcome=\"returned\"} 5\n"));
  EXPECT_THAT(text,
              HasSubstr("outboard_lane_dead_letters_total{" + lane + ",reason=\"BAD_DATA\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_retries_total{" + lane + "} 7\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_deadlines_total{" + lane + "} 2\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_rejected_total{" + lane + "} 3\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_released_total{" + lane + "} 6\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_events_emitted_total{" + lane + "} 8\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_redelivered_total{" + lane + "} 9\n"));
  const std::string stage = "outboard_stage_events_total{" + lane + ",stage=\"guard\"";
  EXPECT_THAT(text, HasSubstr(stage + ",outcome=\"passed\"} 40\n"));
  EXPECT_THAT(text, HasSubstr(stage + ",outcome=\"halted\"} 1\n"));
}

TEST(ExpositionTest, CountsCallsOfPipelinesAndTheirStages) {
  const std::string text = Exposition(SampleSnapshot());
  const std::string calls = "outboard_pipeline_calls_total{pipeline=\"queue\",outcome=";
  EXPECT_THAT(text, HasSubstr(calls + "\"answered\"} 21\n"));
  EXPECT_THAT(text, HasSubstr(calls + "\"unanswered\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(calls + "\"NOT_FOUND\"} 4\n"));
  EXPECT_THAT(text, HasSubstr(calls + "\"UNAVAILABLE\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("outboard_pipeline_calls_under_way{pipeline=\"queue\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("outboard_pipeline_seconds_count{pipeline=\"queue\"} 1\n"));
  const std::string stage =
      "outboard_pipeline_stage_calls_total{pipeline=\"queue\",stage=\"store\",outcome=";
  EXPECT_THAT(text, HasSubstr(stage + "\"passed\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(stage + "\"halted\"} 21\n"));
  EXPECT_THAT(text, HasSubstr(stage + "\"rejected\"} 4\n"));
  EXPECT_THAT(text, HasSubstr(stage + "\"retry\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(stage + "\"deadline\"} 5\n"));
}

TEST(ExpositionTest, CountsEventsBeforeTheBusAmongThem) {
  const std::string text = Exposition(SampleSnapshot());
  const std::string screening = "{pipeline=\"ingress/screening\",";
  EXPECT_THAT(text,
              HasSubstr("outboard_pipeline_calls_total" + screening + "outcome=\"answered\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("outboard_pipeline_calls_total" + screening +
                              "outcome=\"unanswered\"} 90\n"));
  EXPECT_THAT(text, HasSubstr("outboard_pipeline_stage_calls_total" + screening +
                              "stage=\"screen\",outcome=\"passed\"} 90\n"));
}

TEST(ExpositionTest, ShowsWhereEventsAreNow) {
  const std::string text = Exposition(SampleSnapshot());
  const std::string lane = "{route=\"stories\",target=\"notifier\"}";
  EXPECT_THAT(text, HasSubstr("outboard_lane_events_ready" + lane + " 1\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_events_parked" + lane + " 2\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_events_held" + lane + " 3\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_events_in_flight" + lane + " 4\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_events_settling" + lane + " 1\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_backlog_events" + lane + " 12\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_retrying_events" + lane + " 3\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_dead_letters_held" + lane + " 4\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_lag_seconds" + lane + " 2.5\n"));
}

TEST(ExpositionTest, AnEmptyLaneHasNoLag) {
  EXPECT_THAT(
      Exposition(SampleSnapshot()),
      HasSubstr("outboard_lane_lag_seconds{route=\"stories\",target=\"index.search\"} 0\n"));
}

TEST(ExpositionTest, LagIsNeverNegative) {
  admin::Snapshot s = SampleSnapshot();
  s.lanes[0].bus.oldest = s.now + std::chrono::seconds(1);
  EXPECT_THAT(Exposition(s),
              HasSubstr("outboard_lane_lag_seconds{route=\"stories\",target=\"notifier\"} 0\n"));
}

TEST(ExpositionTest, HistogramsAreCumulative) {
  const std::string text = Exposition(SampleSnapshot());
  const std::string lane = "{route=\"stories\",target=\"notifier\"";
  const std::string name = "outboard_lane_handling_seconds";
  EXPECT_THAT(text, HasSubstr(name + "_bucket" + lane + ",le=\"0.001\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket" + lane + ",le=\"0.0025\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket" + lane + ",le=\"300\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket" + lane + ",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr(name + "_count" + lane + "} 3\n"));
  EXPECT_THAT(text, HasSubstr(name + "_sum" + lane + "} 400.004\n"));
}

TEST(ExpositionTest, TellsHowLongPublishersWaitAndWhatADrainLeft) {
  const std::string text = Exposition(SampleSnapshot());
  EXPECT_THAT(text, HasSubstr("outboard_publish_confirm_seconds_bucket{le=\"0.001\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("outboard_publish_confirm_seconds_bucket{le=\"0.0025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_events_abandoned_total{route=\"stories\","
                              "target=\"notifier\"} 7\n"));
}

TEST(ExpositionTest, ALaneIsInOneState) {
  const std::string text = Exposition(SampleSnapshot());
  const std::string lane = "outboard_lane_state{route=\"stories\",target=\"index.search\",state=";
  EXPECT_THAT(text, HasSubstr(lane + "\"circuit\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(lane + "\"no_session\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(lane + "\"running\"} 0\n"));
}

TEST(ExpositionTest, AnOrphanShowsWhatItKeepsAndNothingElse) {
  const std::string text = Exposition(SampleSnapshot());
  const std::string lane = "{route=\"old\",target=\"notifier\"";
  EXPECT_THAT(text, HasSubstr("outboard_lane_backlog_events" + lane + "} 7\n"));
  EXPECT_THAT(text, HasSubstr("outboard_lane_state" + lane + ",state=\"orphan\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("outboard_lane_events_received_total" + lane)));
}

TEST(ExpositionTest, CountsWhatPluginsDid) {
  const std::string text = Exposition(SampleSnapshot());
  const std::string plugin = "{plugin=\"notifier\"";
  EXPECT_THAT(text, HasSubstr("outboard_plugin_up" + plugin + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("outboard_plugin_ready_instances" + plugin + "} 2\n"));
  EXPECT_THAT(text,
              HasSubstr("outboard_plugin_restarts_total" + plugin + ",cause=\"signal\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("outboard_plugin_suspects" + plugin + "} 2\n"));
  EXPECT_THAT(text, HasSubstr("outboard_plugin_suspected_total" + plugin + "} 9\n"));
  EXPECT_THAT(text, HasSubstr("outboard_plugin_convictions_total" + plugin + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("outboard_plugin_late_answers_total" + plugin + "} 6\n"));
  EXPECT_THAT(text, HasSubstr("outboard_plugin_protocol_errors_total" + plugin + "} 2\n"));
  EXPECT_THAT(text, HasSubstr("outboard_plugin_circuit_state" + plugin + "} 0\n"));
  EXPECT_THAT(text, HasSubstr("outboard_plugin_up{plugin=\"index\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("outboard_plugin_circuit_state{plugin=\"index\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("outboard_plugin_circuit_openings_total{plugin=\"index\"} 1\n"));
}

TEST(ExpositionTest, TellsInstancesApart) {
  const std::string text = Exposition(SampleSnapshot());
  EXPECT_THAT(text,
              HasSubstr("outboard_instance_in_flight{plugin=\"notifier\",instance=\"0\"} 4\n"));
  EXPECT_THAT(
      text, HasSubstr("outboard_instance_restarts_total{plugin=\"notifier\",instance=\"0\"} 4\n"));
  EXPECT_THAT(text,
              HasSubstr("outboard_instance_up{plugin=\"notifier\",instance=\"quarantine-0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("outboard_instance_up{plugin=\"index\",instance=\"0\"} 0\n"));
}

TEST(ExpositionTest, AnInstanceForSuspectsDoesNotMakeAPluginReady) {
  admin::Snapshot s = SampleSnapshot();
  s.plugins[0].fleet.instances[0].uid = 0;
  s.plugins[0].fleet.instances[1].uid = 0;
  EXPECT_THAT(Exposition(s), HasSubstr("outboard_plugin_up{plugin=\"notifier\"} 0\n"));
}

TEST(ExpositionTest, ADisabledComponentIsSeen) {
  admin::Snapshot s = SampleSnapshot();
  const std::string series =
      "outboard_component_disabled{plugin=\"notifier\",component=\"notify\"}";
  EXPECT_THAT(Exposition(s), HasSubstr(series + " 0\n"));
  s.plugins[0].shard.disabled["notify"] = "no smtp server given";
  EXPECT_THAT(Exposition(s), HasSubstr(series + " 1\n"));
  s.plugins[0].shard.disabled.clear();
  s.plugins[0].fleet.components[0].set_disabled(true);
  EXPECT_THAT(Exposition(s), HasSubstr(series + " 1\n"));
}

TEST(ExpositionTest, TellsOfBusPublishersAndDrain) {
  admin::Snapshot s = SampleSnapshot();
  s.draining = true;
  const std::string text = Exposition(s);
  EXPECT_THAT(text, HasSubstr("outboard_draining 1\n"));
  EXPECT_THAT(text, HasSubstr("outboard_bus_connected{kind=\"embedded\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("outboard_bus_held_bytes 4096\n"));
  EXPECT_THAT(text, HasSubstr("outboard_bus_held_events 17\n"));
  EXPECT_THAT(
      text,
      HasSubstr("outboard_publish_events_total{protocol=\"grpc\",outcome=\"confirmed\"} 15\n"));
  EXPECT_THAT(
      text, HasSubstr("outboard_publish_events_total{protocol=\"grpc\",outcome=\"refused\"} 3\n"));
  EXPECT_THAT(text,
              HasSubstr("outboard_publish_events_total{protocol=\"grpc\",outcome=\"failed\"} 1\n"));
  EXPECT_THAT(
      text,
      HasSubstr("outboard_publish_events_total{protocol=\"grpc\",outcome=\"pushed_back\"} 4\n"));
  EXPECT_THAT(
      text, HasSubstr("outboard_publish_events_total{protocol=\"grpc\",outcome=\"dropped\"} 2\n"));
  EXPECT_THAT(
      text,
      HasSubstr("outboard_publish_events_total{protocol=\"http\",outcome=\"confirmed\"} 7\n"));
  EXPECT_THAT(
      text, HasSubstr("outboard_publish_events_total{protocol=\"http\",outcome=\"refused\"} 5\n"));
  EXPECT_THAT(text,
              HasSubstr("outboard_publish_events_total{protocol=\"http\",outcome=\"failed\"} 6\n"));
  EXPECT_THAT(
      text,
      HasSubstr("outboard_publish_events_total{protocol=\"http\",outcome=\"pushed_back\"} 8\n"));
  EXPECT_THAT(text, HasSubstr("outboard_publish_under_way_events 9\n"));
  EXPECT_THAT(text, HasSubstr("outboard_publish_under_way_bytes 900\n"));
  EXPECT_THAT(text, HasSubstr("outboard_publish_unmatched_events_total 2\n"));
  EXPECT_THAT(text, HasSubstr("outboard_build_info{version=\"" OUTBOARD_VERSION "\"} 1\n"));
}

TEST(ExpositionTest, WhatTheBusDidNotTellIsLeftOut) {
  admin::Snapshot s = SampleSnapshot();
  s.bus_problem = "disk I/O error";
  s.lanes.pop_back();
  for (admin::LaneSnapshot& lane : s.lanes) lane.bus = {};
  const std::string text = Exposition(s);
  EXPECT_THAT(text, HasSubstr("outboard_bus_connected{kind=\"embedded\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("outboard_lane_backlog_events{")));
  EXPECT_THAT(text, Not(HasSubstr("outboard_lane_lag_seconds{")));
  EXPECT_THAT(text, HasSubstr("outboard_lane_events_received_total{"));
}

TEST(ExpositionTest, WhatTheBusToldLongAgoOrNeverIsLeftOut) {
  admin::Snapshot s = SampleSnapshot();
  s.lanes[0].bus.age = std::chrono::seconds(9);
  s.lanes[1].bus.age = std::chrono::seconds(10);
  s.lanes[2].bus.counted = false;
  const std::string text = Exposition(s);
  const std::string backlog = "outboard_lane_backlog_events{route=\"";
  EXPECT_THAT(text, HasSubstr(backlog + "stories\",target=\"notifier\"} 12\n"));
  EXPECT_THAT(text, Not(HasSubstr(backlog + "stories\",target=\"index.search\"}")));
  EXPECT_THAT(text, Not(HasSubstr(backlog + "old\"")));
}

TEST(ExpositionTest, SeriesStayApartWhateverPluginsCallTheirReasons) {
  admin::Snapshot s = SampleSnapshot();
  auto& reasons = s.lanes[0].lane.dead_by_reason;
  reasons = {{std::string(500, 'x') + "1", 2}, {std::string(500, 'x') + "2", 3}, {"a\"\n\xff", 1}};
  const Parsed parsed = Parse(Exposition(s));  // Expects that no series comes twice.
  const std::string lane =
      "outboard_lane_dead_letters_total{route=\"stories\",target=\"notifier\",reason=\"";
  std::map<std::string, std::string> shown;
  for (const auto& [series, value] : parsed.samples) {
    if (absl::StartsWith(series, lane)) shown[series.substr(lane.size())] = value;
  }
  ASSERT_EQ(shown.size(), 2u);
  EXPECT_EQ(shown.begin()->first, "a\\\"\\\\x0A\\\\xFF\"}");
  EXPECT_EQ(shown.rbegin()->second, "5");
  EXPECT_LT(shown.rbegin()->first.size(), 140u);
}

TEST(ExpositionTest, TellsWhatTheProcessUses) {
  const Parsed parsed = Parse(Exposition(SampleSnapshot()));
  EXPECT_EQ(parsed.samples.at("process_start_time_seconds"), "1700000000");
  EXPECT_GT(std::stod(parsed.samples.at("process_resident_memory_bytes")), 1e5);
  EXPECT_GE(std::stod(parsed.samples.at("process_open_fds")), 1);
}

}  // namespace
}  // namespace outboard::metrics

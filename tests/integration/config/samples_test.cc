// The samples, the schema, the reference and the reader say the same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/config/json.h"
#include "host/config/reader.h"
#include "host/event/json.h"
#include "nlohmann/json.hpp"

namespace outboard::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

const std::filesystem::path kRoot = OUTBOARD_SOURCE_DIR;
const std::filesystem::path kSchema = kRoot / "docs/reference/outboard.schema.json";

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

ReadResult Read(const std::string& yaml) {
  return ReadConfigText(yaml, (kRoot / "deploy/samples/test.yaml").string(),
                        [](const std::string&) { return std::nullopt; });
}

class Schema {
 public:
  Schema() {
    document_.Parse(ReadAll(kSchema).c_str());
    EXPECT_FALSE(document_.HasParseError()) << "at byte " << document_.GetErrorOffset();
    schema_ = std::make_unique<rapidjson::SchemaDocument>(document_);
  }

  // Where the schema refuses the YAML (a JSON pointer and the keyword), or "ok".
  std::string Verdict(const std::string& yaml) const {
    Reading reading{
        .file = "f", .directory = "/", .env = ProcessEnv(), .problems = {}, .warnings = {}};
    const std::optional<std::string> json = ToJsonObject(Value(YAML::Load(yaml), "", &reading));
    EXPECT_TRUE(json.has_value()) << ToText(reading.problems);
    rapidjson::Document value;
    value.Parse(json.value_or("{").c_str());
    rapidjson::SchemaValidator validator(*schema_);
    if (value.Accept(validator)) return "ok";
    rapidjson::StringBuffer where;
    validator.GetInvalidDocumentPointer().StringifyUriFragment(where);
    return absl::StrCat(where.GetString(), " ", validator.GetInvalidSchemaKeyword());
  }

 private:
  rapidjson::Document document_;
  std::unique_ptr<rapidjson::SchemaDocument> schema_;
};

std::vector<std::filesystem::path> YamlSamples() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "deploy/samples")) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  return files;
}

// The blocks of YAML in the reference that are a whole configuration.
std::vector<std::string> YamlOfTheReference() {
  std::vector<std::string> blocks;
  const std::string text = ReadAll(kRoot / "docs/reference/config.md");
  for (size_t at = 0; (at = text.find("```yaml\n", at)) != std::string::npos;) {
    at += 8;
    blocks.push_back(text.substr(at, text.find("```", at) - at));
  }
  return blocks;
}

// Without x-: RapidJSON 1.1 holds what matches only patternProperties to the schema of the property
// before.
constexpr char kAll[] = R"(
host: {name: t, data: d, http: "127.0.0.1:0", admin_socket: s, drain_timeout: 1s, shards: 2, log: {format: json, level: debug}}
bus: {kind: memory, path: p, synchronous: normal, retain: {time: 1d, bytes: 1MiB}, max_bytes: 1GiB, max_event_bytes: 65536}
plugins:
  - {name: p, run: [a, 1], instances: 2, config: {a: [1]}, env: {A: 1, B: "x"}, time_limit: 1h30m, start_timeout: 1s, grace: 1s,
     restart: {initial: 1s, max: 1m}, crash_limit: 1, max_in_flight: 9, circuit: &c {crashes: 1, within: 1s, trial_after: 1s}}
  - {name: q, address: "dns:///h:1"}
  - {name: r, run: "a b", grace: 0, circuit: {<<: *c, crashes: 2}}
routes:
  - {name: a.b, source: {service: s, events: ["#"]}, delivery: {mode: broadcast, order_by: subject, reliable: false}, from: 7,
     to: [p, q.c], retry: {max_attempts: 1, initial: 1s, max: 2s, probe_limit: 3h}}
  - {name: c, source: {events: a.b}, from: "2026-01-31T12:00:00Z", to: r}
  - {name: d, from: last, to: [r]}
)";

TEST(SamplesTest, ReaderAndSchemaTakeEverySample) {
  const Schema schema;
  ASSERT_THAT(YamlSamples(), Not(IsEmpty()));
  for (const std::filesystem::path& file : YamlSamples()) {
    const ReadResult result = ReadConfigFile(file.string());
    EXPECT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
    EXPECT_THAT(result.warnings, IsEmpty()) << ToText(result.warnings);
    EXPECT_EQ(schema.Verdict(ReadAll(file)), "ok") << file;
  }
}

TEST(SamplesTest, ReaderAndSchemaTakeWhatTheReferenceShows) {
  const Schema schema;
  ASSERT_THAT(YamlOfTheReference(), Not(IsEmpty()));
  for (const std::string& yaml : YamlOfTheReference()) {
    const ReadResult result = ReadConfigText(yaml, "/x/outboard.yaml", [](const std::string&) {
      return std::optional<std::string>("secret");
    });
    EXPECT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
    setenv("SMTP_PASSWORD", "secret", 1);
    EXPECT_EQ(schema.Verdict(yaml), "ok") << yaml;
  }
}

TEST(SamplesTest, ReaderAndSchemaTakeEveryKey) {
  const ReadResult result = Read(kAll);
  EXPECT_THAT(result.problems, IsEmpty()) << ToText(result.problems);
  EXPECT_EQ(Schema().Verdict(kAll), "ok");
}

TEST(SamplesTest, ReaderAndSchemaRefuseTheSame) {
  const Schema schema;
  const std::string plugin = "plugins: [{name: p, run: x}]\n";
  const std::vector<std::string> bad = {
      "hosts: {}",
      "host: {nmae: x}",
      "host: {name: a b}",
      "host: {log: {level: warn}}",
      "host: {drain_timeout: 5}",
      "host: {shards: two}",
      "bus: {kind: rabbitmq, url: mq1}",
      "bus: {max_bytes: 1GB}",
      "bus: {retain: {tiem: 1s}}",
      "pipelines: []",
      "plugins: {}",
      "plugins: [{name: p}]",
      "plugins: [{run: x}]",
      "plugins: [{name: p, run: []}]",
      "plugins: [{name: p, run: x, address: \"h:1\"}]",
      "plugins: [{name: p, run: x, config: [1]}]",
      "plugins: [{name: p, run: x, limits: {}}]",
      "plugins: [{name: p, run: x, circuit: {crash: 1}}]",
      plugin + "routes: [{name: r}]",
      plugin + "routes: [{to: p}]",
      plugin + "routes: [{name: r, to: []}]",
      plugin + "routes: [{name: r, to: p, stages: [p]}]",
      plugin + "routes: [{name: r, to: p, delivery: {mode: pol}}]",
      plugin + "routes: [{name: r, to: p, delivery: {order_by: a.b}}]",
      plugin + "routes: [{name: r, to: p, delivery: {reliable: yes}}]",
      plugin + "routes: [{name: r, to: p, from: then}]",
      plugin + "routes: [{name: r, to: p, source: {events: []}}]",
      plugin + "routes: [{name: r, to: p, retry: {max_attempts: many}}]",
  };
  for (const std::string& yaml : bad) {
    EXPECT_THAT(Read(yaml).problems, Not(IsEmpty())) << yaml;
    EXPECT_NE(schema.Verdict(yaml), "ok") << yaml;
  }
}

// The keys that the reader names where it meets one that it does not know.
std::set<std::string> KeysOfTheReader(const std::string& yaml) {
  for (const ConfigProblem& problem : Read(yaml).problems) {
    const std::vector<std::string> parts = absl::StrSplit(problem.fix, "known here: ");
    if (parts.size() == 2) return absl::StrSplit(parts[1], ", ");
  }
  ADD_FAILURE() << "no list of keys for " << yaml;
  return {};
}

TEST(SamplesTest, SchemaAndReferenceKnowEveryKeyOfTheReader) {
  const nlohmann::json schema = nlohmann::json::parse(ReadAll(kSchema));
  const std::string reference = ReadAll(kRoot / "docs/reference/config.md");
  const std::string unknown = "{qqqqqqqqqqqq: 1}";
  // Where the reader meets it, where the schema has it, and what the reference puts before its
  // keys.
  const struct {
    std::string yaml, pointer, prefix;
  } sections[] = {
      {unknown, "/properties", "## "},
      {"host: " + unknown, "/definitions/host/properties", "`"},
      {"host: {log: " + unknown + "}", "/definitions/host/properties/log/properties", "`log."},
      {"bus: " + unknown, "/definitions/bus/properties", "`"},
      {"bus: {retain: " + unknown + "}", "/definitions/bus/properties/retain/properties",
       "`retain."},
      {"plugins: [" + unknown + "]", "/definitions/plugin/properties", "`"},
      {"plugins: [{restart: " + unknown + "}]", "/definitions/plugin/properties/restart/properties",
       "`restart."},
      {"plugins: [{circuit: " + unknown + "}]", "/definitions/plugin/properties/circuit/properties",
       "."},
      {"routes: [" + unknown + "]", "/definitions/route/properties", "`"},
      {"routes: [{source: " + unknown + "}]", "/definitions/route/properties/source/properties",
       "`source."},
      {"routes: [{delivery: " + unknown + "}]", "/definitions/route/properties/delivery/properties",
       "`delivery."},
      {"routes: [{retry: " + unknown + "}]", "/definitions/route/properties/retry/properties",
       "`retry."},
  };
  for (const auto& section : sections) {
    std::set<std::string> in_schema;
    for (const auto& [key, value] :
         schema.at(nlohmann::json::json_pointer(section.pointer)).items()) {
      in_schema.insert(key);
    }
    const std::set<std::string> keys = KeysOfTheReader(section.yaml);
    EXPECT_EQ(in_schema, keys) << section.pointer;
    for (const std::string& key : keys) {
      EXPECT_THAT(reference, testing::HasSubstr(section.prefix + key)) << section.pointer;
    }
  }
}

TEST(SamplesTest, EveryLineOfTheFeedIsAnEventOfTheTracker) {
  const std::vector<std::string> keys = {
      "author_id",       "method",        "url",         "path",         "query_string",
      "status",          "resource",      "resource_id", "sub_resource", "sub_resource_id",
      "resource_before", "resource_after"};
  std::ifstream in(kRoot / "deploy/samples/tracker-feed.ndjson");
  std::set<std::string> ids, timeline;
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const absl::StatusOr<Event> event = EventFromJson(line);
    ASSERT_TRUE(event.ok()) << "line " << lines + 1 << ": " << event.status();
    EXPECT_TRUE(ids.insert(std::string(event->id())).second);
    EXPECT_EQ(event->source(), absl::string_view("storyboard"));
    const auto json = nlohmann::ordered_json::parse(line);
    const nlohmann::ordered_json& data = json["data"];
    std::vector<std::string> have;
    for (const auto& [key, value] : data.items()) have.push_back(key);
    EXPECT_EQ(have, keys) << "line " << lines + 1;
    if (data["resource"] == "timeline_event") timeline.insert(data["resource_after"]["event_type"]);
  }
  EXPECT_EQ(lines, 400);
  EXPECT_EQ(timeline.size(), 22u) << "all kinds of timeline events";
}

}  // namespace
}  // namespace outboard::config
